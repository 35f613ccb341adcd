"""Narrow-band matting: what the colours say at each pixel, held together by the matting Laplacian."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.refine.background import follow_background
from segtile.refine.base import constants, context_trust, make_patch
from segtile.refine.evidence import Evidence, weigh_colours
from segtile.refine.openings import close_edgeless
from segtile.refine.system import solve_band
from segtile.types import BoolArray, FloatArray, TileInput, TilePatch

# Alpha below 2 % and above 98 % is solver and noise rather than object: the rest is stretched over the whole range, so
# that there is neither haze on the background nor pinholes in the object, and no step either.
_HAZE = 0.02
# Below the first of these the coarse pass is sure that a pixel is background, from the second on it has no say. A
# contact shadow in a notch has no hue of its own and no smooth way to open background: who sees the whole can tell.
# Chosen by validation (eval/configs/validation.yaml). The studio pass knows no shades of certainty: on data_samples it
# loses by this (biou2 0.438 to 0.361). And where a cell holds many pixels no pass is sure of each of them.
_SURE, _OPEN = 0.1, 0.2
_LARGEST_CELL = 4.0  # px
# Next to a cut border the background cannot be followed; influence fades over the next pixels.
_BLIND, _FADE = 8, 32  # px


class MattingRefiner:
    """Closed-form matting in the coarse band, narrowed first to where the colours leave a doubt.

    The background is followed from outside into the band, shadows and openings included; what it reaches is alpha 0.
    What is deep inside the rest, or clearly covered, is alpha 1. Between them alpha is solved for, with a data term
    from local background and object colours. Where a graded coarse map with small cells is sure of background, so is
    this.

    Source: Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting, PAMI 2008; the data term as in
    Wang, Cohen: Optimized Color Sampling for Robust Matting, CVPR 2007.
    """

    name = "matting"
    tile = 1536  # matting has no size it was trained for: the larger the tile, the fewer the borders
    halo = 64
    context: int | None = None
    channels: tuple[str, ...] = ()
    bytes_per_px = 180
    coarsest = float("inf")

    def __init__(self, notes: tuple[str, ...] = ()) -> None:
        """With `notes` for the user, of why it was taken."""
        self.notes = notes

    def refine(self, x: TileInput) -> TilePatch:
        """Alpha over the read window; the coarse probability where the tile shows no certain background."""
        trust = context_trust(x.tile, x.frame, _BLIND, _FADE)
        if not x.band.any():
            return make_patch(x, constants(x), trust)
        local = follow_background(x)
        if local is None:
            alpha, notes = self._without_background(x)
            return make_patch(x, alpha, trust, notes)
        alpha = constants(x)
        # the last reached pixel may hold a trace of object, too little for the noise to show
        clear = _shrink(local.reached)
        unknown = x.band & ~clear
        evidence = weigh_colours(x, local, unknown)
        alpha[unknown] = 1.0
        alpha[x.band & clear] = 0.0
        unknown &= ~evidence.solid
        solved, notes = _solve(x, alpha, unknown, evidence, local.noise)
        closed = close_edgeless(_held_down(solved, x), x, local.tone, local.noise)
        return make_patch(x, closed, trust, notes)

    def _without_background(self, x: TileInput) -> tuple[FloatArray, tuple[str, ...]]:
        """Plain matting towards the coarse probability, where no background can be learnt from the tile."""
        prior = Evidence(np.zeros_like(x.band), x.prob, np.full(x.prob.shape, 1e-2, np.float32))
        noise = x.noise if x.noise is not None else np.zeros(3, np.float32)
        return _solve(x, constants(x), x.band, prior, noise)


def _held_down(alpha: FloatArray, x: TileInput) -> FloatArray:
    """No more alpha in the band than the coarse pass allows where it is sure of background."""
    if not x.graded or x.scale > _LARGEST_CELL:
        return alpha
    most = np.clip((x.prob - _SURE) / (_OPEN - _SURE), 0.0, 1.0)
    return np.where(x.band, np.minimum(alpha, most), alpha).astype(np.float32)


def _solve(
    x: TileInput, alpha: FloatArray, unknown: BoolArray, evidence: Evidence, noise: FloatArray
) -> tuple[FloatArray, tuple[str, ...]]:
    if not unknown.any():
        return alpha, ()
    # windows flatter than the noise have no colour line to follow
    epsilon = max(1e-6, float(np.square(noise).mean()))
    solved, converged = solve_band(x.rgb, unknown, alpha, evidence.guess, evidence.weight, epsilon)
    solved = np.where(unknown, (solved - _HAZE) / (1.0 - 2.0 * _HAZE), alpha).astype(np.float32)
    box = x.tile.read
    note = f"matting did not settle at {box.x0},{box.y0} to {box.x1},{box.y1}; the last step was kept"
    return solved, () if converged else (note,)


def _shrink(mask: BoolArray) -> BoolArray:
    kernel = np.ones((3, 3), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1).astype(bool)
