"""What object of the coarse map each piece lies on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segtile.detected import CropMask, Detections
from segtile.masks.crop import sampled
from segtile.types import CoarseMap, IntArray

_MAJORITY = 0.5


def anchors_of(pieces: Detections, coarse: CoarseMap) -> IntArray:
    """The coarse object that holds most of each piece.

    Counted on the map's cells: those whose centres the piece's mask (else its box) holds. A piece that is smaller than
    a cell, or no object of which holds more than half, has no anchor: a box drawn around a ring is mostly background.

    Returns:
        (N,) int32, labels of the map; 0 for none.
    """
    found = np.zeros(len(pieces), np.int32)
    for n in range(len(pieces)):
        mask = None if pieces.masks is None else pieces.masks[n]
        labels = _labels_in_box(pieces.boxes[n], coarse) if mask is None else _labels_in_mask(mask, coarse)
        if labels.size:
            most = np.bincount(labels).argmax()
            if most and (labels == most).sum() > _MAJORITY * labels.size:
                found[n] = most
    return found


def _centres(first: float, last: float, cells: int, factor: float) -> npt.NDArray[np.intp]:
    """The cells of one axis whose centres lie in [first, last)."""
    low, high = np.ceil(np.array([first, last]) / factor - 0.5).astype(np.intp)
    return np.arange(max(low, 0), min(high, cells))


def _labels_in_box(box: npt.NDArray[np.float32], coarse: CoarseMap) -> IntArray:
    x0, y0, x1, y1 = box.tolist()
    (fx, fy), (h, w) = coarse.factors, coarse.prob.shape
    rows, columns = _centres(y0, y1, h, fy), _centres(x0, x1, w, fx)
    return coarse.labels[np.ix_(rows, columns)].ravel()


def _labels_in_mask(mask: CropMask, coarse: CoarseMap) -> IntArray:
    (fx, fy), (h, w) = coarse.factors, coarse.prob.shape
    rows, columns = _centres(mask.box.y0, mask.box.y1, h, fy), _centres(mask.box.x0, mask.box.x1, w, fx)
    if not (rows.size and columns.size):
        return np.empty(0, np.int32)
    y = np.minimum(((rows + 0.5) * fy).astype(np.intp), mask.box.y1 - 1)
    x = np.minimum(((columns + 0.5) * fx).astype(np.intp), mask.box.x1 - 1)
    return coarse.labels[np.ix_(rows, columns)][sampled(mask, y, x)]
