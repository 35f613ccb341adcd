"""Instances from pieces: masks exact and with holes, provenance complete, whatever the order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.pieces import Seen, see_masks, shapes, slices
from segtile.detected import CropMask, Detections
from segtile.errors import BadInput
from segtile.masks.crop import iou, tight, window
from segtile.merge.anchors import anchors_of
from segtile.merge.crops import join_crops
from segtile.merge.instances import fuse
from segtile.types import Box, CoarseMap, Tile

FRAME = Box.frame(1300, 1100)
TILES = slices(FRAME, 400, 80)
METHODS = ["strip", "greedy-nmm", "nmm", "nms", "none"]


def disc(x: float, y: float, outer: float, inner: float = 0.0, frame: Box = FRAME) -> CropMask:
    """A ring or a disc, cut off at the frame."""
    box = Box(int(x - outer) - 1, int(y - outer) - 1, int(x + outer) + 2, int(y + outer) + 2) & frame
    yy, xx = np.mgrid[box.y0 : box.y1, box.x0 : box.x1]
    r = np.hypot(xx + 0.5 - x, yy + 0.5 - y)
    return tight(CropMask.from_bits((r < outer) & (r >= inner), box, frame))


def bar(x0: int, y0: int, x1: int, y1: int) -> CropMask:
    return CropMask.from_bits(np.ones((y1 - y0, x1 - x0), bool), Box(x0, y0, x1, y1), FRAME)


def matched(found, truths) -> list[float]:
    """The IoU of each truth with the instance that fits it best."""
    return [max((iou(one.mask, truth) for one in found), default=0.0) for truth in truths]


def see(truths, labels=None, tiles=TILES, least=1) -> Seen:
    return see_masks(truths, np.zeros(len(truths), np.int32) if labels is None else np.array(labels), tiles, least)


@pytest.mark.parametrize(
    "truths",
    [
        [disc(600, 500, 450, 300)],
        [disc(600, 500, 450, 430), disc(600, 500, 380, 340), disc(600, 500, 200, 60), disc(600, 500, 30)],
        [bar(100, 300, 640, 420), bar(640, 300, 1250, 420), bar(100, 420, 1250, 700)],
        [disc(x, 360, 90, 60) for x in range(100, 1250, 165)],
        [disc(380, 380, 110)],
    ],
    ids=["hole over tiles", "nested rings", "touching neighbours", "row of rings", "corner of four tiles"],
)
def test_exact_pieces_give_the_true_masks_of_one_class(truths):
    seen = see(truths)
    assert len(seen.owner) > len(truths)
    found = fuse(seen.pieces, TILES, ["ring"], frame=FRAME)
    assert len(found) == len(truths)
    assert matched(found, truths) == [1.0] * len(truths)
    assert {row for one in found for row in one.pieces} == set(range(len(seen.owner)))
    for one in found:
        assert len(set(seen.owner[list(one.pieces)].tolist())) == 1


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_exact_pieces_of_scattered_objects_give_the_true_masks(seed):
    truths = shapes(9, 1000, np.random.default_rng(seed), least=60, most=320)
    frame = Box.frame(1000, 1000)
    tiles = slices(frame, 300, 60)
    found = fuse(see(truths, tiles=tiles).pieces, tiles, ["shape"], frame=frame)
    assert len(found) == 9
    assert matched(found, truths) == [1.0] * 9


@pytest.mark.parametrize("seed", range(4))
def test_objects_of_a_class_that_lie_on_each_other_stay_apart(seed):
    """Many pairs of neighbours agree by half or more where they overlap; each piece has a better one."""
    truths = shapes(64, 3000, np.random.default_rng(seed), least=250, most=900)
    frame = Box.frame(3000, 3000)
    tiles = slices(frame, 700, 140)
    found = fuse(see(truths, tiles=tiles, least=64).pieces, tiles, ["shape"], frame=frame)
    assert len(found) == 64
    assert min(matched(found, truths)) >= 0.999


def test_parts_that_a_tile_hardly_sees_cost_a_ring_no_more_than_they_hold():
    truths = shapes(16, 1600, np.random.default_rng(1), least=200, most=600)
    frame = Box.frame(1600, 1600)
    tiles = slices(frame, 400, 80)
    found = fuse(see(truths, tiles=tiles, least=64).pieces, tiles, ["shape"], frame=frame)
    assert min(matched(found, truths)) >= 0.999
    assert len(found) == 16


def test_a_noisy_tile_misses_its_piece_and_the_rest_is_still_one():
    seen = see([disc(600, 500, 450, 300)])
    p = seen.pieces
    for lost in range(len(p)):
        kept = [i for i in range(len(p)) if i != lost]
        rest = Detections(p.boxes[kept], p.scores[kept], p.labels[kept], p.tiles[kept], tuple(p.masks[i] for i in kept))
        assert len(fuse(rest, TILES, ["ring"], frame=FRAME)) == 1


@pytest.mark.parametrize("method", ["strip", "greedy-nmm", "nms", "none"])  # SAHI's nmm takes members as they come
def test_order_of_pieces_and_tiles_changes_nothing(method):
    truths = [disc(600, 500, 400, 250), disc(600, 500, 150), disc(1100, 200, 100), bar(20, 900, 1280, 1000)]
    p = see(truths, [0, 0, 1, 1]).pieces
    p = dataclasses.replace(p, scores=np.linspace(0.3, 0.9, len(p)).astype(np.float32))
    order = np.random.default_rng(3).permutation(len(p)).tolist()
    shuffled = Detections(
        p.boxes[order], p.scores[order], p.labels[order], p.tiles[order], tuple(p.masks[i] for i in order)
    )
    first = fuse(p, TILES, ["a", "b"], method=method, frame=FRAME)
    second = fuse(shuffled, TILES[::-1], ["a", "b"], method=method, frame=FRAME)
    assert [one.id for one in first] == list(range(1, len(first) + 1))
    assert [one.score for one in first] == sorted((one.score for one in first), reverse=True)
    for one, other in zip(first, second, strict=True):
        assert one.pieces == tuple(sorted(order[i] for i in other.pieces))
        assert (one.id, one.label, one.name, one.score, one.box, one.tiles) == (
            other.id,
            other.label,
            other.name,
            other.score,
            other.box,
            other.tiles,
        )
        assert iou(one.mask, other.mask) == 1.0


def test_score_class_box_and_provenance_are_the_pieces():
    seen = see([disc(380, 380, 110)])
    n = len(seen.owner)
    scores = np.linspace(0.2, 0.8, n).astype(np.float32)
    labels = np.array([0] * (n - 1) + [1], np.int32)
    pieces = dataclasses.replace(seen.pieces, scores=scores, labels=labels)
    (one,) = fuse(pieces, TILES, ["a", "b"], class_agnostic=True, frame=FRAME)
    assert (one.label, one.name) == (1, "b")
    assert one.score == pytest.approx(0.8)
    assert one.pieces == tuple(range(n))
    assert one.tiles == tuple(sorted(set(pieces.tiles.tolist())))
    assert one.box == (*pieces.boxes[:, :2].min(axis=0), *pieces.boxes[:, 2:].max(axis=0))
    assert len(fuse(pieces, TILES, ["a", "b"], frame=FRAME)) == 2


@pytest.mark.parametrize("method", METHODS)
def test_nothing_gives_nothing(method):
    none = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(0, np.int32)
    )
    assert fuse(none, TILES, ["a"], method=method, frame=FRAME) == ()
    assert fuse(dataclasses.replace(none, masks=()), TILES, [], method=method, frame=FRAME) == ()
    assert fuse(none, [], [], method=method, frame=FRAME) == ()


def test_boxes_alone_are_fused_without_masks():
    seen = see([disc(600, 500, 450, 300), disc(600, 500, 30)])
    found = fuse(dataclasses.replace(seen.pieces, masks=None), TILES, ["ring"], frame=FRAME)
    assert [one.mask for one in found] == [None, None]
    assert [len(fuse(seen.pieces, TILES, ["a"], method=m, frame=FRAME)) for m in ("none",)] == [len(seen.owner)]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"method": "wbf"}, "no way of fusion 'wbf'"),
        ({"metric": "GIOU"}, "no metric 'GIOU'"),
        ({"threshold": 1.5}, "0 to 1, not 1.5"),
        ({"threshold": float("nan")}, "not nan"),
    ],
)
def test_wrong_settings_are_named(options, what):
    with pytest.raises(BadInput, match=what):
        fuse(see([disc(300, 300, 50)]).pieces, TILES, ["a"], frame=FRAME, **options)


def test_classes_without_a_name_and_masks_that_are_missing_are_named():
    pieces = see([disc(300, 300, 50)], [3]).pieces
    with pytest.raises(BadInput, match="class 3"):
        fuse(pieces, TILES, ["a"], frame=FRAME)
    with pytest.raises(BadInput, match="0 masks"):
        fuse(dataclasses.replace(pieces, masks=()), TILES, ["a"] * 4, frame=FRAME)


def softened(truth: CropMask, tile: Tile, level: int) -> CropMask:
    part = tight(window(truth, tile.read))
    return CropMask.from_soft(part.bits.astype(np.uint8) * np.uint8(level), part.box, part.frame)


def test_soft_values_are_blended_by_the_tiles_windows_and_cut_once():
    """Two tiles, 200 and 100 of 255: the value runs from one to the other over the strip; 128 decides at the end."""
    frame = Box.frame(180, 100)
    tiles = [Tile(0, Box(0, 0, 90, 100), Box(0, 0, 100, 100)), Tile(1, Box(90, 0, 180, 100), Box(80, 0, 180, 100))]
    truth = CropMask.from_bits(np.ones((60, 160), bool), Box(10, 20, 170, 80), frame)
    found = join_crops([softened(truth, tiles[0], 200), softened(truth, tiles[1], 100)], tiles, frame)
    assert found.box == truth.box
    row = found.soft[30].astype(int)
    assert (row[:70] == 200).all()
    assert (row[90:] == 100).all()
    assert (np.diff(row[69:91]) <= 0).all()
    assert row[80] == pytest.approx(150, abs=4)
    np.testing.assert_array_equal(found.bits, found.soft >= 128)


def test_soft_pieces_of_a_ring_give_the_ring():
    truth = disc(600, 500, 450, 300)
    seen = see([truth])
    owner_tiles = [TILES[i] for i in seen.pieces.tiles]
    soft = [softened(truth, tile, 255) for tile in owner_tiles]
    (one,) = fuse(dataclasses.replace(seen.pieces, masks=tuple(soft)), TILES, ["ring"], frame=FRAME)
    assert iou(one.mask, truth) == 1.0
    assert one.mask.soft is not None


@pytest.mark.parametrize("soft", [False, True])
def test_where_a_finer_tile_looked_it_alone_decides(soft):
    """The pass over the whole picture draws the ring 12 px too fat; it may show only where no slice did."""
    truth, fat = disc(600, 500, 300, 200), disc(600, 500, 312, 188)
    whole = Tile(len(TILES), FRAME, FRAME)
    seen = see([truth])
    masks = [*seen.pieces.masks, fat]
    tiles = [*(TILES[i] for i in seen.pieces.tiles), whole]
    if soft:
        masks = [CropMask.from_soft(m.bits.astype(np.uint8) * np.uint8(255), m.box, m.frame) for m in masks]
    joined = join_crops(masks, tiles, FRAME)
    assert iou(joined, truth) == 1.0
    kept = [i for i in range(len(masks)) if i != 0]
    unseen = tiles[0].read
    patched = join_crops([masks[i] for i in kept], [tiles[i] for i in kept], FRAME)
    assert iou(patched, truth) > 0.9
    assert patched.area >= truth.area
    others = [tiles[i].read for i in kept[:-1]]
    outside = patched.area - truth.area
    assert outside <= sum(not any(_holds(o, x, y) for o in others) for x, y in _pixels(fat, unseen))


def _holds(box: Box, x: int, y: int) -> bool:
    return box.x0 <= x < box.x1 and box.y0 <= y < box.y1


def _pixels(mask: CropMask, box: Box) -> list[tuple[int, int]]:
    part = window(mask, box)
    y, x = np.nonzero(part.bits)
    return list(zip((x + part.box.x0).tolist(), (y + part.box.y0).tolist(), strict=True))


def coarse_map(labels: np.ndarray) -> CoarseMap:
    prob = (labels > 0).astype(np.float32)
    return CoarseMap(
        prob, np.zeros(labels.shape, bool), labels.astype(np.int32), FRAME.width / labels.shape[1], FRAME, "test"
    )


def test_anchors_are_what_holds_most_of_a_piece():
    labels = np.zeros((110, 130), np.int32)
    labels[:, :60], labels[:, 70:] = 1, 2
    ring = disc(300, 500, 250, 150)
    masks = [ring, disc(900, 500, 100), disc(650, 500, 30), bar(400, 100, 900, 200), bar(10, 10, 12, 12)]
    boxes = np.array([(m.box.x0, m.box.y0, m.box.x1, m.box.y1) for m in masks], np.float32)
    n = len(masks)
    pieces = Detections(boxes, np.ones(n, np.float32), np.zeros(n, np.int32), np.zeros(n, np.int32), tuple(masks))
    assert anchors_of(pieces, coarse_map(labels)).tolist() == [1, 2, 0, 0, 0]
    assert anchors_of(dataclasses.replace(pieces, masks=None), coarse_map(labels)).tolist() == [1, 2, 0, 0, 0]


def test_coarse_objects_keep_pieces_apart_that_agree():
    truth = bar(100, 300, 640, 420)
    seen = see([truth])
    labels = np.zeros((110, 130), np.int32)
    labels[25:45, :37], labels[25:45, 37:] = 1, 2
    one_object = np.where(labels > 0, 1, 0)
    assert len(fuse(seen.pieces, TILES, ["a"], anchors=coarse_map(one_object), frame=FRAME)) == 1
    assert len(fuse(seen.pieces, TILES, ["a"], anchors=coarse_map(labels), frame=FRAME)) == 2
