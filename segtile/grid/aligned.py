"""The mask-aligned grid: as few tiles as the band needs, cut where cutting hurts least."""

from __future__ import annotations

import logging

import numpy as np
from scipy import ndimage

from segtile.grid.band import Band, index_band
from segtile.grid.guillotine import Cells, Lattice, Node, Prices, Room
from segtile.grid.layout import assemble, check_sizes, map_slices, read_box
from segtile.grid.lines import lattice_lines
from segtile.grid.polish import polish
from segtile.grid.uniform import plan_uniform
from segtile.types import Box, CoarseMap, Grid, IntArray, Tile

_log = logging.getLogger("segtile")

_RUN_PRICE = 0.3  # tiles that one crossing is worth
_FRUGAL_RUN_PRICE = 0.03  # the same where tiles must be saved
_SIDE_PRICE = 1.0  # tiles that cutting a whole core side of plain band is worth
_KEEP_WEIGHT = 100  # plain cells that one cut cell of an object is worth that fits a tile
_MOST_LINES = 44  # per axis of one lattice; the work grows with the fifth power
_ZOOM = 0.7  # a part is solved again once it is this much smaller than what it was solved in
_TRIALS = 150  # groups of cores laid again

_WHY = (
    "Only the band is covered: every cell outside it is farther from the coarse edge than the edge can have moved, "
    "so it is certainly object or certainly background."
)
_NOTHING = "The coarse pass is sure of every cell, so there is no edge to refine."
_AS_UNIFORM = " The uniform grid's tiles along the band were taken: no aligned cutting was cheaper."
_TOO_COARSE = (
    " The uniform grid's tiles along the band were taken: between two halos a tile is smaller than a cell of the "
    "coarse map, so nothing can be aligned; use a larger tile."
)


def _fitting_objects(coarse: CoarseMap, room: Room) -> IntArray:
    """The labels (h, w) of the band cells of those objects that fit one tile with their halo; 0 elsewhere."""
    labels = np.where(coarse.unsure, coarse.labels, 0)
    boxes = ndimage.find_objects(labels)
    whole = np.zeros(len(boxes) + 1, dtype=bool)
    for label, place in enumerate(boxes, start=1):
        if place is not None:
            rows, cols = place
            core = coarse.to_frame(Box(cols.start, rows.start, cols.stop, rows.stop))
            whole[label] = room.fits(core)
    return np.where(whole[labels], labels, 0)


def _improve(node: Node, band: Band, room: Room, prices: Prices, solved: int) -> Node:
    """Solve the parts of a cutting again with lines of their own, from the whole down to single cuts.

    `solved` is the longer side of the box the lines were last chosen for.
    """
    if not node.axis:
        return node
    x0, y0, x1, y1 = node.cells
    side, count = max(x1 - x0, y1 - y0), len(node.cores())
    if side <= _ZOOM * solved:
        solved = side
        again = _solve(band, node.cells, room, prices, min(_MOST_LINES, 16 + 4 * count))
        if again is not None and again.cost < node.cost - 1e-3:
            node = again
    parts = tuple(_improve(part, band, room, prices, solved) for part in node.parts)
    saved = sum(part.cost for part in node.parts) - sum(part.cost for part in parts)
    return Node(node.cells, node.cost - saved, node.axis, node.line, parts)


def _solve(band: Band, cells: Cells, room: Room, prices: Prices, budget: int) -> Node | None:
    xs, ys = lattice_lines(band, cells, room, prices, budget)
    return Lattice(band, xs, ys, room, prices).solve()


