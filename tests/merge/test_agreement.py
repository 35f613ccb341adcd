"""Strip agreement: what is one object stays one, what are two stay two, and nothing depends on an order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.pieces import IDEAL, NOISY, Noise, chain, lone_objects, see_boxes, slices, stones
from segtile.detected import CropMask, Detections
from segtile.errors import BadInput
from segtile.merge import candidates as candidates_module
from segtile.merge.agreement import same_object
from segtile.types import Box, Tile

FRAME = Box.frame(3000, 3000)
TILES = slices(FRAME, 512, 102)
PAIR_FRAME = Box.frame(180, 100)


def groups_of(objects) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(objects == k).tolist()) for k in np.unique(objects)}


def found_in(boxes, tiles, labels=None) -> Detections:
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(n, 0.5, np.float32),
        np.zeros(n, np.int32) if labels is None else np.array(labels, np.int32),
        np.array(tiles, np.int32),
    )


def two_tiles() -> tuple[Tile, Tile]:
    """Two tiles of 100 px side by side that share the columns 80..99 of a frame of 180 x 100."""
    return Tile(0, Box(0, 0, 90, 100), Box(0, 0, 100, 100)), Tile(1, Box(90, 0, 180, 100), Box(80, 0, 180, 100))


def pair(a, b, labels=(0, 0), **options) -> bool:
    """Whether a box of the left tile and one of the right are one object."""
    first, second = same_object(found_in([a, b], [0, 1], labels), two_tiles(), PAIR_FRAME, **options).tolist()
    return first == second


@pytest.mark.parametrize("size", [0.25, 0.5, 1.0, 2.0, 3.0])
def test_an_object_of_any_size_is_one(size):
    rng = np.random.default_rng(1)
    seen = see_boxes(lone_objects(40, size * 512, FRAME, rng), np.arange(40, dtype=np.int32), TILES, IDEAL, rng)
    assert groups_of(same_object(seen.pieces, TILES, FRAME)) == groups_of(seen.owner)


def test_round_objects_are_one_by_their_boxes_alone():
    """Where a border cuts a sliver off a disc, the sliver's box is much smaller than the disc's within the strip."""
    rng = np.random.default_rng(3)
    boxes, tiles, owner = [], [], []
    for k in range(60):
        r = rng.uniform(25, 75)
        x, y = rng.uniform(r, 3000 - r, 2)
        around = Box(int(x - r) - 1, int(y - r) - 1, int(x + r) + 2, int(y + r) + 2)
        for tile in TILES:
            seen = tile.read & around
            yy, xx = np.mgrid[seen.y0 : seen.y0 + seen.height, seen.x0 : seen.x0 + seen.width]
            inside = (xx - x) ** 2 + (yy - y) ** 2 < r * r
            if inside.any():
                boxes.append((xx[inside].min(), yy[inside].min(), xx[inside].max() + 1, yy[inside].max() + 1))
                tiles.append(tile.index)
                owner.append(k)
    assert len(boxes) > 90
    assert groups_of(same_object(found_in(boxes, tiles), TILES, FRAME)) == groups_of(np.array(owner))


def test_a_sliver_joins_what_holds_it_and_no_neighbour():
    assert pair((93, 30, 100, 60), (93, 10, 150, 80)), "the rest of it"
    assert not pair((93, 30, 100, 60), (97, 10, 150, 80)), "half of it lies outside"
    assert not pair((85, 30, 92, 60), (83, 10, 150, 80)), "no border cuts it: a whole thing on another"
    stone, ring, seen = (93, 30, 100, 60), (60, 5, 170, 95), (93, 30, 104, 60)
    found = found_in([stone, ring, seen], [0, 1, 1])
    objects = same_object(found, two_tiles(), PAIR_FRAME).tolist()
    assert objects[0] == objects[2] != objects[1], "what agrees comes before what only holds it"


@pytest.mark.parametrize("size", [0.25, 1.0, 3.0])
def test_a_noisy_detector_leaves_few_fragments(size):
    rng = np.random.default_rng(2)
    seen = see_boxes(lone_objects(60, size * 512, FRAME, rng), np.arange(60, dtype=np.int32), TILES, NOISY, rng)
    assert len(np.unique(same_object(seen.pieces, TILES, FRAME))) <= 1.1 * len(np.unique(seen.owner))


@pytest.mark.parametrize("noise", [IDEAL, NOISY], ids=["ideal", "noisy"])
def test_links_of_a_chain_stay_apart(noise):
    rng = np.random.default_rng(3)
    for _ in range(4):
        objects = chain(24, 0.3 * 512, rng.uniform(20, 150), rng.uniform(100, 2500))
        seen = see_boxes(objects, np.zeros(24, np.int32), TILES, noise, rng)
        found = same_object(seen.pieces, TILES, FRAME)
        assert abs(len(np.unique(found)) - len(np.unique(seen.owner))) <= 1
        assert all(len(set(seen.owner[sorted(group)].tolist())) == 1 for group in groups_of(found))
        if noise is IDEAL:
            assert groups_of(found) == groups_of(seen.owner)


def test_stones_inside_a_box_of_their_class_stay_stones():
    seen = see_boxes(stones() * 0.6, np.zeros(101, np.int32), TILES, IDEAL, np.random.default_rng(4))
    found = same_object(seen.pieces, TILES, FRAME)
    assert len(np.unique(found)) == 101
    assert groups_of(found) == groups_of(seen.owner)


def test_an_object_over_the_corner_of_four_tiles_is_one_and_its_diagonal_neighbour_another():
    c = TILES[0].read.x1 - 51.0
    objects = np.array([[c - 200, c - 200, c + 40, c + 40], [c + 40, c + 40, 900, 900]])
    seen = see_boxes(objects, np.zeros(2, np.int32), TILES, IDEAL, np.random.default_rng(0))
    assert (np.bincount(seen.owner) >= 2).all()
    assert groups_of(same_object(seen.pieces, TILES, FRAME)) == groups_of(seen.owner)


def test_neighbours_that_touch_stay_apart_wherever_a_border_cuts_them():
    for shift in range(0, 160, 8):
        left, top = 300.0 + shift, 330.0
        objects = np.array([[left, top, left + 90, top + 150], [left + 90, top, left + 180, top + 150]])
        seen = see_boxes(objects, np.zeros(2, np.int32), TILES, IDEAL, np.random.default_rng(0))
        assert groups_of(same_object(seen.pieces, TILES, FRAME)) == groups_of(seen.owner)


def test_classes_are_kept_apart_unless_asked_otherwise():
    a, b = (50, 20, 100, 60), (80, 20, 130, 60)
    assert pair(a, b)
    assert not pair(a, b, labels=(0, 1))
    assert pair(a, b, labels=(0, 1), class_agnostic=True)


def test_an_object_that_both_tiles_hold_whole_is_one():
    assert pair((84, 20, 96, 40), (85, 21, 96, 40))
    assert not pair((84, 20, 96, 40), (84, 45, 96, 65))


def test_without_a_border_that_cuts_there_is_no_reason_to_be_one():
    """The left one leaves the strip, so the right tile should show it cut; it shows a thing that ends inside."""
    assert not pair((40, 20, 95, 60), (86, 20, 95, 60))
    assert pair((40, 20, 95, 60), (81, 20, 95, 60))


def test_a_frames_border_cuts_nothing():
    """Both touch the top of the frame; that is no sign that a tile cut them."""
    assert not pair((40, 0, 95, 60), (86, 0, 95, 60))


def test_the_threshold_is_the_agreement_inside_the_strip():
    """20 px wide in the strip, 40 and 30 px high there: 0.75, however unlike the boxes are as wholes."""
    assert pair((0, 20, 100, 60), (80, 30, 180, 60), threshold=0.74)
    assert not pair((0, 20, 100, 60), (80, 30, 180, 60), threshold=0.76)


def test_the_best_pair_is_taken_where_a_tile_shows_two_that_would_do():
    """Two of a tile cannot be one: of two that agree with the piece next door, the one that agrees better is it."""
    boxes = [(30, 20, 100, 60), (80, 20, 140, 60), (80, 20, 140, 75)]
    first, second, third = same_object(found_in(boxes, [0, 1, 1]), two_tiles(), PAIR_FRAME).tolist()
    assert first == second != third


def test_masks_decide_where_boxes_agree():
    """Two bars that cross in one box: the left tile's rising one is the right tile's rising one."""
    yy, xx = np.mgrid[20:80, 60:120]
    rising, falling = np.abs(xx - 60 - (yy - 20)) < 6, np.abs(xx - 60 + (yy - 80)) < 6

    def seen(bits, x0, x1):
        box = Box(max(60, x0), 20, min(120, x1), 80)
        return CropMask.from_bits(bits[:, box.x0 - 60 : box.x1 - 60], box, PAIR_FRAME)

    masks = [seen(rising, 0, 100), seen(falling, 0, 100), seen(falling, 80, 180), seen(rising, 80, 180)]
    boxes = [(m.box.x0, m.box.y0, m.box.x1, m.box.y1) for m in masks]
    pieces = dataclasses.replace(found_in(boxes, [0, 0, 1, 1]), masks=tuple(masks))
    assert groups_of(same_object(pieces, two_tiles(), PAIR_FRAME)) == {frozenset({0, 3}), frozenset({1, 2})}


def test_the_whole_picture_is_a_tile_too():
    tiles = (*TILES, Tile(len(TILES), FRAME, FRAME))
    objects = np.array([[700.0, 800, 2100, 2200], [200, 200, 300, 290], [2450, 2500, 2900, 2950]])
    seen = see_boxes(objects, np.zeros(3, np.int32), tiles, Noise(jitter=8.0), np.random.default_rng(6))
    assert (seen.pieces.tiles == len(TILES)).sum() == 3
    assert groups_of(same_object(seen.pieces, tiles, FRAME)) == groups_of(seen.owner)


def test_pieces_of_other_anchors_are_never_joined():
    pieces = found_in([(50, 20, 100, 60), (80, 20, 130, 60)], [0, 1])
    for anchors, one in (((1, 2), False), ((1, 1), True), ((0, 2), True), ((0, 0), True)):
        first, second = same_object(pieces, two_tiles(), PAIR_FRAME, anchors=np.array(anchors, np.int32)).tolist()
        assert (first == second) == one


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.3), st.floats(0, 6))
def test_no_order_changes_the_result_and_a_tile_shows_an_object_once(seed, drop, jitter):
    rng = np.random.default_rng(seed)
    frame = Box.frame(900, 700)
    tiles = slices(frame, 256, 64)
    corner = rng.uniform(0, 600, (25, 2))
    objects = np.concatenate((corner, corner + rng.uniform(20, 400, (25, 2))), axis=1)
    objects = np.clip(objects, 0, (900, 700, 900, 700))
    p = see_boxes(objects, rng.integers(0, 2, 25), tiles, Noise(drop, jitter, 0.2, 0.4), rng).pieces
    found = same_object(p, tiles, frame)
    assert found.shape == (len(p),)
    assert np.unique(found).tolist() == list(range(found.max(initial=-1) + 1))

    order, turned = rng.permutation(len(p)), rng.permutation(len(tiles)).tolist()
    shuffled = Detections(p.boxes[order], p.scores[order], p.labels[order], p.tiles[order])
    again = np.empty_like(found)
    again[order] = same_object(shuffled, [tiles[i] for i in turned], frame)
    assert groups_of(again) == groups_of(found)
    for group in groups_of(found):
        rows = sorted(group)
        assert len(set(p.tiles[rows].tolist())) == len(rows)
        assert len(set(p.labels[rows].tolist())) == 1


def test_crowded_strips_take_the_tree_and_agree_with_the_plain_way(monkeypatch):
    rng = np.random.default_rng(7)
    seen = see_boxes(lone_objects(300, 60, FRAME, rng), np.zeros(300, np.int32), TILES, NOISY, rng)
    plain = groups_of(same_object(seen.pieces, TILES, FRAME))
    assert len(plain) < len(seen.owner)
    for name, value in (("_MOST_PAIRS", 0), ("_AT_A_TIME", 7)):
        with monkeypatch.context() as changed:
            changed.setattr(candidates_module, name, value)
            assert groups_of(same_object(seen.pieces, TILES, FRAME)) == plain


def test_an_unknown_tile_is_an_error():
    with pytest.raises(BadInput, match="tile 7"):
        same_object(found_in([(0, 0, 9, 9)], [7]), two_tiles(), PAIR_FRAME)


def test_nothing_gives_nothing():
    assert same_object(found_in([], []), two_tiles(), PAIR_FRAME).shape == (0,)
    assert same_object(found_in([(1, 1, 5, 5)], [0]), two_tiles()[:1], PAIR_FRAME).tolist() == [0]
