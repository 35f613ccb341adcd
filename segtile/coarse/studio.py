"""The coarse pass without weights: model the background, and what it does not explain is the object."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.coarse.band import distance_to, drop_dust, label_objects, make_band
from segtile.coarse.evidence import blur, find_edges, opponent, tone_and_chroma
from segtile.coarse.surface import fit_surface
from segtile.types import Background, Box, CoarseMap, FloatArray

GAP = 2


def studio_pass(preview: FloatArray, frame: Box) -> CoarseMap:
    h, w = preview.shape[:2]
    scale = max(frame.width / w, frame.height / h)
    if min(h, w) < 8:
        z = np.zeros((h, w), np.float32)
        return CoarseMap(z, z > 1, z.astype(np.int32), scale, frame, "studio", None, ("The picture is too small to look at.",))
    opp = opponent(preview)
    edges = find_edges(opp)
    core = distance_to(edges.mask) > GAP
    count, comp = cv2.connectedComponents(core.astype(np.uint8), connectivity=4)
    border = np.zeros((h, w), bool)
    border[[0, -1]] = True
    border[:, [0, -1]] = True
    onb = np.bincount(comp[border], minlength=count)
    onb[0] = 0
    main = int(onb.argmax())
    surf = fit_surface(opp, (onb > 0)[comp], comp == main) if onb.sum() > 0 else None
    if surf is None:
        one = np.ones((h, w), np.float32)
        return CoarseMap(one, one > 1, one.astype(np.int32), scale, frame, "studio", None, ("No background was found: the whole picture is kept.",))
    start = comp == main
    sm = blur(opp, 1.0)
    ts, cs = tone_and_chroma(sm, surf.tone)
    n_t = robust(ts[start])
    n_c = robust(cs[start]) * 1.5
    thr_t = max(1.0, 4 * n_t, 3 * float(surf.spread[0]))
    thr_c = max(1.0, 4 * n_c, 3 * float(np.hypot(*surf.spread[1:])))
    ratio = sm[..., 0] / np.maximum(surf.tone[..., 0], 8)
    bglike = (np.abs(ts) < thr_t) & (cs < thr_c)
    shadow = (ts <= -thr_t) & (ratio > 0.3) & (cs < thr_c + 0.06 * np.abs(ts))
    solid = ~bglike & ~shadow
    blocked = edges.mask | solid
    core2 = distance_to(blocked) > GAP
    count, comp = cv2.connectedComponents(core2.astype(np.uint8), connectivity=4)
    onb = np.bincount(comp[border], minlength=count)
    area = np.bincount(comp.ravel(), minlength=count)
    bgc = np.bincount(comp.ravel(), weights=bglike.ravel(), minlength=count)
    share = bgc / np.maximum(area, 1)
    isbg = ((onb > 0) & (share > 0.3) & (area > 20)) | ((onb == 0) & (share > 0.6))
    isbg[0] = False
    amb = (onb == 0) & (share <= 0.6) & (share > 0.05)
    amb[0] = False
    reached = isbg[comp]
    near = nearest(reached)
    local = sm.reshape(-1, 3)[near]
    dist_bg = distance_to(reached)
    tl, cl = tone_and_chroma(blur(opp, 0.8), local)
    ev = np.maximum(np.abs(tl) - thr_t * 0.7, 0) + np.maximum(cl - thr_c * 0.7, 0)
    top = cv2.dilate(ev, np.ones((9, 9)))
    prob = np.where(top > 0.5 * thr_t, ev / np.maximum(top, 1e-3), 0).astype(np.float32)
    inner = core2 & ~reached
    prob[inner] = 1
    deep = dist_bg > 8
    prob[deep & ~reached] = 1
    prob[reached] = 0
    doubt = amb[comp]
    keep = drop_dust((prob >= 0.5))
    far = distance_to(keep) > 6
    prob[far] = 0
    band = make_band(prob, doubt & ~far, 3.0)
    noise = np.full(3, robust((preview[..., 1] - blur(preview, 1.0)[..., 1])[start]), np.float32)
    tone = from_opponent(surf.tone)
    return CoarseMap(prob, band, label_objects(prob, band), scale, frame, "studio", Background(tone, noise), ())


def from_opponent(opp):
    from segtile.coarse.evidence import OPPONENT
    return np.clip(cv2.transform(opp, np.linalg.inv(OPPONENT).astype(np.float32)), 0, 1)


def nearest(mask):
    """Flat index of the nearest True cell."""
    _, lab = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    idx = np.zeros(lab.max() + 1, np.int64)
    idx[lab[mask]] = np.flatnonzero(mask)
    return idx[lab]


def robust(v):
    return 1.4826 * float(np.median(np.abs(v - np.median(v)))) if v.size else 0.0
