"""Better plans from good ones: neighbouring cores are taken up and laid again, whatever cutting they came from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from segtile.grid.band import Band
from segtile.grid.guillotine import Cells, Lattice, Prices, Room
from segtile.grid.lines import lattice_lines, sliding_lines

_TOGETHER = 6  # cores laid again at a time, at most
_LINES = 28
_GAIN = 1e-3  # tiles; less is rounding


def _union(a: Cells, b: Cells) -> Cells:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _meet(a: Cells, b: Cells) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def plan_cost(cores: list[Cells], band: Band, prices: Prices) -> float:
    """What cores cost in tiles: one each, and the price of the band their common borders cut."""
    cost = float(len(cores))
    for a, b in combinations(cores, 2):
        for first, second in ((a, b), (b, a)):
            lo, hi = max(a[1], b[1]), min(a[3], b[3])
            if first[2] == second[0] and lo < hi:
                cost += float(prices.of(*band.across_x.at(first[2], lo, hi)))
            lo, hi = max(a[0], b[0]), min(a[2], b[2])
            if first[3] == second[1] and lo < hi:
                cost += float(prices.of(*band.across_y.at(first[3], lo, hi)))
    return cost


def _closed(seed: Cells, cores: list[Cells]) -> tuple[Cells, list[Cells]] | None:
    """The smallest box around `seed` that cuts no core, and the cores in it; None where that takes too many."""
    box = seed
    while True:
        inside = [core for core in cores if _meet(core, box)]
        if len(inside) > _TOGETHER:
            return None
        grown = box
        for core in inside:
            grown = _union(grown, core)
        if grown == box:
            return box, inside
        box = grown


def _places(cores: list[Cells], reach: int) -> Iterator[tuple[Cells, list[Cells]]]:
    """Boxes around two neighbours, `reach` cells apart at most, and what else they hold; each box once."""
    seen = set()
    for a, b in combinations(cores, 2):
        wide = (a[0] - reach, a[1] - reach, a[2] + reach, a[3] + reach)
        if _meet(wide, b) and (found := _closed(_union(a, b), cores)) and found[0] not in seen:
            seen.add(found[0])
            yield found


def _again(box: Cells, cores: list[Cells], band: Band, room: Room, prices: Prices) -> list[Cells] | None:
    """Cheaper cores for the box that `cores` fill between them; None where none are found."""
    now, found = plan_cost(cores, band, prices), None
    best, uncut = now - _GAIN, now - len(cores) < _GAIN
    if uncut and len(cores) == 2 and not room.fits(band.to_pixels(*box)):
        return None
    lattices = [lattice_lines(band, box, room, prices, _LINES, cores)]
    for xs, ys in lattices if uncut else lattices + sliding_lines(box, cores):
        node = Lattice(band, xs, ys, room, prices).solve()
        if node is not None and (cost := plan_cost(node.cores(), band, prices)) < best:
            best, found = cost, node.cores()
    return found


def polish(cores: list[Cells], band: Band, room: Room, prices: Prices, reach: int, trials: int) -> list[Cells]:
    """Lay neighbouring cores again wherever that makes the plan cheaper, until nothing does or `trials` are used up.

    This joins cores that the first cutting had to keep apart, moves the lines between them one by one, and is not bound
    to one cutting of the whole. Cores that do not overlap stay so: new ones lie within the box of those they replace.
    """
    cores, tried = list(cores), set()
    improved = True
    while improved and trials > 0:
        improved = False
        for box, inside in list(_places(cores, reach)):
            key = (box, tuple(sorted(inside)))
            if key in tried or any(core not in cores for core in inside):
                continue
            if trials <= 0:
                break
            tried.add(key)
            trials -= 1
            better = _again(box, inside, band, room, prices)
            if better is not None:
                cores = [core for core in cores if core not in inside] + better
                improved = True
    return cores
