"""A plan in figures, against the uniform grid."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from segtile.errors import BadInput
from segtile.grid.layout import map_slices, objects_in
from segtile.types import BoolArray, Box, CoarseMap, FloatArray, Grid, Tile


@dataclass(frozen=True)
class GridStats:
    """How a plan compares with the uniform grid over the same frame and band.

    A *border segment* is the straight piece of border that two cores share. A *crossing* is a maximal run of frame
    pixels along one border segment on both sides of which lies band (in the map cell that holds the pixel's centre):
    one place where one strand of band is cut and has to be put together again. `crossings` counts them,
    `crossing_px` adds up their lengths in frame px. `edge_crossings` counts where the object's edge as the map knows it
    (probability one half) crosses a border: every change between object and background along a border segment. A long
    run of band may be one place with many of them. The rules are the same for both grids; the uniform grid's cores
    meet in the middle of its overlaps.

    `tiles` counts planned tiles (uniform: all, since SAHI skips none). `share_refined` is the share of the frame's
    pixels that lie in the band and in a core; `share_read` is what all read boxes add up to, in frames (overlaps count
    twice, so it may exceed 1), `share_read_uniform` the same for the uniform grid. `objects_whole` counts objects whose
    band lies in one core, `objects_cut` those whose band lies in several.
    """

    tiles: int
    tiles_uniform: int
    crossings: int
    crossings_uniform: int
    crossing_px: int
    crossing_px_uniform: int
    edge_crossings: int
    edge_crossings_uniform: int
    share_refined: float
    share_read: float
    share_read_uniform: float
    objects_whole: int
    objects_cut: int
    objects_cut_uniform: int


def _runs(cut: BoolArray) -> int:
    """Number of maximal runs of True."""
    return int(cut[0]) + int(np.count_nonzero(cut[1:] & ~cut[:-1])) if cut.size else 0


def border_segments(tiles: tuple[Tile, ...], vertical: bool) -> list[tuple[int, int, int]]:
    """(line, from, to) of every piece of border that two cores share, in one direction and frame px."""
    begins: dict[int, list[Box]] = defaultdict(list)
    for tile in tiles:
        begins[tile.core.x0 if vertical else tile.core.y0].append(tile.core)
    found = []
    for tile in tiles:
        a = tile.core
        for b in begins.get(a.x1 if vertical else a.y1, []):
            lo, hi = (max(a.y0, b.y0), min(a.y1, b.y1)) if vertical else (max(a.x0, b.x0), min(a.x1, b.x1))
            if lo < hi:
                found.append((a.x1 if vertical else a.y1, lo, hi))
    return found


def crossings(grid: Grid, coarse: CoarseMap) -> tuple[int, int]:
    """(crossings, frame px of band cut) of a grid's core borders; `GridStats` defines both."""
    count = length = 0
    rows, cols = coarse.cells(coarse.frame)
    for x, lo, hi in border_segments(grid.tiles, vertical=True):
        along = rows[lo:hi]
        cut = coarse.unsure[along, cols[x - 1]] & coarse.unsure[along, cols[x]]
        count, length = count + _runs(cut), length + int(np.count_nonzero(cut))
    for y, lo, hi in border_segments(grid.tiles, vertical=False):
        along = cols[lo:hi]
        cut = coarse.unsure[rows[y - 1], along] & coarse.unsure[rows[y], along]
        count, length = count + _runs(cut), length + int(np.count_nonzero(cut))
    return count, length


def edge_crossings(grid: Grid, coarse: CoarseMap) -> int:
    """How often the edge of the map's object crosses core borders; `GridStats` defines it."""
    rows, cols = coarse.cells(coarse.frame)
    count = 0
    for x, lo, hi in border_segments(grid.tiles, vertical=True):
        count += changes(coarse.prob[rows[lo:hi], cols[x - 1]], coarse.prob[rows[lo:hi], cols[x]])
    for y, lo, hi in border_segments(grid.tiles, vertical=False):
        count += changes(coarse.prob[rows[y - 1], cols[lo:hi]], coarse.prob[rows[y], cols[lo:hi]])
    return count


def changes(before: FloatArray, after: FloatArray) -> int:
    """How often a border line goes in or out of the object; its value is the mean of the two pixels beside it.

    Args:
        before: (n,) float in [0, 1], the pixels on one side of the line.
        after: (n,) the same for the other side.
    """
    inside = before + after >= 1.0
    return int(np.count_nonzero(inside[1:] != inside[:-1]))


def _objects(grid: Grid, coarse: CoarseMap) -> tuple[int, int]:
    """(objects in one core, objects in several)."""
    seen = [label for tile in grid.tiles for label in objects_in(coarse, tile.core)]
    counts = np.unique(np.array(seen, dtype=np.int64), return_counts=True)[1]
    return int(np.count_nonzero(counts == 1)), int(np.count_nonzero(counts > 1))


def _band_pixels(grid: Grid, coarse: CoarseMap) -> int:
    """Frame pixels that lie in the band and in a core."""
    total = 0
    for tile in grid.tiles:
        window = map_slices(coarse, tile.core)
        rows, cols = coarse.cells(tile.core)
        tall = np.bincount(rows - window[0].start)
        wide = np.bincount(cols - window[1].start)
        total += int(tall @ coarse.unsure[window].astype(np.int64) @ wide)
    return total


def compare(grid: Grid, uniform: Grid, coarse: CoarseMap) -> GridStats:
    """A plan's figures beside the uniform grid's, over the same coarse map.

    Raises:
        BadInput: the grids or the map are over different frames.
    """
    if not grid.frame == uniform.frame == coarse.frame:
        raise BadInput("The two grids and the coarse map must be over the same frame to be compared.")
    whole, cut = _objects(grid, coarse)
    uniform_crossings, uniform_px = crossings(uniform, coarse)
    grid_crossings, grid_px = crossings(grid, coarse)
    area = grid.frame.area
    return GridStats(
        tiles=len(grid.tiles),
        tiles_uniform=len(uniform.tiles),
        crossings=grid_crossings,
        crossings_uniform=uniform_crossings,
        crossing_px=grid_px,
        crossing_px_uniform=uniform_px,
        edge_crossings=edge_crossings(grid, coarse),
        edge_crossings_uniform=edge_crossings(uniform, coarse),
        share_refined=_band_pixels(grid, coarse) / area,
        share_read=sum(tile.read.area for tile in grid.tiles) / area,
        share_read_uniform=sum(tile.read.area for tile in uniform.tiles) / area,
        objects_whole=whole,
        objects_cut=cut,
        objects_cut_uniform=_objects(uniform, coarse)[1],
    )
