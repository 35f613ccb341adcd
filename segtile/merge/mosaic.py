"""Cutting a canvas into overlapping tiles and putting the tiles back together, streamed and exact.

The grid is evenly spaced, every tile has its full size, and between two neighbours lies one ramp along which the
earlier tile hands over to the later one. Outside the ramps pixels are copied; only the ramps are computed. Where the
tiles agree the canvas comes back to the bit, whatever its dtype.

    plan = mosaic_plan(width, height, tile=1024, overlap=128)
    result = merge(((box, model(pixels)) for box, pixels in split(canvas, plan)), plan)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from segtile.errors import BadInput
from segtile.merge.strips import SUPPORTED, StripLerp
from segtile.types import Array, Box, FloatArray

#: ``sink(y0, rows)``: finished rows y0 .. y0 + len(rows) - 1, a view that is only valid during the call.
RowSink = Callable[[int, Array], None]


class Span(NamedTuple):
    """What one tile answers for along one axis: a ramp in, a solid stretch that is its alone, a ramp out (frame px)."""

    start: int
    solid0: int
    solid1: int
    stop: int


@dataclass(frozen=True)
class AxisPlan:
    """Tiles along an axis of `length` px: `origins` of tiles of `tile` px, `ramps` (start, stop) between neighbours.

    Ramps never touch each other, so no pixel is shared by more than two tiles of an axis.
    """

    length: int
    tile: int
    origins: tuple[int, ...]
    ramps: tuple[tuple[int, int], ...]

    def span(self, index: int) -> Span:
        """The stretch that tile `index` answers for."""
        start, solid0 = self.ramps[index - 1] if index else (0, 0)
        last = index == len(self.origins) - 1
        solid1, stop = (self.length, self.length) if last else self.ramps[index]
        return Span(start, solid0, solid1, stop)

    def weights(self, seam: int) -> FloatArray:
        """Weight of the later tile at every pixel of a ramp, float32 in (0, 1); the earlier tile has the rest."""
        start, stop = self.ramps[seam]
        return ((np.arange(stop - start) + 0.5) / max(1, stop - start)).astype(np.float32)


@dataclass(frozen=True)
class MosaicPlan:
    """A regular grid of overlapping tiles over a canvas: the tiles along x and those along y, combined."""

    xs: AxisPlan
    ys: AxisPlan

    @property
    def width(self) -> int:
        """Canvas columns."""
        return self.xs.length

    @property
    def height(self) -> int:
        """Canvas rows."""
        return self.ys.length

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return len(self.xs.origins)

    @property
    def rows(self) -> int:
        """Tiles one below the other."""
        return len(self.ys.origins)

    def __len__(self) -> int:
        return self.rows * self.columns

    def box(self, index: int) -> Box:
        """The canvas pixels of tile `index`, counted row by row, left to right."""
        row, column = divmod(index, self.columns)
        x0, y0 = self.xs.origins[column], self.ys.origins[row]
        return Box(x0, y0, x0 + self.xs.tile, y0 + self.ys.tile)

    def boxes(self) -> tuple[Box, ...]:
        """All tiles in the order in which `split` gives and `merge` takes them."""
        return tuple(self.box(i) for i in range(len(self)))


def mosaic_plan(width: int, height: int, tile: int, overlap: int) -> MosaicPlan:
    """Plan evenly spaced tiles over a canvas.

    Args:
        width: Canvas columns, 1 or more.
        height: Canvas rows, 1 or more.
        tile: Side of the square tiles, px. Along an axis shorter than this there is one tile of the axis's length.
        overlap: Least overlap of neighbours and width of the ramp between them, px, 0 .. tile - 1. Evening out the grid
            may make neighbours overlap more; the ramp then lies in the middle of their overlap, away from both borders.
            Over tile / 2 (where a third tile may reach into an overlap) ramps are at most one stride wide.

    Returns:
        The plan: as few tiles as the overlap allows, origins differing by at most one px from even spacing.

    Raises:
        BadInput: A size is not positive, or the overlap is negative or not smaller than the tile.

    Source: the even spacing is nnU-Net's sliding-window rule (Isensee et al., Nature Methods 2021).
    """
    if min(width, height) < 1:
        raise BadInput(f"a canvas of {width} x {height} px has no pixels; width and height must be 1 or more")
    if tile < 1:
        raise BadInput(f"tile is {tile} px; it must be 1 or more")
    if not 0 <= overlap < tile:
        raise BadInput(f"overlap is {overlap} px; for a tile of {tile} px it must be between 0 and {tile - 1}")
    return MosaicPlan(xs=_axis(width, tile, overlap), ys=_axis(height, tile, overlap))


def _axis(length: int, tile: int, overlap: int) -> AxisPlan:
    if length <= tile:
        return AxisPlan(length, length, (0,), ())
    free, step = length - tile, tile - overlap
    count = -(-free // step)
    origins = tuple(i * free // count for i in range(count + 1))
    # Ramps of two neighbouring seams must not meet: their centres are a stride apart.
    ramp = overlap if count == 1 else min(overlap, free // count)
    starts = tuple((earlier + tile + later - ramp) // 2 for earlier, later in pairwise(origins))
    return AxisPlan(length, tile, origins, tuple((s, s + ramp) for s in starts))


def split(canvas: Array, plan: MosaicPlan) -> Iterator[tuple[Box, Array]]:
    """Cut a canvas into the plan's tiles, row by row, left to right.

    Args:
        canvas: (H, W) or (H, W, C), any dtype; arrays and memory maps alike.
        plan: From `mosaic_plan`, for this canvas's size.

    Yields:
        Each tile's box and its pixels as a view: nothing is copied, and a view shows the canvas as it is when read.

    Raises:
        BadInput: The canvas has another size than the plan.
    """
    if canvas.ndim not in (2, 3) or canvas.shape[:2] != (plan.height, plan.width):
        raise BadInput(
            f"the canvas has shape {canvas.shape}; the plan is for ({plan.height}, {plan.width}[, channels])"
        )
    return ((box, canvas[box.slices]) for box in plan.boxes())


def merge(
    tiles: Iterable[tuple[Box, Array]],
    plan: MosaicPlan,
    *,
    out: Array | None = None,
    sink: RowSink | None = None,
) -> Array | None:
    """Put tiles back together, each pixel a weighted mean of the tiles that cover it, with weights that sum to 1.

    Weights are separable linear ramps, `AxisPlan.weights`; integers are rounded once, after both axes, to the nearest
    value. Where all tiles agree the result has their value to the bit (finite floats; an infinity inside a ramp turns
    into NaN), and it never leaves the range between them. Beyond the result it holds one tile and a few strips; with
    `sink` it holds one band of rows and no canvas at all.

    Args:
        tiles: (box, pixels) row by row, left to right, from any iterator; pixels (h, w) or (h, w, C) uint8, uint16 or
            float32, all alike. A tile's array may be reused for the next one.
        plan: From `mosaic_plan`.
        out: Where to write: (H, W) or (H, W, C) of the tiles' dtype with contiguous rows, a memory map for instance.
        sink: Called with finished rows in order, each row once, as ``sink(y0, rows)``; the view is only valid inside
            the call. Exclusive with `out`.

    Returns:
        The canvas: `out` or, without `out` and `sink`, a new array; None with `sink`.

    Raises:
        BadInput: Tiles out of order, missing, too many, of a wrong shape or dtype, or an `out` that does not fit them.
            Rows written before the fault stay written.
    """
    if out is not None and sink is not None:
        raise BadInput("merge writes to out or to sink, not to both; leave one of them out")
    merger: _Merger | None = None
    for merger in _mergers(tiles, plan, out, sink):  # noqa: B007 - the last one is wanted
        pass
    assert merger is not None
    return merger.out


def merge_rows(tiles: Iterable[tuple[Box, Array]], plan: MosaicPlan) -> Iterator[tuple[int, Array]]:
    """As `merge`, but gives finished rows to whoever asks: tiles are taken one by one, as rows are wanted.

    Args:
        tiles: as for `merge`.
        plan: from `mosaic_plan`.

    Yields:
        (y0, rows) from top to bottom, each row once; new arrays.

    Raises:
        BadInput: as `merge`.
    """
    done: list[tuple[int, Array]] = []
    for _ in _mergers(tiles, plan, None, lambda y0, rows: done.append((y0, rows.copy()))):
        yield from done
        done.clear()


def _mergers(
    tiles: Iterable[tuple[Box, Array]], plan: MosaicPlan, out: Array | None, sink: RowSink | None
) -> Iterator[_Merger]:
    """The merger, after each tile that it took; all have been taken at the end."""
    merger: _Merger | None = None
    index = 0
    for box, pixels in tiles:
        _check_tile(index, box, pixels, plan)
        if merger is None:
            merger = _Merger(plan, pixels, out, sink)
        merger.add(index, pixels)
        index += 1
        yield merger
    if merger is None or index < len(plan):
        raise BadInput(f"only {index} of {len(plan)} tiles arrived; every tile of the plan must be given")


def _check_tile(index: int, box: Box, pixels: Array, plan: MosaicPlan) -> None:
    if index >= len(plan):
        raise BadInput(f"more tiles than the plan's {len(plan)} arrived")
    expected = plan.box(index)
    if box != expected:
        raise BadInput(
            f"tile {index} must be {expected.width} x {expected.height} px at ({expected.x0}, {expected.y0}), "
            f"but {box.width} x {box.height} px at ({box.x0}, {box.y0}) came; give tiles row by row, left to right"
        )
    if pixels.ndim not in (2, 3) or pixels.shape[:2] != (box.height, box.width):
        raise BadInput(f"tile {index} has shape {pixels.shape}; it must be ({box.height}, {box.width}[, channels])")


class _Merger:
    """The running state of one `merge`: every array in it is 2-D, (rows, columns * channels)."""

    def __init__(self, plan: MosaicPlan, first: Array, out: Array | None, sink: RowSink | None) -> None:
        if first.dtype not in SUPPORTED:
            raise BadInput(f"tiles are {first.dtype}; merge takes uint8, uint16 and float32")
        self.plan, self.sink, self.dtype = plan, sink, first.dtype
        self.tail = first.shape[2:]
        self.channels = int(np.prod(self.tail, dtype=int))
        if self.channels == 0:
            raise BadInput("tiles have no channels; give (h, w) or (h, w, C) with C of 1 or more")
        self.base = 0
        if sink is None:
            shape = (plan.height, plan.width, *self.tail)
            self.out: Array | None = np.empty(shape, self.dtype) if out is None else _fitting(out, shape, self.dtype)
            self.canvas = self.out.reshape(plan.height, -1)
        else:
            self.out = None
            spans = [plan.ys.span(i) for i in range(plan.rows)]
            band = max(span.stop - span.start for span in spans)
            self.canvas = np.empty((band, plan.width * self.channels), self.dtype)
        self.lerp = StripLerp()
        self.x_weights = [np.repeat(plan.xs.weights(i), self.channels)[None, :] for i in range(plan.columns - 1)]
        self.y_weights = [plan.ys.weights(i)[:, None] for i in range(plan.rows - 1)]
        # What the left neighbour said along the ramp between the two, and the x blend (float, not yet rounded) where
        # four tiles meet, kept until the row of tiles below arrives.
        self.carry = np.empty((0, 0), self.dtype)
        self.corners: list[FloatArray] = [np.empty((0, 0), np.float32)] * (plan.columns - 1)

    def add(self, index: int, pixels: Array) -> None:
        """Blend the next tile in, and hand on the rows that are finished by it."""
        if pixels.dtype != self.dtype or pixels.shape[2:] != self.tail:
            raise BadInput(
                f"tile {index} is {pixels.dtype} with channels {pixels.shape[2:]}; "
                f"the first tile was {self.dtype} with channels {self.tail}"
            )
        row, column = divmod(index, self.plan.columns)
        tile = pixels.reshape(pixels.shape[0], -1)
        if column:
            self._seam(row, column, tile)
        self._solid(row, column, tile)
        ys, xs = self.plan.ys.span(row), self.plan.xs.span(column)
        if column + 1 < self.plan.columns:
            self.carry = self._cut(tile, row, column, (ys.start, ys.stop), (xs.solid1, xs.stop)).copy()
        elif self.sink is not None:
            self._flush(ys)

    def _cut(self, tile: Array, row: int, column: int, y: tuple[int, int], x: tuple[int, int]) -> Array:
        oy, ox, c = self.plan.ys.origins[row], self.plan.xs.origins[column], self.channels
        return tile[y[0] - oy : y[1] - oy, (x[0] - ox) * c : (x[1] - ox) * c]

    def _target(self, y: tuple[int, int], x: tuple[int, int]) -> Array:
        return self.canvas[y[0] - self.base : y[1] - self.base, x[0] * self.channels : x[1] * self.channels]

    def _solid(self, row: int, column: int, tile: Array) -> None:
        """The columns that are this tile's alone: blend with the row of tiles above, copy the rest."""
        ys, xs = self.plan.ys.span(row), self.plan.xs.span(column)
        x = (xs.solid0, xs.solid1)
        if row:
            above = self._target((ys.start, ys.solid0), x)
            self.lerp(above, above, self._cut(tile, row, column, (ys.start, ys.solid0), x), self.y_weights[row - 1])
        # The ramp out is written too, for the row of tiles below to blend with.
        self._target((ys.solid0, ys.stop), x)[...] = self._cut(tile, row, column, (ys.solid0, ys.stop), x)

    def _seam(self, row: int, column: int, tile: Array) -> None:
        """The ramp between this tile and its left neighbour, with the corners where four tiles meet."""
        ys, xs = self.plan.ys.span(row), self.plan.xs.span(column)
        x, weights = (xs.start, xs.solid0), self.x_weights[column - 1]
        left, right = self.carry, self._cut(tile, row, column, (ys.start, ys.stop), x)
        top, bottom = ys.solid0 - ys.start, ys.solid1 - ys.start
        if row:
            lower = np.empty((top, left.shape[1]), np.float32)
            self.lerp(lower, left[:top], right[:top], weights)
            self.lerp(self._target((ys.start, ys.solid0), x), self.corners[column - 1], lower, self.y_weights[row - 1])
        self.lerp(self._target((ys.solid0, ys.solid1), x), left[top:bottom], right[top:bottom], weights)
        corner = np.empty((ys.stop - ys.solid1, left.shape[1]), np.float32)
        self.lerp(corner, left[bottom:], right[bottom:], weights)
        self.corners[column - 1] = corner

    def _flush(self, ys: Span) -> None:
        """Give the finished rows to the sink and move the ramp out to the top of the band."""
        assert self.sink is not None
        done = self.canvas[: ys.solid1 - self.base]
        if len(done):
            self.sink(self.base, done.reshape(len(done), self.plan.width, *self.tail))
        keep = self.canvas[ys.solid1 - self.base : ys.stop - self.base]
        self.canvas[: len(keep)] = keep
        self.base = ys.solid1


def _fitting(out: Array, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    if out.shape != shape or out.dtype != dtype:
        raise BadInput(f"out is {out.dtype} {out.shape}; the tiles need {dtype} {shape}")
    if not np.may_share_memory(out.reshape(out.shape[0], -1), out):
        raise BadInput("out must have contiguous rows; give merge a new array and copy from that")
    return out
