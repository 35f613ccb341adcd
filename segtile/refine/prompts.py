"""What a prompted network is told of a tile's objects, made from the coarse map: boxes, points and mask logits.

Everything depends on the coarse map alone and is found in raster order, so the same map gives the same prompts, and a
tile that is moved without losing sight of an object is told the same of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from segtile.backends.promptable import Prompt, Promptable
from segtile.backends.squares import Square
from segtile.types import BoolArray, Box, FloatArray, IntArray, TileInput

#: At most so many points of a kind for an object: on its parts, in its holes, in the background beside it and in
#: other objects that come near.
PARTS, HOLES, BESIDE, OTHERS = 6, 4, 4, 2

_NEAR, _FAR = 0.02, 0.12  # of the tile's longer side: how far beside an object background is pointed at
_APART = 0.08  # of the tile's longer side; points of a kind are at least so far from each other
_SMALL = 3.0  # px; an opening that is nowhere wider than twice this is left to the mask
_SIDES = 3  # an object that leaves through so many of the tile's sides has no box that says anything
# Logits of what is certain: beyond these a prompt encoder that was trained on its own logits has seen little.
_CERTAIN = 6.9
_CERTAIN_PROB = np.float32(1.0 / (1.0 + np.exp(-_CERTAIN)))


@dataclass(frozen=True)
class ObjectPrompt:
    """One object of a tile.

    `label` is the coarse map's. `box` is (x0, y0, x1, y1) in px of the tile, clipped to it, around all that the coarse
    pass takes for the object there, and a cell more. `inside` and `outside` (n, 2) int32 are (x, y) of pixels on it and
    off it, the most telling first. `sides` counts the tile's sides that it leaves through.
    """

    label: int
    box: tuple[int, int, int, int]
    inside: IntArray
    outside: IntArray
    sides: int


def object_prompts(x: TileInput) -> list[ObjectPrompt]:
    """Prompts for every object that has something to refine in a tile and of which something is believed there.

    Args:
        x: the tile; without labels all of the band and the object is one object.

    Returns:
        In the order of the labels. An object that the coarse pass doubts everywhere in the tile has none.
    """
    labels = labels_of(x)
    asked = np.unique(labels[x.band])
    believed = x.prob >= 0.5
    found = []
    for label in asked[asked > 0]:
        mine = (labels == label) & believed
        if mine.any():
            found.append(_prompt(x, int(label), mine, labels, believed))
    return found


def labels_of(x: TileInput) -> IntArray:
    """The tile's objects, (h, w) int32; one object where the coarse pass did not tell them apart."""
    return x.labels if x.labels is not None else (x.band | (x.prob >= 0.5)).astype(np.int32)


def to_network(prompt: ObjectPrompt, x: TileInput, network: Promptable, square: Square) -> Prompt:
    """One object's prompt in what a network takes.

    Args:
        prompt: what is known.
        x: its tile.
        network: says what it takes.
        square: where the tile lies in the network's square.

    Returns:
        With a box unless the object leaves through most sides of the tile, where points say more; with as many points
        as the network takes, on and off the object in turn; with a mask where it takes one.
    """
    box = None if prompt.sides >= _SIDES else tuple(float(v) for v in prompt.box)
    if network.exclusive and box is not None:
        points, inside = np.zeros((0, 2), np.float32), np.zeros(0, np.bool_)
    else:
        room = network.most_points - (2 if box is not None else 0) if network.most_points else None
        if room is not None and room < 1:
            box, room = None, network.most_points
        points, inside = _in_turn(prompt.inside, prompt.outside, room)
    mask = mask_logits(x, prompt.label, square, network.mask_side) if network.mask_side else None
    return Prompt(points, inside, box, mask)  # type: ignore[arg-type]


def mask_logits(x: TileInput, label: int, square: Square, side: int) -> FloatArray:
    """An object as the logits that a prompt encoder takes for an earlier answer of its own network.

    Where the coarse pass is certain they are +-6.9, in the band what its probability says; other objects and the
    padding are certainly not this one.

    Args:
        x: the tile.
        label: the object.
        square: where the tile lies in the network's square.
        side: of the logits.

    Returns:
        (side, side) float32.

    Source: the +-6.9 are those of Archit et al.: Segment Anything for Microscopy, Nature Methods 2025.
    """
    sure = np.where(x.prob >= 0.5, _CERTAIN_PROB, 1 - _CERTAIN_PROB)
    prob = np.where(x.band, np.clip(x.prob, 1 - _CERTAIN_PROB, _CERTAIN_PROB), sure)
    prob = np.where(labels_of(x) == label, prob, 1 - _CERTAIN_PROB).astype(np.float32)
    small = square.from_picture(prob, side, float(1 - _CERTAIN_PROB))
    return np.asarray(np.log(small) - np.log1p(-small), np.float32)


