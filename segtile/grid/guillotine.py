"""The best way to saw a region into boxes along given lines: exact dynamic programming over all guillotine cuttings.

A cutting saws a box in two along one straight line from side to side, then each half again, as often as needed. Every
part shrinks to its own band before it is asked whether it fits a tile, so empty surroundings never cost a tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segtile.grid.band import WEIGHT_UNIT, Band, CutSums
from segtile.types import Box

Costs = npt.NDArray[np.float32]
Lines = npt.NDArray[np.intp]
Cells = tuple[int, int, int, int]

_NOWHERE = np.float32(np.inf)


@dataclass(frozen=True)
class Prices:
    """What a plan is charged for, in tiles: `run` per border crossing, `cell` per cell of band cut at plain weight."""

    run: float
    cell: float

    def of(self, weight: Any, runs: Any) -> Any:
        """The price of cuts whose weights and runs are given."""
        return runs * self.run + weight * (self.cell / WEIGHT_UNIT)


@dataclass(frozen=True)
class Room:
    """What fits a tile: its side and halo in frame px and the frame's size."""

    tile: int
    halo: int
    width: int
    height: int

    def span_fits(self, lo: Any, hi: Any, length: int) -> Any:
        """True where the pixels lo .. hi - 1 of an axis, with the halo as far as the frame reaches, fit the tile."""
        return np.minimum(hi + self.halo, length) - np.maximum(lo - self.halo, 0) <= self.tile

    def fits(self, core: Box) -> bool:
        """True where a core fits the tile."""
        return bool(self.span_fits(core.x0, core.x1, self.width) and self.span_fits(core.y0, core.y1, self.height))


@dataclass(frozen=True)
class Node:
    """A part of a cutting: a box of cells, whole (a core) or cut at `line` of `axis` ("x": a vertical line) in two.

    `cost` is what the part costs in tiles, cuts included. `cells` of a core is shrunk to its band.
    """

    cells: Cells
    cost: float
    axis: str = ""
    line: int = 0
    parts: tuple[Node, ...] = ()

    def cores(self) -> list[Cells]:
        """The boxes of all cores below."""
        return [core for part in self.parts for core in part.cores()] if self.axis else [self.cells]


@dataclass(frozen=True)
class _Spans:
    """All spans between two of `count` + 1 lines, sorted by their number of gaps, then by where they begin."""

    count: int
    lo: Lines
    hi: Lines
    index: Lines  # [lo, hi] -> place in lo and hi

    @classmethod
    def between(cls, lines: Lines) -> _Spans:
        count = len(lines) - 1
        lo = np.concatenate([np.arange(count - gaps + 1) for gaps in range(1, count + 1)])
        hi = lo + np.repeat(np.arange(1, count + 1), np.arange(count, 0, -1))
        index = np.zeros((count + 1, count + 1), dtype=np.intp)
        index[lo, hi] = np.arange(lo.size)
        return cls(count, lo, hi, index)

    def of_gaps(self, gaps: int) -> slice:
        """The places of all spans of so many gaps."""
        first = int(self.index[0, gaps])
        return slice(first, first + self.count - gaps + 1)


def _occupied(
    sums: npt.NDArray[Any], across: Lines, ranges: _Spans, along: Lines, spans: _Spans
) -> tuple[Lines, Lines]:
    """First and last occupied cell along one axis of every box of the lattice, each (ranges, spans).

    `sums` (cells + 1, cells) counts band cells before each position of the other axis, `ranges` are the spans of that
    axis. A box is empty where first > last; both then still lie within the lattice.
    """
    picked = sums[across, along[0] : along[-1]]
    taken = picked[ranges.hi] != picked[ranges.lo]
    cells = np.arange(along[0], along[-1], dtype=np.int32)
    slabs = along[:-1] - along[0]
    firsts = np.minimum.reduceat(np.where(taken, cells, cells[-1] + 1), slabs, axis=1)
    lasts = np.maximum.reduceat(np.where(taken, cells, cells[0] - 1), slabs, axis=1)
    first = np.minimum.accumulate(firsts[:, ::-1], axis=1)[:, ::-1][:, spans.lo]
    last = np.maximum.accumulate(lasts, axis=1)[:, spans.hi - 1]
    return first, last


def _cut_prices(sums: CutSums, across: Lines, ranges: _Spans, along: Lines, prices: Prices) -> Costs:
    """Price of cutting along line i through every range of the other axis, (ranges, i)."""
    weight, runs = sums.at(along, across[ranges.lo, None], across[ranges.hi, None])
    return np.asarray(prices.of(weight, runs), dtype=np.float32)


