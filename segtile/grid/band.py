"""The band as the planner asks about it: what a box of cells holds, and what a straight cut through it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segtile.types import BoolArray, Box, CoarseMap, FloatArray

Ints = npt.NDArray[Any]

#: Cut cells are weighed in these integer steps, so that sums are exact and plans do not depend on rounding.
WEIGHT_UNIT = 16
_THIN = 2.0  # further weight of a cut cell where the object is thin
_EDGE = 20  # plain cells that crossing the object's edge once is worth
_BUSY = 2.0  # further weight of a cut cell where the band fills its surroundings


@dataclass(frozen=True)
class CutSums:
    """Prefix sums over the cuts of one axis, indexed [position along the cut, line].

    Line c cuts between the cells c - 1 and c. `weight` (n + 1, lines) int32 sums the weights of the pairs of
    neighbouring band cells a line parts, `starts` (n + 1, lines) int16 counts where runs of such pairs begin, and
    `pair` (n, lines) bool is True where there is a pair.
    """

    weight: Ints
    starts: Ints
    pair: BoolArray

    def at(self, line: int | Ints, lo: int | Ints, hi: int | Ints) -> tuple[Ints, Ints]:
        """(weight, runs) that `line` cuts between the positions lo and hi - 1; the arguments broadcast."""
        size = self.pair.shape[0]
        first = np.minimum(lo, size - 1)
        before = self.pair[first, line] & self.pair[np.maximum(first, 1) - 1, line] & (np.asarray(lo) > 0)
        runs = self.starts[hi, line].astype(np.int64) - self.starts[lo, line] + (before & (np.asarray(hi) > lo))
        return self.weight[hi, line].astype(np.int64) - self.weight[lo, line], runs


@dataclass(frozen=True)
class Band:
    """Answers about boxes of map cells (x0, y0, x1, y1), all from prefix sums.

    `px_x`, `px_y` hold the first frame pixel of every column and row of cells and, last, the frame's end, by the rule
    of `CoarseMap.cells`; boxes of cells that do not overlap are therefore boxes of pixels that do not overlap.
    `column_sums` (h + 1, w) and `row_sums` (h, w + 1) count band cells along y and along x. `across_x` are the cuts of
    vertical lines, indexed [row, column]; `across_y` those of horizontal ones, indexed [column, row].
    """

    unsure: BoolArray
    px_x: Ints
    px_y: Ints
    column_sums: Ints
    row_sums: Ints
    across_x: CutSums
    across_y: CutSums

    def shrink(self, x0: int, y0: int, x1: int, y1: int) -> tuple[int, int, int, int] | None:
        """The bounding box of the band cells in a box of cells; None where it holds none."""
        cols = np.flatnonzero(self.column_sums[y1, x0:x1] != self.column_sums[y0, x0:x1])
        if not cols.size:
            return None
        rows = np.flatnonzero(self.row_sums[y0:y1, x1] != self.row_sums[y0:y1, x0])
        return x0 + int(cols[0]), y0 + int(rows[0]), x0 + int(cols[-1]) + 1, y0 + int(rows[-1]) + 1

    def to_pixels(self, x0: int, y0: int, x1: int, y1: int) -> Box:
        """The frame pixels of a box of cells."""
        return Box(int(self.px_x[x0]), int(self.px_y[y0]), int(self.px_x[x1]), int(self.px_y[y1]))


def _cut_sums(unsure: BoolArray, weight: Ints, prob: FloatArray) -> CutSums:
    """Sums for the lines between columns; `weight` is per cell, `prob` says where the object's edge is crossed."""
    height, width = unsure.shape
    pair = np.zeros((height, width + 1), dtype=bool)
    pair[:, 1:-1] = unsure[:, 1:] & unsure[:, :-1]
    sums = np.zeros((height + 1, width + 1), dtype=np.int32)
    either = np.maximum(weight[:, 1:], weight[:, :-1])
    inside = np.minimum(prob[:, 1:], prob[:, :-1]) >= 0.5
    edges = np.diff(inside, axis=0, prepend=False).astype(np.int32)
    edges[:-1] += edges[1:] * ~pair[1:, 1:-1]  # an edge at which the band ends counts on the band's side
    price = np.where(pair[:, 1:-1], either + edges * np.int32(_EDGE * WEIGHT_UNIT), 0)
    np.cumsum(price, axis=0, dtype=np.int32, out=sums[1:, 1:-1])
    begins = pair.copy()
    begins[1:] &= ~pair[:-1]
    starts = np.zeros((height + 1, width + 1), dtype=np.int16)
    np.cumsum(begins, axis=0, dtype=np.int16, out=starts[1:])
    return CutSums(sums, starts, pair)


def _quiet_weight(coarse: CoarseMap, reach: int) -> Ints:
    """Weight of cutting each cell, int32: one unit where the edge is plain, more where things are thin or crowded.

    Thin is what an opening of the object by a small disc removes. Crowded is the share of band cells in a window of
    `reach` cells, counted from the share that a plain edge of the usual width has there.
    """
    solid = (coarse.prob >= 0.5).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    thin = cv2.dilate(solid - cv2.morphologyEx(solid, cv2.MORPH_OPEN, disc), np.ones((5, 5), np.uint8))
    side = 2 * reach + 1
    share = cv2.blur(coarse.unsure.astype(np.float32), (side, side), borderType=cv2.BORDER_CONSTANT)
    weight: Ints = np.rint(WEIGHT_UNIT * (1.0 + _THIN * thin + _BUSY * share)).astype(np.int32)
    return weight


def _starts(cells: Ints, count: int) -> Ints:
    """First pixel of each of `count` cells, and the end, from the cell of every pixel."""
    starts: Ints = np.searchsorted(cells, np.arange(count + 1))
    return starts


def index_band(coarse: CoarseMap, core_cells: int, keep_whole: BoolArray, keep_weight: int) -> Band:
    """Everything the planner needs to know of a coarse map.

    `core_cells` is the side of a core in cells and sets how far "busy" looks; cells under `keep_whole` (h, w) belong to
    objects that fit one tile, and cutting them costs `keep_weight` more per cell.
    """
    rows, cols = coarse.cells(coarse.frame)
    height, width = coarse.unsure.shape
    unsure = np.ascontiguousarray(coarse.unsure, dtype=bool)
    weight = _quiet_weight(coarse, max(1, core_cells // 16))
    weight += np.where(keep_whole, np.int32(keep_weight * WEIGHT_UNIT), np.int32(0))
    column_sums = np.zeros((height + 1, width), dtype=np.int32)
    np.cumsum(unsure, axis=0, out=column_sums[1:])
    row_sums = np.zeros((height, width + 1), dtype=np.int32)
    np.cumsum(unsure, axis=1, out=row_sums[:, 1:])
    return Band(
        unsure,
        _starts(cols, width),
        _starts(rows, height),
        column_sums,
        row_sums,
        _cut_sums(unsure, weight, coarse.prob),
        _cut_sums(*(np.ascontiguousarray(m.T) for m in (unsure, weight, coarse.prob))),
    )