def _cut(band: Band, room: Room, prices: Prices, core_cells: int) -> list[Cells]:
    """The cores of the best plan found; none where no cutting fits."""
    height, width = band.unsure.shape
    cells = band.shrink(0, 0, width, height)
    node = _solve(band, cells, room, prices, _MOST_LINES) if cells else None
    if cells is None or node is None:
        return []
    node = _improve(node, band, room, prices, max(cells[2] - cells[0], cells[3] - cells[1]))
    return polish(node.cores(), band, room, prices, max(1, core_cells // 2), _TRIALS)


def _parted(cores: list[Box], coarse: CoarseMap, labels: IntArray) -> int:
    """How many of the labels lie in more than one core."""
    found = [np.unique(labels[map_slices(coarse, core)]) for core in cores]
    values, counts = np.unique(np.concatenate(found), return_counts=True)
    return int(np.count_nonzero(counts[values > 0] > 1))


def _aligned_cores(coarse: CoarseMap, tile: int, halo: int, uniform: list[Tile]) -> list[Box]:
    """Cores of a plan with no more tiles than `uniform`, but for one more per object kept whole that `uniform` cuts.

    Plans are tried in the order of what they are good for: objects whole and few crossings, then few tiles. None may be
    good enough; then the list is empty.
    """
    room = Room(tile, halo, coarse.frame.width, coarse.frame.height)
    core_cells = max(1.0, (tile - 2 * halo) / max(coarse.factors))
    labels = _fitting_objects(coarse, room)
    parted = _parted([t.core for t in uniform], coarse, labels)
    for run_price, keep in ((_RUN_PRICE, _KEEP_WEIGHT), (_FRUGAL_RUN_PRICE, _KEEP_WEIGHT), (_FRUGAL_RUN_PRICE, 0)):
        band = index_band(coarse, int(core_cells), labels > 0, keep)
        found = _cut(band, room, Prices(run_price, _SIDE_PRICE / core_cells), int(core_cells))
        cores = [band.to_pixels(*cells) for cells in found]
        if not cores:
            return []
        if len(cores) <= len(uniform) + max(0, parted - _parted(cores, coarse, labels)):
            return cores
    return []


def plan_aligned(coarse: CoarseMap, tile: int, halo: int, context: int | None = None) -> Grid:
    """Plan tiles along the band of a coarse map: as few as it needs, with core borders where cutting hurts least.

    An object whose band fits a tile is one tile, whole and centred; small neighbours share one where their common box
    fits and is in nobody's way. Larger objects are sawn along their band. Every core is the bounding box of the band it
    holds, so a core next to nothing is no larger than it must be, and its read box gives it all the context there is
    room for, or `context` px of it: always `halo` px, except beyond the frame.

    The cores come from an exact search over all guillotine cuttings along the region's quiet lines, repeated for ever
    smaller parts with lines of their own, and then from laying groups of neighbours again. A plan is charged one per
    tile, so much per crossing of the band, per crossing of the object's edge and per length of band cut, more where the
    object is thin or the band crowded, and very much for cutting an object that fits a tile. It never has more tiles
    than the uniform grid has along the band, but for one more per object kept whole that the uniform grid cuts; where
    no such plan is found, the uniform grid's tiles are taken and `why` says so.

    Args:
        coarse: the map; only `unsure`, `labels` and, for the object's edge, `prob` are used.
        tile: side of a read box in frame px, as the refiner sees it.
        halo: context around the band in frame px.
        context: px around a core beyond which nothing is read; not under `halo`. None reads all that a tile has room
            for, which costs nothing where the refiner's input has one size.

    Returns:
        A plan of kind "aligned"; without tiles where nothing is unsure. The same map gives the same plan.

    Raises:
        BadInput: an empty frame, or a tile not larger than two halos.
    """
    check_sizes(coarse.frame, tile, halo)
    context = None if context is None else max(context, halo)
    if not coarse.unsure.any():
        return assemble("aligned", [], coarse.frame, tile, halo, coarse, _NOTHING)
    whole_grid = plan_uniform(coarse.frame, tile, halo).tiles
    uniform = [t for t in whole_grid if coarse.unsure[map_slices(coarse, t.core)].any()]
    cores = _aligned_cores(coarse, tile, halo, uniform)
    if cores:
        pairs = [(core, read_box(core, coarse.frame, tile, context)) for core in cores]
        return assemble("aligned", pairs, coarse.frame, tile, halo, coarse, _WHY)
    reason = _TOO_COARSE if tile - 2 * halo < max(coarse.factors) else _AS_UNIFORM
    _log.warning("%s", reason.strip())
    return assemble("aligned", [(t.core, t.read) for t in uniform], coarse.frame, tile, halo, coarse, _WHY + reason)
