"""Packed crops against drawn frames: every operation must say what numpy says of the whole picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.masks import crop
from segtile.types import Box

FRAME = Box.frame(61, 43)


@st.composite
def boxes(draw, empty=True):
    x0 = draw(st.integers(0, FRAME.x1 - 1))
    y0 = draw(st.integers(0, FRAME.y1 - 1))
    return Box(x0, y0, draw(st.integers(x0 + (not empty), FRAME.x1)), draw(st.integers(y0 + (not empty), FRAME.y1)))


@st.composite
def masks(draw, soft=False):
    box = draw(boxes())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if soft:
        return CropMask.from_soft(rng.integers(0, 256, (box.height, box.width)).astype(np.uint8), box, FRAME)
    return CropMask.from_bits(
        rng.random((box.height, box.width)) < draw(st.sampled_from([0, 0.03, 0.5, 1])), box, FRAME
    )


def drawn(mask: CropMask, frame: Box = FRAME) -> np.ndarray:
    out = np.zeros((frame.height, frame.width), bool)
    out[mask.box.slices] = mask.bits
    return out


def well_formed(mask: CropMask) -> None:
    assert mask.packed.shape == (mask.box.height, (mask.box.width + 7) // 8)
    assert mask.area == mask.bits.sum()  # spare bits are 0
    if mask.soft is not None:
        np.testing.assert_array_equal(mask.bits, mask.soft >= 128)


@given(masks(), masks(), boxes())
def test_cuts_hold_what_lies_in_the_box_and_nothing_else(a, b, box):
    one, two = crop.cut(a, box), crop.cut(b, box)
    inside = np.zeros((FRAME.height, FRAME.width), bool)
    inside[box.slices] = True
    for mask, cut in ((a, one), (b, two)):
        assert cut.area == (drawn(mask) & inside).sum()
        assert crop.count(cut.packed) == cut.area
    assert crop.shared_area(one, two) == (drawn(a) & drawn(b) & inside).sum()


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 5000)), max_size=12))
def test_blocks_give_zeroed_arrays_that_share_nothing(shapes):
    blocks = crop.Blocks()
    arrays = []
    for h, w in shapes:
        one = blocks.zeros(h, w)
        assert one.shape == (h, w)
        assert not one.any()
        one[:] = 255
        arrays.append(one)
    for i, one in enumerate(arrays):
        one[:] = i
    assert all((one == i).all() for i, one in enumerate(arrays))


@given(masks())
def test_alignment_moves_no_pixel(mask):
    found = crop.aligned(mask)
    well_formed(found)
    assert found.box.x0 % 8 == 0
    np.testing.assert_array_equal(drawn(found), drawn(mask))


@given(masks(), masks(), boxes())
def test_areas_are_those_of_the_drawn_frames(a, b, box):
    inside = np.zeros((FRAME.height, FRAME.width), bool)
    inside[box.slices] = True
    one, two = drawn(a), drawn(b)
    assert crop.area_in(a, box) == (one & inside).sum()
    assert crop.intersection_area(a, b) == (one & two).sum()
    assert crop.intersection_area(a, b, box) == (one & two & inside).sum()
    union = ((one | two) & inside).sum()
    assert crop.iou(a, b, box) == pytest.approx((one & two & inside).sum() / union if union else 0)
    assert crop.iou(a, b) == pytest.approx((one & two).sum() / max(1, (one | two).sum()))


@given(st.lists(masks(), min_size=1, max_size=5))
def test_union_is_or(parts):
    found = crop.union(parts)
    well_formed(found)
    np.testing.assert_array_equal(drawn(found), np.logical_or.reduce([drawn(part) for part in parts]))


def test_union_refuses_what_has_no_common_frame():
    one = CropMask.from_bits(np.ones((2, 2), bool), Box(0, 0, 2, 2), FRAME)
    other = CropMask.from_bits(np.ones((2, 2), bool), Box(0, 0, 2, 2), Box.frame(9, 9))
    with pytest.raises(BadInput, match="different frames"):
        crop.union([one, other])
    with pytest.raises(BadInput, match="no masks"):
        crop.union([])


@given(st.one_of(masks(), masks(soft=True)), boxes())
def test_a_window_holds_what_lies_in_it(mask, box):
    found = crop.window(mask, box)
    well_formed(found)
    inside = np.zeros((FRAME.height, FRAME.width), bool)
    inside[box.slices] = True
    np.testing.assert_array_equal(drawn(found), drawn(mask) & inside)
    assert (found.soft is None) == (mask.soft is None)


@given(st.one_of(masks(), masks(soft=True)))
def test_tight_boxes_lose_nothing_and_touch_the_object_on_every_side(mask):
    found = crop.tight(mask)
    well_formed(found)
    np.testing.assert_array_equal(drawn(found), drawn(mask))
    if mask.area:
        bits = found.bits
        assert all(edge.any() for edge in (bits[0], bits[-1], bits[:, 0], bits[:, -1]))
    else:
        assert found.box.empty


@given(masks(), st.integers(0, 20), st.integers(0, 20))
def test_a_tiles_mask_becomes_the_frames(mask, dx, dy):
    frame = Box.frame(70, 50)
    found = crop.shift(mask, dx, dy, frame)
    well_formed(found)
    assert found.frame == frame
    want = np.zeros((frame.height, frame.width), bool)
    moved = drawn(mask)[: frame.height - dy, : frame.width - dx]
    want[dy : dy + moved.shape[0], dx : dx + moved.shape[1]] = moved
    np.testing.assert_array_equal(drawn(found, frame), want)


@given(masks())
def test_samples_are_the_pixels(mask):
    rows = np.arange(mask.box.y0, mask.box.y1, 3)
    columns = np.arange(mask.box.x0, mask.box.x1, 2)
    np.testing.assert_array_equal(crop.sampled(mask, rows, columns), drawn(mask)[np.ix_(rows, columns)])


def test_a_stretched_mask_keeps_its_place_hole_and_softness():
    bits = np.ones((12, 16), bool)
    bits[4:8, 4:12] = False
    small = CropMask.from_bits(bits, Box(0, 0, 16, 12), Box.frame(16, 12))
    found = crop.resized(small, Box(10, 20, 10 + 64, 20 + 48), Box.frame(200, 100))
    well_formed(found)
    assert found.box == Box(10, 20, 74, 68)
    assert found.soft is not None
    want = np.kron(bits, np.ones((4, 4), bool))
    assert (found.bits != want).mean() < 0.02
    assert not found.bits[17:31, 18:46].any()
    back = crop.resized(found, Box(0, 0, 16, 12), Box.frame(16, 12))
    np.testing.assert_array_equal(back.bits, bits)


def test_stretching_over_nothing_is_an_error():
    mask = CropMask.from_bits(np.ones((2, 2), bool), Box(0, 0, 2, 2), FRAME)
    with pytest.raises(BadInput, match="must hold pixels"):
        crop.resized(mask, Box(3, 3, 3, 9), FRAME)
