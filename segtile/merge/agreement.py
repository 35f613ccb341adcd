"""Which pieces are one object: those that agree inside the strip that both their tiles saw.

An object that crosses a border of tiles is seen twice in the strip where the two tiles overlap, and there the two views
must be alike however large the object is and however little of it each tile holds. So pieces are compared inside the
strip only, by IoU. Neighbours and things inside other things are unlike there, and stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segtile.detected import CropMask, Detections
from segtile.errors import BadInput
from segtile.masks.crop import area_in, intersection_area
from segtile.merge.candidates import Candidates, Rows, candidates
from segtile.types import BoolArray, Box, FloatArray, IntArray, Tile

Doubles = npt.NDArray[np.float64]

#: How far from a border, in frame px and as a share of the tile's side, a piece that it cuts may end short of it.
_REACH_PX = 4.0
_REACH_SHARE = 1 / 64


def same_object(
    pieces: Detections,
    tiles: Sequence[Tile],
    frame: Box,
    *,
    threshold: float = 0.5,
    class_agnostic: bool = False,
    anchors: IntArray | None = None,
) -> IntArray:
    """Number the objects that pieces belong to.

    Two pieces from two tiles are one object where all of this holds:

    * inside the strip (the overlap of the tiles' read boxes) what they show has IoU >= `threshold`: the masks' bits
      where there are masks, else the boxes cut to the strip;
    * a border of a tile cuts one of them at the strip, or both lie within the strip, so that there is a reason why
      they are two;
    * they are of one class, unless `class_agnostic`, and not of different anchors.

    An object is what hangs together by such pairs, with at most one piece of each tile: a detector shows one object
    once, so where pairs would make one object of two pieces of a tile, the pairs that agree best are taken first and
    those that would bring the second piece in are not. The result does not depend on the order of pieces or tiles.

    Args:
        pieces: boxes and masks in frame px; `tiles` are indices of `tiles`.
        tiles: the tiles, any scale; the whole picture may be one of them.
        frame: the picture; its own borders cut nothing off.
        threshold: the least agreement.
        class_agnostic: whether pieces of different classes may be one object.
        anchors: (N,) int32, what larger thing each piece belongs to, 0 where that is not known.

    Returns:
        (N,) int32, 0 .. objects - 1.

    Raises:
        BadInput: a piece names a tile that is not there.
    """
    position = {tile.index: i for i, tile in enumerate(tiles)}
    unknown = np.setdiff1d(pieces.tiles, np.array(list(position), np.int32))
    if unknown.size:
        raise BadInput(f"a piece was found in tile {int(unknown[0])}, but there is no tile of this index")
    if not len(pieces):
        return np.empty(0, np.int32)
    tile_of = np.array([position[i] for i in pieces.tiles.tolist()], np.intp)
    reads = np.array([(t.read.x0, t.read.y0, t.read.x1, t.read.y1) for t in tiles], np.float32)
    boxes = _shown_boxes(pieces)
    labels = np.zeros_like(pieces.labels) if class_agnostic else pieces.labels
    pairs = candidates(boxes, labels, tile_of, reads)
    if anchors is not None:
        first, second = anchors[pairs.a], anchors[pairs.b]
        pairs = _taken(pairs, (first == second) | (first == 0) | (second == 0))
    if pieces.masks is None:  # the cheap question first
        pairs = _taken(pairs, _boxes_agree(boxes, pairs) >= threshold)
    pairs = _taken(pairs, _cut_or_within(boxes, tile_of, reads, pairs, frame))
    if pieces.masks is None:
        agreed = _boxes_agree(boxes, pairs)
    else:
        agreed = _masks_agree(pieces.masks, pairs, threshold)
        pairs, agreed = _taken(pairs, agreed >= threshold), agreed[agreed >= threshold]
    return _objects(pairs, agreed, tile_of, _rank(pieces, reads[tile_of]))


def _shown_boxes(pieces: Detections) -> FloatArray:
    """(N, 4) float32: where each piece shows something: its mask's box where it has one, else its box."""
    if pieces.masks is None:
        return pieces.boxes
    return np.array([(m.box.x0, m.box.y0, m.box.x1, m.box.y1) for m in pieces.masks], np.float32).reshape(-1, 4)


def _taken(pairs: Candidates, chosen: BoolArray) -> Candidates:
    return Candidates(pairs.a[chosen], pairs.b[chosen], pairs.strip[chosen], pairs.number[chosen])


def _cut_or_within(boxes: FloatArray, tile_of: Rows, reads: FloatArray, pairs: Candidates, frame: Box) -> BoolArray:
    """Whether a tile's border cuts one of each pair at the strip, or both lie within the strip."""
    edge = np.array([frame.x0, frame.y0, frame.x1, frame.y1], np.float32)
    cut = np.zeros(len(pairs.a), np.bool_)
    within = np.ones(len(pairs.a), np.bool_)
    for piece in (pairs.a, pairs.b):
        read, box = reads[tile_of[piece]], boxes[piece]
        side = np.minimum(read[:, 2] - read[:, 0], read[:, 3] - read[:, 1])
        reach = np.maximum(_REACH_PX, _REACH_SHARE * side)[:, None]
        cuts = (read == pairs.strip) & (read != edge) & (np.abs(box - read) <= reach)
        cut |= cuts.any(axis=1)
        over = np.concatenate((pairs.strip[:, :2] - box[:, :2], box[:, 2:] - pairs.strip[:, 2:]), axis=1)
        within &= (over <= reach).all(axis=1)
    return cut | within


def _boxes_agree(boxes: FloatArray, pairs: Candidates) -> Doubles:
    """IoU of each pair's boxes inside their strip."""
    shared, first, second = (np.ones(len(pairs.a)) for _ in range(3))
    for x in (0, 1):
        low, high = pairs.strip[:, x], pairs.strip[:, x + 2]
        a0, a1 = np.maximum(boxes[pairs.a, x], low), np.minimum(boxes[pairs.a, x + 2], high)
        b0, b1 = np.maximum(boxes[pairs.b, x], low), np.minimum(boxes[pairs.b, x + 2], high)
        first *= a1 - a0
        second *= b1 - b0
        shared *= np.minimum(a1, b1) - np.maximum(a0, b0)
    return shared / (first + second - shared)


def _masks_agree(masks: Sequence[CropMask], pairs: Candidates, threshold: float) -> Doubles:
    """IoU of each pair's bits inside their strip; 0 where it is sure to be under the threshold."""
    strips = np.empty((int(pairs.number.max(initial=-1)) + 1, 4), np.int64)
    strips[pairs.number] = pairs.strip
    places = [Box(*row) for row in strips.tolist()]
    one = pairs.number * len(masks)
    views, which = np.unique(np.concatenate((one + pairs.a, one + pairs.b)), return_inverse=True)
    areas = np.array([area_in(masks[view % len(masks)], places[view // len(masks)]) for view in views.tolist()])
    first, second = areas[which].reshape(2, -1) if len(views) else np.zeros((2, 0), np.int64)
    least, most = np.minimum(first, second), np.maximum(first, second)
    agreed = np.zeros(len(first))
    # an IoU is at most the ratio of the areas
    for n in np.flatnonzero((least >= threshold * most) & (least > 0)).tolist():
        shared = intersection_area(masks[pairs.a[n]], masks[pairs.b[n]], places[pairs.number[n]])
        agreed[n] = shared / (first[n] + second[n] - shared)
    return agreed


def _rank(pieces: Detections, reads: FloatArray) -> Rows:
    """A place for each piece in an order that depends on what it is, not on where it stands in the list."""
    keys = (pieces.labels, pieces.scores, *pieces.boxes.T, *reads.T)
    rank = np.empty(len(pieces), np.intp)
    rank[np.lexsort(keys)] = np.arange(len(pieces))
    return rank


def _objects(pairs: Candidates, agreed: Doubles, tile_of: Rows, rank: Rows) -> IntArray:
    """Connected components; one with two pieces of a tile is put together again, best pairs first."""
    n = len(tile_of)
    graph = coo_array((np.ones(len(pairs.a), np.int8), (pairs.a, pairs.b)), shape=(n, n))
    objects = connected_components(graph, directed=False)[1].astype(np.int32)
    seen = objects.astype(np.int64) * (int(tile_of.max()) + 1) + tile_of
    values, times = np.unique(seen, return_counts=True)
    doubled = np.unique(values[times > 1] // (int(tile_of.max()) + 1))
    if not len(doubled):
        return objects
    wrong = np.flatnonzero(np.isin(objects[pairs.a], doubled))
    ends = np.sort(np.stack((rank[pairs.a[wrong]], rank[pairs.b[wrong]])), axis=0)
    wrong = wrong[np.lexsort((ends[1], ends[0], -agreed[wrong]))]
    members = np.flatnonzero(np.isin(objects, doubled))
    parent = _joined_once(pairs.a[wrong].tolist(), pairs.b[wrong].tolist(), members.tolist(), tile_of)
    whole = objects.astype(np.int64)
    whole[members] = n + parent
    return np.unique(whole, return_inverse=True)[1].astype(np.int32)


def _joined_once(a: list[int], b: list[int], members: list[int], tile_of: Rows) -> Rows:
    """The group of each of `members`, joined pair by pair unless that would put two pieces of a tile in a group."""
    group = {piece: piece for piece in members}
    inside = {piece: [piece] for piece in members}
    tiles = {piece: {int(tile_of[piece])} for piece in members}
    for i, j in zip(a, b, strict=True):
        small, large = sorted((group[i], group[j]), key=lambda g: len(inside[g]))
        if small == large or not tiles[small].isdisjoint(tiles[large]):
            continue
        for piece in inside[small]:
            group[piece] = large
        inside[large] += inside.pop(small)
        tiles[large] |= tiles.pop(small)
    return np.array([group[piece] for piece in members], np.intp)
