"""Where ZIM is told to look: a coarse map over its square, from a box or from points."""

from __future__ import annotations

import numpy as np

from segtile.backends.promptable import PADDING, TOP_LEFT
from segtile.types import FloatArray

_SIGMA = 21.0  # cells


def attention(coords: FloatArray, labels: FloatArray, side: int, stride: int) -> FloatArray:
    """The attention of one prompt.

    Args:
        coords: (n, 2) float32, px of the network's square.
        labels: (n,) float32, as the decoder takes them; a box's corners follow each other.
        side: cells of the map a side.
        stride: px of the square per cell.

    Returns:
        (side, side) float32: 1 over the cells that a box touches, else the largest of Gaussians around the points.

    Source: Kim et al.: ZIM: Zero-Shot Image Matting for Anything, ICCV 2025 (prompt-aware masked attention).
    """
    cells = np.trunc(coords / np.float32(stride)).astype(np.int64)
    corner = np.flatnonzero(labels == TOP_LEFT)
    if corner.size:
        ends = cells[corner[0] : corner[0] + 2]
        (x0, y0), (x1, y1) = np.maximum(ends.min(axis=0), 0), np.minimum(ends.max(axis=0) + 1, side)
        box = np.zeros((side, side), np.float32)
        box[y0:y1, x0:x1] = 1.0
        return box
    at = np.arange(side)
    best = np.zeros((side, side), np.float32)
    for (x, y), label in zip(cells, labels, strict=True):
        if label == PADDING or not (0 <= x < side and 0 <= y < side):
            continue
        squared = np.square(at - x)[None, :] + np.square(at - y)[:, None]
        best = np.maximum(best, np.exp(-squared / (2 * _SIGMA**2)).astype(np.float32))
    return best
