"""Holes: enclosed areas that show the background, from the inside of a ring down to a slit between two wires."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segtile.coarse.regions import dilate, distance_to, nearest
from segtile.coarse.view import View
from segtile.types import BoolArray, FloatArray

Indices = npt.NDArray[np.intp]
Means = npt.NDArray[np.float64]


def hole_chance(view: View, parts: tuple[BoolArray, ...], outer: BoolArray, evidence: FloatArray) -> FloatArray:
    """Chance that an enclosed smooth region shows the background, (h, w) float32 in [0, 1]; -1 outside such regions.

    A hole has the background's chroma and no more shadow than there is around; it is nowhere brighter than the
    background; and the wall around it differs from the background more than it does itself. The inside of a white
    object on white, which is set off by a mere step, has no such wall.

    Args:
        view: the picture against its background.
        parts: (h, w) bool each, disjoint; the smooth cells whose regions (4-connected, each part by itself) are judged.
        outer: (h, w) bool, background that reaches the border of the picture.
        evidence: (h, w) float32, how far a cell is from all that the background could look like.
    """
    comp = np.zeros(outer.shape, np.int32)
    count = 1
    for part in parts:
        found, numbers = cv2.connectedComponents(part.astype(np.uint8), connectivity=4)
        np.copyto(comp, numbers + (count - 1), where=part)
        count += found - 1
    if count == 1 or not outer.any():
        return np.full(outer.shape, -1, np.float32)
    beside = cv2.dilate(outer.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    is_open = np.bincount(comp[beside], minlength=count) > 0
    # Only the regions' own cells are looked at again: most of a picture is open background.
    cells = np.flatnonzero(comp)
    regions = _Regions(view, comp, cells, count, nearest(outer))
    chance = _colour_fits(regions) * _walled(regions, evidence)
    chance[is_open] = -1
    chance[0] = -1
    return np.asarray(chance[comp], np.float32)


class _Regions:
    """Numbered regions of a view and means over them; `count` includes the 0 of cells in no region."""

    def __init__(
        self, view: View, comp: npt.NDArray[np.int32], cells: npt.NDArray[np.intp], count: int, beside: Indices
    ) -> None:
        self.view, self.comp, self.cells, self.count = view, comp, cells, count
        self.number = comp.ravel()[cells]
        self.area = np.maximum(np.bincount(self.number, minlength=count), 1)
        ratio = view.ratio.ravel()
        #: How much darker than the open background nearest to it, as a share of the background's tone.
        self.deeper = self.mean(np.minimum(ratio[beside[cells]], 1) - ratio[cells])
        self.tinted = self.mean(view.chroma.ravel()[cells]) / view.tint

    def mean(self, values: npt.NDArray[Any]) -> Means:
        """Mean over every region of one value per cell of a region."""
        return np.asarray(np.bincount(self.number, weights=values, minlength=self.count) / self.area)


def _colour_fits(regions: _Regions) -> Means:
    view, cells = regions.view, regions.cells
    tone_fits = np.clip(1.5 - regions.deeper / (0.02 + view.shade + 0.3 * view.telling), 0, 1)
    # Light makes no more than spots of the background brighter than the background.
    not_bright = np.clip(1.5 - 3 * regions.mean(view.tone.ravel()[cells] > 1.5 * view.ground.tone_limit), 0, 1)
    # Light thrown back by the object may tint a hole, but not all of it.
    neutral = regions.mean(view.chroma.ravel()[cells] < view.tint)
    chroma_fits = np.clip(np.maximum((1.8 - regions.tinted) / 0.8, neutral / 0.3 - 0.3), 0, 1)
    return np.asarray(tone_fits * not_bright * chroma_fits)


def _walled(regions: _Regions, evidence: FloatArray) -> Means:
    view, cells, comp, count = regions.view, regions.cells, regions.comp, regions.count
    limit = view.ground.tone_limit
    tone = np.abs(view.tone.ravel()[cells])
    part = comp > 0
    rim = part & (cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    length = np.maximum(np.bincount(comp[rim], minlength=count), 1)
    wall = np.bincount(comp[rim], weights=dilate(evidence, 13)[rim], minlength=count) / length
    off_beside = np.abs(regions.deeper) * regions.mean(view.base.ravel()[cells])
    walled = np.clip((wall / (np.minimum(off_beside, regions.mean(tone)) + limit) - 1.0) / 2, 0, 1)
    exact = regions.mean((tone < limit) & (view.chroma.ravel()[cells] < view.tint))
    walled = np.where((exact > 0.3) & (regions.area > 200), np.minimum(3 * walled, 1), walled)
    # Where chroma tells objects from shadows, the background's own chroma is proof enough.
    return np.asarray(np.maximum(walled, view.telling * np.clip((0.8 - regions.tinted) / 0.3, 0, 1)))


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
