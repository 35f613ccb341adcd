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

Costs = npt.NDArray[np.float64]
Lines = npt.NDArray[np.intp]
Cells = tuple[int, int, int, int]

_NOWHERE = np.float64(np.inf)


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


def _occupied(sums: npt.NDArray[Any], across: Lines, along: Lines) -> tuple[Lines, Lines]:
    """First and last occupied cell along one axis of every box on the lattice, each (m + 1, m + 1, n + 1).

    `sums` (cells + 1, cells) counts band cells before each position of the `across` axis. The first cell is for boxes
    that begin at along[i], the last for boxes that end there; a box is empty where first > last.
    """
    m, n = len(across) - 1, len(along) - 1
    picked = sums[across, along[0] : along[-1]]
    cells = np.arange(along[0], along[-1])
    far = int(along[-1]) + 1
    first = np.full((m + 1, m + 1, n + 1), far)
    last = np.full((m + 1, m + 1, n + 1), -1)
    slabs = along[:-1] - along[0]
    for lo in range(m):
        taken = picked[lo + 1 :] != picked[lo]
        firsts = np.minimum.reduceat(np.where(taken, cells, far), slabs, axis=1)
        lasts = np.maximum.reduceat(np.where(taken, cells, -1), slabs, axis=1)
        first[lo, lo + 1 :, :n] = np.minimum.accumulate(firsts[:, ::-1], axis=1)[:, ::-1]
        last[lo, lo + 1 :, 1:] = np.maximum.accumulate(lasts, axis=1)
    return first, last


def _cut_prices(sums: CutSums, across: Lines, along: Lines, prices: Prices) -> Costs:
    """Price of cutting along line i between positions a and b of the other axis, (a, b, i)."""
    lo, hi, line = across[:, None, None], across[None, :, None], along[None, None, :]
    weight, runs = sums.at(line, lo, np.maximum(hi, lo))
    return np.asarray(prices.of(weight, runs), dtype=np.float64)


def _whole(band: Band, xs: Lines, ys: Lines, room: Room) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(empty, fits one tile) of every box on the lattice, both (y0, y1, x0, x1)."""
    left, right = _occupied(band.column_sums, ys, xs)
    top, bottom = _occupied(band.row_sums.T, xs, ys)
    x_lo, x_hi = left[:, :, :, None], right[:, :, None, :]
    y_lo = np.moveaxis(top, -1, 0)[:, None]
    y_hi = np.moveaxis(bottom, -1, 0)[None, :]
    empty = (x_lo > x_hi) | (y_lo > y_hi)
    last_x, last_y = len(band.px_x) - 1, len(band.px_y) - 1
    fits = room.span_fits(band.px_x[np.minimum(x_lo, last_x)], band.px_x[x_hi + 1], room.width)
    fits = fits & room.span_fits(band.px_y[np.minimum(y_lo, last_y)], band.px_y[y_hi + 1], room.height)
    return empty, fits & ~empty


class Lattice:
    """All cuttings of a region along vertical lines `xs` and horizontal lines `ys` (cells, rising, region included)."""

    def __init__(self, band: Band, xs: Lines, ys: Lines, room: Room, prices: Prices) -> None:
        self._band, self._xs, self._ys = band, xs, ys
        self._empty, self._fits = _whole(band, xs, ys, room)
        self._cut_x = _cut_prices(band.across_x, ys, xs, prices)
        self._cut_y = _cut_prices(band.across_y, xs, ys, prices)
        self._best = np.full(self._empty.shape, _NOWHERE)
        for rows in range(1, len(ys)):
            self._fill(rows)

    def _fill(self, rows: int) -> None:
        """The best cost of all boxes that span `rows` gaps of horizontal lines, all narrower ones being known."""
        m, n, best = len(self._ys) - 1, len(self._xs) - 1, self._best
        y0 = np.arange(m - rows + 1)
        y1 = y0 + rows
        cost = np.full((len(y0), n + 1, n + 1), _NOWHERE)
        for k in range(1, rows):
            halves = best[y0, y0 + k] + best[y0 + k, y1]
            price = self._cut_y[:, :, y0 + k].transpose(2, 0, 1)
            np.minimum(cost, halves + price, out=cost)
        cost = np.where(self._empty[y0, y1], 0.0, np.where(self._fits[y0, y1], 1.0, cost))
        across = self._cut_x[y0, y1]
        for columns in range(2, n + 1):
            x0 = np.arange(n - columns + 1)[:, None]
            middle = x0 + np.arange(1, columns)
            halves = cost[:, x0, middle] + cost[:, middle, x0 + columns] + across[:, middle]
            here = (slice(None), x0[:, 0], x0[:, 0] + columns)
            cost[here] = np.minimum(cost[here], halves.min(axis=2))
        best[y0, y1] = cost

    def solve(self) -> Node | None:
        """The cheapest cutting; None where the region holds no band or no cutting along these lines fits."""
        root = (0, len(self._ys) - 1, 0, len(self._xs) - 1)
        if self._empty[root] or not np.isfinite(self._best[root]):
            return None
        return self._trace(*root)

    def _trace(self, y0: int, y1: int, x0: int, x1: int) -> Node:
        xs, ys, best = self._xs, self._ys, self._best
        cells = (int(xs[x0]), int(ys[y0]), int(xs[x1]), int(ys[y1]))
        if self._fits[y0, y1, x0, x1]:
            shrunk = self._band.shrink(*cells)
            assert shrunk is not None
            return Node(shrunk, 1.0)
        by_x = best[y0, y1, x0, x0 + 1 : x1] + best[y0, y1, x0 + 1 : x1, x1] + self._cut_x[y0, y1, x0 + 1 : x1]
        by_y = best[y0, y0 + 1 : y1, x0, x1] + best[y0 + 1 : y1, y1, x0, x1] + self._cut_y[x0, x1, y0 + 1 : y1]
        if by_x.size and (not by_y.size or by_x.min() <= by_y.min()):
            k = x0 + 1 + int(by_x.argmin())
            boxes, axis, line = [(y0, y1, x0, k), (y0, y1, k, x1)], "x", int(xs[k])
        else:
            k = y0 + 1 + int(by_y.argmin())
            boxes, axis, line = [(y0, k, x0, x1), (k, y1, x0, x1)], "y", int(ys[k])
        parts = tuple(self._trace(*box) for box in boxes if not self._empty[box])
        if len(parts) == 1:  # the line only trimmed an empty side off
            return parts[0]
        return Node(cells, float(best[y0, y1, x0, x1]), axis, line, parts)
