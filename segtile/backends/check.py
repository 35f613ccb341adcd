"""What a detector gave, made safe: what no later step could use is dropped and counted, neither passed on nor hidden.

Models are other people's code. A wrong layout of the whole answer is an error; a wrong detection costs only itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from segtile.detected import CropMask, Detections
from segtile.errors import ModelError
from segtile.types import Array, BoolArray, Box

#: A box that sticks out of its window by no more than this many px is cut off without a word: all networks do that.
USUAL_OVERSHOOT = 1.0
#: Scores may miss 0..1 by this much through rounding; they are moved to the end of the range.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Faults:
    """How many detections had which fault; all but `clipped` were dropped. Sums with +."""

    not_numbers: int = 0
    bad_scores: int = 0
    unknown_class: int = 0
    empty_boxes: int = 0
    outside: int = 0
    bad_masks: int = 0
    clipped: int = 0

    def __add__(self, other: Faults) -> Faults:
        return Faults(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def dropped(self) -> int:
        """Detections that are missing from the result."""
        return sum(getattr(self, f.name) for f in fields(self)) - self.clipped

    def sentences(self) -> tuple[str, ...]:
        """One sentence for each fault that occurred."""
        said = {
            "not_numbers": "had a box or score that is no number and {was} dropped",
            "bad_scores": "had a score outside 0..1 and {was} dropped",
            "unknown_class": "had a class that the model does not have and {was} dropped",
            "empty_boxes": "had an empty or inverted box and {was} dropped",
            "outside": "lay wholly outside {its} window and {was} dropped",
            "bad_masks": "had a mask that is empty or does not fit {its} window and {was} dropped",
            "clipped": "reached out of {its} window and {was} cut off at it",
        }
        words = {1: {"was": "was", "its": "its"}}
        many = {"was": "were", "its": "their"}
        counts = [(getattr(self, name), text) for name, text in said.items()]
        return tuple(
            f"{n} detection{'' if n == 1 else 's'} {text.format(**words.get(n, many))}" for n, text in counts if n
        )


def checked(found: Detections, window: tuple[int, int], names: Sequence[str]) -> tuple[Detections, Faults]:
    """Drop what is unusable in one window's detections, cut boxes off at the window, and count both.

    Args:
        found: as a detector gave it, in window px; types are made those of `Detections`.
        window: (height, width) of the window.
        names: the model's classes; empty where it does not name them, then every class from 0 up is good.

    Returns:
        The good detections in their order, and the faults. A detection with several faults counts for the first of
        them, in the order of `Faults`.

    Raises:
        ModelError: arrays of wrong shapes or lengths: nothing of the answer can be trusted.
    """
    boxes, scores, labels, tiles = _arrays(found)
    frame = Box.frame(window[1], window[0])
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    scored = (scores >= -ROUNDING) & (scores <= 1 + ROUNDING)
    known = (labels >= 0) & (labels < (len(names) or np.iinfo(np.int32).max))
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    ends = np.array([frame.x1, frame.y1], np.float32)
    within = (boxes[:, 2:] > 0).all(axis=1) & (boxes[:, :2] < ends).all(axis=1)
    fitting = _fitting(found.masks, frame, len(boxes))

    good = np.ones(len(boxes), np.bool_)
    dropped = {}
    tests = {"not_numbers": finite, "bad_scores": scored, "unknown_class": known, "empty_boxes": solid}
    for name, passed in {**tests, "outside": within, "bad_masks": fitting}.items():
        dropped[name] = int(np.count_nonzero(good & ~passed))
        good &= passed
    index = np.flatnonzero(good)
    cut = np.clip(boxes[index], 0, np.tile(ends, 2)).astype(np.float32)
    far = (np.abs(cut - boxes[index]) > USUAL_OVERSHOOT).any(axis=1)
    kept = Detections(
        boxes=cut,
        scores=np.clip(scores[index], 0, 1).astype(np.float32),
        labels=labels[index].astype(np.int32),
        tiles=tiles[index].astype(np.int32),
        masks=None if found.masks is None else tuple(found.masks[i] for i in index),
    )
    return kept, replace(Faults(**dropped), clipped=int(np.count_nonzero(far)))


def _arrays(found: Detections) -> tuple[Array, Array, Array, Array]:
    """Boxes, scores, labels and tiles, of one length and of kinds that can be compared."""
    if not isinstance(found, Detections):
        raise ModelError(f"a detector has to give segtile.detected.Detections; it gave a {type(found).__name__}")
    boxes, scores, labels, tiles = (np.asarray(a) for a in (found.boxes, found.scores, found.labels, found.tiles))
    count = len(scores) if scores.ndim == 1 else -1
    lengths = (boxes.shape, labels.shape, tiles.shape)
    if lengths != ((count, 4), (count,), (count,)):
        raise ModelError(
            f"a detector gave boxes {boxes.shape}, scores {scores.shape}, labels {labels.shape}, tiles {tiles.shape}; "
            "(N, 4) and three times (N,) are expected"
        )
    if found.masks is not None and len(found.masks) != count:
        raise ModelError(f"a detector gave {len(found.masks)} masks for {count} boxes; one for each is expected")
    kinds = {"boxes": (boxes, "fiu"), "scores": (scores, "fiu"), "labels": (labels, "iu"), "tiles": (tiles, "iu")}
    for name, (array, allowed) in kinds.items():
        if array.dtype.kind not in allowed:
            raise ModelError(f"a detector gave {name} of type {array.dtype}; numbers are expected")
    return boxes, scores, labels, tiles


def _fitting(masks: tuple[CropMask, ...] | None, frame: Box, count: int) -> BoolArray:
    if masks is None:
        return np.ones(count, np.bool_)
    return np.fromiter((_fits(mask, frame) for mask in masks), np.bool_, count)


def _fits(mask: CropMask, frame: Box) -> bool:
    """Whether a mask is one of this window and holds a pixel: its frame, its box and its arrays agree."""
    if not isinstance(mask, CropMask) or mask.frame != frame or mask.box.empty or not frame.contains(mask.box):
        return False
    h, w = mask.box.height, mask.box.width
    packed, soft = np.asarray(mask.packed), mask.soft
    if packed.dtype != np.uint8 or packed.shape != (h, (w + 7) // 8):
        return False
    if w % 8 and (packed[:, -1] & (0xFF >> (w % 8))).any():
        return False
    return bool(packed.any()) and (soft is None or (soft.dtype == np.uint8 and soft.shape == (h, w)))
