"""COCO's run lengths both ways, against pycocotools on the drawn frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.masks.rle import decode, encode
from segtile.types import Box


@st.composite
def placed(draw):
    """A mask anywhere in a frame, often reaching its borders, from empty to full."""
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = Box(x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height)))
    if draw(st.booleans()):
        box = Box.frame(width, height)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = rng.random((box.height, box.width)) < draw(st.sampled_from([0, 0.1, 0.5, 0.95, 1]))
    return CropMask.from_bits(bits, box, Box.frame(width, height))


def drawn(mask: CropMask) -> np.ndarray:
    out = np.zeros((mask.frame.height, mask.frame.width), np.uint8, order="F")
    out[mask.box.slices] = mask.bits
    return out


@given(placed())
def test_the_text_is_that_of_pycocotools(mask):
    found = encode(mask)
    want = coco_mask.encode(drawn(mask))
    assert found["size"] == want["size"]
    assert found["counts"] == want["counts"].decode()


@given(placed())
def test_reading_gives_the_pixels_back_in_a_small_box(mask):
    for rle in (encode(mask), coco_mask.encode(drawn(mask))):
        found = decode(rle)
        assert found.frame == mask.frame
        np.testing.assert_array_equal(drawn(found), drawn(mask))
        assert found.box.empty == (mask.area == 0)
        if mask.area:
            y, x = np.nonzero(drawn(mask))
            assert (found.box.x0, found.box.x1) == (x.min(), x.max() + 1)
            assert found.box.y0 <= y.min() <= y.max() < found.box.y1  # runs that go round a column's end reach both


@given(placed())
def test_plain_lists_of_runs_are_read_too(mask):
    flat = drawn(mask).ravel(order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(flat, prepend=0, append=flat[-1] ^ 1))
    runs = np.diff(edges, prepend=0).tolist()
    np.testing.assert_array_equal(drawn(decode({"size": list(drawn(mask).shape), "counts": runs})), drawn(mask))


def test_a_large_frame_costs_its_object_only():
    bits = np.ones((300, 200), bool)
    bits[100:200, 50:150] = False  # a ring
    mask = CropMask.from_bits(bits, Box(20000, 15000, 20200, 15300), Box.frame(40000, 40000))
    rle = encode(mask)
    assert coco_mask.area(rle) == mask.area
    assert coco_mask.toBbox(rle).tolist() == [20000, 15000, 200, 300]
    found = decode(rle)
    assert found.box == mask.box
    np.testing.assert_array_equal(found.bits, bits)


@pytest.mark.parametrize(
    ("rle", "what"),
    [
        ({"size": [3, 3], "counts": "1"}, "add up to 1 px"),
        ({"size": [3, 3], "counts": "o"}, "cut off"),
        ({"size": [3, 3], "counts": "52O"}, "negative"),
        ({"size": [3, 3], "counts": [4, 4]}, "add up to 8 px"),
        ({"size": [3, 3], "counts": [10, -1]}, "negative or longer"),
        ({"size": [3, 3], "counts": 9}, "not int"),
        ({"size": [3], "counts": "9"}, r"\[height, width\]"),
        ({"size": [0, 3], "counts": ""}, r"\[height, width\]"),
        ({"size": [60000, 60000], "counts": "9"}, "60000x60000"),
        ({"counts": "9"}, r"\[height, width\]"),
    ],
)
def test_hostile_run_lengths_are_refused(rle, what):
    with pytest.raises(BadInput, match=what):
        decode(rle)
