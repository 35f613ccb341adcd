"""Blending by weights that sum to 1 on every pixel: straight ramps, or ramps with soft ends.

A ramp runs over the whole overlap of two neighbours. Where tiles agree their own bits come back, whatever the dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from segtile.edit.tiles import Rows, Tiles
from segtile.edit.windows import band_rows, owned, ring
from segtile.errors import BadInput
from segtile.merge.mosaic import AxisPlan, MosaicPlan, merge_rows
from segtile.types import Array, Box, FloatArray, Progress, Tile, no_progress

#: A ramp from 0 to 1 over 0..1 whose mirror image is what it lacks to 1.
Shape = Callable[[FloatArray], FloatArray]


def linear_rows(tiles: Tiles, *, on_progress: Progress = no_progress) -> Rows:
    """Blend along straight ramps; a regular grid's in its own dtype, by `segtile.merge.mosaic`.

    Args:
        tiles: the tiles; their cores partition the frame.
        on_progress: called as on_progress(rows, all rows, "merge").

    Yields:
        (y0, rows) from top to bottom, in the tiles' dtype, rounded to nearest.
    """
    plan = regular_plan(tiles)
    if plan is None:
        yield from _weighted(tiles, lambda t: t, on_progress)
        return
    height = tiles.frame.height
    on_progress(0, height, "merge")
    for y0, rows in merge_rows(((plan.box(i), tiles.read(i)) for i in range(len(plan))), plan):
        yield y0, rows
        on_progress(y0 + len(rows), height, "merge")


def cosine_rows(tiles: Tiles, *, on_progress: Progress = no_progress) -> Rows:
    """Blend along raised cosines: as `linear_rows`, without the kinks at the ends of a straight ramp."""
    yield from _weighted(tiles, lambda t: np.square(np.sin(t * np.float32(np.pi / 2))), on_progress)


def regular_plan(tiles: Tiles) -> MosaicPlan | None:
    """The grid that tiles of one size lie on, row by row, so that only neighbours overlap; None for any others."""
    reads = [tile.read for tile in tiles.tiles]
    if [tile.index for tile in tiles.tiles] != list(range(len(reads))):
        return None
    xs = _axis(tiles.frame.width, sorted({(box.x0, box.x1) for box in reads}))
    ys = _axis(tiles.frame.height, sorted({(box.y0, box.y1) for box in reads}))
    if xs is None or ys is None:
        return None
    plan = MosaicPlan(xs, ys)
    return plan if plan.boxes() == tuple(reads) else None


def _axis(length: int, spans: list[tuple[int, int]]) -> AxisPlan | None:
    sides = {end - start for start, end in spans}
    starts = tuple(start for start, _ in spans)
    if len(sides) != 1 or starts[0] != 0 or spans[-1][1] != length:
        return None
    side = sides.pop()
    ramps = tuple((b, a + side) for a, b in pairwise(starts))
    if any(start > stop for start, stop in ramps) or any(a[1] > b[0] for a, b in pairwise(ramps)):
        return None
    return AxisPlan(length, side, starts, ramps)


def weight_of(tile: Tile, box: Box, shape: Shape) -> FloatArray:
    """A tile's weight before normalisation over a box of its read box, (h, w) float32 > 0.

    It rises from the read box's border to twice as far within as the core's border lies, so that two neighbours'
    straight ramps sum to 1. A side on which the read box ends with the core has no ramp.
    """
    down = shape(_ramp(box.y0, box.y1, tile.read.y0, tile.core.y0, tile.core.y1, tile.read.y1))
    across = shape(_ramp(box.x0, box.x1, tile.read.x0, tile.core.x0, tile.core.x1, tile.read.x1))
    return down[:, None] * across[None, :]


def _ramp(start: int, stop: int, read0: int, core0: int, core1: int, read1: int) -> FloatArray:
    at = np.arange(start, stop) + 0.5
    before = (at - read0) / (2 * (core0 - read0)) if core0 > read0 else np.ones_like(at)
    after = (read1 - at) / (2 * (read1 - core1)) if read1 > core1 else np.ones_like(at)
    return np.minimum(1, np.minimum(before, after)).astype(np.float32)


def _weighted(tiles: Tiles, shape: Shape, on_progress: Progress) -> Rows:
    frame = tiles.frame
    step = band_rows(frame.width, tiles.bands)
    for y0 in range(0, frame.height, step):
        on_progress(y0, frame.height, "merge")
        band = Box(0, y0, frame.width, min(y0 + step, frame.height))
        owner = owned(tiles, band)
        yield y0, moved(owner, _apart(tiles, owner, band, shape))
    on_progress(frame.height, frame.height, "merge")


def _apart(tiles: Tiles, owner: Array, band: Box, shape: Shape) -> FloatArray:
    """How far the blend lies from the owner's pixels, in their own units."""
    total = np.zeros(owner.shape[:2], np.float32)
    there = [(tile, tile.read & band) for tile in tiles.tiles if not (tile.read & band).empty]
    for tile, both in there:
        total[both.within(band).slices] += weight_of(tile, both, shape)
    change = np.zeros(owner.shape, np.float32)
    for tile, both in there:
        for box in ring(both, tile.core):
            if box.empty:
                continue
            here = box.within(band).slices
            apart = np.subtract(tiles.read(tile.index, box), owner[here], dtype=np.float32)
            if apart.any():
                apart *= (weight_of(tile, box, shape) / total[here])[..., None]
                change[here] += apart
    return change


def moved(pixels: Array, change: FloatArray) -> Array:
    """Pixels plus a change in their own units, rounded to nearest and clipped; the same bits where the change is 0."""
    if not change.any():
        return pixels
    if pixels.dtype.kind == "f":
        return np.where(change == 0, pixels, pixels + change)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"tiles are {pixels.dtype}; blends take uint8, uint16 and float32")
    change += pixels
    np.rint(change, out=change)
    top = np.iinfo(pixels.dtype).max
    return np.clip(change, 0, top, out=change).astype(pixels.dtype)
