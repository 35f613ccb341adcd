"""Where the answer is not to be trusted: outlines without an edge, colours that are almost the background's."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.coarse.evidence import blur, hysteresis
from segtile.coarse.regions import distance_to, joined_to
from segtile.coarse.view import View
from segtile.types import BoolArray, FloatArray

#: An outline whose edge is fainter than this many times the weakest believed edge is doubted over `_FAINT_REACH` of
#: the map's longer side; one without any edge over `_BARE_REACH`.
_FAINT, _FAINT_REACH, _BARE_REACH = 8.0, 0.006, 0.008

#: What differs from the background by more than this many limits, and not by being darker, is object beyond doubt.
_BEYOND = 2.5


def doubtful(view: View, prob: FloatArray) -> BoolArray:
    """Cells whose answer is not to be trusted, (h, w) bool."""
    doubt = ~view.zone & (prob > 0.15) & (prob < 0.85)
    doubt |= _without_edge(view, prob) | _tinted_joins(view, prob) | _faint_lines(view, prob)
    return np.asarray(doubt & ~_assured(view, prob))


def _without_edge(view: View, prob: FloatArray) -> BoolArray:
    """Surroundings of an outline where the picture has a faint edge or none: the true one may run elsewhere.

    Without a sharp edge the outline may be a shadow's, or the object may go on in the background's tone.
    """
    inside = (prob >= 0.5).astype(np.uint8)
    outline = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    support = cv2.dilate(view.edges.strength, np.ones((5, 5), np.uint8)) / view.edges.weak
    faint = outline & (support < _FAINT)
    bare = outline & (distance_to(view.edges.mask) > 2.0)
    doubt = np.zeros(prob.shape, bool)
    for where, reach in ((faint, _FAINT_REACH), (bare, _BARE_REACH)):
        # A cell or two between the ends of edges is no gap.
        gap = cv2.morphologyEx(where.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
        doubt |= distance_to(gap) <= reach * max(prob.shape)
    return doubt


def _tinted_joins(view: View, prob: FloatArray) -> BoolArray:
    """Smooth cells taken for background that join the object and are not quite the background's colour."""
    other = (view.chroma > view.tint) | (blur(view.tone, 2.0) > view.ground.tone_limit)
    weak = (~view.zone & (prob < 0.5) & other).astype(np.uint8)
    weak = cv2.morphologyEx(weak, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    return joined_to(weak, distance_to(prob >= 0.5) <= 5)


def _faint_lines(view: View, prob: FloatArray) -> BoolArray:
    """Faint long edges beside the object and what lies between: the rim of a cup that has the background's tone."""
    h, w = prob.shape
    wide = view.wide_edges
    line = hysteresis(wide.strength, 0.75 * wide.weak, wide.weak)
    _, comp, stats, _ = cv2.connectedComponentsWithStats(line.astype(np.uint8), connectivity=8)
    long = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) >= 8
    long[0] = False
    line = cv2.resize(long[comp].astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    inside = prob >= 0.5
    reach = max(4.0, 0.008 * max(h, w))
    near = line & ~inside & (distance_to(inside) <= reach)
    closed = distance_to(distance_to(near | inside) > reach / 2) > reach / 2
    return np.asarray((closed & ~inside & (distance_to(near) <= reach)) | near)


def _assured(view: View, prob: FloatArray) -> BoolArray:
    """What no light on the background can look like is object, however unclear the outline beside it."""
    ground = view.ground
    other = (view.fine_chroma > _BEYOND * ground.chroma_limit) | (view.fine_tone > _BEYOND * ground.tone_limit)
    other |= ~view.zone & (view.chroma > _BEYOND * view.tint)
    return np.asarray(other & (prob > 0.9) & (distance_to(prob < 0.5) > 4.5))