def _prompt(x: TileInput, label: int, mine: BoolArray, labels: IntArray, believed: BoolArray) -> ObjectPrompt:
    height, width = mine.shape
    rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
    tile = Box.frame(width, height)
    tight = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    box = tight.expand(math.ceil(x.scale), tile)
    edges = (mine[0], mine[:, -1], mine[-1], mine[:, 0])
    sides = sum(bool(edge.any()) for edge, cut in zip(edges, _cut_sides(x), strict=True) if cut)
    side = max(height, width)
    near = tight.expand(math.ceil(_FAR * side), tile)
    crop = near.slices
    inside = _on_parts(mine[crop], _APART * side)
    others = (believed & (labels != label))[crop]
    outside = _off(x.prob[crop] < 0.5, x.band[crop], mine[crop], others, max(2.0 * x.scale, _NEAR * side), side)
    shift = np.array([near.x0, near.y0], np.int32)
    return ObjectPrompt(label, (box.x0, box.y0, box.x1, box.y1), inside + shift, outside + shift, sides)


def _cut_sides(x: TileInput) -> tuple[bool, bool, bool, bool]:
    """Whether the picture goes on beyond the tile's top, right, bottom and left side."""
    read, frame = x.tile.read, x.frame
    return read.y0 > frame.y0, read.x1 < frame.x1, read.y1 < frame.y1, read.x0 > frame.x0


def _on_parts(mine: BoolArray, apart: float) -> IntArray:
    """Points on an object: deep inside its largest parts first, then along its ridges, thin ones too, far apart."""
    depth = _depth(mine)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mine.astype(np.uint8), connectivity=8)
    order = 1 + np.argsort(-stats[1:count, cv2.CC_STAT_AREA], kind="stable")
    chosen = [_deepest(depth, parts == part) for part in order[: PARTS // 2]]
    ridge = mine & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    return _farthest(ridge, chosen, PARTS, apart)


def _off(
    background: BoolArray, band: BoolArray, mine: BoolArray, others: BoolArray, least: float, side: int
) -> IntArray:
    """Points off an object: in its holes, in background at least `least` px beside it, and in other objects there."""
    away = cv2.distanceTransform((~mine).astype(np.uint8), cv2.DIST_L2, 5)
    beside = (away >= least) & (away <= _FAR * side) & ~band
    holes, openings = _in_holes(background, band)
    certain, other = beside & background & ~openings, beside & others
    around = _spread_out(certain, BESIDE, _APART * side)
    return np.concatenate([around[:1], holes, around[1:], _spread_out(other, OTHERS, _APART * side)])


def _spread_out(where: BoolArray, most: int, apart: float) -> IntArray:
    """The deepest pixel of an area and others far from it and from each other."""
    start = [_deepest(_depth(where), where)] if where.any() else []
    return _farthest(where, start, most, apart)


def _in_holes(empty: BoolArray, band: BoolArray) -> tuple[IntArray, BoolArray]:
    """A point in each of the largest openings that do not reach the border, off the band if possible; all openings."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(empty.astype(np.uint8), connectivity=4)
    height, width = empty.shape
    x0, y0 = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    inner = (x0 > 0) & (y0 > 0)
    inner &= (x0 + stats[:, cv2.CC_STAT_WIDTH] < width) & (y0 + stats[:, cv2.CC_STAT_HEIGHT] < height)
    inner[0] = False
    order = np.argsort(-stats[:count, cv2.CC_STAT_AREA], kind="stable")
    points = []
    for part in order[inner[order]][:HOLES]:
        hole = parts == part
        depth = _depth(hole)
        if depth.max() < _SMALL:
            continue
        sure = hole & ~band
        points.append(_deepest(_depth(sure), sure) if sure.any() else _deepest(depth, hole))
    return np.array(points, np.int32).reshape(-1, 2), inner[parts]


def _depth(mask: BoolArray) -> FloatArray:
    """Distance of every pixel of a mask to what lies outside it or beyond the border, where a network sees nothing."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)


def _deepest(depth: FloatArray, where: BoolArray) -> tuple[int, int]:
    """(x, y) of the deepest pixel of `where`, the first in raster order of several."""
    row, column = divmod(int(np.where(where, depth, -1.0).argmax()), depth.shape[1])
    return column, row


def _farthest(candidates: BoolArray, chosen: list[tuple[int, int]], most: int, apart: float) -> IntArray:
    """`chosen` and as many candidates as there is room for, each the farthest from all before it."""
    ys, xs = np.nonzero(candidates)
    points = list(chosen)
    if ys.size and points:
        nearest = np.full(ys.size, np.inf)
        for x, y in points:
            nearest = np.minimum(nearest, np.hypot(xs - x, ys - y))
        while len(points) < most:
            best = int(nearest.argmax())
            if nearest[best] < apart:
                break
            points.append((int(xs[best]), int(ys[best])))
            nearest = np.minimum(nearest, np.hypot(xs - xs[best], ys - ys[best]))
    return np.array(points, np.int32).reshape(-1, 2)


def _in_turn(inside: IntArray, outside: IntArray, room: int | None) -> tuple[FloatArray, BoolArray]:
    """Points on and off an object in turn, the first of each first, at most `room`; and which of them are on it."""
    points = np.concatenate([inside, outside])
    on = np.arange(len(points)) < len(inside)
    rank = np.concatenate([np.arange(len(inside)), np.arange(len(outside))])
    order = np.lexsort((~on, rank))[:room]
    return points[order].astype(np.float32), on[order]
