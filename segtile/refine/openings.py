"""Openings that are none, closed again: edgeless, denied by the coarse map, in doubt, coloured or bright ones."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from segtile.solar import luma_of
from segtile.types import BoolArray, Box, FloatArray, IntArray, TileInput

Window = tuple[slice, slice]

_LARGEST = 36  # px a side; larger ones are left, and so are those a neighbouring tile might not see whole
_AROUND = 24  # px; the object's own contrast is taken from here
_CUT = 8  # px from where a tile was cut off in which its answers hardly count
_NEAR, _FAR = 2.5, 4.5  # px outside an opening, where what surrounds it is looked at
_FAINTEST = 3.5 / 255.0  # difference below which nothing in 8 bits is an edge
_SIGMAS = 4.0
_SHARE = 0.06  # of the object's contrast around the opening that its edge must have
_DENIED = 0.75  # probability of the coarse map, all over an opening, that there is object
_SURELY = 0.05  # alpha that an opening must fall to somewhere
_BEYOND_DOUBT = 0.03  # the same, of one that the coarse map denies
_CLEAR = 0.1  # alpha of the pixels that tell what is seen through an opening
_TINTED = 0.12  # share of the background's brightness by which an opening's colour channels may differ
_PLAIN = 0.05  # the same, of an opening that the coarse map denies
_BRIGHTER = 0.03  # of the tone range; what is seen of the background is hardly lighter than it is modelled
_DARK = 0.1  # a background darker than this in some channel says nothing of tints
_RIM = 2  # px around an opening that belong to its soft edge


def close_edgeless(alpha: FloatArray, x: TileInput, tone: FloatArray, noise: FloatArray) -> FloatArray:
    """Close small openings in the object around which nothing changes.

    Through a real opening the background is seen, and where the object begins its colour begins, all around. Where an
    object's own shading passes through the background's tone, colours flow on smoothly. An opening is closed where a
    quarter of what surrounds it differs from it by less than noise, eight bits or the object's own contrast allow.

    Args:
        alpha: (h, w) float32 over `x.tile.read`.
        x: the refiner's input.
        tone: (h, w, 3) float32 background, sRGB-encoded.
        noise: (3,) float32.

    Returns:
        (h, w) float32: `alpha`, or a copy with openings closed.
    """
    count, parts, stats, _ = cv2.connectedComponentsWithStats((alpha < 0.5).astype(np.uint8), connectivity=4)
    out = alpha
    for index in _small_and_whole(stats[:count], x.tile.read, x.frame, _AROUND):
        left, top, width, height = stats[index, :4]
        window = np.s_[
            max(0, top - _AROUND) : top + height + _AROUND,
            max(0, left - _AROUND) : left + width + _AROUND,
        ]
        opening = parts[window] == index
        if _has_edge(x.rgb[window], alpha[window], opening, parts[window], tone[window], noise):
            continue
        if out is alpha:
            out = alpha.copy()
        closed = _belonging(opening, parts[window], 4) & x.band[window]
        out[window] = np.where(closed, np.float32(1.0), out[window])
    return out


def close_denied(alpha: FloatArray, x: TileInput) -> FloatArray:
    """Close small openings all of which the coarse map takes for object.

    A network that looks closely takes facets and dark gaps for openings. The coarse pass has seen the whole, and an
    opening that is wider than one of its cells leaves it in doubt somewhere. But it misses openings in the shadow of
    what they are in: one stays where the network has no doubt at all and the background's own hue is seen, no lighter.

    Args:
        alpha: (h, w) float32 over `x.tile.read`.
        x: the refiner's input, its coarse map graded.

    Returns:
        (h, w) float32: `alpha`, or a copy with openings closed.
    """

    def wrong(at: Window, opening: BoolArray) -> bool:
        if x.prob[at][opening].min() <= _DENIED:
            return False
        if x.background is None or alpha[at][opening].min() >= _BEYOND_DOUBT:
            return True
        lighter, tint = _against_background(alpha, x, at, opening)
        return lighter > _FAINTEST or tint > _PLAIN

    return _close_where(alpha, x, wrong)


def close_unsure(alpha: FloatArray, x: TileInput) -> FloatArray:
    """Close small openings that nowhere are surely open.

    A network in doubt about a facet wavers about one half; through an opening of a few pixels it sees background
    somewhere. Source: hysteresis as in Canny, A computational approach to edge detection, PAMI 1986.

    Args:
        alpha: (h, w) float32 over `x.tile.read`.
        x: the refiner's input.

    Returns:
        (h, w) float32: `alpha`, or a copy with openings closed.
    """
    return _close_where(alpha, x, lambda at, opening: bool(alpha[at][opening].min() > _SURELY))


def close_tinted(alpha: FloatArray, x: TileInput) -> FloatArray:
    """Close small openings through which another hue than the background's is seen.

    Shadows darken a background and light falls off over it, both in all colours alike; a stone is of its own.

    Args:
        alpha: (h, w) float32 over `x.tile.read`.
        x: the refiner's input; without a modelled background nothing is closed.

    Returns:
        (h, w) float32: `alpha`, or a copy with openings closed.
    """
    if x.background is None:
        return alpha
    return _close_where(alpha, x, lambda at, opening: _TINTED < _against_background(alpha, x, at, opening)[1] < np.inf)


def close_bright(alpha: FloatArray, x: TileInput) -> FloatArray:
    """Close small openings through which what is seen is lighter than the background.

    Through an opening the background is seen in the object's shadow, if anything; highlights are lighter than it.

    Args:
        alpha: (h, w) float32 over `x.tile.read`.
        x: the refiner's input; without a modelled background nothing is closed.

    Returns:
        (h, w) float32: `alpha`, or a copy with openings closed.
    """
    if x.background is None:
        return alpha
    least = max(_BRIGHTER, 0.0 if x.noise is None else 6 * float(x.noise.max()))
    return _close_where(alpha, x, lambda at, opening: _against_background(alpha, x, at, opening)[0] > least)


def _against_background(alpha: FloatArray, x: TileInput, at: Window, opening: BoolArray) -> tuple[float, float]:
    """How much lighter than the modelled background is what is seen through an opening, and of how much another hue.

    The latter is by what share of the background the channels differ; infinite where that is too dark to tell.
    """
    assert x.background is not None
    inner = cv2.erode(opening.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    shown = inner if inner.any() else opening
    clear = shown & (alpha[at] < _CLEAR)
    shown = clear if clear.any() else shown
    seen, behind = (np.median(plane[at][shown], axis=0).astype(np.float32) for plane in (x.rgb, x.background))
    tint = np.ptp(seen / np.maximum(behind, _DARK)) if behind.min() > _DARK else np.inf
    return float(luma_of(seen) - luma_of(behind)), float(tint)


def _close_where(alpha: FloatArray, x: TileInput, wrong: Callable[[Window, BoolArray], bool]) -> FloatArray:
    """Close small openings that `wrong` says are none; it gets a window of the tile and the opening's mask in it."""
    shown = np.where(x.band, alpha, x.prob)
    count, parts, stats, _ = cv2.connectedComponentsWithStats((shown < 0.5).astype(np.uint8), connectivity=4)
    out = alpha
    for index in _small_and_whole(stats[:count], x.tile.read, x.frame, _CUT):
        left, top, width, height = stats[index, :4]
        room = 2 * _RIM
        at = np.s_[max(0, top - room) : top + height + room, max(0, left - room) : left + width + room]
        opening = parts[at] == index
        if not wrong(at, opening):
            continue
        if out is alpha:
            out = alpha.copy()
        out[at][_belonging(opening, parts[at], _RIM)] = 1.0
    return out


