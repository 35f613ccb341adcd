"""The coarse pass without weights: model the background; what it does not explain is the object.

A plain or smoothly lit background is a smooth surface with a little noise. A cell belongs to the object where it is
brighter, or of another chroma, than light and shadow on that surface can make it, or where sharp edges cut it off from
the background. Shadows keep the surface's chroma and end softly; holes show the surface itself and stay open.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segtile.coarse.band import distance_to, drop_dust, label_objects, make_band
from segtile.coarse.evidence import OPPONENT, Edges, blur, find_edges, gradient, hysteresis, opponent, tone_and_chroma
from segtile.coarse.surface import Surface, fit_surface
from segtile.coarse.walker import WALK_SIDE, walk
from segtile.types import Background, BoolArray, Box, CoarseMap, FloatArray

#: Cells closer than this to a sharp edge are judged by themselves, not by the walker, which sees coarser cells.
EDGE_ZONE = 2.5


@dataclass(frozen=True)
class Ground:
    """The modelled background: surface, thresholds (levels) for tone and chroma, noise per opponent axis, plainness."""

    surface: Surface
    tone_limit: float
    chroma_limit: float
    noise: FloatArray
    plain: float


PLAIN_ENOUGH = 0.65


def studio_pass(preview: FloatArray, frame: Box) -> tuple[CoarseMap, float]:
    """Look at a picture as a photographer's studio shot."""
    h, w = preview.shape[:2]
    if min(h, w) < 8:
        return _constant(preview, frame, 0.0, "The picture is too small to tell an object from its background."), 1.0
    opp = opponent(preview)
    edges = find_edges(opp)
    ground = find_ground(opp, edges)
    if ground is None or ground.plain < 0.1:
        return _constant(preview, frame, 1.0, "No background was found: the whole picture is kept as object."), 0.0
    view = _view(opp, edges, ground)
    belief = _walk(opp, edges, ground, view)
    prob, doubt = _compose(opp, edges, ground, view, belief)
    keep = drop_dust(prob >= 0.5)
    away = distance_to(keep)
    prob[(away > 6) & ~keep] = 0
    doubt &= away <= 0.02 * max(h, w)
    band = make_band(prob, doubt, 3.0 + 1.5 / max(1.0, frame.width / w))
    labels = label_objects(prob, band)
    background = Background(_to_srgb(ground.surface.tone), _frame_noise(preview, ground, frame))
    scale = max(frame.width / w, frame.height / h)
    return CoarseMap(prob, band, labels, scale, frame, "studio", background, ()), ground.plain


