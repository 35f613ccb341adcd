"""Minimal-cost seams: tiles are not averaged but cut where they agree best, then joined by a narrow feather.

Every piece of border between two cores becomes a path through the overlap, the cheapest by the difference of the two
tiles. Paths keep their ends where cores meet in a corner, and near it stay within 45 degrees of their border: so the
paths of one corner never cross, and every pixel has one owner, whether three tiles meet there or four.

Source: A. Efros, W. Freeman, Image Quilting, SIGGRAPH 2001 (the path); the fixed corners are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from segtile.edit.tiles import Rows, Tiles
from segtile.edit.weighted import moved
from segtile.edit.windows import band_rows
from segtile.types import Array, Box, FloatArray, IntArray, Progress, Tile, no_progress

#: Half the width of the feather along a cut, px; less where the overlap is narrow.
FEATHER = 6

# What a px of distance from the core's border costs, in parts of the full range: where tiles agree, cuts are straight.
_STRAIGHT = 1e-5

_Path = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Piece:
    """A straight piece of border between the cores of tiles `first` (left or above) and `second`.

    It lies before column (vertical) or row `line`, over rows or columns lo .. hi - 1, and may be moved by up to `room`
    px. `fixed` says whether its ends are corners of cores; an end at the frame's border is not.
    """

    first: int
    second: int
    vertical: bool
    line: int
    lo: int
    hi: int
    room: int
    fixed: tuple[bool, bool]


def cut_rows(tiles: Tiles, *, feather: int = FEATHER, on_progress: Progress = no_progress) -> Rows:
    """Put tiles together along cuts of least difference.

    Args:
        tiles: the tiles; their cores partition the frame.
        feather: half the width of the ramp along a cut, px.
        on_progress: called as on_progress(rows, all rows, "merge").

    Yields:
        (y0, rows) from top to bottom, in the tiles' dtype, rounded to nearest.
    """
    frame = tiles.frame
    soft = _softness(tiles.tiles, feather)
    found = pieces(tiles.tiles, frame, soft)
    path = lru_cache(maxsize=None)(lambda index: _path(tiles, found[index]))
    step = band_rows(frame.width, tiles.bands)
    for y0 in range(0, frame.height, step):
        on_progress(y0, frame.height, "merge")
        band = Box(0, y0, frame.width, min(y0 + step, frame.height))
        yield y0, _band(tiles, found, path, band, soft)
    on_progress(frame.height, frame.height, "merge")


def pieces(tiles: Sequence[Tile], frame: Box, soft: int = 0) -> list[Piece]:
    """Every piece of border between two cores; `soft` px of each overlap are kept free for the feather."""
    found = []
    for vertical in (True, False):
        for a in tiles:
            for b in tiles:
                _, _, lo_a, hi_a = (core_a := _along(a.core, vertical))
                _, _, lo_b, hi_b = (core_b := _along(b.core, vertical))
                lo, hi = max(lo_a, lo_b), min(hi_a, hi_b)
                if core_a[1] != core_b[0] or lo >= hi:
                    continue
                line = core_a[1]
                overlap = min(_along(a.read, vertical)[1] - line, line - _along(b.read, vertical)[0])
                half = min(core_a[1] - core_a[0], core_b[1] - core_b[0]) // 2
                ends = frame.height if vertical else frame.width
                room = max(0, min(overlap - soft, half))
                found.append(Piece(a.index, b.index, vertical, line, lo, hi, room, (lo > 0, hi < ends)))
    return found


def _along(box: Box, vertical: bool) -> tuple[int, int, int, int]:
    """(start, end) across a border of that direction, then along it."""
    return (box.x0, box.x1, box.y0, box.y1) if vertical else (box.y0, box.y1, box.x0, box.x1)


def _box(vertical: bool, start: int, end: int, lo: int, hi: int) -> Box:
    return Box(start, lo, end, hi) if vertical else Box(lo, start, hi, end)


def _softness(tiles: Sequence[Tile], feather: int) -> int:
    """The feather's half width: at most a third of the narrowest overlap's half."""
    sides = [
        side
        for t in tiles
        for side in (t.core.x0 - t.read.x0, t.read.x1 - t.core.x1, t.core.y0 - t.read.y0, t.read.y1 - t.core.y1)
        if side
    ]
    return min(feather, min(sides, default=0) // 3)


def _path(tiles: Tiles, piece: Piece) -> _Path:
    """How far the cut lies from the border's line at each row (column) of a piece, (hi - lo,) in -room .. room."""
    length, room = piece.hi - piece.lo, piece.room
    if not room:
        return np.zeros(length, np.intp)
    box = _box(piece.vertical, piece.line - room, piece.line + room, piece.lo, piece.hi)
    a, b = (tiles.read(index, box) for index in (piece.first, piece.second))
    apart = np.abs(np.subtract(a, b, dtype=np.float32)).sum(axis=2)
    apart /= 1 if tiles.dtype.kind == "f" else np.iinfo(tiles.dtype).max  # type: ignore[type-var]
    apart = apart if piece.vertical else np.ascontiguousarray(apart.T)
    # A cut at offset k has pixels k - 1 and k on its two sides; one at either end of the overlap has one of them.
    padded = np.pad(apart, ((0, 0), (1, 1)), mode="edge")
    cost = padded[:, :-1] + padded[:, 1:]
    cost += _STRAIGHT * np.abs(np.arange(-room, room + 1))
    return _cheapest(cost, piece.fixed)


