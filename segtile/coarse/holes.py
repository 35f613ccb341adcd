"""Holes: enclosed areas that show the background, from the inside of a ring down to a slit between two wires."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segtile.coarse.regions import dilate, distance_to, nearest
from segtile.coarse.view import View
from segtile.types import BoolArray, FloatArray


def hole_chance(view: View, part: BoolArray, outer: BoolArray, evidence: FloatArray) -> FloatArray:
    """Chance that an enclosed smooth region shows the background, (h, w) float32 in [0, 1]; -1 outside such regions.

    A hole has the background's chroma and no more shadow than there is around; it is nowhere brighter than the
    background; and the wall around it differs from the background more than it does itself. The inside of a white
    object on white, which is set off by a mere step, has no such wall.

    Args:
        view: the picture against its background.
        part: (h, w) bool, the smooth cells whose regions (4-connected) are judged.
        outer: (h, w) bool, background that reaches the border of the picture.
        evidence: (h, w) float32, see `object_evidence`.
    """
    count, comp = cv2.connectedComponents(part.astype(np.uint8), connectivity=4)
    if count == 1 or not outer.any():
        return np.full(part.shape, -1, np.float32)
    beside = cv2.dilate(outer.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    is_open = np.bincount(comp[beside], minlength=count) > 0
    chance = _colour_fits(view, comp, count, outer) * _walled(view, comp, count, outer, evidence)
    chance[is_open] = -1
    chance[0] = -1
    return np.asarray(chance[comp], np.float32)


def _means(comp: npt.NDArray[np.int32], count: int, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    area = np.maximum(np.bincount(comp.ravel(), minlength=count), 1)
    return np.asarray(np.bincount(comp.ravel(), weights=values.ravel(), minlength=count) / area)


def _deeper(view: View, comp: npt.NDArray[np.int32], count: int, outer: BoolArray) -> npt.NDArray[np.float64]:
    """How much darker a region is than the open background nearest to it, as a share of the background's tone."""
    beside = np.minimum(view.ratio.ravel()[nearest(outer)], 1).reshape(comp.shape)
    return _means(comp, count, beside - view.ratio)


def _colour_fits(view: View, comp: npt.NDArray[np.int32], count: int, outer: BoolArray) -> npt.NDArray[np.float64]:
    deeper = _deeper(view, comp, count, outer)
    tone_fits = np.clip(1.5 - deeper / (0.02 + view.shade + 0.3 * view.telling), 0, 1)
    # Light makes no more than spots of the background brighter than the background.
    not_bright = np.clip(1.5 - 3 * _means(comp, count, view.tone > 1.5 * view.ground.tone_limit), 0, 1)
    # Light thrown back by the object may tint a hole, but not all of it.
    tinted = _means(comp, count, view.chroma) / view.tint
    neutral = _means(comp, count, view.chroma < view.tint)
    chroma_fits = np.clip(np.maximum((1.8 - tinted) / 0.8, neutral / 0.3 - 0.3), 0, 1)
    return tone_fits * not_bright * chroma_fits


def _walled(
    view: View, comp: npt.NDArray[np.int32], count: int, outer: BoolArray, evidence: FloatArray
) -> npt.NDArray[np.float64]:
    limit = view.ground.tone_limit
    part = comp > 0
    rim = part & (cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    length = np.maximum(np.bincount(comp[rim], minlength=count), 1)
    wall = np.bincount(comp[rim], weights=dilate(evidence, 13)[rim], minlength=count) / length
    off_beside = np.abs(_deeper(view, comp, count, outer)) * _means(comp, count, view.base)
    own = np.minimum(off_beside, _means(comp, count, np.abs(view.tone))) + limit
    walled = np.clip((wall / own - 1.0) / 2, 0, 1)
    area = np.bincount(comp.ravel(), minlength=count)
    exact = _means(comp, count, (np.abs(view.tone) < limit) & (view.chroma < view.tint))
    walled = np.where((exact > 0.3) & (area > 200), np.minimum(3 * walled, 1), walled)
    tinted = _means(comp, count, view.chroma) / view.tint
    return np.asarray(np.maximum(walled, view.telling * np.clip((0.8 - tinted) / 0.3, 0, 1)))


def small_holes(view: View, background: BoolArray, evidence_around: FloatArray) -> BoolArray:
    """Cells that may be the middle of a hole too small to hold a smooth cell, (h, w) bool.

    They have a background's colour and are resting points of the tone: where a shiny surface runs from brighter to
    darker than the background it has the background's tone too, but on a slope. Between coloured walls a hole has
    less of their colour than they have; and beside other holes every narrow dark line may be one more.

    Args:
        view: the picture against its background.
        background: (h, w) bool, smooth cells that are taken for background.
        evidence_around: (h, w) float32, the strongest `object_evidence` within three cells.
    """
    ground = view.ground
    tone, chroma = view.fine_tone, view.fine_chroma
    depth = -tone / view.base
    deepest = 0.08 + 1.5 * view.shade + 0.3 * view.telling
    pale = (chroma < 2 * ground.chroma_limit + 0.08 * evidence_around) & (tone < ground.tone_limit) & (depth < deepest)
    vivid = dilate(chroma, 9)
    slit = (vivid > 25) & (chroma < 0.35 * vivid) & (tone < 0) & (depth < 0.65)
    found = view.zone & (pale | slit) & (view.steep < 0.15 * evidence_around + 0.5 * ground.tone_limit)
    line = cv2.morphologyEx(tone, cv2.MORPH_BLACKHAT, np.ones((9, 9), np.uint8))
    lowest = cv2.erode(tone, np.ones((3, 3), np.uint8))
    groove = view.zone & (line > 30) & (depth > 0.2) & (tone <= lowest + 0.3 * line)
    near = distance_to(found | background) <= 0.012 * max(tone.shape)
    return np.asarray(found | (groove & near))
