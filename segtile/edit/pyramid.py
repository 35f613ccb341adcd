"""Multi-band blending: coarse detail is handed over along a wide ramp, fine detail along a narrow one.

Every tile is written as the composite of all cores plus how far it lies from that, which is 0 in its own core. The
pyramid is linear and the masks of all tiles sum to 1 at each level, so it is enough to blend these distances and add
them: where tiles agree there is nothing to add, and their bits stay. Pyramids are cut from the frame at multiples of
their coarsest pixel with all the context that they reach for, so bands of rows do not show.

Source: P. Burt, E. Adelson, A Multiresolution Spline with Application to Image Mosaics, ACM ToG 1983.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from segtile.edit.tiles import Rows, Tiles
from segtile.edit.weighted import moved
from segtile.edit.windows import band_rows, owned
from segtile.types import Array, Box, FloatArray, Progress, Tile, no_progress

_MOST_LEVELS = 6


def pyramid_rows(tiles: Tiles, *, levels: int | None = None, on_progress: Progress = no_progress) -> Rows:
    """Blend in bands of frequencies.

    Args:
        tiles: the tiles; their cores partition the frame.
        levels: coarser levels of the pyramid, 0 for a hard cut; by default as many as fit the overlaps, so that the
            coarsest ramp is about as wide as they are.
        on_progress: called as on_progress(rows, all rows, "merge").

    Yields:
        (y0, rows) from top to bottom, in the tiles' dtype, rounded to nearest and clipped.
    """
    frame = tiles.frame
    count = fitting_levels(tiles) if levels is None else levels
    reach = 4 << count  # of decimation, interpolation and their sum over all levels, px
    step = band_rows(frame.width, tiles.bands)
    for y0 in range(0, frame.height, step):
        on_progress(y0, frame.height, "merge")
        band = Box(0, y0, frame.width, min(y0 + step, frame.height))
        wide = Box(0, band.y0 - reach, frame.width, band.y1 + reach) & frame
        owner = owned(tiles, wide)
        change = np.zeros((band.height, band.width, tiles.bands), np.float32)
        for tile in tiles.tiles if count else ():
            for box in _windows(tile, band, frame, reach, 1 << count):
                _add(change, band, tiles, tile, box, owner, wide, count)
        yield y0, moved(owner[band.within(wide).slices], change)
    on_progress(frame.height, frame.height, "merge")


def fitting_levels(tiles: Tiles) -> int:
    """Levels whose coarsest ramp fits the narrowest overlap; 0 where tiles do not overlap."""
    feathers = [side for tile in tiles.tiles for side in _feathers(tile) if side]
    return min(_MOST_LEVELS, max(0, min(feathers).bit_length() - 2)) if feathers else 0


def _feathers(tile: Tile) -> tuple[int, int, int, int]:
    core, read = tile.core, tile.read
    return core.x0 - read.x0, core.y0 - read.y0, read.x1 - core.x1, read.y1 - core.y1


def _windows(tile: Tile, band: Box, frame: Box, reach: int, grain: int) -> Iterator[Box]:
    """Where a tile differs from the composite near a band and can change it; may reach beyond the frame."""
    grown = Box(tile.read.x0 - reach, tile.read.y0 - reach, tile.read.x1 + reach, tile.read.y1 + reach)
    rows = Box(grown.x0, band.y0 - reach, grown.x1, band.y1 + reach) & grown
    if (rows & frame).empty or rows.y1 <= band.y0 or rows.y0 >= band.y1:
        return
    within = rows.y0 >= _upper(tile) and rows.y1 <= _lower(tile, frame)
    inner = (tile.core.x0 + reach, tile.core.x1 - reach)
    if within and inner[0] < inner[1]:  # the composite is the tile itself but on its left and right
        if tile.read.x0 < tile.core.x0:
            yield _aligned(Box(rows.x0, rows.y0, inner[0], rows.y1), grain)
        if tile.core.x1 < tile.read.x1:
            yield _aligned(Box(inner[1], rows.y0, rows.x1, rows.y1), grain)
    else:
        yield _aligned(rows, grain)


def _upper(tile: Tile) -> int:
    """The first row from which on a core's columns are the tile's own; beyond the frame nobody's."""
    return tile.core.y0 if tile.read.y0 < tile.core.y0 else -(1 << 40)


def _lower(tile: Tile, frame: Box) -> int:
    return tile.core.y1 if tile.core.y1 < tile.read.y1 else 1 << 40


def _aligned(box: Box, grain: int) -> Box:
    return Box(
        box.x0 // grain * grain, box.y0 // grain * grain, -(-box.x1 // grain) * grain, -(-box.y1 // grain) * grain
    )


def _add(
    change: FloatArray, band: Box, tiles: Tiles, tile: Tile, box: Box, owner: Array, wide: Box, levels: int
) -> None:
    """Add what a tile contributes over a window to the band."""
    seen = tile.read & box & wide
    if seen.empty or tile.core.contains(seen):
        return
    apart = np.subtract(tiles.read(tile.index, seen), owner[seen.within(wide).slices], dtype=np.float32)
    if not apart.any():
        return
    pads = seen.y0 - box.y0, box.y1 - seen.y1, seen.x0 - box.x0, box.x1 - seen.x1
    full = np.asarray(cv2.copyMakeBorder(apart, *pads, cv2.BORDER_REPLICATE)).reshape(box.height, box.width, -1)
    added = _blended(full, _mask(tile, box, tiles.frame), levels)
    target = box & band
    change[target.within(band).slices] += added[target.within(box).slices]


def _mask(tile: Tile, box: Box, frame: Box) -> FloatArray:
    """1 in the core, which goes on beyond the frame where it ends with it; (h, w) over a box."""
    core, far = tile.core, 1 << 40
    grown = Box(
        -far if core.x0 == frame.x0 else core.x0,
        -far if core.y0 == frame.y0 else core.y0,
        far if core.x1 == frame.x1 else core.x1,
        far if core.y1 == frame.y1 else core.y1,
    )
    mask = np.zeros((box.height, box.width), np.float32)
    mask[(grown & box).within(box).slices if not (grown & box).empty else (slice(0), slice(0))] = 1
    return mask


def _blended(values: FloatArray, mask: FloatArray, levels: int) -> FloatArray:
    """The sum over all levels of Laplacian times smoothed mask, at full resolution."""
    parts = []
    for _ in range(levels):
        small = _down(values)
        parts.append((values - _up(small, values)) * mask[..., None])
        values, mask = small, _down(mask)[..., 0]
    found = values * mask[..., None]
    for part in reversed(parts):
        found = _up(found, part)
        found += part
    return found


def _down(values: FloatArray) -> FloatArray:
    small = cv2.pyrDown(values, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(small, np.float32).reshape(*small.shape[:2], -1)


def _up(small: FloatArray, like: FloatArray) -> FloatArray:
    big = cv2.pyrUp(small, dstsize=(like.shape[1], like.shape[0]))
    return np.asarray(big, np.float32).reshape(*like.shape[:2], -1)
