"""The background of a studio shot: where it is, what it looks like, and how plain it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.coarse.evidence import OPPONENT, Edges, blur, find_edges, opponent, tone_and_chroma
from segtile.coarse.regions import distance_to
from segtile.coarse.surface import Surface, fit_surface
from segtile.solar.curves import luma_of
from segtile.types import BoolArray, Box, FloatArray

#: A contour with gaps narrower than twice this (cells) still shuts out what it encloses, while the background is
#: being looked for; smaller distances follow for pictures that leave no room for it.
_GAPS = (8, 4, 2, 1)

#: Below this plainness there is no background.
NO_GROUND = 0.1

#: Smaller pictures than this show nothing that could be told from their margin.
SMALLEST = 8

#: Tone and chroma limits never fall below one level: 8-bit files cannot show less.
_LEVEL = 1.0


@dataclass(frozen=True)
class Ground:
    """The modelled background.

    `surface` in the opponent space; `tone_limit` and `chroma_limit` in levels: what the background's noise and the
    model's own misfit explain; `plain` in [0, 1]: how far the picture's margin is one smooth surface.
    """

    surface: Surface
    tone_limit: float
    chroma_limit: float
    plain: float
    used: BoolArray


def find_ground(opp: FloatArray, edges: Edges) -> Ground | None:
    """Find and model the background; None where no smooth area reaches the border of the picture.

    Args:
        opp: (h, w, 3) float32 opponent values.
        edges: the same picture's sharp edges.
    """
    h, w = opp.shape[:2]
    border = np.ones((h, w), bool)
    border[1:-1, 1:-1] = False
    from_edge = distance_to(edges.mask)
    for gap in _GAPS:
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
    noise = _noise(opp, used)
    misfit = surface.spread
    tone_limit = max(_LEVEL, 1.4 * float(noise[0]), 4 * float(misfit[0]))
    chroma_limit = max(_LEVEL, 1.4 * float(np.hypot(noise[1], noise[2])), 4 * float(np.hypot(misfit[1], misfit[2])))
    plain = _plainness(opp, from_edge, surface, tone_limit, chroma_limit)
    return Ground(surface, tone_limit, chroma_limit, plain, used)


@dataclass(frozen=True)
class Seen:
    """A preview's background, as networks are shown it.

    `tone` (h, w, 3) float32 sRGB-encoded in [0, 1], smooth, under the object too; `sigma` the standard deviation of
    the luma of the preview's own pixels around it; `ground` what both were read from.
    """

    tone: FloatArray
    sigma: float
    ground: Ground


def see_background(preview: FloatArray) -> Seen | None:
    """The background of a preview, (h, w, 3) float32 sRGB-encoded in [0, 1]; None where none was found."""
    if min(preview.shape[:2]) < SMALLEST:
        return None
    opp = opponent(preview)
    ground = find_ground(opp, find_edges(opp))
    if ground is None or ground.plain < NO_GROUND:
        return None
    luma = np.dstack([luma_of(preview)] * 3)
    return Seen(tone_as_srgb(ground), float(_noise(luma, ground.used)[0]), ground)


def tone_as_srgb(ground: Ground) -> FloatArray:
    """The background's colour over the whole map, (h, w, 3) float32 sRGB-encoded in [0, 1]."""
    return np.clip(cv2.transform(ground.surface.tone, np.linalg.inv(OPPONENT).astype(np.float32)), 0, 1)


def frame_noise(preview: FloatArray, ground: Ground, frame: Box) -> FloatArray:
    """The standard deviation of the frame's own pixels around the background, (3,) float32 in sRGB-encoded units.

    A preview shows averages, whose noise is lower; how much lower is read from what one more halving does to it
    (nothing to noise that is smooth, a half to noise that is white) and carried back to the frame's own scale.
    """
    h, w = preview.shape[:2]
    scale = max(1.0, frame.width / w)
    here = _noise(preview, ground.used)
    size = (max(1, w // 2), max(1, h // 2))
    half = cv2.resize(preview, size, interpolation=cv2.INTER_AREA)
    used = cv2.resize(ground.used.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    falls = np.log2(np.maximum(here, 1e-6) / np.maximum(_noise(half, used), 1e-6))
    # Flat 8-bit surfaces show no noise at all; a tenth of a level keeps divisions by it meaningful.
    return np.maximum(here * scale ** np.clip(falls, 0, 1), 0.1 / 255).astype(np.float32)


def _noise(image: FloatArray, used: BoolArray) -> FloatArray:
    """Robust standard deviation of the finest detail on the background, per channel."""
    if not used.any():
        return np.zeros(3, np.float32)
    # Every third cell both ways is plenty for a median.
    fine = (image - blur(image, 2.0))[::3, ::3][used[::3, ::3]]
    if len(fine) == 0:
        return np.zeros(3, np.float32)
    centre = np.median(fine, axis=0)
    return np.asarray(1.4826 * np.median(np.abs(fine - centre), axis=0), np.float32)


def _plainness(
    opp: FloatArray, from_edge: FloatArray, surface: Surface, tone_limit: float, chroma_limit: float
) -> float:
    """Share of the picture's margin that the surface explains, less where it explains the margin only roughly."""
    h, w = opp.shape[:2]
    deep = max(2, round(0.03 * max(h, w)))
    margin = np.ones((h, w), bool)
    margin[deep:-deep, deep:-deep] = False
    tone, chroma = tone_and_chroma(blur(opp, 1.0), surface.tone)
    # Shadows may reach the margin; anything brighter or of another colour may not.
    fits = (tone < 3 * tone_limit) & (tone > -0.5 * surface.tone[..., 0] - tone_limit) & (chroma < 3 * chroma_limit)
    fits &= from_edge > 1.5
    rough = float(surface.spread[0]) + float(np.hypot(surface.spread[1], surface.spread[2]))
    return float(fits[margin].mean()) * float(np.clip(1.5 - rough / 6.0, 0, 1))
