"""The mask-aligned grid: as few tiles as the band needs, cut where cutting hurts least."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from segtile.grid.band import Band, index_band
from segtile.grid.guillotine import Cells, Lattice, Node, Prices, Room
from segtile.grid.layout import assemble, check_sizes, fits, map_slices, read_box
from segtile.grid.lines import lattice_lines
from segtile.grid.uniform import plan_uniform
from segtile.types import BoolArray, Box, CoarseMap, Grid

_RUN_PRICE = 0.15  # tiles that one crossing is worth
_SIDE_PRICE = 1.0  # tiles that a whole core side of plain band is worth
_KEEP_WEIGHT = 400  # cutting a cell of an object that fits one tile, in plain cells
_LINES = 36


def _fitting_objects(coarse: CoarseMap, tile: int, halo: int) -> BoolArray:
    """The band cells (h, w) of every object that fits one tile with its halo."""
    labels = np.where(coarse.unsure, coarse.labels, 0)
    boxes = ndimage.find_objects(labels)
    whole = np.zeros(len(boxes) + 1, dtype=bool)
    for label, place in enumerate(boxes, start=1):
        if place is not None:
            rows, cols = place
            core = coarse.to_frame(Box(cols.start, rows.start, cols.stop, rows.stop))
            whole[label] = fits(core, coarse.frame, tile, halo)
    return whole[labels]


def _solve(band: Band, cells: Cells, room: Room, prices: Prices) -> Node | None:
    xs, ys = lattice_lines(band, cells, room, prices, _LINES)
    node = Lattice(band, xs, ys, room, prices).solve()
    return node


def _improve(node: Node, band: Band, room: Room, prices: Prices) -> Node:
    """Solve every part of a cutting again with lines of its own, from the whole down to single cuts."""
    if not node.axis:
        return node
    again = _solve(band, node.cells, room, prices)
    if again is not None and again.cost < node.cost - 1e-9:
        node = again
    if not node.axis:
        return node
    parts = tuple(_improve(part, band, room, prices) for part in node.parts)
    saved = sum(part.cost for part in node.parts) - sum(part.cost for part in parts)
    return Node(node.cells, node.cost - saved, node.axis, node.line, parts)


def _plan_cores(coarse: CoarseMap, tile: int, halo: int) -> list[Box]:
    room = Room(tile, halo, coarse.frame.width, coarse.frame.height)
    core_cells = max(1.0, (tile - 2 * halo) / max(coarse.factors))
    prices = Prices(_RUN_PRICE, _SIDE_PRICE / core_cells)
    band = index_band(coarse, int(core_cells), _fitting_objects(coarse, tile, halo), _KEEP_WEIGHT)
    height, width = band.unsure.shape
    whole = band.shrink(0, 0, width, height)
    assert whole is not None
    node = _solve(band, whole, room, prices)
    if node is None:
        return []
    node = _improve(node, band, room, prices)
    return [band.to_pixels(*cells) for cells in node.cores()]


def plan_aligned(coarse: CoarseMap, tile: int, halo: int) -> Grid:
    """A plan that covers the band of `coarse` with tiles of `tile` px, each core with `halo` px of context."""
    check_sizes(coarse.frame, tile, halo)
    if not coarse.unsure.any():
        return assemble(
            "aligned", [], coarse.frame, tile, halo, coarse, "Nothing is unsure, so there is nothing to refine."
        )
    cores = _plan_cores(coarse, tile, halo)
    uniform = [
        t for t in plan_uniform(coarse.frame, tile, halo).tiles if coarse.unsure[map_slices(coarse, t.core)].any()
    ]
    why = (
        "Only the band is covered: every cell outside it is farther from the coarse edge than the edge can have moved, "
        "so it is certainly object or certainly background."
    )
    pairs = [(core, read_box(core, coarse.frame, tile)) for core in cores]
    if not cores or len(uniform) < len(cores):
        pairs = [(t.core, t.read) for t in uniform]
        why += " The uniform grid's own tiles were taken, since no better cutting was found."
    return assemble("aligned", pairs, coarse.frame, tile, halo, coarse, why)
