"""The tiles at low resolution: means over the cells of one grid over the whole frame, so that tiles can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.edit.light import Light, light_of
from segtile.edit.tiles import RowSource, Tiles
from segtile.edit.windows import total_weight, window_of
from segtile.errors import BadInput
from segtile.types import Array, BoolArray, Box, FloatArray, Progress, no_progress

#: Side of a cell, px. The membrane of a seam is solved on them (1/8 scale), and drift is fitted to their means.
CELL = 8


@dataclass(frozen=True)
class TileCells:
    """One tile on the cell grid.

    `mean` (h, w, bands) float32 in 0..1 over `box` (cell indices): the cells that the tile covers whole. `share`
    (h, w) float32 over `reach`, every cell that it touches: the mean of its blending weight, 0 where it does not read.
    """

    index: int
    box: Box
    mean: FloatArray
    reach: Box
    share: FloatArray


@dataclass(frozen=True)
class Cells:
    """All tiles on the cell grid; `size` is the grid's (columns, rows), `frame` the frame in px."""

    frame: Box
    size: tuple[int, int]
    tiles: tuple[TileCells, ...]

    def picture(self) -> tuple[FloatArray, BoolArray]:
        """The blended picture on the grid, (rows, columns, bands) float32, and (rows, columns) bool: where it is known.

        A cell that no tile covers whole is not known, and 0.
        """
        total = np.zeros((self.size[1], self.size[0], self.tiles[0].mean.shape[2]), np.float32)
        weight = np.zeros(total.shape[:2], np.float32)
        for tile in self.tiles:
            share = tile.share[tile.box.within(tile.reach).slices]
            total[tile.box.slices] += tile.mean * share[..., None]
            weight[tile.box.slices] += share
        known = weight > 0
        np.divide(total, weight[..., None], out=total, where=known[..., None])
        return total, known


