"""The background as it is at the object's edge: followed from where it is certain into the band, shadows included."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.refine.bands import each, largest, total
from segtile.refine.planes import PlaneField, cells, enlarge_mask
from segtile.types import BoolArray, FloatArray, TileInput

_TOLERANCE = 3.5  # noise sigmas between a cell and the plane that predicts it
_STRICT = 2.0  # the same where the coarse pass believes in object: a faint edge is crossed less easily
_ROUNDS = 3  # times that new islands are looked for, each time with the background that the last ones taught
_ISLAND = 12  # px; smaller ones are left to the matting
_LEAST_NOISE = 0.5 / 255.0  # less than half a code value cannot be seen in 8 bits
_ASSUMED_NOISE = 1.5 / 255.0  # where no pass measured it; not measured per tile, or neighbours would differ

# What a shadow may be: no darker than this, no steeper in a pixel, no further from the background's hue.
_DARKEST = 0.45
_STEEPEST = 0.008
_TINT = 0.03
# Beside a coloured object hue alone tells its shadow from it, so a contact shadow may be this steep there.
_STEEPEST_BY_COLOUR = 0.04
_COLOURED = 0.10  # distance from any shade of the background, sRGB-encoded units
_BESIDE = 24  # px
_SHADED = 0.95  # times the background: below it a pixel of the background's hue is shadow rather than glint


@dataclass(frozen=True)
class LocalBackground:
    """The background of one tile.

    `tone` (h, w, 3) float32 sRGB-encoded, under the object too. `reached` (h, w) bool: pixels that are background
    beyond doubt. `noise` (3,) float32: standard deviation of a pixel around the tone.
    """

    tone: FloatArray
    reached: BoolArray
    noise: FloatArray


def follow_background(x: TileInput) -> LocalBackground | None:
    """Grow the certain background into the band as long as planes through it predict the next pixels.

    Shadows are smooth, so planes follow them; an edge, however faint, leaves the plane by more than the noise. Openings
    that growth cannot walk to, and shadows too steep for it, are recognised by their colour and become new starts. What
    the coarse pass modelled is subtracted first, so that only residuals are left to predict.

    Args:
        x: the refiner's input; without a modelled `background` planes predict the picture itself.

    Returns:
        The background, or None where the tile holds none that is certain.
    """
    certain = ~x.band & (x.prob < 0.5)
    if not certain.any():
        return None
    base = x.background if x.background is not None else np.zeros_like(x.rgb)
    measured = x.noise if x.noise is not None else np.full(3, _ASSUMED_NOISE, np.float32)
    noise = np.maximum(measured, np.float32(_LEAST_NOISE))
    field = PlaneField(x.rgb - base, certain, x.band | certain)
    belief = cells(x.prob[..., None])[..., 0]
    sigmas = np.interp(belief, (0.5, 0.85), (_TOLERANCE, _STRICT)).astype(np.float32)
    field.grow(sigmas[..., None] * noise)
    for _ in range(_ROUNDS):
        islands = _islands(x, base + field.tone, noise)
        if not field.start_from(islands):
            break
        field.grow(sigmas[..., None] * noise)
    tone = (base + field.tone).astype(np.float32)
    close = each(np.abs(x.rgb - tone) < 1.5 * _TOLERANCE * noise)
    grown = enlarge_mask(field.known, certain.shape) & x.band
    return LocalBackground(tone, certain | (grown & close), noise)


def split_shade(rgb: FloatArray, tone: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How bright each pixel is in units of the background, and how far its colour is from that shade of it.

    Returns:
        (h, w) float32 factor, 1 where as bright; (h, w) float32 distance, sRGB-encoded units.
    """
    factor = np.asarray(total(rgb * tone) / np.maximum(total(np.square(tone)), 1e-3), np.float32)
    return factor, np.sqrt(total(np.square(rgb - factor[..., None] * tone)))


def _islands(x: TileInput, tone: FloatArray, noise: FloatArray) -> BoolArray:
    """Pixels of the band that are background by their looks, where the coarse pass does not see an object.

    Either the background's own colour, or a smooth shade of it of the same hue; hue may be off by less where the coarse
    pass hesitates.
    """
    worst = float(noise.max())
    same = each(np.abs(x.rgb - tone) < 3.0 * noise) & (x.prob < 0.6)
    factor, tint = split_shade(x.rgb, tone)
    window = np.ones((2 * _BESIDE + 1, 2 * _BESIDE + 1), np.uint8)
    coloured = cv2.dilate(np.where(x.prob > 0.2, tint, 0).astype(np.float32), window) > _COLOURED
    # glints have the background's hue too, but are brighter than any shadow
    believed = x.prob < np.where(coloured & (factor < _SHADED), 0.8, 0.5)
    shade = (factor > _DARKEST) & (factor < 1.0 + 5.0 * worst) & believed
    shade &= tint < np.where(coloured | (x.prob < 0.35), _TINT, 0.5 * _TINT) + 3.0 * worst
    shade &= _slope(x.rgb) < np.where(coloured, _STEEPEST_BY_COLOUR, _STEEPEST) + worst
    found = x.band & (same | shade)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8), connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= _ISLAND
    large[0] = False
    return large[labels]


def _slope(rgb: FloatArray) -> FloatArray:
    """The steepest channel's gradient, per px, after smoothing over one px."""
    soft = cv2.GaussianBlur(rgb, (0, 0), 1.0)
    step = np.array([[-0.5, 0.0, 0.5]], np.float32)
    across, down = cv2.filter2D(soft, cv2.CV_32F, step), cv2.filter2D(soft, cv2.CV_32F, step.T)
    return np.sqrt(largest(np.square(across)) + largest(np.square(down)))
