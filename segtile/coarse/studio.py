"""The coarse pass without weights: model the background; what it does not explain is the object.

A plain or smoothly lit background is a smooth surface with a little noise. A cell belongs to the object where it is
brighter, or of another chroma, than light and shadow on that surface can make it, or where sharp edges cut it off from
the background. Shadows keep the surface's chroma and end softly; holes show the surface itself and stay open.
"""

from __future__ import annotations

import numpy as np

from segtile.coarse.band import drop_dust, label_objects, make_band
from segtile.coarse.belief import smooth_belief
from segtile.coarse.doubt import doubtful
from segtile.coarse.evidence import find_edges, opponent, tone_and_chroma
from segtile.coarse.ground import NO_GROUND, SMALLEST, Ground, find_ground, frame_noise, tone_as_srgb
from segtile.coarse.holes import hole_chance, small_holes
from segtile.coarse.regions import dilate, distance_to, nearest, touching_border
from segtile.coarse.view import View, make_view
from segtile.types import Background, BoolArray, Box, CoarseMap, FloatArray

#: From this plainness on the background is taken for plain.
PLAIN_ENOUGH = 0.65


def studio_pass(preview: FloatArray, frame: Box) -> tuple[CoarseMap, float]:
    """Look at a picture as a studio shot.

    Args:
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1].
        frame: the picture's own box.

    Returns:
        The map, and the plainness of the background in [0, 1]. Where no background is found the whole map is object,
        without a band; where nothing but background is found it is empty. Notes say so, and warn where the background
        is not plain. `CoarseMap.background.noise` is carried from the preview to the frame's scale, see `frame_noise`.
    """
    h, w = preview.shape[:2]
    if min(h, w) < SMALLEST:
        note = f"The picture is too small ({w} x {h}) to tell an object from its background: nothing was looked for."
        return _constant(preview, frame, 0.0, note), 1.0
    opp = opponent(preview)
    edges = find_edges(opp)
    ground = find_ground(opp, edges)
    if ground is None or ground.plain < NO_GROUND:
        note = "No background was found: the studio pass takes the whole picture for object."
        return _constant(preview, frame, 1.0, note), 0.0
    prob, doubt = _judge(make_view(opp, edges, ground))
    prob, band = _settle(prob, doubt, frame)
    background = Background(tone_as_srgb(ground), frame_noise(preview, ground, frame))
    scale = max(frame.width / w, frame.height / h)
    labels = label_objects(prob, band)
    return CoarseMap(prob, band, labels, scale, frame, "studio", background, _notes(ground)), ground.plain


def _judge(view: View) -> tuple[FloatArray, BoolArray]:
    """Probability of object and doubt for every cell."""
    zone, limit = view.zone, view.ground.tone_limit
    prob = smooth_belief(view)
    outer = touching_border(~zone & (prob < 0.4))
    evidence = object_evidence(view, outer)
    inner = ~zone & ~outer
    chance = hole_chance(view, (inner & (prob < 0.5), inner & (prob >= 0.5)), outer, evidence)
    prob = np.where(chance >= 0, 1 - chance, prob)
    around = dilate(evidence, 7)
    background = ~zone & (prob < 0.5)
    apart = distance_to(background | small_holes(view, background, around)) > 5.0
    # Beside the background a cell is as much object as it is of the strongest evidence near it, or simply too far
    # off; deep inside an object any cell is object that does not rest at the background's colour.
    share = np.where(around > 0.5 * limit, 1.2 * evidence / np.maximum(around, 1e-3), 0)
    beside = np.maximum(share, evidence / 40)
    within = (evidence + view.steep) / (4 * limit)
    prob = np.where(zone, np.clip(np.where(apart, within, beside), 0, 1), prob).astype(np.float32)
    return prob, doubtful(view, prob)


def object_evidence(view: View, outer: BoolArray) -> FloatArray:
    """How far a cell is from everything that the background could look like there, (h, w) float32 in levels.

    That is the modelled surface, the surface in the shadow of the nearest open background (`outer`), and all between.
    """
    ground = view.ground
    tone, chroma = view.fine_tone, view.fine_chroma
    dark, tint = -tone, chroma
    if outer.any():
        beside = view.smooth.reshape(-1, 3)[nearest(outer)].reshape(view.smooth.shape)
        # The finest scale is compared with the surface as seen there: what it is off by, less the shadow's part.
        shadow, shadow_tint = tone_and_chroma(beside, ground.surface.tone)
        dark = np.minimum(dark, shadow - tone)
        tint = np.minimum(tint, np.abs(chroma - shadow_tint))
    bright = np.maximum(tone - 0.7 * ground.tone_limit, 0)
    dark = np.maximum(dark - 0.7 * ground.tone_limit, 0)
    coloured = np.maximum(tint - 0.7 * ground.chroma_limit, 0)
    # Beside a coloured object darkness alone is no evidence: it is the object's shadow, unless it is nearly black.
    vivid = np.clip(dilate(coloured, 9) / 20, 0, 1)
    neutral = np.clip(1.5 - chroma / (2 * ground.chroma_limit + 0.1 * dark), 0, 1)
    shaded = np.minimum(dark, 0.45 * ground.surface.tone[..., 0])
    return np.asarray(bright + dark - 0.85 * vivid * neutral * shaded + coloured, np.float32)


def _settle(prob: FloatArray, doubt: BoolArray, frame: Box) -> tuple[FloatArray, BoolArray]:
    """Drop dust and what is far from any object, and draw the band."""
    h, w = prob.shape
    keep = drop_dust(prob >= 0.5)
    away = distance_to(keep)
    prob = np.where(~keep & (away > 6), 0, prob).astype(np.float32)
    doubt = doubt & (away <= 0.02 * max(h, w))
    # An edge is some pixels wide in the frame however few cells that are, and lies a cell or two off in the map.
    return prob, make_band(prob, doubt, 3.0 + 1.5 / max(1.0, frame.width / w))


def _notes(ground: Ground) -> tuple[str, ...]:
    if ground.plain >= PLAIN_ENOUGH:
        return ()
    share = f"{100 * ground.plain:.0f} %"
    return (f"The background is not plain: only {share} of the picture's margin looks like one smooth surface.",)


def _constant(preview: FloatArray, frame: Box, value: float, note: str) -> CoarseMap:
    h, w = preview.shape[:2]
    prob = np.full((h, w), value, np.float32)
    scale = max(frame.width / w, frame.height / h)
    return CoarseMap(prob, np.zeros((h, w), bool), prob.astype(np.int32), scale, frame, "studio", None, (note,))