def find_ground(opp: FloatArray, edges: Edges) -> Ground | None:
    """Find and model the background, or None where no smooth area reaches the border of the picture."""
    h, w = opp.shape[:2]
    border = np.zeros((h, w), bool)
    border[[0, -1]] = True
    border[:, [0, -1]] = True
    from_edge = distance_to(edges.mask)
    for gap in (8, 4, 2, 1):
        count, comp = cv2.connectedComponents((from_edge > gap).astype(np.uint8), connectivity=4)
        on_border = np.bincount(comp[border], minlength=count)
        on_border[0] = 0
        if on_border.sum() > 0.2 * border.sum():
            break
    if on_border.sum() == 0:
        return None
    surface = fit_surface(opp, (on_border > 0)[comp], comp == on_border.argmax())
    if surface is None:
        return None
    used = cv2.resize(surface.used.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    fine = opp - blur(opp, 2.0)
    noise = np.array([_spread(fine[..., i][used]) for i in range(3)], np.float32)
    tone_limit = max(1.0, 1.4 * float(noise[0]), 4 * float(surface.spread[0]))
    chroma_limit = max(1.0, 1.4 * float(np.hypot(noise[1], noise[2])), 4 * float(np.hypot(*surface.spread[1:])))
    return Ground(surface, tone_limit, chroma_limit, noise, _plainness(opp, edges, surface, tone_limit, chroma_limit))


def _plainness(opp: FloatArray, edges: Edges, surface: Surface, tone_limit: float, chroma_limit: float) -> float:
    """Share of the picture's margin that the surface explains, less where the surface leaves much unexplained."""
    h, w = opp.shape[:2]
    deep = max(2, round(0.03 * max(h, w)))
    margin = np.ones((h, w), bool)
    margin[deep:-deep, deep:-deep] = False
    tone, chroma = tone_and_chroma(blur(opp, 1.0), surface.tone)
    # Shadows may reach the margin; anything brighter or of another colour may not.
    fits = (tone < 3 * tone_limit) & (tone > -0.5 * surface.tone[..., 0]) & (chroma < 3 * chroma_limit)
    fits &= distance_to(edges.mask) > 1.5
    rough = float(surface.spread[0]) + float(np.hypot(*surface.spread[1:]))
    return float(fits[margin].mean()) * float(np.clip(1.5 - rough / 6.0, 0, 1))


@dataclass(frozen=True)
class View:
    """What every later step asks of a cell: tone and chroma distance to the background, how dark, how near an edge.

    `tone` and `chroma` (h, w) float32 in levels, chroma averaged over smooth surroundings; `ratio` tone over the
    background's; `smooth` (h, w, 3) opponent values; `zone` (h, w) bool, near a sharp edge; `tint` the chroma distance
    that the background itself stays under; `shade` the deepest shadow (1 - ratio) that smooth ground shows.
    """

    smooth: FloatArray
    tone: FloatArray
    chroma: FloatArray
    ratio: FloatArray
    zone: BoolArray
    tint: float
    shade: float
    telling: float


def _view(opp: FloatArray, edges: Edges, ground: Ground) -> View:
    smooth = blur(opp, 1.0)
    tone, fine_chroma = tone_and_chroma(smooth, ground.surface.tone)
    zone = distance_to(edges.mask) <= EDGE_ZONE
    free = (~zone).astype(np.float32)
    mass = blur(free, 4.0)
    wide = blur(opp * free[..., None], 4.0) / np.maximum(mass, 1e-3)[..., None]
    _, chroma = tone_and_chroma(wide, ground.surface.tone)
    chroma = np.where(mass > 0.05, chroma, fine_chroma).astype(np.float32)
    ratio = smooth[..., 0] / np.maximum(ground.surface.tone[..., 0], 8)
    calm = ~zone & (np.abs(tone) < ground.tone_limit)
    tint = max(0.35, 2.5 * float(np.median(chroma[calm])), 2.5 * float(np.hypot(*ground.surface.spread[1:]))) if calm.any() else 1.0
    soft = ~zone & (chroma < tint)
    reach = _reached(soft)
    shade = 1 - float(np.percentile(ratio[reach], 1)) if reach.any() else 0.0
    shade = max(0.0, min(shade, 0.5))
    # Where things stand out by tone and sharp edges, how often do they by chroma?
    marked = edges.mask & (ratio < 1 - 0.05 - shade)
    coloured = float((fine_chroma[marked] > 1.2 * ground.chroma_limit).mean()) if marked.any() else 0.0
    telling = min(max((coloured - 0.4) / 0.35, 0.0), 1.0)
    return View(smooth, tone, chroma, ratio, zone, tint, shade, telling)


def _walk(opp: FloatArray, edges: Edges, ground: Ground, view: View) -> FloatArray:
    """The walker's probability of object, on the map."""
    h, w = opp.shape[:2]
    dark = np.minimum(view.tone, 0)
    bright = np.maximum(view.tone - ground.tone_limit, 0) / 8
    coloured = (np.maximum(view.chroma - view.tint + 0.04 * dark, 0) / 15) ** 2
    black = np.maximum(0.5 - view.ratio, 0) * 4
    calm = np.exp(-2 * (view.chroma / view.tint) ** 2)
    allowed = 0.03 + 1.3 * view.shade + 0.35 * view.telling
    depth = 1 - view.ratio
    for_object = np.clip(bright + coloured + black, 0, 1) * 0.3
    for_object += (0.006 + 0.01 * view.telling) * np.clip(view.chroma / view.tint - 1.2, 0, 1)
    for_background = calm * np.exp(-2 * (view.tone / ground.tone_limit) ** 2) * 0.03
    for_background += calm * np.clip(1.5 - depth / allowed, 0, 1) * (view.tone < 0) * (PRIOR + 0.003 * view.telling)
    for_object += np.clip(depth / allowed - 1.0, 0, 1) * 0.0005
    for_object[edges.mask] = 0
    for_background[edges.mask] = 0
    _seed_outlines(for_object, edges, ground, view)
    half = find_edges(cv2.resize(opp, (-(-w // 2), -(-h // 2)), interpolation=cv2.INTER_AREA))
    wide = cv2.resize(half.strength / half.weak, (w, h), interpolation=cv2.INTER_LINEAR)
    resistance = np.maximum(edges.strength / edges.weak, 0.8 * wide)
    factor = max(1, -(-max(h, w) // WALK_SIDE))
    gain = (factor * max(h, w) / (factor * WALK_SIDE)) ** 2 if factor == 1 else 1.0
    belief = walk(
        _pool(resistance, factor, "max"),
        np.float32(gain) * _pool(for_object, factor, "mean"),
        np.float32(gain) * _pool(for_background, factor, "mean"),
    )
    tall = cv2.resize(belief, (belief.shape[1] * factor, belief.shape[0] * factor), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(tall[:h, :w])


PRIOR = 0.00002
SEED_W = 0.05


def _seed_outlines(for_object: FloatArray, edges: Edges, ground: Ground, view: View) -> None:
    """Let every sharp edge against the background say on which side of it an object is: on the one that differs more.

    Shadows end softly, so a sharp edge with the background's colour on one side has an object on the other. A contact
    shadow has such an edge too, against a pale object; it is outweighed by its long soft border with the background.
    """
    h, w = view.tone.shape
    rows, cols = np.nonzero(edges.mask)
    if rows.size == 0:
        return
    dx = cv2.Sobel(view.smooth[..., 0], cv2.CV_32F, 1, 0, ksize=3)[rows, cols]
    dy = cv2.Sobel(view.smooth[..., 0], cv2.CV_32F, 0, 1, ksize=3)[rows, cols]
    norm = np.maximum(np.hypot(dx, dy), 1e-6)
    sides = []
    for step in (-4.0, 4.0):
        y = np.clip(np.rint(rows + step * dy / norm), 0, h - 1).astype(np.intp)
        x = np.clip(np.rint(cols + step * dx / norm), 0, w - 1).astype(np.intp)
        off = (1 - view.telling) * np.abs(view.tone[y, x]) / ground.tone_limit + view.chroma[y, x] / view.tint
        sides.append((y, x, off))
    for (y, x, off), (_, _, other) in (sides, sides[::-1]):
        seed = (off > 2.0) & (other < 0.5 * off) & (other < 1.5) & ~edges.mask[y, x]
        for_object[y[seed], x[seed]] = np.maximum(for_object[y[seed], x[seed]], SEED_W)


def _pool(a: FloatArray, factor: int, how: str) -> FloatArray:
    h, w = a.shape
    rows, cols = -(-h // factor), -(-w // factor)
    padded = np.pad(a, ((0, rows * factor - h), (0, cols * factor - w)), mode="edge")
    blocks = padded.reshape(rows, factor, cols, factor)
    return np.ascontiguousarray(blocks.max(axis=(1, 3)) if how == "max" else blocks.mean(axis=(1, 3)), np.float32)


def _compose(opp: FloatArray, edges: Edges, ground: Ground, view: View, belief: FloatArray) -> tuple[FloatArray, BoolArray]:
    zone = view.zone
    outer = _reached(~zone & (belief < 0.4))
    evidence = _evidence(opp, ground, view, outer)
    prob = belief.copy()
    for part in (~zone & ~outer & (belief < 0.5), ~zone & ~outer & (belief >= 0.5)):
        holes = _hole_chance(ground, view, part, outer, evidence)
        known = holes >= 0
        prob[known] = 1 - holes[known]
    top = cv2.dilate(evidence, np.ones((7, 7), np.uint8))
    local = np.where(top > 0.5 * ground.tone_limit, np.minimum(1, 1.2 * evidence / np.maximum(top, 1e-3)), 0)
    steep = gradient(opp, 1.0)
    local = np.maximum(local, np.minimum(1, evidence / 40))
    apart = distance_to((~zone & (prob < 0.5)) | _pinholes(opp, ground, view, prob, steep, top)) > 5.0
    inner = np.minimum(1, (evidence + steep) / (4 * ground.tone_limit))
    prob = np.where(zone, np.where(apart, inner, local), prob).astype(np.float32)
    doubt = ~zone & (prob > 0.15) & (prob < 0.85)
    doubt |= _unsupported(prob, edges) | _suspect(ground, view, prob)
    doubt |= _faint_outline(opp, prob)
    # What no light on the background can look like is object, however unclear the outline beside it.
    tone, chroma = tone_and_chroma(blur(opp, 0.7), ground.surface.tone)
    plain_object = (chroma > ASS * ground.chroma_limit) | (tone > ASS * ground.tone_limit) | (~zone & (view.chroma > ASS * view.tint))
    assured = plain_object & (prob > 0.9) & (distance_to(prob < 0.5) > 4.5)
    return prob, doubt & ~assured


def _faint_outline(opp: FloatArray, prob: FloatArray) -> BoolArray:
    """Faint long edges beside the object and what lies between: the rim of a cup that has the background's tone."""
    h, w = prob.shape
    half = find_edges(cv2.resize(opp, (-(-w // 2), -(-h // 2)), interpolation=cv2.INTER_AREA))
    line = hysteresis(half.strength, 0.75 * half.weak, half.weak)
    count, comp, stats, _ = cv2.connectedComponentsWithStats(line.astype(np.uint8), connectivity=8)
    long = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) >= 8
    long[0] = False
    line = cv2.resize(long[comp].astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    inside = prob >= 0.5
    reach = max(4.0, 0.008 * max(h, w))
    near = line & ~inside & (distance_to(inside) <= reach)
    closed = distance_to(~(distance_to(near | inside) <= reach / 2)) > reach / 2 
    return np.asarray((closed & ~inside & (distance_to(near) <= reach)) | near)


def _suspect(ground: Ground, view: View, prob: FloatArray) -> BoolArray:
    """Smooth cells taken for background that join the object and are not quite the background's colour."""
    tinted = (view.chroma > view.tint) | (blur(view.tone, 2.0) > ground.tone_limit)
    weak = ~view.zone & (prob < 0.5) & tinted
    weak = cv2.morphologyEx(weak.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, comp = cv2.connectedComponents(weak, connectivity=8)
    joined = np.zeros(count, bool)
    joined[np.unique(comp[distance_to(prob >= 0.5) <= 5])] = True
    joined[0] = False
    return np.asarray(joined[comp])


def _unsupported(prob: FloatArray, edges: Edges) -> BoolArray:
    """Surroundings of an outline where the picture has a faint edge or none: the true one may run elsewhere.

    Without a sharp edge the outline may be a shadow's or the object may go on in the background's tone.
    """
    inside = (prob >= 0.5).astype(np.uint8)
    outline = cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    support = cv2.dilate(edges.strength, np.ones((5, 5), np.uint8)) / edges.weak
    long_side = max(prob.shape)
    doubt = np.zeros(prob.shape, bool)
    for bare, reach in ((outline & (support < FAINT), RCH), (outline & (distance_to(edges.mask) > 2.0), 0.008)):
        # A cell or two between the ends of edges is no gap.
        gap = cv2.morphologyEx(bare.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
        doubt |= distance_to(gap) <= reach * long_side
    return doubt


RCH = 0.006
FAINT = 8.0


def _pinholes(opp: FloatArray, ground: Ground, view: View, prob: FloatArray, steep: FloatArray, top: FloatArray) -> BoolArray:
    """Cells that may be the middle of a hole too small to hold a smooth cell: background's colour, and a resting point.

    Where a shiny surface runs from brighter to darker than the background it has its tone too, but on a slope.
    """
    tone, chroma = tone_and_chroma(blur(opp, 0.7), ground.surface.tone)
    depth = -tone / np.maximum(ground.surface.tone[..., 0], 8)
    deepest = SHADE0 + 1.5 * view.shade + 0.3 * view.telling
    colour = (chroma < 2 * ground.chroma_limit + 0.08 * top) & (tone < ground.tone_limit) & (depth < deepest)
    # Between coloured walls a slit is dark and has less of their colour than they have.
    vivid = cv2.dilate(chroma, np.ones((9, 9), np.uint8))
    slit = (vivid > 25) & (chroma < 0.35 * vivid) & (tone < 0) & (depth < 0.65)
    found = view.zone & (colour | slit) & (steep < 0.15 * top + ground.tone_limit * 0.5)
    # Near holes, every narrow dark line may be one more, however much of the object's light it has caught.
    line = cv2.morphologyEx(tone, cv2.MORPH_BLACKHAT, np.ones((9, 9), np.uint8))
    groove = view.zone & (line > BH) & (depth > 0.2) & (tone <= cv2.erode(tone, np.ones((3, 3), np.uint8)) + 0.3 * line)
    groove &= distance_to(found | (~view.zone & (prob < 0.5))) <= 0.012 * max(view.zone.shape)
    return np.asarray(found | groove)


BH = 30
ASS = 2.5


SHADE0 = 0.08


def _reached(smooth_background: BoolArray) -> BoolArray:
    count, comp = cv2.connectedComponents(smooth_background.astype(np.uint8), connectivity=4)
    rim = np.concatenate([comp[0], comp[-1], comp[:, 0], comp[:, -1]])
    keep = np.bincount(rim, minlength=count) > 0
    keep[0] = False
    return np.asarray(keep[comp])


def _evidence(opp: FloatArray, ground: Ground, view: View, outer: BoolArray) -> FloatArray:
    """How far a cell is from everything that the background could look like here, in levels beyond the limits."""
    local = view.smooth.reshape(-1, 3)[nearest(outer)] if outer.any() else ground.surface.tone
    fine = blur(opp, 0.7)
    tone, chroma = tone_and_chroma(fine, ground.surface.tone)
    tone_here, chroma_here = tone_and_chroma(fine, local)
    bright = np.maximum(tone - 0.7 * ground.tone_limit, 0)
    dark = np.maximum(np.minimum(-tone_here, -tone) - 0.7 * ground.tone_limit, 0)
    coloured = np.maximum(np.minimum(chroma, chroma_here) - 0.7 * ground.chroma_limit, 0)
    # Beside a coloured object, darkness alone is no evidence: it is the object's shadow, unless nearly black.
    vivid = np.clip(cv2.dilate(coloured, np.ones((9, 9), np.uint8)) / 20, 0, 1)
    shadow = np.minimum(dark, 0.45 * ground.surface.tone[..., 0])
    neutral = np.clip(1.5 - chroma / (2 * ground.chroma_limit + 0.1 * dark), 0, 1)
    return bright + dark - 0.85 * vivid * neutral * shadow + coloured


def _hole_chance(
    ground: Ground, view: View, part: BoolArray, outer: BoolArray, evidence: FloatArray
) -> FloatArray:
    """Chance that an enclosed smooth region shows the background, -1 outside such regions."""
    count, comp = cv2.connectedComponents(part.astype(np.uint8), connectivity=4)
    if count == 1 or not outer.any():
        return np.full(part.shape, -1, np.float32)
    beside = cv2.dilate(outer.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    is_open = np.bincount(comp[beside], minlength=count) > 0
    area = np.maximum(np.bincount(comp.ravel(), minlength=count), 1)

    def mean(values: FloatArray) -> npt.NDArray[np.float64]:
        return np.bincount(comp.ravel(), weights=values.ravel(), minlength=count) / area

    base = np.maximum(ground.surface.tone[..., 0], 8)
    here = np.minimum(view.ratio.ravel()[nearest(outer)], 1).reshape(part.shape)
    deeper = mean(here) - mean(view.ratio)
    tone_fits = np.clip(1.5 - deeper / (0.02 + view.shade + 0.3 * view.telling), 0, 1)
    # No light makes more than a spot of the background brighter than the background.
    not_bright = np.clip(1.5 - 3 * mean(view.tone > 1.5 * ground.tone_limit), 0, 1)
    tinted = mean(view.chroma) / view.tint
    # Light thrown back by the object may tint a hole, but not all of it.
    neutral = mean(view.chroma < view.tint)
    chroma_fits = np.clip(np.maximum((1.8 - tinted) / 0.8, neutral / 0.3 - 0.3), 0, 1)
    rim_evidence = cv2.dilate(evidence, np.ones((13, 13), np.uint8))
    rim = part & (cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    length = np.maximum(np.bincount(comp[rim], minlength=count), 1)
    wall = np.bincount(comp[rim], weights=rim_evidence[rim], minlength=count) / length
    own = np.minimum(np.abs(deeper) * mean(base), mean(np.abs(view.tone))) + ground.tone_limit
    walled = np.clip((wall / own - 1.0) / 2, 0, 1)
    exact = mean(((np.abs(view.tone) < ground.tone_limit) & (view.chroma < view.tint)).astype(np.float32))
    walled = np.where((exact > 0.3) & (area > 200), np.minimum(3 * walled, 1), walled)
    walled = np.maximum(walled, view.telling * np.clip((0.8 - tinted) / 0.3, 0, 1))
    chance = (tone_fits * not_bright * chroma_fits * walled).astype(np.float32)
    chance[is_open] = -1
    chance[0] = -1
    return np.asarray(chance[comp])


def nearest(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Flat index of the nearest True cell of every cell."""
    _, label = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(label.max()) + 1, np.int64)
    index[label[mask]] = np.flatnonzero(mask)
    return np.asarray(index[label])


def _constant(preview: FloatArray, frame: Box, value: float, note: str) -> CoarseMap:
    h, w = preview.shape[:2]
    prob = np.full((h, w), value, np.float32)
    scale = max(frame.width / w, frame.height / h)
    return CoarseMap(prob, np.zeros((h, w), bool), prob.astype(np.int32), scale, frame, "studio", None, (note,))


def _to_srgb(opp: FloatArray) -> FloatArray:
    return np.clip(cv2.transform(opp, np.linalg.inv(OPPONENT).astype(np.float32)), 0, 1)


def _frame_noise(preview: FloatArray, ground: Ground, frame: Box) -> FloatArray:
    return np.full(3, 0.003, np.float32)


def _spread(values: FloatArray) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) if values.size else 0.0
