"""The band: every cell in which the true edge may lie, and the objects it belongs to."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.coarse.regions import distance_to
from segtile.types import BoolArray, FloatArray, IntArray

#: A piece shorter than this share of the map's longer side is dust, unless a larger piece is within `DUST_REACH`.
DUST_SIDE, DUST_REACH = 0.004, 0.015

#: A dark line inside an object is doubted when narrower than `SLIT_WIDTH` cells, deeper than `SLIT_DEPTH` in luma,
#: and within `SLIT_REACH` cells of the band. Set on rendered scenes, where cracks of one pixel are exact.
SLIT_WIDTH, SLIT_DEPTH, SLIT_REACH = 9, 0.03, 16.0


def make_band(prob: FloatArray, doubt: BoolArray, reach: float) -> BoolArray:
    """The band of a probability map: (h, w) bool.

    Args:
        prob: (h, w) float32 in [0, 1].
        doubt: (h, w) bool, cells whose answer is not trusted, whatever `prob` says.
        reach: half width of the band in cells; what is thinner than twice as much lies in the band as a whole.
    """
    inside = prob >= 0.5
    if inside.all() or not inside.any():
        return doubt.copy()
    soft = (prob > 0.1) & (prob < 0.9)
    outline = np.where(inside, distance_to(~inside), distance_to(inside)) <= reach
    return np.asarray(outline | (distance_to(soft | doubt) <= min(reach, 2.0)))


def doubt_slits(preview: FloatArray, prob: FloatArray, band: BoolArray) -> BoolArray:
    """The band with the thin dark lines inside an object that lie close to it, (h, w) bool.

    A slit between a stone and its bezel, or between two wires that nearly touch, may show the background through a gap
    of a pixel; at the map's scale it is a dark line and no more. It is found as a valley of the luma: a closing that
    fills it. Lines far from any edge are the object's own texture.

    Args:
        preview: (h, w, 3) float32 in [0, 1].
        prob: (h, w) float32 in [0, 1].
        band: (h, w) bool.
    """
    if not band.any():
        return band
    luma = cv2.cvtColor(preview, cv2.COLOR_RGB2GRAY)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SLIT_WIDTH, SLIT_WIDTH))
    valley = cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, disc) > SLIT_DEPTH
    valley &= (prob >= 0.5) & (distance_to(band) <= SLIT_REACH)
    around = cv2.dilate(valley.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.asarray(band | (around & (prob >= 0.5)))


def drop_dust(inside: BoolArray) -> BoolArray:
    """The pieces of `inside` without dust, (h, w) bool.

    A piece (8-connected) is dust when its bounding box is shorter than `DUST_SIDE` of the map's longer side both ways
    and no larger piece lies within `DUST_REACH` of it: links of a broken chain and small stones beside a setting stay.
    """
    long_side = max(inside.shape)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
    sides = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    large = sides >= max(6.0, DUST_SIDE * long_side)
    large[0] = False
    keep = large[pieces]
    if not keep.any():
        return np.asarray(keep)
    near = np.zeros(count, bool)
    near[pieces[distance_to(keep) <= DUST_REACH * long_side]] = True
    near[0] = False
    return np.asarray((large | near)[pieces])


def label_objects(prob: FloatArray, band: BoolArray) -> IntArray:
    """Objects as 8-connected components over object and band, (h, w) int32, numbered from 1, largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(((prob >= 0.5) | band).astype(np.uint8), connectivity=8)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable") + 1
    rank = np.zeros(count, np.int32)
    rank[order] = np.arange(1, count, dtype=np.int32)
    return np.asarray(rank[labels], np.int32)
