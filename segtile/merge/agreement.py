"""Which pieces are one object: those that agree inside the strip that both their tiles saw.

An object that crosses a border of tiles is seen twice in the strip where the two tiles overlap, and there the two views
must be alike however large the object is and however little of it each tile holds. So pieces are compared inside the
strip only, by IoU. Neighbours and things inside other things are unlike there, and stay apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segtile.detected import CropMask, Detections
from segtile.errors import BadInput
from segtile.masks.crop import Cut, cut, shared_area
from segtile.merge.candidates import Candidates, Rows, candidates
from segtile.types import BoolArray, Box, FloatArray, IntArray, Tile

Doubles = npt.NDArray[np.float64]

#: How far from a border, in frame px and as a share of the tile's side, a piece that it cuts may end short of it.
_REACH_PX = 4.0
_REACH_SHARE = 1 / 64
#: Two masks that agree this well in a strip are joined at sight; below, the best pair is looked for first.
_ALIKE = 0.98
#: Two pieces that fill their strip agree there whatever they are, so such pairs count for less where pairs compete.
_FULL = 0.9
_FILLED_COUNTS = 0.8
#: The share of a sliver's box that the box it belongs to holds at least.
_HELD = 0.9


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

    Boxes alone cannot tell how round an object is: where a border cuts a sliver off, the box of the sliver is smaller
    than the other box within the strip. So a box that its tile's border cuts, that lies within the strip and that
    agrees with none of the other tile's, belongs to the smallest box there that holds it.

    An object is what hangs together by such pairs, with at most one piece of each tile: a detector shows one object
    once, so where pairs would make one object of two pieces of a tile, the pairs that agree best come first, and those
    that would bring the second piece in are left out. No order of pieces or tiles changes the result.

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
    boxes = _shown_boxes(pieces, reads[tile_of])
    labels = np.zeros_like(pieces.labels) if class_agnostic else pieces.labels
    pairs = candidates(boxes, labels, tile_of, reads)
    if anchors is not None:
        first, second = anchors[pairs.a], anchors[pairs.b]
        pairs = _taken(pairs, (first == second) | (first == 0) | (second == 0))
    cut, within = _cut_and_within(boxes, tile_of, reads, pairs, frame)
    likely: BoolArray = np.logical_or(cut.any(axis=0), within.all(axis=0))
    rank = _rank(pieces, reads[tile_of])
    if pieces.masks is not None:
        pairs = _taken(pairs, likely)
        return _by_masks(pieces.masks, _taken(pairs, _best_first(boxes, pairs, rank)), threshold, tile_of)
    likely &= _boxes_agree(boxes, pairs)[0] >= threshold
    agreeing = _taken(pairs, likely)
    ends = _slivers(boxes, tile_of, pairs, likely, cut & within, rank)
    best = _best_first(boxes, agreeing, rank)
    return _by_boxes(np.append(agreeing.a[best], ends[0]), np.append(agreeing.b[best], ends[1]), tile_of)


def _shown_boxes(pieces: Detections, reads: FloatArray) -> FloatArray:
    """(N, 4) float32: where each piece shows something: its mask's box where it has one, else its box.

    A mask on the frame's grid of bytes may begin some columns before its tile; there it is empty.
    """
    if pieces.masks is None:
        return pieces.boxes
    boxes = np.array([(m.box.x0, m.box.y0, m.box.x1, m.box.y1) for m in pieces.masks], np.float32).reshape(-1, 4)
    boxes[:, 0] = np.maximum(boxes[:, 0], np.minimum(reads[:, 0], boxes[:, 2]))
    return boxes


def _taken(pairs: Candidates, chosen: BoolArray | Rows) -> Candidates:
    return Candidates(pairs.a[chosen], pairs.b[chosen], pairs.strip[chosen], pairs.number[chosen])


def _cut_and_within(
    boxes: FloatArray, tile_of: Rows, reads: FloatArray, pairs: Candidates, frame: Box
) -> tuple[BoolArray, BoolArray]:
    """(2, pairs) bool each: whether a border of its tile cuts either one at the strip; whether it lies in the strip."""
    edge = np.array([frame.x0, frame.y0, frame.x1, frame.y1], np.float32)
    cut, within = (np.empty((2, len(pairs.a)), np.bool_) for _ in range(2))
    for end, piece in enumerate((pairs.a, pairs.b)):
        read, box = reads[tile_of[piece]], boxes[piece]
        side = np.minimum(read[:, 2] - read[:, 0], read[:, 3] - read[:, 1])
        reach = np.maximum(_REACH_PX, _REACH_SHARE * side)[:, None]
        cut[end] = ((read == pairs.strip) & (read != edge) & (np.abs(box - read) <= reach)).any(axis=1)
        over = np.concatenate((pairs.strip[:, :2] - box[:, :2], box[:, 2:] - pairs.strip[:, 2:]), axis=1)
        within[end] = (over <= reach).all(axis=1)
    return cut, within


def _slivers(
    boxes: FloatArray, tile_of: Rows, pairs: Candidates, agreed: BoolArray, end_cut: BoolArray, rank: Rows
) -> tuple[Rows, Rows]:
    """(slivers, the boxes that they belong to): of pairs whose first or second is a cut end that agrees with nothing.

    `agreed` (pairs,) says which pairs agree; `end_cut` (2, pairs) which of the two is cut and lies within the strip.
    """
    tiles = int(tile_of.max()) + 1
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    shared = _boxes_agree(boxes, pairs)[1]
    small, large = np.append(pairs.a, pairs.b), np.append(pairs.b, pairs.a)
    known = np.unique((small * tiles + tile_of[large])[np.tile(agreed, 2)])
    held = end_cut.ravel() & (np.tile(shared, 2) >= _HELD * area[small]) & (area[small] < area[large])
    held &= ~np.isin(small * tiles + tile_of[large], known)
    small, large = small[held], large[held]
    order = np.lexsort((rank[large], area[large], rank[small]))
    small, large = small[order], large[order]
    first = np.unique(rank[small] * tiles + tile_of[large], return_index=True)[1]
    return small[first], large[first]


def _boxes_agree(boxes: FloatArray, pairs: Candidates) -> tuple[Doubles, Doubles]:
    """IoU of each pair's boxes inside their strip, and the area they share there."""
    shared, first, second = (np.ones(len(pairs.a)) for _ in range(3))
    for x in (0, 1):
        low, high = pairs.strip[:, x], pairs.strip[:, x + 2]
        a0, a1 = np.maximum(boxes[pairs.a, x], low), np.minimum(boxes[pairs.a, x + 2], high)
        b0, b1 = np.maximum(boxes[pairs.b, x], low), np.minimum(boxes[pairs.b, x + 2], high)
        first *= a1 - a0
        second *= b1 - b0
        shared *= np.minimum(a1, b1) - np.maximum(a0, b0)
    return shared / (first + second - shared), shared


