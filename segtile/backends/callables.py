"""Any callable as a Detector: the convention of supervision's InferenceSlicer, window in, detections out.

What comes back may be our Detections, anything shaped like supervision.Detections (`xyxy`, `confidence`, `class_id`,
`mask` dense or compact, `data["class_name"]`; nothing is imported for it), or rows (N, 6) of x0, y0, x1, y1, score,
class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from segtile.backends.window_masks import crop_of
from segtile.backends.windows import check_windows
from segtile.detected import CropMask, Detections
from segtile.errors import ModelError
from segtile.types import Array, Box


class CallableDetector:
    """A function of one window as a Detector.

    `names` are those given, or those that the function's own answers bring along (supervision's class_name); a class
    that nobody has named is called by its index. `masks` tells whether an answer has brought any so far.
    """

    def __init__(self, function: Callable[[Array], Any], names: Sequence[str] = (), name: str | None = None) -> None:
        """Wrap a function.

        Args:
            function: takes (h, w, 3) uint8 sRGB and gives one of the kinds that the module names, in window px.
            names: the classes by index; empty for those that the answers name.
            name: what the detector is called; the function's own name where it has one.
        """
        self._function = function
        self._given = tuple(names)
        self._seen: dict[int, str] = {}
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        self.masks = False

    @property
    def names(self) -> tuple[str, ...]:
        """The classes known so far."""
        if self._given or not self._seen:
            return self._given
        return tuple(self._seen.get(index, str(index)) for index in range(max(self._seen) + 1))

    @property
    def input_size(self) -> None:
        """A function takes any size."""
        return None

    @property
    def batch(self) -> int:
        """A function takes one window a call."""
        return 1

    @property
    def digest(self) -> None:
        """A function has no file to be known by."""
        return None

    def detect(self, windows: Sequence[Array]) -> list[Detections]:
        """Call the function on each window; see `Detector`."""
        check_windows(windows)
        return [self._detect(window) for window in windows]

    def _detect(self, window: Array) -> Detections:
        try:
            answer = self._function(window)
        except Exception as error:
            raise ModelError(f"the detector {self.name} failed: {type(error).__name__}: {error}") from error
        found, names = read_answer(answer, window.shape[:2], self.name)
        self._seen.update(names)
        self.masks = self.masks or found.masks is not None
        return found


def read_answer(answer: Any, window: tuple[int, int], who: str) -> tuple[Detections, dict[int, str]]:
    """An answer of one of the kinds that the module names as Detections, and the class names that it brings.

    Args:
        answer: what a detector gave for one window.
        window: (height, width).
        who: the detector, for messages.

    Raises:
        ModelError: it is none of those kinds, or its parts disagree.
    """
    if isinstance(answer, Detections):
        return answer, {}
    if hasattr(answer, "xyxy"):
        return _from_supervision(answer, window, who)
    if isinstance(answer, list | tuple) or hasattr(answer, "__array__"):
        return _from_rows(answer, who), {}
    raise ModelError(
        f"the detector {who} gave a {type(answer).__name__}; Detections, supervision.Detections or an array (N, 6) of "
        "x0, y0, x1, y1, score, class are expected"
    )


def _from_rows(answer: Any, who: str) -> Detections:
    try:
        rows = np.asarray(answer, np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the detector {who} gave rows that are no array of numbers: {error}") from error
    if rows.size == 0:
        rows = rows.reshape(0, 6)
    if rows.ndim != 2 or rows.shape[1] != 6:
        raise ModelError(f"the detector {who} gave an array {rows.shape}; (N, 6) is expected")
    return _detections(rows[:, :4], rows[:, 4], rows[:, 5], None)


def _from_supervision(answer: Any, window: tuple[int, int], who: str) -> tuple[Detections, dict[int, str]]:
    """Scores that are missing count as 1, classes that are missing as class 0: supervision allows both."""
    try:
        boxes = np.asarray(answer.xyxy, np.float64).reshape(-1, 4)
        count = len(boxes)
        scores = _column(getattr(answer, "confidence", None), count, 1.0)
        labels = _column(getattr(answer, "class_id", None), count, 0.0)
    except (TypeError, ValueError) as error:
        raise ModelError(f"the detector {who} gave boxes, scores and classes that disagree: {error}") from error
    mask = getattr(answer, "mask", None)
    found = _detections(boxes, scores, labels, None if mask is None else _masks(mask, count, window, who))
    data = getattr(answer, "data", None)
    named = data.get("class_name", ()) if isinstance(data, dict) else ()
    pairs = zip(found.labels.tolist(), named, strict=False)
    return found, {label: str(name) for label, name in pairs if 0 <= label < 100_000}


def _column(values: Any, count: int, missing: float) -> Array:
    if values is None:
        return np.full(count, missing)
    column = np.asarray(values, np.float64)
    if column.shape != (count,):
        raise ValueError(f"{column.shape} values for {count} boxes")
    return column


def _masks(mask: Any, count: int, window: tuple[int, int], who: str) -> tuple[CropMask, ...]:
    """Dense (N, h, w) masks or supervision's CompactMask, whose crops are taken as they are."""
    shape = tuple(getattr(mask, "shape", ()))
    if len(shape) != 3 or shape[0] != count:
        raise ModelError(f"the detector {who} gave masks {shape} for {count} boxes; (N, height, width) is expected")
    # a mask of another size keeps the frame it came with: whoever checks the detections finds it does not fit
    frame = Box.frame(shape[2], shape[1])
    if not (hasattr(mask, "crop") and hasattr(mask, "offsets")):
        return tuple(crop_of(np.ascontiguousarray(mask[i]) > 0.5, frame) for i in range(count))
    crops = []
    for i, (x, y) in enumerate(np.asarray(mask.offsets).tolist()):
        bits = np.asarray(mask.crop(i), np.bool_)
        crops.append(CropMask.from_bits(bits, Box(x, y, x + bits.shape[1], y + bits.shape[0]), frame))
    return tuple(crops)


def _detections(boxes: Array, scores: Array, classes: Array, masks: tuple[CropMask, ...] | None) -> Detections:
    """Float columns as Detections; a class that is no whole number from 0 up becomes -1."""
    with np.errstate(over="ignore"):
        whole = (classes >= 0) & (classes < 2**31 - 1) & (classes == np.rint(classes))
        labels = np.where(whole, classes, -1).astype(np.int32)
        return Detections(
            boxes.astype(np.float32), scores.astype(np.float32), labels, np.zeros(len(boxes), np.int32), masks
        )
