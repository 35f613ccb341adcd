"""What every later step asks of a cell, measured once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.coarse.evidence import Edges, blur, find_edges, gradient, tone_and_chroma
from segtile.coarse.ground import Ground
from segtile.coarse.regions import distance_to, touching_border
from segtile.types import BoolArray, FloatArray

#: Cells closer than this to a sharp edge are judged by themselves; all others are smooth and judged with their region.
EDGE_ZONE = 2.5

#: Chroma is averaged over smooth surroundings at this scale: metal and shadow differ by a level or less.
CHROMA_SIGMA = 4.0


@dataclass(frozen=True)
class View:
    """A preview seen against its background; all arrays (h, w) float32 in levels unless said otherwise.

    `smooth` (h, w, 3) opponent values, lightly blurred; `tone` and `chroma` distances to the background, chroma over
    the wider smooth surroundings; `fine_tone` and `fine_chroma` at the finest scale; `steep` the gradient; `ratio`
    tone over the background's; `zone` bool, near a sharp edge. `edges` at the map's scale, `wide_edges` at half of it.

    `tint`: the chroma distance that the background itself stays under. `shade`: the deepest shadow (1 - ratio) that
    open smooth ground shows. `telling` in [0, 1]: how reliably chroma tells this picture's objects from shadows.
    """

    ground: Ground
    edges: Edges
    wide_edges: Edges
    smooth: FloatArray
    tone: FloatArray
    chroma: FloatArray
    fine_tone: FloatArray
    fine_chroma: FloatArray
    steep: FloatArray
    ratio: FloatArray
    zone: BoolArray
    tint: float
    shade: float
    telling: float

    @property
    def base(self) -> FloatArray:
        """The background's tone, kept away from 0."""
        return np.maximum(self.ground.surface.tone[..., 0], 8)


def make_view(opp: FloatArray, edges: Edges, ground: Ground) -> View:
    """Measure a (h, w, 3) picture in the opponent space against its background."""
    h, w = opp.shape[:2]
    surface = ground.surface.tone
    smooth = blur(opp, 1.0)
    tone, near_chroma = tone_and_chroma(smooth, surface)
    fine_tone, fine_chroma = tone_and_chroma(blur(opp, 0.7), surface)
    zone = distance_to(edges.mask) <= EDGE_ZONE
    chroma = _wide_chroma(opp, surface, zone, near_chroma)
    # The offset keeps the ratio near 1 where both are nearly black.
    ratio = (smooth[..., 0] + 8) / (surface[..., 0] + 8)
    tint = _tint(chroma, ~zone & (np.abs(tone) < ground.tone_limit), ground)
    open_ground = touching_border(~zone & (chroma < tint))
    deepest = 1 - float(np.percentile(ratio[open_ground], 1)) if open_ground.any() else 0.0
    shade = float(np.clip(deepest, 0, 0.5))
    # Where things stand out by tone and a sharp edge, how often do they by chroma?
    marked = edges.mask & (ratio < 0.95 - shade)
    coloured = float((near_chroma[marked] > 1.2 * ground.chroma_limit).mean()) if marked.any() else 0.0
    return View(
        ground=ground,
        edges=edges,
        wide_edges=find_edges(cv2.resize(opp, (-(-w // 2), -(-h // 2)), interpolation=cv2.INTER_AREA)),
        smooth=smooth,
        tone=tone,
        chroma=chroma,
        fine_tone=fine_tone,
        fine_chroma=fine_chroma,
        steep=gradient(opp, 1.0),
        ratio=np.asarray(ratio, np.float32),
        zone=zone,
        tint=tint,
        shade=shade,
        telling=float(np.clip((coloured - 0.4) / 0.35, 0, 1)),
    )


def _wide_chroma(opp: FloatArray, surface: FloatArray, zone: BoolArray, instead: FloatArray) -> FloatArray:
    """Chroma distance averaged over smooth cells only, so that no colour leaks over an edge."""
    free = (~zone).astype(np.float32)
    mass: FloatArray = blur(free, CHROMA_SIGMA)
    mean = np.asarray(blur(opp * free[..., None], CHROMA_SIGMA) / np.maximum(mass, 1e-3)[..., None], np.float32)
    _, chroma = tone_and_chroma(mean, surface)
    return np.where(mass > 0.05, chroma, instead).astype(np.float32)


def _tint(chroma: FloatArray, calm: BoolArray, ground: Ground) -> float:
    if not calm[::3, ::3].any():
        return 1.0
    misfit = float(np.hypot(ground.surface.spread[1], ground.surface.spread[2]))
    return max(0.35, 2.5 * float(np.median(chroma[::3, ::3][calm[::3, ::3]])), 2.5 * misfit)
