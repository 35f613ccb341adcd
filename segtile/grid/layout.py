"""What both grids share: checking sizes, placing read boxes around cores, assembling a plan."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from segtile.errors import BadInput
from segtile.types import Box, CoarseMap, Grid, Tile

# float32 arrays over one read box that a refiner is handed and hands back: rgb 3, prob 1, background 3, alpha 1,
# trust 1, and the band as one byte. What a refiner needs for itself comes on top and is known to the refiner alone.
_BYTES_PER_PIXEL = 9 * 4 + 1


def check_sizes(frame: Box, tile: int, halo: int) -> None:
    """Refuse sizes no grid can have.

    Raises:
        BadInput: the frame is empty or does not start at (0, 0), or no core is left between two halos.
    """
    if (frame.x0, frame.y0) != (0, 0):
        raise BadInput(f"A frame starts at (0, 0), this one at ({frame.x0}, {frame.y0}); plan in its own coordinates.")
    if frame.empty:
        raise BadInput(f"The frame {frame.width} x {frame.height} holds no pixel, so no grid can be planned over it.")
    if tile < 1 or halo < 0 or tile <= 2 * halo:
        raise BadInput(
            f"A tile of {tile} px leaves no core between two halos of {halo} px; make it more than {2 * halo}."
        )


def _read_span(lo: int, hi: int, length: int, tile: int) -> tuple[int, int]:
    side = min(tile, length)
    start = max(0, min((lo + hi - side) // 2, length - side))
    return start, start + side


def read_box(core: Box, frame: Box, tile: int, context: int | None = None) -> Box:
    """The window a tile reads: `tile` px square, centred on the core, shifted to lie inside the frame.

    It is smaller only where the frame is, and where no more than `context` px are wanted around the core. A core
    whose halo fits the tile gets it on every side where the frame has it.
    """
    x0, x1 = _read_span(core.x0, core.x1, frame.width, tile)
    y0, y1 = _read_span(core.y0, core.y1, frame.height, tile)
    window = Box(x0, y0, x1, y1)
    return window if context is None else window & core.expand(context, frame)


def map_slices(coarse: CoarseMap, box: Box) -> tuple[slice, slice]:
    """Rows and columns of the map whose cells hold the centre of a pixel of `box` (not empty, inside the frame)."""
    rows, cols = coarse.cells(box)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)


def objects_in(coarse: CoarseMap, core: Box) -> tuple[int, ...]:
    """The labels whose band lies in a core, in rising order."""
    window = map_slices(coarse, core)
    found = np.unique(coarse.labels[window][coarse.unsure[window]])
    return tuple(int(label) for label in found if label > 0)


def assemble(
    kind: str,
    cores: Iterable[tuple[Box, Box]],
    frame: Box,
    tile: int,
    halo: int,
    coarse: CoarseMap | None,
    why: str,
) -> Grid:
    """A `Grid` from (core, read) pairs, numbered and ordered from top to bottom, then left to right."""
    pairs = sorted(cores, key=lambda pair: (pair[0].y0, pair[0].x0))
    tiles = tuple(
        Tile(index, core, read, objects_in(coarse, core) if coarse is not None else ())
        for index, (core, read) in enumerate(pairs)
    )
    order = tuple(sorted(range(len(tiles)), key=lambda i: (tiles[i].read.y0, tiles[i].read.x0, i)))
    pixels = min(tile, frame.width) * min(tile, frame.height)
    return Grid(kind, frame, tiles, tile, halo, order, pixels * _BYTES_PER_PIXEL, why)