def _cheapest(cost: FloatArray, fixed: tuple[bool, bool]) -> _Path:
    """The cheapest path down (n, 2 * room + 1) costs, at most one column aside a row; as offsets from the middle."""
    count, width = cost.shape
    room = width // 2
    depth = np.arange(count)
    most = np.full(count, room)
    if fixed[0]:
        most = np.minimum(most, depth)
    if fixed[1]:
        most = np.minimum(most, depth[::-1])
    cost = np.where(np.abs(np.arange(-room, room + 1))[None, :] > most[:, None], np.inf, cost).astype(np.float64)
    steps = np.empty((count, width), np.int8)
    total = cost[0]
    for y in range(1, count):
        wide = np.concatenate([[np.inf], total, [np.inf]])
        left, right = wide[:-2], wide[2:]
        best = np.minimum(np.minimum(left, right), total)
        steps[y] = np.where(total <= best, 0, np.where(left <= right, -1, 1))
        total = best + cost[y]
    path = np.empty(count, np.intp)
    path[-1] = np.argmin(total)
    for y in range(count - 1, 0, -1):
        path[y - 1] = path[y] + steps[y, path[y]]
    return path - room


def _band(tiles: Tiles, found: list[Piece], path: Callable[[int], _Path], band: Box, soft: int) -> Array:
    wide = Box(band.x0, band.y0 - soft, band.x1, band.y1 + soft) & tiles.frame
    labels = _labels(tiles.tiles, found, path, wide)
    pixels = np.empty((band.height, band.width, tiles.bands), tiles.dtype)
    inside = labels[band.within(wide).slices]
    there = [tile for tile in tiles.tiles if not (tile.read & band).empty]
    for tile in there:
        both = tile.read & band
        mine = inside[both.within(band).slices] == tile.index
        if mine.any():
            np.copyto(pixels[both.within(band).slices], tiles.read(tile.index, both), where=mine[..., None])
    if not soft:
        return pixels
    change = np.zeros(pixels.shape, np.float32)
    for tile in there:
        _feathered(change, pixels, tiles, tile, labels, wide, band, soft)
    return moved(pixels, change)


def _labels(tiles: Sequence[Tile], found: list[Piece], path: Callable[[int], _Path], box: Box) -> IntArray:
    """Which tile owns each pixel of a box, (h, w) int32."""
    labels = np.zeros((box.height, box.width), np.int32)
    for tile in tiles:
        mine = tile.core & box
        if not mine.empty:
            labels[mine.within(box).slices] = tile.index
    for index, piece in enumerate(found):
        area = _box(piece.vertical, piece.line - piece.room, piece.line + piece.room, piece.lo, piece.hi)
        here = area & box
        if here.empty:
            continue
        view = labels[here.within(box).slices]
        along = _along(here, piece.vertical)
        cut = path(index)[along[2] - piece.lo : along[3] - piece.lo]
        at = np.arange(along[0], along[1]) - piece.line
        given = (cut[:, None] > at) & (at >= 0)  # beyond the line, and the first tile's
        taken = (cut[:, None] <= at) & (at < 0)
        view[given if piece.vertical else given.T] = piece.first
        view[taken if piece.vertical else taken.T] = piece.second
    return labels


def _feathered(
    change: FloatArray, pixels: Array, tiles: Tiles, tile: Tile, labels: IntArray, wide: Box, band: Box, soft: int
) -> None:
    """Add a tile's share near the cuts: its distance from the owner times the mean of its own mask around a pixel."""
    both = tile.read & band
    around = both.expand(soft, wide)
    mask = (labels[around.within(wide).slices] == tile.index).astype(np.float32)
    side = 2 * soft + 1
    share = cv2.blur(mask, (side, side), borderType=cv2.BORDER_REPLICATE)[both.within(around).slices]
    own = mask[both.within(around).slices] > 0
    rows = np.flatnonzero(((share > 0) & ~own).any(axis=1))
    if not len(rows):
        return
    part = Box(both.x0, both.y0 + int(rows[0]), both.x1, both.y0 + int(rows[-1]) + 1)
    here = part.within(band).slices
    weight = np.where(own, 0, share)[part.within(both).slices]
    apart = np.subtract(tiles.read(tile.index, part), pixels[here], dtype=np.float32)
    apart *= weight[..., None]
    change[here] += apart
