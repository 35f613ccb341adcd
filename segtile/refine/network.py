"""Our own refinement network: the picture, its solar channels and the coarse probability in, alpha out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from segtile.backends.alpha_graph import AlphaGraph
from segtile.refine.base import constants, context_trust, make_patch
from segtile.refine.inputs import solar_of
from segtile.refine.openings import close_bright, close_denied, close_edgeless, close_tinted, close_unsure
from segtile.solar import network_channels
from segtile.types import BoolArray, Box, FloatArray, Looks, TileInput, TilePatch

#: A network may look further than this, but what lies there hardly counts: (px) more context costs more than it gives.
MOST_HALO = 64

#: By validation: a place is a square of so many px to a side, of which such a share is answered otherwise than told;
#: what differs by no more than the last is left out.
_PLACE, _FAR, _LEAST = 65, 0.1, 0.02

#: By validation, for edges that lie inwards of the true ones by a tenth of a pixel or two: it is told of a coarse map
#: this share of the way to the most within so many px of each pixel.
WIDER, WITHIN = 0.25, 2

#: By validation: what it is told, a map or its own answer before, has such a share of its log odds.
SURENESS = 0.8

#: By validation: which way round each look sees the tile, as steps along its rows and columns: where a network errs
#: depends on that, and a look that errs elsewhere finds more of what the one before got wrong.
_WAYS = ((1, 1), (1, -1), (-1, 1))

#: By "auto"; each look sees the tile another way round.
MOST_LOOKS = len(_WAYS)

#: Alphas between these are on an edge, to which a second look is confined.
_EDGE = (0.02, 0.98)

#: (px) The side of a tile as the network sees it, and bytes that it works with for each pixel of that.
_SEEN, _BYTES = 1024, 480


class NetworkRefiner:
    """An ONNX graph (1, 3 + channels + 1, m h, m w) to (1, 1, m h, m w); see `segtile.backends.alpha_graph`.

    A network that computes at half of its input's resolution tells edges to some part of those pixels, which are
    less of the picture's where the tile is shown m times as large as it is (`magnify`), by Lanczos' kernel: what
    cubic interpolation takes of the sharpness, the network misses. What is cut off at a border is felt less and less
    further in, so trust rises over the halo. Only what lies about the band is looked at.

    What it is told of the coarse probability is a little wider and less sure than that is. A further look is told the
    answer before in its place, less sure too, sees the tile mirrored, and moves edges, but opens nothing.
    It is worth most where an answer is far from what the network was told, since what it is told it half believes: by
    `looks` of "auto" only what lies about such places is looked at again, up to `MOST_LOOKS` times in all.
    """

    coarsest = 4.0
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, name: str = "net", device: str = "auto", looks: Looks = "auto") -> None:
        """Load the graph at `path`, to be reported as `name`, to look `looks` times; raises as `AlphaGraph`."""
        self._graph = AlphaGraph(path, refines=True, device=device)
        self.name, self._looks = name, looks
        self.channels = self._graph.channels
        self.magnify = self._graph.magnify
        self.tile = _SEEN // self.magnify
        self.halo = -(-min(MOST_HALO, self._graph.receptive_px) // self.magnify)
        self.context: int | None = self.halo
        self.bytes_per_px = _BYTES * self.magnify**2

    def refine(self, x: TileInput) -> TilePatch:
        """Alpha over the read window.

        Raises:
            ModelError: the graph fails on it.
        """
        reach = self.halo // 4
        trust = context_trust(x.tile, x.frame, reach, self.halo - reach)
        if not x.band.any():
            return make_patch(x, constants(x), trust)
        here = _bounds(x.band)
        told, alpha = x.prob, self._look(x, here)
        for way in _WAYS[1 : MOST_LOOKS if self._looks == "auto" else self._looks]:
            halo, again = self.halo, [here]
            if self._looks == "auto":
                halo = self.halo // 2  # by validation: what it knows of its answer before stands for the rest
                again = _places(_far_from(told, alpha, x.band), halo)
            if not again:
                break
            told, alpha = alpha, self._look_again(x, alpha, again, halo, way)
        return make_patch(x, alpha, trust)

    def _look(self, x: TileInput, box: Box) -> FloatArray:
        """What the network says of a box of the tile, and the constants beside it, without false openings."""
        alpha = constants(x)
        alpha[box.slices] = self._seen(replace(x, prob=_wider(x.prob)), box, self.halo, _WAYS[0])
        return self._without_false_openings(alpha, x)

    def _look_again(
        self, x: TileInput, before: FloatArray, boxes: list[Box], halo: int, way: tuple[int, int]
    ) -> FloatArray:
        """An answer whose edges in some boxes of the tile have moved."""
        moved, edge, knowing = before.copy(), _edge_of(before), replace(x, prob=before)
        for box in boxes:
            here = edge[box.slices]
            moved[box.slices][here] = self._seen(knowing, box, halo, way)[here]
        return self._without_false_openings(_opening_nothing(moved, before), x)

    def _seen(self, x: TileInput, box: Box, halo: int, way: tuple[int, int]) -> FloatArray:
        """The network's alpha of a box of the tile, seen with a halo around it and one way round."""
        part = box.expand(halo, Box.frame(x.prob.shape[1], x.prob.shape[0]))
        there = x.tile.read.x0 + part.x0, x.tile.read.y0 + part.y0
        down, along = way
        # mirrored about the picture's own corner, so that the network's grid lies alike for all tiles
        left = there[0] if along > 0 else -(there[0] + part.width)
        above = there[1] if down > 0 else -(there[1] + part.height)
        planes = np.ascontiguousarray(self._planes(x, part)[:, ::down, ::along])
        found = self._graph.run(planes, (self.magnify * left, self.magnify * above))[::down, ::along]
        if self.magnify > 1:
            found = cv2.resize(found, (part.width, part.height), interpolation=cv2.INTER_AREA)
        return found[box.within(part).slices]

    def _without_false_openings(self, alpha: FloatArray, x: TileInput) -> FloatArray:
        alpha = close_bright(alpha, x)
        if x.graded and x.scale <= self.coarsest:
            alpha = close_denied(alpha, x)
        alpha = close_tinted(close_unsure(alpha, x), x)
        if x.background is not None and x.noise is not None:
            alpha = close_edgeless(alpha, x, x.background, x.noise)
        return alpha

    def _planes(self, x: TileInput, part: Box) -> FloatArray:
        at = part.slices
        solar = None if x.channels is None else x.channels[at]
        rgb, prob = x.rgb[at], _less_sure(x.prob[at])
        if self.magnify > 1:
            rgb = np.clip(_magnified(rgb, self.magnify, cv2.INTER_LANCZOS4), 0.0, 1.0)
            prob = _magnified(prob, self.magnify)
            if solar is not None and self.channels:
                # of the magnified colours: folds do not lie between two values as colours do
                tone = None if x.background is None else _magnified(x.background[at], self.magnify)
                solar = solar_of(self.channels, rgb, tone, x.sigma)
        if solar is None:
            solar = network_channels(rgb, None, names=self.channels)
        planes = np.empty((4 + len(self.channels), *prob.shape), np.float32)
        planes[:3] = rgb.transpose(2, 0, 1)
        planes[3:-1] = solar.transpose(2, 0, 1)
        planes[-1] = prob
        return planes