def _rank(pieces: Detections, reads: FloatArray) -> Rows:
    """A place for each piece in an order that depends on what it is, not on where it stands in the list."""
    keys = (pieces.labels, pieces.scores, *pieces.boxes.T, *reads.T)
    rank = np.empty(len(pieces), np.intp)
    rank[np.lexsort(keys)] = np.arange(len(pieces))
    return rank


def _best_first(boxes: FloatArray, pairs: Candidates, rank: Rows) -> Rows:
    """The order of pairs by their boxes' agreement, then by the area; ties are broken by what the pieces are."""
    agreed, shared = _boxes_agree(boxes, pairs)
    strip = np.prod(pairs.strip[:, 2:] - pairs.strip[:, :2], axis=1)
    weight = np.where(shared >= _FULL * strip, _FILLED_COUNTS * agreed, agreed)
    ends = np.sort(np.stack((rank[pairs.a], rank[pairs.b])), axis=0)
    return np.lexsort((ends[1], ends[0], -shared, -weight))


def _by_boxes(first: Rows, second: Rows, tile_of: Rows) -> IntArray:
    """Connected components; those with two pieces of a tile are put together again, pair by pair as they come."""
    n, tiles = len(tile_of), int(tile_of.max()) + 1
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
    objects = connected_components(graph, directed=False)[1].astype(np.int64)
    seen, times = np.unique(objects * tiles + tile_of, return_counts=True)
    doubled = np.unique(seen[times > 1] // tiles)
    if len(doubled):
        open_ = np.isin(objects[first], doubled)
        members = np.flatnonzero(np.isin(objects, doubled))
        groups = _Groups(members, tile_of)
        for a, b in zip(first[open_].tolist(), second[open_].tolist(), strict=True):
            if groups.may_join(a, b):
                groups.join(a, b)
        objects[members] = n + groups.numbers()
    return np.unique(objects, return_inverse=True)[1].astype(np.int32)


def _by_masks(masks: Sequence[CropMask], pairs: Candidates, threshold: float, tile_of: Rows) -> IntArray:
    """Joined by the masks' agreement: pairs that are all but alike first, then the others, best first.

    Pairs come in the order of their boxes' agreement, in which most are soon settled without a look at the bits: they
    are joined already, or can never be.
    """
    strips = np.zeros((int(pairs.number.max(initial=-1)) + 1, 4), np.int64)
    strips[pairs.number] = pairs.strip
    places = [Box(*row) for row in strips.tolist()]
    cuts: dict[tuple[int, int], Cut] = {}

    def seen(piece: int, number: int) -> Cut:
        known = cuts.get((piece, number))
        if known is None:
            known = cuts[piece, number] = cut(masks[piece], places[number])
        return known

    groups = _Groups(np.arange(len(masks)), tile_of)
    later = []
    for a, b, number in zip(pairs.a.tolist(), pairs.b.tolist(), pairs.number.tolist(), strict=True):
        if not groups.may_join(a, b):
            continue
        one, two = seen(a, number), seen(b, number)
        first, second = one.area, two.area
        if min(first, second) < threshold * max(first, second):  # no IoU is above the ratio of areas
            continue
        shared = shared_area(one, two)
        if not shared or (agreed := shared / (first + second - shared)) < threshold:
            continue
        weight = _FILLED_COUNTS * agreed if shared >= _FULL * places[number].area else agreed
        if weight >= _ALIKE:
            groups.join(a, b)
        else:
            later.append((-weight, -shared, a, b))
    for _, _, a, b in sorted(later, key=itemgetter(0, 1)):  # stable: equal ones stay in the order of their boxes
        if groups.may_join(a, b):
            groups.join(a, b)
    return np.unique(groups.numbers(), return_inverse=True)[1].astype(np.int32)


class _Groups:
    """Pieces in groups that hold at most one piece of a tile."""

    def __init__(self, members: Rows, tile_of: Rows) -> None:
        self._group = {piece: piece for piece in members.tolist()}
        self._inside = {piece: [piece] for piece in self._group}
        self._tiles = {piece: 1 << tile for piece, tile in zip(self._group, tile_of[members].tolist(), strict=True)}

    def may_join(self, a: int, b: int) -> bool:
        """False where two pieces are in one group, or their groups hold pieces of one tile: then that is for good."""
        return not self._tiles[self._group[a]] & self._tiles[self._group[b]]

    def join(self, a: int, b: int) -> None:
        """Make one group of two pieces' groups."""
        small, large = sorted((self._group[a], self._group[b]), key=lambda g: len(self._inside[g]))
        for piece in self._inside[small]:
            self._group[piece] = large
        self._inside[large] += self._inside.pop(small)
        self._tiles[large] |= self._tiles.pop(small)

    def numbers(self) -> Rows:
        """Each member's group, in the order of the members."""
        return np.fromiter(self._group.values(), np.intp, len(self._group))
