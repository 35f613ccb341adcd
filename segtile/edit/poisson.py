"""Gradient-domain merging of a whole mosaic: every step between tiles becomes a slope that nobody sees.

The merged picture is the blend plus a smooth membrane. The blend (a partition of unity over the halos) shows the
tiles' differences as ramps; its gradient is the wanted one, each tile's own, plus that of the ramps. The membrane is
what takes the second away: laplacian(membrane) = -div(sum of tile * grad share). It is smooth, so by default it is
solved on cells of 8 px and interpolated; `exact` solves it at full resolution. Without a reference nothing holds it at
low frequency: tiles that drift leave it wandering. With one it is screened: pulled to what the blend lacks there, where
nothing was changed on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from segtile.edit.cells import CELL, Cells, check_tiles, grid_size, reference_cells, spread, tile_cells, upsampled
from segtile.edit.drift import Drifted, missing, where_changed
from segtile.edit.light import Light, light_of
from segtile.edit.screened import add_edges, solve_screened
from segtile.edit.tiles import Rows, RowSource, Tiles
from segtile.edit.windows import alone, band_rows, owned, ring, says, total_weight, window_of
from segtile.types import Array, BoolArray, Box, FloatArray, Progress, no_progress

#: How firmly the reference holds the membrane, per px squared: beyond 1 / sqrt of it, 100 px, the reference decides.
PULL = 1e-4

#: ``membrane(y0, y1)`` -> (y1 - y0, W, bands) float32, to be added to the blend.
Membrane = Callable[[int, int], FloatArray]


def poisson_rows(
    tiles: Tiles,
    *,
    reference: RowSource | None = None,
    changed: BoolArray | None = None,
    exact: bool = False,
    linear_light: bool = False,
    pull: float = PULL,
    on_progress: Progress = no_progress,
) -> Rows:
    """Merge tiles by their gradients.

    Tiles that agree come back bit for bit, whatever their dtype.

    Args:
        tiles: the tiles; their cores partition the frame.
        reference: rows of the original, of the tiles' width and bands; holds the merge at low frequency.
        changed: (rows, columns) bool on cells of 8 px: where the edit is meant to differ from the reference, which then
            does not hold it there. None: found from the two pictures.
        exact: solve at full resolution (one float plane in memory, one float picture on disk).
        linear_light: blend in linear light, taking the values for sRGB-encoded ones.
        pull: how firmly the reference holds, per px squared.
        on_progress: called with the stages "compare" and "merge".

    Yields:
        (y0, rows) from top to bottom, in the tiles' dtype, rounded to nearest and clipped.

    Raises:
        BadInput: tiles that do not fit each other (see `cells.check_tiles`) or a reference that does not fit them.

    Source: P. Perez et al., Poisson Image Editing, SIGGRAPH 2003; A. Levin et al., Seamless Image Stitching in the
    Gradient Domain, ECCV 2004; the screened form: P. Bhat et al., ECCV 2008.
    """
    check_tiles(tiles)
    cells = tile_cells(tiles, linear_light=linear_light, on_progress=on_progress)
    lack: Drifted | None = None
    if reference is not None:
        wanted = reference_cells(reference, tiles, linear_light=linear_light)
        found, known = cells.picture()
        if changed is None:
            changed = where_changed(wanted, found)
        lack = missing(wanted, found, changed | ~known)
    light = light_of(tiles.dtype, linear_light)
    if exact:
        with TemporaryFile() as store:
            yield from _merged(tiles, _exact(tiles, light, lack, pull, store), light, None, on_progress)
        return
    grid, width = Box(0, 0, *cells.size), tiles.frame.width
    coarse = _coarse(cells, lack, pull)
    yield from _merged(
        tiles, lambda y0, y1: upsampled(coarse, grid, Box(0, y0, width, y1)), light, _Ramps(tiles, cells), on_progress
    )


class _Ramps:
    """What cell means and cubic interpolation lose of the ramps' kinks, which the membrane has to take away.

    The blend of (tile - blended picture) is 0 on the cell grid; what the fine shares make of it is what was lost. Where
    tiles differ smoothly the membrane is exact with it.
    """

    def __init__(self, tiles: Tiles, cells: Cells) -> None:
        owner = _owner_cells(cells)
        apart = [(tile, spread(tile, tile.mean - owner[tile.box.slices])) for tile in cells.tiles]
        blend = np.zeros_like(owner)
        for tile, values in apart:
            blend[tile.reach.slices] += values * tile.share[..., None]
        self._tiles = tiles
        self._apart = [(tile.reach, values - blend[tile.reach.slices]) for tile, values in apart]
        # interpolation carries the ramps' kinks two cells into what one tile has alone
        self._alone = [Box(b.x0 + 2 * CELL, b.y0 + 2 * CELL, b.x1 - 2 * CELL, b.y1 - 2 * CELL) for b in alone(tiles)]

    def take_off(self, change: FloatArray, band: Box) -> None:
        """Subtract it from a band."""
        total = total_weight(self._tiles, band)
        for tile, (reach, apart), single in zip(self._tiles.tiles, self._apart, self._alone, strict=True):
            both = tile.read & band
            if both.empty or not apart.any():
                continue
            for box in [both] if (single & band).empty else ring(both, single):
                if not box.empty:
                    here = box.within(band).slices
                    share = window_of(tile)[box.within(tile.read).slices] / total[here]
                    lost = upsampled(apart, reach, box)
                    lost *= share[..., None]
                    change[here] -= lost


def _merged(
    tiles: Tiles, membrane: Membrane, light: Light, ramps: _Ramps | None, on_progress: Progress
) -> Iterator[tuple[int, Array]]:
    """The blend plus the membrane, band by band."""
    frame = tiles.frame
    step = band_rows(frame.width, tiles.bands)
    for y0 in range(0, frame.height, step):
        on_progress(y0, frame.height, "merge")
        band = Box(0, y0, frame.width, min(y0 + step, frame.height))
        owner = owned(tiles, band)
        change = membrane(band.y0, band.y1)
        if ramps is not None:
            ramps.take_off(change, band)
        for say in says(tiles, owner, band, light):
            say.apart[...] *= say.share[..., None]
            change[say.box.within(band).slices] += say.apart
        yield y0, _added(owner, change, light)
    on_progress(frame.height, frame.height, "merge")


def _added(pixels: Array, change: FloatArray, light: Light) -> Array:
    """Pixels plus a change in light; where the change is 0 the pixels' own bits."""
    moved = change != 0
    if not moved.any():
        return pixels
    change += light.into(pixels)
    return np.where(moved, light.back(change), pixels)