def grid_size(frame: Box, cell: int = CELL) -> tuple[int, int]:
    """(columns, rows) of the cell grid over a frame; the last ones may reach beyond it."""
    return -(-frame.width // cell), -(-frame.height // cell)


def spread(tile: TileCells, values: FloatArray) -> FloatArray:
    """A tile's values (h, w, k) over `box`, over `reach`: cells that it covers in part carry on their neighbour's."""
    inner, outer = tile.box, tile.reach
    pads = ((inner.y0 - outer.y0, outer.y1 - inner.y1), (inner.x0 - outer.x0, outer.x1 - inner.x1), (0, 0))
    return np.pad(values, pads, mode="edge")


def tile_cells(tiles: Tiles, *, linear_light: bool = False, on_progress: Progress = no_progress) -> Cells:
    """Read every tile once and keep its cell means.

    Args:
        tiles: the tiles; their cores partition the frame.
        linear_light: take the means in linear light.
        on_progress: called as on_progress(tiles, all tiles, "compare").

    Raises:
        BadInput: see `check_tiles`, or a tile holds NaN or infinite pixels.
    """
    check_tiles(tiles)
    size = grid_size(tiles.frame)
    light = light_of(tiles.dtype, linear_light)
    found = []
    for done, tile in enumerate(tiles.tiles):
        on_progress(done, len(tiles.tiles), "compare")
        box, mean = cell_means(tiles.read(tile.index), tile.read, tiles.frame, light)
        if not np.isfinite(mean).all():
            raise BadInput(f"tile {tile.index} at {tile.read} holds NaN or infinite pixels")
        if box.empty:
            raise BadInput(f"tile {tile.index} reads {tile.read}, too little to compare: {2 * CELL} px is the least")
        share = window_of(tile) / total_weight(tiles, tile.read)
        found.append(TileCells(tile.index, box, mean, *_share_cells(share, tile.read, tiles.frame)))
    on_progress(len(tiles.tiles), len(tiles.tiles), "compare")
    return Cells(tiles.frame, size, tuple(found))


def reference_cells(reference: RowSource, tiles: Tiles, *, linear_light: bool = False) -> FloatArray:
    """Cell means of the original, (rows, columns, bands) float32 in 0..1.

    Raises:
        BadInput: its rows are not of the tiles' width and bands, or hold NaN.
    """
    frame, (columns, rows) = tiles.frame, grid_size(tiles.frame)
    found = np.empty((rows, columns, tiles.bands), np.float32)
    step = CELL * 32
    for y0 in range(0, frame.height, step):
        y1 = min(y0 + step, frame.height)
        pixels = reference_rows(reference, y0, y1, frame.width, tiles.bands)
        light = light_of(pixels.dtype, linear_light)
        _, mean = cell_means(pixels, Box(0, y0, frame.width, y1), frame, light)
        if not np.isfinite(mean).all():
            raise BadInput(f"the reference holds NaN or infinite pixels in rows {y0} to {y1}")
        found[y0 // CELL : y0 // CELL + len(mean)] = mean
    return found


def reference_rows(reference: RowSource, y0: int, y1: int, width: int, bands: int) -> Array:
    """Rows of the original, checked to be what the tiles need.

    Raises:
        BadInput: another shape or dtype.
    """
    pixels = reference(y0, y1)
    if pixels.shape != (y1 - y0, width, bands):
        raise BadInput(f"the reference gave {pixels.shape} for rows {y0} to {y1}, not {(y1 - y0, width, bands)}")
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise BadInput(f"the reference is {pixels.dtype}; it must be uint8, uint16 or float32")
    return pixels


def check_tiles(tiles: Tiles) -> None:
    """Refuse tiles that cannot be put together.

    Raises:
        BadInput: no tiles, another dtype, a frame that does not start at (0, 0), or cores that do not partition it.
    """
    if tiles.dtype not in (np.uint8, np.uint16, np.float32):
        raise BadInput(f"tiles are {tiles.dtype}; blends take uint8, uint16 and float32")
    if not len(tiles.tiles) or tiles.frame.empty or (tiles.frame.x0, tiles.frame.y0) != (0, 0):
        raise BadInput(f"{len(tiles.tiles)} tiles over the frame {tiles.frame} are no picture: it starts at (0, 0)")
    area = sum(tile.core.area for tile in tiles.tiles)
    inside = all(tiles.frame.contains(t.read) and t.read.contains(t.core) for t in tiles.tiles)
    if area != tiles.frame.area or not inside:
        raise BadInput(f"the tiles' cores hold {area} px of the frame's {tiles.frame.area}: they must cover it once")


def cell_means(pixels: Array, box: Box, frame: Box, light: Light, cell: int = CELL) -> tuple[Box, FloatArray]:
    """Means of the cells that `box` covers whole; a cell cut by the frame's own border counts as whole.

    Returns:
        The box in cells (empty where none is covered) and (h, w, bands) float32.
    """
    columns, rows = grid_size(frame, cell)
    inner = Box(
        -(-box.x0 // cell),
        -(-box.y0 // cell),
        columns if box.x1 == frame.x1 else box.x1 // cell,
        rows if box.y1 == frame.y1 else box.y1 // cell,
    )
    if inner.empty:
        return Box(inner.x0, inner.y0, inner.x0, inner.y0), np.empty((0, 0, pixels.shape[2]), np.float32)
    px = Box(inner.x0 * cell, inner.y0 * cell, min(inner.x1 * cell, frame.x1), min(inner.y1 * cell, frame.y1))
    values = light.into(pixels[px.within(box).slices])
    short = inner.height * cell - px.height, inner.width * cell - px.width
    if any(short):
        values = np.asarray(cv2.copyMakeBorder(values, 0, short[0], 0, short[1], cv2.BORDER_REPLICATE))
    small = cv2.resize(values, (inner.width, inner.height), interpolation=cv2.INTER_AREA)
    return inner, np.asarray(small, np.float32).reshape(inner.height, inner.width, -1)


def _share_cells(share: FloatArray, read: Box, frame: Box) -> tuple[Box, FloatArray]:
    """The mean of a weight over every cell that its box touches: 0 outside the box, carried on beyond the frame."""
    reach = read.scaled(1 / CELL)
    px = Box(reach.x0 * CELL, reach.y0 * CELL, reach.x1 * CELL, reach.y1 * CELL)
    inside = px & frame
    pads = read.y0 - inside.y0, inside.y1 - read.y1, read.x0 - inside.x0, inside.x1 - read.x1
    padded = cv2.copyMakeBorder(share, *pads, cv2.BORDER_CONSTANT, value=0)
    padded = cv2.copyMakeBorder(padded, 0, px.y1 - inside.y1, 0, px.x1 - inside.x1, cv2.BORDER_REPLICATE)
    return reach, np.asarray(cv2.resize(padded, (reach.width, reach.height), interpolation=cv2.INTER_AREA), np.float32)


def upsampled(cells: FloatArray, at: Box, box: Box, cell: int = CELL) -> FloatArray:
    """A smooth map at full resolution, (h, w, bands) float32 over `box`, by cubic interpolation.

    Args:
        cells: (rows, columns, bands) float32 cell means; beyond its borders they carry on.
        at: the cells' box on the grid.
        box: px.
        cell: px per cell.
    """
    around = box.scaled(1 / cell)
    around = Box(around.x0 - 2, around.y0 - 2, around.x1 + 2, around.y1 + 2)
    rows = np.clip(np.arange(around.y0, around.y1) - at.y0, 0, at.height - 1)
    columns = np.clip(np.arange(around.x0, around.x1) - at.x0, 0, at.width - 1)
    part = cells[rows[:, None], columns[None, :]]
    size = around.width * cell, around.height * cell
    big = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC).reshape(size[1], size[0], -1)
    inside = box.shift(-around.x0 * cell, -around.y0 * cell)
    return np.ascontiguousarray(big[inside.slices], np.float32)


def pairs(cells: Cells) -> list[tuple[int, int, Box]]:
    """Every two tiles that share whole cells, by their place in `cells.tiles`, and the shared box of cells."""
    found = []
    order = sorted(range(len(cells.tiles)), key=lambda k: cells.tiles[k].box.y0)
    for at, i in enumerate(order):
        for j in order[at + 1 :]:
            if cells.tiles[j].box.y0 >= cells.tiles[i].box.y1:
                break
            common = cells.tiles[i].box & cells.tiles[j].box
            if not common.empty:
                found.append((min(i, j), max(i, j), common))
    return sorted(found, key=lambda pair: pair[:2])


def within(tile: TileCells, box: Box) -> FloatArray:
    """A tile's means over a box of cells that it covers."""
    return tile.mean[box.within(tile.box).slices]


def dilated(mask: BoolArray, cells: int) -> BoolArray:
    """A mask grown by a number of cells on every side."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * cells + 1,) * 2, np.uint8)), np.bool_)