def _small_and_whole(stats: IntArray, read: Box, frame: Box, deep: int) -> list[int]:
    """Small parts that lie `deep` px in the window, so that every tile that sees them whole sees the same."""
    x0, y0 = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    x1, y1 = x0 + stats[:, cv2.CC_STAT_WIDTH], y0 + stats[:, cv2.CC_STAT_HEIGHT]
    small = (x1 - x0 <= _LARGEST) & (y1 - y0 <= _LARGEST)
    # at the picture's own border there is no neighbour, but what touches it is no opening
    need = [deep if inner else 1 for inner in (read.x0 > frame.x0, read.y0 > frame.y0)]
    more = [deep if inner else 1 for inner in (read.x1 < frame.x1, read.y1 < frame.y1)]
    whole = (x0 >= need[0]) & (y0 >= need[1]) & (x1 <= read.width - more[0]) & (y1 <= read.height - more[1])
    chosen = np.flatnonzero(small & whole)
    return [int(i) for i in chosen if i > 0]


def _has_edge(
    rgb: FloatArray, alpha: FloatArray, opening: BoolArray, parts: BoolArray, tone: FloatArray, noise: FloatArray
) -> bool:
    away = _distance(opening)
    ring = (away >= _NEAR) & (away <= _FAR) & (parts == 0)
    if not ring.any():
        return True
    depth = cv2.distanceTransform(np.pad(opening, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    inside = np.median(rgb[opening & (depth >= 0.6 * depth.max())], axis=0)
    difference = np.abs(rgb[ring] - inside).max(axis=1)
    solid = alpha >= 0.9
    contrast = float(np.median(np.abs(rgb[solid] - tone[solid]).max(axis=1))) if solid.any() else 0.0
    least = max(_FAINTEST, _SIGMAS * float(noise.max()), _SHARE * contrast)
    return float(np.percentile(difference, 25)) >= least


def _belonging(opening: BoolArray, parts: IntArray, rim: float) -> BoolArray:
    """An opening and `rim` px around it; what lies nearer to other background (`parts` over 0) belongs to its edge."""
    to_opening = _distance(opening)
    return np.asarray((to_opening <= rim) & (to_opening < _distance((parts > 0) & ~opening)), np.bool_)


def _distance(mask: BoolArray) -> FloatArray:
    """Distance to the mask in px; large everywhere where it is empty."""
    if not mask.any():
        return np.full(mask.shape, 1e6, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
