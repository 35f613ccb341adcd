"""Where the edge lies: signed distance, in fractions of a pixel, from the prediction's edge to the true one.

An alpha's edge is its 0.5 contour: between two neighbouring pixels (4-neighbours) on either side of 0.5 it passes where
the straight line between their values does, and in each square of four pixel centres these points are joined by
straight segments (marching squares; a saddle is split by the mean of its four values).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from segtile.metrics.pair import Alpha, Pair, PairFunction, full_scale, unit
from segtile.types import Box, FloatArray

Points = npt.NDArray[np.float64]  # (n, 2) x, y; pixel centres at whole numbers
Segments = npt.NDArray[np.float64]  # (n, 2, 2)

_STRIP = 1024
_NEAREST = 6
_LONGEST = math.sqrt(2)  # a segment lies in one square of pixel centres

# Corners of a square of pixel centres, clockwise from the top left, and the sides between consecutive ones.
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))  # (dy, dx)
_SIDES = [(corner, _CORNERS[(k + 1) % 4]) for k, corner in enumerate(_CORNERS)]


def _joins() -> dict[int, tuple[tuple[int, int], ...]]:
    """Which sides a code's segments join; bit k is corner k inside. Saddles 5 and 10: as if the middle were outside."""
    table: dict[int, tuple[tuple[int, int], ...]] = {}
    for code in range(1, 15):
        inside = [bool(code >> k & 1) for k in range(4)]
        crossed = [k for k in range(4) if inside[k] != inside[(k + 1) % 4]]
        if len(crossed) == 2:
            table[code] = ((crossed[0], crossed[1]),)
        else:  # each inner corner k is cut off by the sides before and after it
            table[code] = tuple(((k - 1) % 4, k) for k in range(4) if inside[k])
    return table


_JOINS = _joins()


def _side_points(alpha: FloatArray, y: npt.NDArray[np.intp], x: npt.NDArray[np.intp], side: int) -> Points:
    """Where the contour crosses one side of the squares whose top left centres are given."""
    (ay, ax), (by, bx) = sorted(_SIDES[side])  # one direction for both squares of a side
    a, b = alpha[y + ay, x + ax].astype(np.float64), alpha[y + by, x + bx].astype(np.float64)
    t = (0.5 - a) / (b - a)
    return np.stack([x + ax + t * (bx - ax), y + ay + t * (by - ay)], axis=1)


def _strip_segments(alpha: FloatArray) -> Segments:
    inside = (alpha >= 0.5).view(np.uint8)
    code = inside[:-1, :-1] | inside[:-1, 1:] << 1 | inside[1:, 1:] << 2 | inside[1:, :-1] << 3
    ys, xs = np.nonzero((code > 0) & (code < 15))
    codes = code[ys, xs]
    saddle = np.flatnonzero((codes == 5) | (codes == 10))
    if saddle.size:  # a middle inside joins the inner corners: the segments are those of the opposite code
        y, x = ys[saddle], xs[saddle]
        middle = (alpha[y, x] + alpha[y, x + 1] + alpha[y + 1, x + 1] + alpha[y + 1, x]) / 4
        codes[saddle] = np.where(middle >= 0.5, 15 - codes[saddle], codes[saddle])
    found = []
    for value in np.unique(codes):
        at = codes == value
        y, x = ys[at], xs[at]
        for first, second in _JOINS[int(value)]:
            found.append(np.stack([_side_points(alpha, y, x, first), _side_points(alpha, y, x, second)], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2, 2))


def contour(alpha: Alpha, box: Box | None = None) -> Segments:
    """The 0.5 contour of an alpha as segments, (n, 2, 2) float64 (x, y), pixel centres at whole numbers.

    Args:
        alpha: (h, w), as `segtile.metrics.pair.checked` gives it.
        box: look only at these pixels and one more around them; default all.
    """
    frame = Box.frame(alpha.shape[1], alpha.shape[0])
    box = frame if box is None else box.expand(1, frame)
    found = []
    for y in range(box.y0, max(box.y0 + 1, box.y1 - 1), _STRIP):
        part = Box(box.x0, y, box.x1, min(y + _STRIP + 1, box.y1))
        found.append(_strip_segments(unit(alpha[part.slices])) + np.array([part.x0, part.y0], np.float64))
    return np.concatenate(found)


def _to_segments(points: Points, a: Points, b: Points) -> npt.NDArray[np.float64]:
    """Distance from each point (n, 1, 2) to its candidates a -> b (n, k, 2), (n, k)."""
    along = b - a
    length2 = np.maximum(np.einsum("nkc,nkc->nk", along, along), 1e-30)
    t = np.clip(np.einsum("nkc,nkc->nk", points - a, along) / length2, 0, 1)
    gap = points - a - t[..., None] * along
    return np.sqrt(np.einsum("nkc,nkc->nk", gap, gap))


