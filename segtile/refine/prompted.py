"""Networks that are asked about objects, as refiners: SAM's relatives and ZIM, prompted from the coarse map."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from segtile.backends.promptable import Embedding, Promptable
from segtile.refine.answers import LEAST_AGREEMENT, certain_of, choose, fuse, near_contour, unresolved
from segtile.refine.base import constants, context_trust, make_patch
from segtile.refine.matting import MattingRefiner
from segtile.refine.prompts import ObjectPrompt, labels_of, object_prompts, to_network
from segtile.refine.snap import snap
from segtile.solar.channels import EDGE_CHANNELS, VIEW_CHANNELS
from segtile.types import BoolArray, FloatArray, TileInput, TilePatch

_JUST_BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0.0))
# Shares of a tile's side: the context that a core is given, the part of it that is not believed, and how trust returns.
_HALO, _BLIND, _FADE = 1 / 8, 1 / 64, 1 / 16
# Cells of a network's own mask that the true edge may lie from its contour.
_REACH = 1.5
_SNAPPED = 3.0  # px; the same once the contour was drawn to an edge of the picture


class PromptedRefiner:
    """Asks a network about each object of a tile and brings its masks to the tile's own pixels.

    A network answers on a grid of its own, four px of a tile to a cell or so. Beliefs become an alpha by narrow-band
    matting around their contour, which finds the edge between the cells; what is too thin for those cells is left to
    matting altogether. An alpha (ZIM's) is taken as it is. An answer that contradicts what the coarse pass is certain
    of is refused: there matting alone finds the edge, as it does where nothing could be asked, and a note says so.
    """

    bytes_per_px = 260
    context: int | None = None
    coarsest = float("inf")

    def __init__(
        self,
        name: str,
        network: Promptable,
        *,
        second_look: bool = False,
        solar_edges: bool = False,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Prepare a refiner.

        Args:
            name: what users choose it by.
            network: who is asked.
            second_look: show the network the picture through its adaptive solar curve too, and fuse both answers.
            solar_edges: draw contours to edges that the solar channels show, before matting. A network whose answers
                are alphas keeps them.
            notes: sentences for the user about the network.
        """
        self.name, self.notes = name, notes
        self.tile, self.halo = network.side, math.ceil(network.side * _HALO)
        self.channels = (VIEW_CHANNELS if second_look else ()) + (EDGE_CHANNELS if solar_edges else ())
        self._network, self._second_look, self._solar_edges = network, second_look, solar_edges
        self._matting = MattingRefiner()

    def refine(self, x: TileInput) -> TilePatch:
        """Alpha over the read window."""
        side = max(x.band.shape)
        trust = context_trust(x.tile, x.frame, round(side * _BLIND), round(side * _FADE))
        prompts = object_prompts(x) if x.band.any() else []
        if not x.band.any():
            return make_patch(x, constants(x), trust)
        looks = [self._network.embed(view) for view in self._views(x)] if prompts else []
        logits, answered, cell, notes = self._ask(x, prompts, looks)
        if self._network.soft:
            alpha = (1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
            if (x.band & ~answered).any():
                alone = self._matting.refine(x)
                alpha = np.where(answered, alpha, alone.alpha)
                notes += alone.notes
            return make_patch(x, alpha, trust, notes)
        answered &= ~unresolved(x.prob >= 0.5, cell)
        alpha, more = self._to_pixels(x, logits, answered, cell)
        return make_patch(x, alpha, trust, notes + more)

    def _views(self, x: TileInput) -> list[FloatArray]:
        views = [x.rgb]
        if self._second_look and x.channels is not None:
            views.append(np.ascontiguousarray(x.channels[..., : len(VIEW_CHANNELS)]))
        return views

    def _ask(
        self, x: TileInput, prompts: list[ObjectPrompt], looks: list[Embedding]
    ) -> tuple[FloatArray, BoolArray, float, tuple[str, ...]]:
        """Logits (h, w), where they are a network's answer (h, w) bool, px of a cell of its masks, and notes."""
        logits = np.zeros(x.band.shape, np.float32)
        answered = np.zeros(x.band.shape, np.bool_)
        if not prompts:
            return logits, answered, 0.0, ()
        square = looks[0].square
        asked = [to_network(prompt, x, self._network, square) for prompt in prompts]
        answers = [self._network.answer(look, asked) for look in looks]
        labels = labels_of(x)
        side = answers[0][0].logits.shape[-1]
        cell = max(outer / side / scale for outer, scale in zip(square.outer, square.scale, strict=True))
        refused = 0
        for k, prompt in enumerate(prompts):
            certain = certain_of(x, prompt.label, square, side)
            best = fuse([choose(answer[k], certain) for answer in answers])
            if best.agreement < LEAST_AGREEMENT:
                refused += 1
                continue
            mine = labels == prompt.label
            logits[mine] = square.to_picture(best.logits)[mine]
            answered |= mine
        read = x.tile.read
        note = (
            f"{self.name} contradicts what the coarse pass is certain of for {refused} of {len(prompts)} objects at "
            f"{read.x0},{read.y0} to {read.x1},{read.y1}: matting alone found their edges"
        )
        return logits, answered, cell, (note,) if refused else ()

    def _to_pixels(
        self, x: TileInput, logits: FloatArray, answered: BoolArray, cell: float
    ) -> tuple[FloatArray, tuple[str, ...]]:
        """Matting in the part of the band that lies around the network's contour."""
        belief = (1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32)
        sided = np.where(logits >= 0, np.maximum(belief, np.float32(0.5)), np.minimum(belief, _JUST_BELOW_HALF))
        told = answered & x.band
        prob = np.where(told, sided, x.prob).astype(np.float32)
        strip = x.band & (~answered | near_contour(np.where(told, logits, 40 * (x.prob - 0.5)), _REACH * cell))
        if self._solar_edges and x.channels is not None:
            edges = np.ascontiguousarray(x.channels[..., -len(EDGE_CHANNELS) :])
            prob = np.where(told, snap(x.rgb, edges, prob, strip & told), prob).astype(np.float32)
            strip &= ~answered | near_contour(40 * (prob - 0.5), _SNAPPED)
        patch = self._matting.refine(replace(x, prob=prob, band=strip, graded=False))
        return patch.alpha, patch.notes
