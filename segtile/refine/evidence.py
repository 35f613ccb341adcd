"""What the colours alone say about alpha: each pixel between the local background and the nearest object colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.refine.background import LocalBackground, split_shade
from segtile.refine.bands import total
from segtile.types import BoolArray, FloatArray, TileInput

# Object colours are means over neighbourhoods of these sigmas (px), the smallest that holds any taking most.
_SIGMAS = (12.0, 4.0, 1.5)
# A pixel is fully covered where it differs from the background nearly as much as the most different one within the
# ramp of a soft edge; in a strand thinner than that, its ridge is.
_RAMP = 6  # px
_NEARLY = 0.85
_RIM = 3  # px; the ramp of a sharp edge
_COLOURED = 0.10  # distance from any shade of the background beyond which hue counts, sRGB-encoded units
_FAINT = 5.0  # noise sigmas below which no pixel is a sample of the object
_CLEAR = 8.0  # noise sigmas above which a fully covered pixel is certain
# Further than this from any background pixel, what does not look like background is object.
_DEEP = 5.0  # px
# Strength of the data term beside the matting Laplacian, whose rows sum to some 0.1 to 1; it fades with distance from
# the background, where an object's own texture says nothing about alpha.
_DATA = 0.03
_DATA_FAR = 0.2
_DATA_REACH = 10.0  # px
_PRIOR = 1e-3  # the coarse probability, enough to make the system definite


@dataclass(frozen=True)
class Evidence:
    """`solid` (h, w) bool: certainly object. `guess` (h, w) float32 in [0, 1] and its `weight` (h, w) float32 > 0."""

    solid: BoolArray
    guess: FloatArray
    weight: FloatArray


def weigh_colours(x: TileInput, local: LocalBackground, unknown: BoolArray) -> Evidence:
    """Estimate alpha per pixel from the local background and samples of the object.

    Args:
        x: the refiner's input.
        local: its background.
        unknown: (h, w) bool, where alpha is asked for; the rest of the band is background.

    Returns:
        The evidence; `solid` is a part of `unknown`.
    """
    inside = ~x.band & (x.prob >= 0.5)
    depth = cv2.distanceTransform((~local.reached).astype(np.uint8), cv2.DIST_L2, 5)
    # smoothing over neighbours: one noisy pixel is no sample
    difference = cv2.GaussianBlur(x.rgb - local.tone, (0, 0), 0.6) / local.noise
    distance = np.sqrt(total(np.square(difference)) / 3)
    covered = _unlike_background(x, local) & _covered(distance, unknown, inside) & (depth > 1.5) & unknown
    colour, spread = _object_colours(x.rgb, inside | covered)
    line = colour - local.tone
    contrast = np.maximum(total(np.square(line)), 1e-8)
    guess = np.clip(total((x.rgb - local.tone) * line) / contrast, 0.0, 1.0)
    guess = np.maximum(guess, _by_hue(x.rgb, local, unknown | inside))
    doubt = np.square(local.noise).sum() + spread * np.square(guess)
    near = _DATA_FAR + (1.0 - _DATA_FAR) * np.exp(-np.square(depth / _DATA_REACH))
    weight = _DATA * near * contrast / (contrast + 4.0 * doubt)
    deep = unknown & (depth > _DEEP) & _unlike_background(x, local) & ((guess > 0.6) | (x.prob > 0.7))
    solid = deep | (covered & (depth > 2.5) & (distance > _CLEAR))
    guess = guess + _PRIOR * (x.prob - guess)
    return Evidence(solid, guess.astype(np.float32), (weight + _PRIOR).astype(np.float32))


def _unlike_background(x: TileInput, local: LocalBackground) -> BoolArray:
    """Pixels that are no shade of the background, or that the coarse pass takes for object: (h, w) bool."""
    worst = float(local.noise.max())
    factor, tint = split_shade(x.rgb, local.tone)
    strange = (tint > 0.04 + 4.0 * worst) | (factor < 0.45) | (factor > 1.02 + 4.0 * worst)
    return strange | (x.prob >= 0.5)


def _by_hue(rgb: FloatArray, local: LocalBackground, where: BoolArray) -> FloatArray:
    """Least alpha that the hue alone asks for, (h, w) float32; 0 beside objects without colour.

    The distance from the background's hue is linear in alpha. Polished metal is dark at its rim, so that its mean
    colour lies beyond the rim's; its hue is strongest there.
    """
    tint = split_shade(rgb, local.tone)[1]
    window = np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)
    crest = cv2.dilate(np.where(where, tint, 0).astype(np.float32), window)
    share = np.clip(tint / (_NEARLY * np.maximum(crest, _COLOURED)), 0.0, 1.0)
    return np.where(crest > _COLOURED, share, 0.0).astype(np.float32)


def _covered(distance: FloatArray, unknown: BoolArray, inside: BoolArray) -> BoolArray:
    """Pixels that differ from the background nearly as much as any around them, and clearly: (h, w) bool."""
    window = np.ones((2 * _RAMP + 1, 2 * _RAMP + 1), np.uint8)
    most = cv2.dilate(np.where(unknown | inside, distance, 0).astype(np.float32), window)
    return (distance >= _NEARLY * most) & (distance > _FAINT)


def _object_colours(rgb: FloatArray, samples: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mean colour of the samples near each pixel (h, w, 3) and their variance summed over channels (h, w)."""
    mask = samples.astype(np.float32)
    stack = np.dstack([rgb * mask[..., None], total(np.square(rgb)) * mask])
    mean, spread = np.zeros_like(rgb), np.zeros_like(mask)
    for k, sigma in enumerate(_SIGMAS):
        share = cv2.GaussianBlur(mask, (0, 0), sigma)
        sums = cv2.GaussianBlur(stack, (0, 0), sigma) / np.maximum(share, 1e-6)[..., None]
        here, square = sums[..., :3], sums[..., 3]
        variance = np.maximum(square - total(np.square(here)), 0.0)
        trusted = np.clip(share / 0.02, 0.0, 1.0) if k else np.ones_like(share)
        mean = mean + trusted[..., None] * (here - mean)
        spread = spread + trusted * (variance - spread)
    return mean.astype(np.float32), spread.astype(np.float32)
