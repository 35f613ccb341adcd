"""SAHI's fusion of boxes, by its calls on arrays: boxes in, groups of rows out.

Its postprocess classes are left alone. They say the same, slower, and overwrite the caller's predictions on the way.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from segtile.errors import BackendMissing
from segtile.types import FloatArray, IntArray

BoxMethod = Literal["nms", "greedy-nmm", "nmm"]
Metric = Literal["IOU", "IOS"]

_CALLS = {"nms": "nms", "greedy-nmm": "greedy_nmm", "nmm": "nmm"}


def matches(
    boxes: FloatArray,
    scores: FloatArray,
    labels: IntArray,
    *,
    method: BoxMethod,
    metric: Metric,
    threshold: float,
    class_agnostic: bool,
) -> dict[int, list[int]]:
    """Which boxes SAHI keeps, and which it matches to each.

    Args:
        boxes: (N, 4) float32.
        scores: (N,) float32.
        labels: (N,) int32, below 2**24 (SAHI compares them as float32).
        method: "nms" keeps the best of what overlaps, "greedy-nmm" also matches what overlaps the best box, "nmm" what
            overlaps those, and so on.
        metric: intersection over union, or over the smaller box.
        threshold: the least overlap of a match.
        class_agnostic: whether boxes of different classes may match.

    Returns:
        Rows kept, each with the rows matched to it in SAHI's order; with "nms" these lists are empty.

    Raises:
        BackendMissing: sahi is not installed.

    Source: F. C. Akyon et al., Slicing Aided Hyper Inference, ICIP 2022 (doi 10.1109/ICIP46576.2022.9897990).
    """
    if not len(scores):
        return {}
    combine = _combine()
    call = getattr(combine, _CALLS[method] if class_agnostic else f"batched_{_CALLS[method]}")
    rows = np.column_stack((boxes, scores, labels)).astype(np.float32, copy=False)
    found = call(rows, match_metric=metric, match_threshold=threshold)
    return found if isinstance(found, dict) else {row: [] for row in found}


def _combine() -> Any:
    try:
        from sahi.postprocess import combine
    except ImportError as error:
        raise BackendMissing("fusion by SAHI needs sahi, which is not installed: pip install 'sahi>=0.12.8'") from error
    return combine