class Lattice:
    """All cuttings of a region along vertical lines `xs` and horizontal lines `ys` (cells, rising, region included).

    Costs are float32 tiles over (y span, x span).
    """

    def __init__(self, band: Band, xs: Lines, ys: Lines, room: Room, prices: Prices) -> None:
        self._band, self._lines_x, self._lines_y = band, xs, ys
        self._xs, self._ys = _Spans.between(xs), _Spans.between(ys)
        left, right = _occupied(band.column_sums, ys, self._ys, xs, self._xs)
        top, bottom = (ends.T for ends in _occupied(band.row_sums.T, xs, self._xs, ys, self._ys))
        fits = room.span_fits(band.px_x[left], band.px_x[right + 1], room.width)
        fits &= room.span_fits(band.px_y[top], band.px_y[bottom + 1], room.height)
        self._empty = left > right
        self._fits = fits & ~self._empty
        self._cut_x = _cut_prices(band.across_x, ys, self._ys, xs, prices)
        self._cut_y = np.ascontiguousarray(_cut_prices(band.across_y, xs, self._xs, ys, prices).T)
        self._best = self._fill()

    def _fill(self) -> Costs:
        """The cost of the best cutting of every box, (y span, x span), from low boxes to tall ones."""
        m, size = self._ys.count, self._xs.lo.size
        best = np.empty((self._ys.lo.size, size), dtype=np.float32)
        # Kept by where boxes begin and, again, by where they end: all cuts of all boxes of one height are then sums of
        # plain slices.
        begins = np.full((m + 1, m + 1, size), _NOWHERE, dtype=np.float32)
        ends = np.full((m + 1, m + 1, size), _NOWHERE, dtype=np.float32)
        for gaps in range(1, m + 1):
            spans, count = self._ys.of_gaps(gaps), m - gaps + 1
            cost = np.full((count, size), _NOWHERE, dtype=np.float32)
            if gaps > 1:
                cut = np.lib.stride_tricks.sliding_window_view(self._cut_y, count, axis=0)[1:gaps]
                halves = begins[1:gaps, :count] + ends[gaps - 1 : 0 : -1, gaps:]
                halves += cut.swapaxes(1, 2)
                cost = halves.min(axis=0)
            cost[self._fits[spans]] = 1
            cost[self._empty[spans]] = 0
            self._saw_upright(cost, self._cut_x[spans])
            best[spans] = begins[gaps, :count] = ends[gaps, gaps:] = cost
        return best

    def _saw_upright(self, cost: Costs, prices: Costs) -> None:
        """Lower `cost` (count, x span), all of one height, in place by vertical cuts; `prices` are (count, line)."""
        n, count = self._xs.count, cost.shape[0]
        begins = np.full((n + 1, count, n + 1), _NOWHERE, dtype=np.float32)
        ends = np.full((n + 1, count, n + 1), _NOWHERE, dtype=np.float32)
        padded = np.full((count, 2 * n + 1), _NOWHERE, dtype=np.float32)
        padded[:, : n + 1] = prices
        cut = np.lib.stride_tricks.sliding_window_view(padded, n + 1, axis=1).swapaxes(0, 1)
        for gaps in range(1, n + 1):
            last, spans = n - gaps + 1, self._xs.of_gaps(gaps)
            if gaps > 1:
                halves = begins[1:gaps, :, :last] + ends[gaps - 1 : 0 : -1, :, gaps:]
                halves += cut[1:gaps, :, :last]
                np.minimum(cost[:, spans], halves.min(axis=0), out=cost[:, spans])
            begins[gaps, :, :last] = ends[gaps, :, gaps:] = cost[:, spans]

    def solve(self) -> Node | None:
        """The cheapest cutting; None where the region holds no band or no cutting along these lines fits."""
        if self._empty[-1, -1] or not np.isfinite(self._best[-1, -1]):
            return None
        return self._trace(0, self._ys.count, 0, self._xs.count)

    def _trace(self, y0: int, y1: int, x0: int, x1: int) -> Node:
        row, column = self._ys.index, self._xs.index
        here = (row[y0, y1], column[x0, x1])
        cells = (int(self._lines_x[x0]), int(self._lines_y[y0]), int(self._lines_x[x1]), int(self._lines_y[y1]))
        if self._fits[here]:
            shrunk = self._band.shrink(*cells)
            assert shrunk is not None
            return Node(shrunk, 1.0)
        k = np.arange(x0 + 1, x1)
        by_x = self._best[here[0], column[x0, k]] + self._best[here[0], column[k, x1]] + self._cut_x[here[0], k]
        k = np.arange(y0 + 1, y1)
        by_y = self._best[row[y0, k], here[1]] + self._best[row[k, y1], here[1]] + self._cut_y[k, here[1]]
        if by_x.size and (not by_y.size or by_x.min() <= by_y.min()):
            at = x0 + 1 + int(by_x.argmin())
            boxes, axis, line = [(y0, y1, x0, at), (y0, y1, at, x1)], "x", int(self._lines_x[at])
        else:
            at = y0 + 1 + int(by_y.argmin())
            boxes, axis, line = [(y0, at, x0, x1), (at, y1, x0, x1)], "y", int(self._lines_y[at])
        parts = tuple(self._trace(*b) for b in boxes if not self._empty[row[b[0], b[1]], column[b[2], b[3]]])
        if len(parts) == 1:  # the line only trimmed an empty side off
            return parts[0]
        return Node(cells, float(self._best[here]), axis, line, parts)
