"""What an edit lacks against its original at low frequency, outside what it changed on purpose."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.edit.cells import CELL, dilated
from segtile.edit.perceptual import distance
from segtile.edit.tone import NOTHING, fit_tone
from segtile.types import BoolArray, FloatArray

#: (rows, columns, bands) float32 on the cell grid: what must be added.
Drifted = FloatArray

#: Differences beyond this are wanted, delta E; drift that is left after the tiles were corrected is far below it.
WANTED = 3.0
#: Standard deviation of the low pass, px.
SIGMA = 64.0
_GROW = 2  # cells around a change that may hold some of it


def where_changed(wanted: FloatArray, found: FloatArray, limit: float | FloatArray = WANTED) -> BoolArray:
    """The cells that an edit means to be different: those far from the original, and their neighbours.

    Args:
        wanted: (rows, columns, bands) float32, the original's cell means (after the edit's global tone).
        found: the edit's.
        limit: delta E, one or (rows, columns).
    """
    apart = distance(wanted, found)
    odd = (apart > limit).astype(np.uint8)
    odd = np.asarray(cv2.morphologyEx(odd, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)))
    return dilated(odd.astype(bool), _GROW)


def missing(wanted: FloatArray, found: FloatArray, changed: BoolArray, sigma: float = SIGMA) -> Drifted:
    """The low pass of wanted - found over unchanged cells; fades to nothing far from all of them.

    The picture's own global tone is kept: it is wanted. Exactly 0 where the pictures are equal.

    Source: Knutsson, Westin: Normalized and Differential Convolution, CVPR 1993.
    """
    steady = ~changed
    if steady.sum() < 16:
        return np.zeros_like(found)
    tone = fit_tone(wanted[steady], found[steady])
    gap = tone(wanted) - found
    gap[np.abs(gap) <= NOTHING] = 0
    return low_pass(gap, steady.astype(np.float32), sigma)


def low_pass(gap: FloatArray, weight: FloatArray, sigma: float = SIGMA) -> FloatArray:
    """Gaussian means of (rows, columns, bands) under weights (rows, columns); 0 where no weight is near."""
    if not gap.any():
        return np.zeros_like(gap)
    wide = sigma / CELL
    mixed = np.dstack([gap * weight[..., None], weight]).astype(np.float32)
    planes = [
        cv2.GaussianBlur(mixed[..., k], (0, 0), wide, borderType=cv2.BORDER_REFLECT) for k in range(mixed.shape[2])
    ]
    blurred = np.stack(planes, axis=-1)
    return np.asarray(blurred[..., :-1] / (blurred[..., -1:] + np.float32(1e-2)), np.float32)