def _coarse(cells: Cells, lack: Drifted | None, pull: float) -> FloatArray:
    """The membrane on the cell grid, (rows, columns, bands)."""
    columns, rows = cells.size
    owner = _owner_cells(cells)
    right = np.zeros((owner.shape[2], rows, columns), np.float32)
    for tile in cells.tiles:
        apart = spread(tile, tile.mean - owner[tile.box.slices])
        for band, plane in enumerate(right):
            add_edges(plane, tile.share, apart[..., band], tile.reach.y0, tile.reach.x0)
    held = pull * CELL**2 if lack is not None else 0.0
    if lack is not None:
        right -= np.float32(held) * np.moveaxis(lack, 2, 0)
    solved = [solve_screened(plane, held) if plane.any() else plane for plane in right]
    return np.ascontiguousarray(np.stack(solved, axis=-1))


def _owner_cells(cells: Cells) -> FloatArray:
    """The cell means of whichever tile has most to say in each cell."""
    most = np.full((cells.size[1], cells.size[0]), -1, np.float32)
    owner = np.zeros((*most.shape, cells.tiles[0].mean.shape[2]), np.float32)
    for tile in cells.tiles:
        share = tile.share[tile.box.within(tile.reach).slices]
        better = share > most[tile.box.slices]
        owner[tile.box.slices][better] = tile.mean[better]
        most[tile.box.slices][better] = share[better]
    return owner


def _exact(tiles: Tiles, light: Light, lack: Drifted | None, pull: float, store: IO[bytes]) -> Membrane:
    """The membrane at full resolution, solved band by band of the picture and kept in a file."""
    frame = tiles.frame
    held = pull if lack is not None else 0.0
    grid = Box(0, 0, *grid_size(frame))
    empty = []
    for band in range(tiles.bands):
        right = np.zeros((frame.height, frame.width), np.float32)
        for tile in tiles.tiles:
            one = tile.read
            apart = light.into(tiles.read(tile.index)[..., band]) - light.into(owned(tiles, one)[..., band])
            if apart.any():
                share = window_of(tile) / total_weight(tiles, one)
                add_edges(right, share, apart, one.y0, one.x0)
        for y0 in range(0, frame.height if lack is not None else 0, 256):
            y1 = min(y0 + 256, frame.height)
            assert lack is not None
            right[y0:y1] -= (
                np.float32(held) * upsampled(lack[..., band : band + 1], grid, Box(0, y0, frame.width, y1))[..., 0]
            )
        empty.append(not right.any())
        solved = right if empty[-1] else solve_screened(right, held)
        for y0 in range(0, frame.height, 256):
            store.write(np.ascontiguousarray(solved[y0 : y0 + 256]).data)
        del right, solved
    store.flush()

    def membrane(y0: int, y1: int) -> FloatArray:
        rows = np.zeros((y1 - y0, frame.width, tiles.bands), np.float32)
        for band in range(tiles.bands):
            if not empty[band]:
                store.seek(4 * frame.width * (band * frame.height + y0))
                plane = np.frombuffer(store.read(4 * frame.width * (y1 - y0)), np.float32)
                rows[..., band] = plane.reshape(y1 - y0, frame.width)
        return rows

    return membrane
