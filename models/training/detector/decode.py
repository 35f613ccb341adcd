"""The network's answer as boxes, for the figures taken while it is trained. What users run is segtile's own reader."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]


def kept(boxes: Float, scores: Float, threshold: float, most_iou: float = 0.7) -> tuple[Float, Float]:
    """Boxes (n, 4) x0 y0 x1 y1 and scores (n,) over the threshold, the lesser of two that overlap left out.

    Args:
        boxes: (A, 4) x0 y0 x1 y1.
        scores: (A,) 0..1, the best class's.
        threshold: least score.
        most_iou: overlap from which two boxes are one piece.
    """
    found = np.flatnonzero(scores >= threshold)
    order = found[np.argsort(-scores[found], kind="stable")][:1000]
    b = boxes[order]
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    alive = np.ones(len(order), bool)
    for i in range(len(order)):
        if alive[i]:
            wide = np.minimum(b[i, 2:], b[i + 1 :, 2:]) - np.maximum(b[i, :2], b[i + 1 :, :2])
            inner = np.clip(wide, 0, None).prod(axis=1)
            alive[i + 1 :] &= inner <= most_iou * (area[i] + area[i + 1 :] - inner)
    return b[alive], scores[order[alive]]
