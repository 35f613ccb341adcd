"""From the output of a YOLO head to boxes, scores, classes and mask coefficients, in px of the network's input.

Two kinds of head: raw (4 + classes + coefficients, N), boxes as centre and size, one score per class, which still holds
every object many times (v8, v9, 11, 12 and exports of YOLO26 without its end-to-end branch); and rows (N, 6 +
coefficients) of x0, y0, x1, y1, score, class, which are final (YOLO26, v10, exports with nms=True). Numbers are those
of ultralytics' predictor: the best class of a box counts, suppression within a class at IoU 0.7, at most 300 a window.

Rows that are no numbers are passed on, not hidden: whoever takes the detections counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segtile.types import Array, FloatArray, IntArray

#: ultralytics' defaults: IoU above which the weaker box of a class goes; boxes that suppression looks at; boxes kept.
IOU, MOST_CANDIDATES, MOST_KEPT = 0.7, 30_000, 300


@dataclass(frozen=True)
class Found:
    """N boxes (x0, y0, x1, y1) float32 in px of the network's input, best first; `coefficients` (N, k), k may be 0."""

    boxes: FloatArray
    scores: FloatArray
    labels: IntArray
    coefficients: FloatArray

    def take(self, index: npt.NDArray[Any]) -> Found:
        """The rows of an index or mask."""
        return Found(self.boxes[index], self.scores[index], self.labels[index], self.coefficients[index])


def decode_raw(output: Array, classes: int, confidence: float) -> Found:
    """Decode a raw head.

    Args:
        output: (4 + classes + k, N): centre x, centre y, width, height, a score per class, k coefficients.
        classes: how many of the rows are scores.
        confidence: only scores above it are kept.

    Returns:
        What is left after suppression within each class.
    """
    scores = output[4 : 4 + classes].max(axis=0)  # not a number where any of them is
    some = np.flatnonzero(~(scores <= confidence))
    picked = output[:, some].astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found to be no number further on
        half = picked[2:4] / 2
        boxes = np.concatenate([picked[:2] - half, picked[:2] + half]).T
    labels = picked[4 : 4 + classes].argmax(axis=0).astype(np.int32)
    found = Found(boxes, picked[4 : 4 + classes].max(axis=0), labels, picked[4 + classes :].T)
    sound = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
    kept = found.take(np.flatnonzero(sound))
    return _joined(kept.take(suppress(kept.boxes, kept.scores, kept.labels)), found.take(np.flatnonzero(~sound)))


def decode_rows(output: Array, confidence: float) -> Found:
    """Take the rows (N, 6 + k) of an end-to-end head: x0, y0, x1, y1, score, class, k coefficients.

    A class that is no whole number from 0 up becomes -1.
    """
    rows = output[~(output[:, 4] <= confidence)][:MOST_KEPT].astype(np.float32, copy=False)
    classes = np.nan_to_num(rows[:, 5], nan=-1, posinf=-1, neginf=-1)
    whole = (classes >= 0) & (classes < 2**31 - 1) & (classes == np.rint(classes))
    return Found(rows[:, :4], rows[:, 4], np.where(whole, classes, -1).astype(np.int32), rows[:, 6:])


def suppress(boxes: FloatArray, scores: FloatArray, labels: IntArray) -> npt.NDArray[np.intp]:
    """Indices of the boxes that stand after suppression within each class, best first.

    Args:
        boxes: (N, 4) x0, y0, x1, y1, numbers only.
        scores: (N,), numbers only.
        labels: (N,).
    """
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    corners = boxes[order].astype(np.float64)
    sizes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    below = float(scores.min(initial=0)) - 1  # the confidence has been asked already
    kept = cv2.dnn.NMSBoxesBatched(sizes.tolist(), scores[order].tolist(), labels[order].tolist(), below, IOU)
    return order[np.sort(np.asarray(kept, np.intp).reshape(-1))][:MOST_KEPT]


def _joined(first: Found, second: Found) -> Found:
    return Found(
        np.concatenate([first.boxes, second.boxes]),
        np.concatenate([first.scores, second.scores]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.coefficients, second.coefficients]),
    )
