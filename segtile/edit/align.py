"""Cutting a whole frame into cores around its objects: none that fits a tile is cut, if straight cuts can spare it.

`segtile.grid.plan_aligned` lays tiles along the edges of objects and is bound to the uniform grid's number of tiles;
an edit has to cover everything, and may take a tile more to keep an object whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segtile.types import Box, CoarseMap

_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Space:
    """What fits a tile of `side` with `margin` of context on every side that the frame has, all in the same unit."""

    frame: Box
    side: int
    margin: int

    def tiles(self, box: Box) -> int:
        """The least number of tiles that cover a box."""
        across = self._count(box.x0, box.x1, self.frame.x1)
        return across * self._count(box.y0, box.y1, self.frame.y1)

    def fits(self, box: Box) -> bool:
        """True where a box is one core."""
        return self.tiles(box) <= 1

    def _count(self, lo: int, hi: int, end: int) -> int:
        length = hi - lo + (self.margin if lo > 0 else 0) + (self.margin if hi < end else 0)
        if length <= self.side:
            return 1
        inner = self.side - 2 * self.margin
        return -(-(length - 2 * self.margin) // inner)


def object_boxes(coarse: CoarseMap, unit: int = 1) -> list[Box]:
    """The box of every object of a coarse map, in `unit` px, rounded outwards."""
    found = []
    for place in ndimage.find_objects(coarse.labels):
        if place is not None:
            rows, columns = place
            box = coarse.to_frame(Box(columns.start, rows.start, columns.stop, rows.stop))
            found.append(box.scaled(1 / unit))
    return found


def cores_around(space: Space, objects: Sequence[Box], coarse: CoarseMap) -> list[Box]:
    """Saw a frame into cores.

    Args:
        space: the frame and what fits a tile.
        objects: boxes in its unit.
        coarse: where edges lie, of the same frame: of cuts that are otherwise equal that across fewest of them is made.

    Returns:
        Boxes that partition the frame, each of which fits a tile. The same input gives the same boxes.
    """
    whole = [box for box in objects if space.fits(box)]
    edges = _Edges.of(coarse, space.frame)
    cores, waiting = [], [space.frame]
    while waiting:
        box = waiting.pop()
        if space.fits(box):
            cores.append(box)
        else:
            waiting += _sawn(box, space, [o & box for o in whole if not (o & box).empty], edges)
    return sorted(cores, key=lambda core: (core.y0, core.x0))


@dataclass(frozen=True)
class _Edges:
    """Running counts of the map's unsure cells, for the length of edge that a cut crosses."""

    down: _Counts
    across: _Counts
    fx: float
    fy: float

    @classmethod
    def of(cls, coarse: CoarseMap, frame: Box) -> _Edges:
        unsure = coarse.unsure.astype(np.int64)
        down = np.pad(np.cumsum(unsure, axis=0), ((1, 0), (0, 0)))
        across = np.pad(np.cumsum(unsure, axis=1), ((0, 0), (1, 0)))
        height, width = unsure.shape
        return cls(down, across, frame.width / width, frame.height / height)

    def crossed(self, box: Box, vertical: bool, line: int) -> int:
        if vertical:
            x = min(int(line / self.fx), self.down.shape[1] - 1)
            y0, y1 = (min(round(y / self.fy), len(self.down) - 1) for y in (box.y0, box.y1))
            return int(self.down[y1, x] - self.down[y0, x])
        y = min(int(line / self.fy), len(self.across) - 1)
        x0, x1 = (min(round(x / self.fx), self.across.shape[1] - 1) for x in (box.x0, box.x1))
        return int(self.across[y, x1] - self.across[y, x0])


def _sawn(box: Box, space: Space, objects: Sequence[Box], edges: _Edges) -> tuple[Box, Box]:
    """The two halves of the best cut of a box that does not fit."""
    best: tuple[tuple[int, int, int, int, int], Box, Box] | None = None
    for vertical in (True, False):
        lo, hi = (box.x0, box.x1) if vertical else (box.y0, box.y1)
        spans = [(o.x0, o.x1) if vertical else (o.y0, o.y1) for o in objects]
        for line in _lines(lo, hi, space, spans):
            first, second = _halves(box, vertical, line)
            price = (
                sum(start < line < stop for start, stop in spans),
                space.tiles(first) + space.tiles(second),
                edges.crossed(box, vertical, line),
                abs(2 * line - lo - hi),
                line,
            )
            if best is None or price < best[0]:
                best = price, first, second
    assert best is not None  # a box that does not fit is at least two px long
    return best[1], best[2]


def _lines(lo: int, hi: int, space: Space, spans: Sequence[tuple[int, int]]) -> set[int]:
    """Where a stretch may be cut: beside objects, at even steps, and where a full tile ends."""
    inner = space.side - 2 * space.margin
    steps = max(2, -(-(hi - lo) // inner))
    even = {lo + (hi - lo) * k // steps for k in range(1, steps)}
    near = {lo + inner, hi - inner, lo + inner + space.margin, hi - inner - space.margin}
    beside = {at for span in spans for at in span}
    fine = {lo + (hi - lo) * k // (4 * steps) for k in range(1, 4 * steps)}
    return {line for line in even | near | beside | fine if lo < line < hi}


def _halves(box: Box, vertical: bool, line: int) -> tuple[Box, Box]:
    if vertical:
        return Box(box.x0, box.y0, line, box.y1), Box(line, box.y0, box.x1, box.y1)
    return Box(box.x0, box.y0, box.x1, line), Box(box.x0, line, box.x1, box.y1)
