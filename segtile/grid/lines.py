"""Where a region might be cut: the few lines per axis that the dynamic programming gets to choose from."""

from __future__ import annotations

import numpy as np

from segtile.grid.band import Band, CutSums, Ints
from segtile.grid.guillotine import Cells, Lines, Prices, Room


def _farthest(px: Ints, lo: int, room: Room, length: int) -> int:
    """The last line to which a core that begins at line `lo` can reach; at least the next one."""
    limit = max(int(px[lo]) - room.halo, 0) + room.tile
    if limit >= length:
        return len(px) - 1
    return max(lo + 1, int(np.searchsorted(px, limit - room.halo, side="right")) - 1)


def _nearest(px: Ints, hi: int, room: Room, length: int) -> int:
    """The first line at which a core that ends at line `hi` can begin; at most the one before."""
    limit = min(int(px[hi]) + room.halo, length) - room.tile
    if limit <= 0:
        return 0
    return min(hi - 1, int(np.searchsorted(px, limit + room.halo, side="left")))


def _tight(px: Ints, lo: int, hi: int, room: Room, length: int) -> set[int]:
    """Lines at which full cores end that are lined up from either end of the region."""
    lines: set[int] = set()
    at = lo
    while (at := _farthest(px, at, room, length)) < hi:
        lines.add(at)
    at = hi
    while (at := _nearest(px, at, room, length)) > lo:
        lines.add(at)
    return lines


def _quiet(sums: CutSums, lo: int, hi: int, a: int, b: int, bins: int, prices: Prices) -> set[int]:
    """The cheapest line of each of `bins` equal parts of lo .. hi, for cuts from a to b and for each half of that."""
    inner = np.arange(lo + 1, hi)
    middle = (a + b) // 2
    lines: set[int] = set()
    for start, stop in ((a, b), (a, middle), (middle, b)):
        price = np.asarray(prices.of(*sums.at(inner, start, stop)), dtype=np.float64)
        for part in np.array_split(np.arange(inner.size), bins):
            if part.size:
                lines.add(int(inner[part[np.flatnonzero(price[part] == price[part].min())[0]]]))
    return lines


def axis_lines(
    sums: CutSums, px: Ints, lo: int, hi: int, a: int, b: int, room: Room, length: int, prices: Prices, budget: int
) -> Lines:
    """About `budget` lines lo .. hi of one axis, both ends included, for a region that spans a .. b of the other.

    All of them where they are few; else the quiet ones, spread over the region, and those that end full cores.
    """
    if hi - lo <= budget:
        return np.arange(lo, hi + 1)
    lines = {lo, hi} | _tight(px, lo, hi, room, length)
    bins = max(1, (budget - len(lines)) // 3)
    lines |= _quiet(sums, lo, hi, a, b, bins, prices)
    return np.array(sorted(lines), dtype=np.intp)


def lattice_lines(band: Band, cells: Cells, room: Room, prices: Prices, budget: int) -> tuple[Lines, Lines]:
    """Vertical and horizontal lines for a region of cells."""
    x0, y0, x1, y1 = cells
    xs = axis_lines(band.across_x, band.px_x, x0, x1, y0, y1, room, room.width, prices, budget)
    ys = axis_lines(band.across_y, band.px_y, y0, y1, x0, x1, room, room.height, prices, budget)
    return xs, ys
