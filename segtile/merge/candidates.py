"""Pieces of two tiles that show something at one place of the strip both tiles saw: the pairs worth a closer look.

Tiles that overlap share a strip. Only pieces that reach into it can be two views of one object, so pieces are sorted
into strips first and compared there; the number of pairs grows with the pieces in a strip, not in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

from segtile.types import Array, FloatArray, IntArray

Rows = npt.NDArray[np.intp]

#: Pairs that are compared at a time; each takes some 100 bytes while it is.
_AT_A_TIME = 1 << 20
#: A strip with more pairs than this is searched through a tree.
_MOST_PAIRS = 1 << 18


@dataclass(frozen=True)
class Candidates:
    """Pairs of pieces of one class from two overlapping tiles whose boxes meet inside the tiles' strip.

    `a` and `b` (P,) are rows of the pieces, `strip` (P, 4) float32 is the strip, frame px, `number` (P,) its number.
    """

    a: Rows
    b: Rows
    strip: FloatArray
    number: Rows


@dataclass(frozen=True)
class _Shown:
    """One side of all strips: `piece` shows `box` in strip `strip`; ascending by strip, `starts` where each begins."""

    piece: Rows
    strip: Rows
    box: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
    label: IntArray
    starts: Rows


def overlapping(reads: FloatArray) -> tuple[Rows, Rows]:
    """All pairs of rows i < j of (T, 4) boxes that share an area."""
    shapes = shapely.box(reads[:, 0], reads[:, 1], reads[:, 2], reads[:, 3])
    i, j = shapely.STRtree(shapes).query(shapes)
    size = np.minimum(reads[i, 2:], reads[j, 2:]) - np.maximum(reads[i, :2], reads[j, :2])
    kept = (i < j) & (size > 0).all(axis=1)
    order = np.lexsort((j[kept], i[kept]))
    return i[kept][order], j[kept][order]


def candidates(boxes: FloatArray, labels: IntArray, tile_of: Rows, reads: FloatArray) -> Candidates:
    """Find the pairs.

    Args:
        boxes: (N, 4) float32, frame px.
        labels: (N,) int32; only equal ones are paired.
        tile_of: (N,) rows of `reads`.
        reads: (T, 4) float32, the tiles' read boxes.
    """
    first, second = overlapping(reads)
    strips = np.concatenate(
        (np.maximum(reads[first, :2], reads[second, :2]), np.minimum(reads[first, 2:], reads[second, 2:])), axis=1
    )
    order = np.argsort(tile_of, kind="stable")
    starts = np.searchsorted(tile_of[order], np.arange(len(reads) + 1))
    left = _shown(boxes, labels, order, starts, first, strips)
    right = _shown(boxes, labels, order, starts, second, strips)
    many = np.diff(left.starts) * np.diff(right.starts)
    found = [_by_tree(left, right, int(strip)) for strip in np.flatnonzero(many > _MOST_PAIRS)]
    found += _by_all(left, right, np.where(many > _MOST_PAIRS, 0, many))
    i, j = (np.concatenate([pair[side] for pair in found] or [np.empty(0, np.intp)]) for side in (0, 1))
    number = left.strip[i]
    return Candidates(left.piece[i], right.piece[j], strips[number], number)


def _shown(boxes: FloatArray, labels: IntArray, order: Rows, starts: Rows, tiles: Rows, strips: FloatArray) -> _Shown:
    """What the tile on one side of each strip shows in it."""
    sizes = starts[tiles + 1] - starts[tiles]
    strip = np.repeat(np.arange(len(tiles)), sizes)
    piece = order[_counted(sizes) + np.repeat(starts[tiles], sizes)]
    x0 = np.maximum(boxes[piece, 0], strips[strip, 0])
    y0 = np.maximum(boxes[piece, 1], strips[strip, 1])
    x1 = np.minimum(boxes[piece, 2], strips[strip, 2])
    y1 = np.minimum(boxes[piece, 3], strips[strip, 3])
    kept = (x1 > x0) & (y1 > y0)
    strip, piece = strip[kept], piece[kept]
    begin = np.searchsorted(strip, np.arange(len(tiles) + 1))
    return _Shown(piece, strip, (x0[kept], y0[kept], x1[kept], y1[kept]), labels[piece], begin)


def _by_all(left: _Shown, right: _Shown, many: Rows) -> list[tuple[Rows, Rows]]:
    """Pairs in strips of few pieces: every one on the left with every one on the right, some strips at a time."""
    found = []
    cuts = np.flatnonzero(np.diff(np.cumsum(many) // _AT_A_TIME, prepend=-1)).tolist()
    for begin, end in pairwise([*cuts, len(many)]):
        across = np.diff(right.starts)[begin:end]
        lefts = np.arange(left.starts[begin], left.starts[end])
        lefts = lefts[many[left.strip[lefts]] > 0]
        sizes = across[left.strip[lefts] - begin]
        i = np.repeat(lefts, sizes)
        j = _counted(sizes) + np.repeat(right.starts[left.strip[lefts]], sizes)
        found.append(_meeting(left, right, i, j))
    return found


def _by_tree(left: _Shown, right: _Shown, strip: int) -> tuple[Rows, Rows]:
    """Pairs in a crowded strip."""
    (i0, i1), (j0, j1) = left.starts[strip : strip + 2], right.starts[strip : strip + 2]
    tree = shapely.STRtree(shapely.box(*(side[j0:j1] for side in right.box)))
    shapes = shapely.box(*(side[i0:i1] for side in left.box))
    found = []
    for begin in range(0, len(shapes), 256):
        i, j = tree.query(shapes[begin : begin + 256])
        found.append(_meeting(left, right, i + begin + i0, j + j0))
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def _meeting(left: _Shown, right: _Shown, i: Rows, j: Rows) -> tuple[Rows, Rows]:
    """Those pairs of rows whose boxes share an area and whose labels are one; the cheapest question comes first."""
    for side in (0, 1):
        low = np.maximum(left.box[side][i], right.box[side][j])
        high = np.minimum(left.box[side + 2][i], right.box[side + 2][j])
        kept = high > low
        i, j = i[kept], j[kept]
    same = left.label[i] == right.label[j]
    return i[same], j[same]


def _counted(sizes: Array) -> Rows:
    """0 .. n - 1 for every n of `sizes`, one after the other."""
    return np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
