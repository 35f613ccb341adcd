"""Boxes fused as SAHI fuses them: its groups, then its merge, for all groups at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from segtile.backends.sahi_fusion import BoxMethod, Metric, matches
from segtile.detected import Detections
from segtile.types import FloatArray, IntArray

Rows = npt.NDArray[np.intp]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fused:
    """Groups of pieces, each one object: group g is made of `members[starts[g] : starts[g + 1]]`.

    `members` are rows of the pieces, the best of each group first; `boxes` (G, 4) float32, `scores` (G,) float32 and
    `labels` (G,) int32 are the groups' own. Rows in no group were suppressed.
    """

    members: Rows
    starts: Rows
    boxes: FloatArray
    scores: FloatArray
    labels: IntArray

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def groups(self) -> list[list[int]]:
        """The rows of each group."""
        members = self.members.tolist()
        return [members[begin:end] for begin, end in pairwise(self.starts.tolist())]


def group_boxes(
    pieces: Detections,
    *,
    method: BoxMethod = "greedy-nmm",
    metric: Metric = "IOS",
    threshold: float = 0.5,
    class_agnostic: bool = False,
) -> Fused:
    """Fuse boxes as `sahi.predict.get_sliced_prediction` does; its defaults are these.

    A group's box is the union of its members', its score their highest, its label that of the highest. As in SAHI, a
    box that matched the best one is compared again with the union as it has grown by then, and is dropped, not kept,
    where it no longer matches. In the order of SAHI's result.

    Raises:
        BackendMissing: sahi is not installed.
    """
    found = matches(
        pieces.boxes,
        pieces.scores,
        pieces.labels,
        method=method,
        metric=metric,
        threshold=threshold,
        class_agnostic=class_agnostic,
    )
    sizes = np.fromiter((1 + len(rows) for rows in found.values()), np.intp, len(found))
    rows = np.fromiter((row for keep, merged in found.items() for row in (keep, *merged)), np.intp, int(sizes.sum()))
    taken, boxes, best = _merge(pieces, rows, sizes, metric, threshold)
    owner = np.repeat(np.arange(len(sizes)), sizes)[taken]
    starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=len(sizes))))).astype(np.intp)
    return Fused(rows[taken], starts, boxes.astype(np.float32), pieces.scores[best], pieces.labels[best])


def union_of_rows(pieces: Detections, rows: Rows, starts: Rows) -> Fused:
    """Every group as it is: the union of its boxes, its highest score and that piece's label.

    Args:
        pieces: the pieces.
        rows: the groups one after the other, none empty, the best piece of each first.
        starts: where each begins, and where the last one ends.
    """
    first = starts[:-1]
    if not len(first):
        return Fused(rows, starts, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    boxes = pieces.boxes[rows]
    low, high = np.minimum.reduceat(boxes[:, :2], first), np.maximum.reduceat(boxes[:, 2:], first)
    best = rows[first]
    return Fused(rows, starts, np.concatenate((low, high), axis=1), pieces.scores[best], pieces.labels[best])


def _merge(
    pieces: Detections, rows: Rows, sizes: Rows, metric: Metric, threshold: float
) -> tuple[npt.NDArray[np.bool_], Doubles, Rows]:
    """(which rows were taken, the groups' boxes, the row whose score and label each group has).

    Every group takes its members in turn, so the n-th members of all groups that have one are looked at together.
    SAHI reckons in double precision here.
    """
    boxes = pieces.boxes.astype(np.float64)
    order = np.argsort(-sizes, kind="stable")  # groups with an n-th member come before those without
    first = (np.cumsum(sizes) - sizes)[order]
    grown, best = boxes[rows[first]], rows[first]
    taken = np.zeros(len(rows), np.bool_)
    taken[first] = True
    more = np.searchsorted(-sizes[order], -np.arange(1, int(sizes.max(initial=1))), side="left")
    for n, groups in enumerate(more.tolist(), start=1):
        at = first[:groups] + n
        member = rows[at]
        kept = np.flatnonzero(_overlap(grown[:groups], boxes[member], metric) >= threshold)
        taken[at[kept]] = True
        added = member[kept]
        grown[kept, :2] = np.minimum(grown[kept, :2], boxes[added, :2])
        grown[kept, 2:] = np.maximum(grown[kept, 2:], boxes[added, 2:])
        # at equal scores the later one's label counts, as in SAHI
        better = ~(pieces.scores[best[kept]] > pieces.scores[added])
        best[kept[better]] = added[better]
    back = np.empty(len(order), np.intp)
    back[order] = np.arange(len(order))
    return taken, grown[back], best[back]


def _overlap(a: Doubles, b: Doubles, metric: Metric) -> Doubles:
    """IOU or IOS of boxes row by row; 0 where there is no area to divide by."""
    size = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.prod(np.maximum(size, 0), axis=1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b)]
    whole = areas[0] + areas[1] - shared if metric == "IOU" else np.minimum(*areas)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
