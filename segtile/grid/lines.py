"""Where a region might be cut: the few lines per axis that the dynamic programming gets to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segtile.grid.band import Band, CutSums, Ints
from segtile.grid.guillotine import Cells, Lines, Prices, Room

Ranges = list[tuple[int, int]]

_HUGE = 12  # cores in a row
_NEAR = 2  # lines looked at on either side of a border that slides
_SPREAD = 40  # further lines it may slide to


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
    """Lines at which full cores end that are lined up from one end of the region or, where it is not huge, either.

    Parts between neighbouring lines fit a tile, so that there always is a cutting along them.
    """
    lines: set[int] = set()
    at = lo
    while (at := _farthest(px, at, room, length)) < hi:
        lines.add(at)
    if len(lines) > _HUGE:
        return lines
    at = hi
    while (at := _nearest(px, at, room, length)) > lo:
        lines.add(at)
    return lines


def _quiet(sums: CutSums, lo: int, hi: int, ranges: Ranges, bins: int, prices: Prices) -> set[int]:
    """The cheapest line of each of `bins` equal parts of lo .. hi, for cuts through each of the ranges."""
    inner = np.arange(lo + 1, hi)
    parts = [part for part in np.array_split(np.arange(inner.size), bins) if part.size]
    lines: set[int] = set()
    for start, stop in ranges:
        price = np.asarray(prices.of(*sums.at(inner, start, stop)), dtype=np.float64)
        lines |= {int(inner[part[price[part].argmin()]]) for part in parts}
    return lines


@dataclass(frozen=True)
class _Axis:
    sums: CutSums
    px: Ints
    length: int

    def lines(
        self, lo: int, hi: int, ranges: Ranges, known: set[int], room: Room, prices: Prices, budget: int
    ) -> Lines:
        """About `budget` lines lo .. hi, both included: all where they are few, else tight, quiet and known ones."""
        if hi - lo <= budget:
            return np.arange(lo, hi + 1)
        lines = {lo, hi} | _tight(self.px, lo, hi, room, self.length) | {line for line in known if lo < line < hi}
        bins = max(1, (budget - len(lines)) // len(ranges))
        lines |= _quiet(self.sums, lo, hi, ranges, bins, prices)
        return np.array(sorted(lines), dtype=np.intp)


def _halves(lo: int, hi: int) -> Ranges:
    middle = (lo + hi) // 2
    return [(lo, hi), (lo, middle), (middle, hi)]


def lattice_lines(
    band: Band, cells: Cells, room: Room, prices: Prices, budget: int, cores: Sequence[Cells] = ()
) -> tuple[Lines, Lines]:
    """About `budget` vertical and horizontal lines for a region of cells.

    Quiet lines are looked for through the whole region and its halves; where there are `cores` already, through these
    instead, and their borders are among the lines, so that what is found is no worse.
    """
    x0, y0, x1, y1 = cells
    through_y = sorted({(y0, y1), *((core[1], core[3]) for core in cores)}) if cores else _halves(y0, y1)
    through_x = sorted({(x0, x1), *((core[0], core[2]) for core in cores)}) if cores else _halves(x0, x1)
    known_x = {line for core in cores for line in (core[0], core[2])}
    known_y = {line for core in cores for line in (core[1], core[3])}
    across = _Axis(band.across_x, band.px_x, room.width)
    down = _Axis(band.across_y, band.px_y, room.height)
    xs = across.lines(x0, x1, through_y, known_x, room, prices, budget)
    ys = down.lines(y0, y1, through_x, known_y, room, prices, budget)
    return xs, ys


def _slide(lo: int, hi: int, known: set[int]) -> Lines:
    """Known lines, those next to them, and many more from lo to hi."""
    near = {line + step for line in known for step in range(-_NEAR, _NEAR + 1)}
    spread = np.linspace(lo, hi, _SPREAD).astype(np.intp).tolist()
    return np.array(sorted(line for line in {lo, hi, *near, *spread} if lo <= line <= hi), dtype=np.intp)


def sliding_lines(cells: Cells, cores: Sequence[Cells]) -> list[tuple[Lines, Lines]]:
    """Two lattices for a region with cores: one axis has lines everywhere, the other only the cores' borders."""
    x0, y0, x1, y1 = cells
    known_x = {x0, x1} | {line for core in cores for line in (core[0], core[2])}
    known_y = {y0, y1} | {line for core in cores for line in (core[1], core[3])}
    return [
        (_slide(x0, x1, known_x), np.array(sorted(known_y), dtype=np.intp)),
        (np.array(sorted(known_x), dtype=np.intp), _slide(y0, y1, known_y)),
    ]
