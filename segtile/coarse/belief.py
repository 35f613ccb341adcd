"""Object or background for the smooth parts of a picture: what the walker is told, and its answer."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.coarse.view import View
from segtile.coarse.walker import WALK_SIDE, walk
from segtile.types import FloatArray

#: Weight of a seed beside an outline, per walker cell. A shadow some thirty cells wide outweighs it, an object that
#: is tied to the background by a gap in its outline only does not.
_SEED = 0.05

#: Weight with which a neutral, not too dark cell leans to being shadow; so small that only enclosed areas follow it.
_LEAN = 0.00002


def smooth_belief(view: View) -> FloatArray:
    """Probability of object by the random walker, (h, w) float32; meant for cells away from sharp edges."""
    h, w = view.tone.shape
    for_object, for_background = _priors(view)
    _seed_outlines(for_object, view)
    edges, wide = view.edges, view.wide_edges
    spread = cv2.resize(wide.strength / wide.weak, (w, h), interpolation=cv2.INTER_LINEAR)
    resistance = np.maximum(edges.strength / edges.weak, 0.8 * spread)
    factor = max(1, -(-max(h, w) // WALK_SIDE))
    belief = walk(
        _pool(resistance, factor, most=True),
        _pool(for_object, factor, most=False),
        _pool(for_background, factor, most=False),
    )
    tall = cv2.resize(belief, (belief.shape[1] * factor, belief.shape[0] * factor), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(tall[:h, :w])


def _priors(view: View) -> tuple[FloatArray, FloatArray]:
    """What each cell's own tone and chroma say, as weights for object and for background."""
    limit = view.ground.tone_limit
    bright = np.maximum(view.tone - limit, 0) / 8
    # A little colour may be light thrown back by the object: its weight grows with the square.
    coloured = (np.maximum(view.chroma - view.tint + 0.04 * np.minimum(view.tone, 0), 0) / 15) ** 2
    black = np.maximum(0.5 - view.ratio, 0) * 4
    depth = 1 - view.ratio
    allowed = 0.03 + 1.3 * view.shade + 0.35 * view.telling
    for_object = 0.3 * np.clip(bright + coloured + black, 0, 1)
    for_object += (0.006 + 0.01 * view.telling) * np.clip(view.chroma / view.tint - 1.2, 0, 1)
    for_object += 0.0005 * np.clip(depth / allowed - 1, 0, 1)
    calm = np.exp(-2 * (view.chroma / view.tint) ** 2)
    for_background = 0.03 * calm * np.exp(-2 * (view.tone / limit) ** 2)
    shadow = calm * np.clip(1.5 - depth / allowed, 0, 1) * (view.tone < 0)
    for_background += (_LEAN + 0.003 * view.telling) * shadow
    for_object[view.edges.mask] = 0
    for_background[view.edges.mask] = 0
    return for_object.astype(np.float32), for_background.astype(np.float32)


def _seed_outlines(for_object: FloatArray, view: View) -> None:
    """Let every sharp edge against the background say on which side of it an object is: on the one that differs more.

    Shadows end softly, so a sharp edge with the background's colour on one side has an object on the other. A contact
    shadow has such an edge too, against a pale object; it is outweighed by its long soft border with the background.
    """
    h, w = view.tone.shape
    rows, cols = np.nonzero(view.edges.mask)
    dx = cv2.Sobel(view.smooth[..., 0], cv2.CV_32F, 1, 0, ksize=3)[rows, cols]
    dy = cv2.Sobel(view.smooth[..., 0], cv2.CV_32F, 0, 1, ksize=3)[rows, cols]
    norm = np.maximum(np.hypot(dx, dy), 1e-6)
    sides = []
    for step in (-4.0, 4.0):
        y = np.clip(np.rint(rows + step * dy / norm), 0, h - 1).astype(np.intp)
        x = np.clip(np.rint(cols + step * dx / norm), 0, w - 1).astype(np.intp)
        by_tone = (1 - view.telling) * np.abs(view.tone[y, x]) / view.ground.tone_limit
        sides.append((y, x, by_tone + view.chroma[y, x] / view.tint))
    for (y, x, off), (_, _, other) in (sides, sides[::-1]):
        seed = (off > 2.0) & (other < 0.5 * off) & (other < 1.5) & ~view.edges.mask[y, x]
        for_object[y[seed], x[seed]] = np.maximum(for_object[y[seed], x[seed]], _SEED)


def _pool(image: FloatArray, factor: int, most: bool) -> FloatArray:
    """Maximum or mean over blocks of `factor` cells a side; the last blocks repeat the border."""
    h, w = image.shape
    rows, cols = -(-h // factor), -(-w // factor)
    padded = np.pad(image, ((0, rows * factor - h), (0, cols * factor - w)), mode="edge")
    blocks = padded.reshape(rows, factor, cols, factor)
    return np.ascontiguousarray(blocks.max(axis=(1, 3)) if most else blocks.mean(axis=(1, 3)), np.float32)