def distance_to(points: Points, segments: Segments) -> npt.NDArray[np.float64]:
    """Exact Euclidean distance in px from each point to the nearest of the segments, (n,) float64; needs a segment."""
    from scipy.spatial import cKDTree

    tree = cKDTree(segments.mean(axis=1))
    out = np.empty(len(points))
    open_ = np.arange(len(points))
    k = min(_NEAREST, len(segments))
    while open_.size:
        step = max(1, 2_000_000 // k)
        left = []
        for begin in range(0, open_.size, step):
            some = open_[begin : begin + step]
            reach, index = (np.reshape(found, (-1, k)) for found in tree.query(points[some], k=k))
            near = segments[index]
            best = _to_segments(points[some][:, None], near[:, :, 0], near[:, :, 1]).min(axis=1)
            out[some] = best
            # a segment that was not looked at has its middle farther away than the last one that was
            left.append(some[(reach[:, -1] - _LONGEST / 2 < best) & (k < len(segments))])
        open_, k = np.concatenate(left), min(4 * k, len(segments))
    return out


def _alpha_at(alpha: Alpha, points: Points) -> npt.NDArray[np.float64]:
    """Alpha at points, linear between pixel centres."""
    h, w = alpha.shape
    x0 = np.clip(np.floor(points[:, 0]).astype(np.intp), 0, max(w - 2, 0))
    y0 = np.clip(np.floor(points[:, 1]).astype(np.intp), 0, max(h - 2, 0))
    fx, fy = points[:, 0] - x0, points[:, 1] - y0
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    top = alpha[y0, x0] * (1 - fx) + alpha[y0, x1] * fx
    return (top * (1 - fy) + (alpha[y1, x0] * (1 - fx) + alpha[y1, x1] * fx) * fy) / full_scale(alpha.dtype)


def _crossings(alpha: Alpha, box: Box) -> Points:
    """Where the contour crosses the lines between neighbouring pixel centres, each once."""
    frame = Box.frame(alpha.shape[1], alpha.shape[0])
    box = box.expand(1, frame)
    found = []
    for y in range(box.y0, box.y1, _STRIP):
        part = Box(box.x0, y, box.x1, min(y + _STRIP + 1, box.y1))
        block = unit(alpha[part.slices])
        inside = block >= 0.5
        rows = min(_STRIP, part.height)  # the strip's last row belongs to the next one
        for dy, dx in ((0, 1), (1, 0)):
            top = inside[: rows if dx else None]
            ys, xs = np.nonzero(top[: top.shape[0] - dy, : top.shape[1] - dx] != top[dy:, dx:])
            a, b = block[ys, xs].astype(np.float64), block[ys + dy, xs + dx].astype(np.float64)
            t = (0.5 - a) / (b - a)
            found.append(np.stack([part.x0 + xs + dx * t, part.y0 + ys + dy * t], axis=1))
    return np.concatenate(found)


def edge_offsets(pair: Pair) -> npt.NDArray[np.float64]:
    """Signed offset in px, (n,) float64, wherever the prediction's edge crosses a line between pixel centres.

    Its size is the Euclidean distance to the nearest point of the true edge; it is positive where the truth is below
    0.5 (the prediction's edge lies outside the true object: too large) and negative inside (too small). Empty where
    either alpha has no edge. What the prediction lacks altogether is not seen: read it beside IoU.
    """
    segments = contour(pair.truth, pair.box)
    points = _crossings(pair.pred, pair.box)
    if not len(segments) or not len(points):
        return np.empty(0)
    distance = distance_to(points, segments)
    return np.where(_alpha_at(pair.truth, points) < 0.5, distance, -distance) + 0.0  # no minus zero


def _offsets(pair: Pair) -> npt.NDArray[np.float64]:
    return pair.once("offsets", edge_offsets)


@PairFunction
def offset_median(pair: Pair) -> float:
    """Median of the signed edge offset in px (see `edge_offsets`): + too large, - too small; NaN without both edges."""
    found = _offsets(pair)
    return float(np.median(found)) if found.size else math.nan


@PairFunction
def offset_p95(pair: Pair) -> float:
    """95th percentile of the edge offset's size in px (see `edge_offsets`); NaN without both edges. Lower is better."""
    found = _offsets(pair)
    return float(np.percentile(np.abs(found), 95)) if found.size else math.nan