def _wider(prob: FloatArray) -> FloatArray:
    """A map whose objects reach a little further."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * WITHIN + 1, 2 * WITHIN + 1))
    return np.asarray(prob + np.float32(WIDER) * (cv2.dilate(prob, disc) - prob), np.float32)


def _less_sure(prob: FloatArray) -> FloatArray:
    """Probabilities of `SURENESS` times the log odds."""
    held = np.clip(prob, 0.0, 1.0)  # interpolation may round to a little over
    yes, no = held**SURENESS, (1.0 - held) ** SURENESS
    return np.asarray(yes / (yes + no), np.float32)


def _edge_of(alpha: FloatArray) -> BoolArray:
    """Mixed pixels, and both sides of an edge between two that are not."""
    inside = (alpha >= 0.5).astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    beside = cv2.dilate(inside, square) != cv2.erode(inside, square)
    return np.asarray(beside | ((alpha > _EDGE[0]) & (alpha < _EDGE[1])), np.bool_)


def _opening_nothing(moved: FloatArray, before: FloatArray) -> FloatArray:
    """An answer whose edges have moved, but without the openings that have nothing of the answer before's in them."""
    count, parts = cv2.connectedComponents((moved < 0.5).astype(np.uint8), connectivity=4)
    known = np.zeros(count, np.bool_)
    known[parts[before < 0.5]] = True
    return np.where(known[parts] | (moved >= 0.5), moved, before).astype(np.float32)


def _far_from(told: FloatArray, answer: FloatArray, band: BoolArray) -> BoolArray:
    """Pixels in places of which much is answered otherwise than it was told."""
    off = np.abs(answer - told) * band
    share = cv2.boxFilter(off, -1, (_PLACE, _PLACE), borderType=cv2.BORDER_CONSTANT)
    return np.asarray((share > _FAR) & (off > _LEAST), np.bool_)


def _places(mask: BoolArray, halo: int) -> list[Box]:
    """Boxes that hold a mask, few enough that it costs least to look at each with its halo."""
    if not mask.any():
        return []
    frame, square = Box.frame(mask.shape[1], mask.shape[0]), np.ones((2 * halo + 1, 2 * halo + 1), np.uint8)
    count, parts = cv2.connectedComponents(cv2.dilate(mask.view(np.uint8), square))
    boxes, whole = [_bounds(mask & (parts == n)) for n in range(1, count)], _bounds(mask)
    apart = sum(box.expand(halo, frame).area for box in boxes)
    return boxes if apart < whole.expand(halo, frame).area else [whole]


def _bounds(mask: BoolArray) -> Box:
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _magnified(values: FloatArray, times: int, way: int = cv2.INTER_LINEAR) -> FloatArray:
    h, w = values.shape[:2]
    return np.asarray(cv2.resize(values, (times * w, times * h), interpolation=way), np.float32)


@lru_cache(maxsize=2)
def load_network(path: Path, name: str = "net", device: str = "auto", looks: Looks = "auto") -> NetworkRefiner:
    """A refiner of a graph; it is kept, since it has no state and a folder of pictures needs it for each of them."""
    return NetworkRefiner(path, name, device, looks)
