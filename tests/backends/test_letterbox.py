"""The letterbox is ultralytics' own, and its way back is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segtile.backends.letterbox import PADDING, fit_letterbox

SIDES = st.integers(1, 9000)
SIZES = st.tuples(st.sampled_from([320, 640, 1280, 384]), st.sampled_from([320, 640, 1280]))


@pytest.mark.parametrize(
    ("window", "size", "stride", "expected"),
    [
        # (window, size, stride) -> (size, inner, left, top), as ultralytics 8.4.190 gives them
        ((640, 640), (640, 640), None, ((640, 640), (640, 640), 0, 0)),
        ((1500, 1000), (640, 640), None, ((640, 640), (640, 427), 0, 106)),
        ((1500, 1000), (640, 640), 32, ((640, 448), (640, 427), 0, 10)),
        ((500, 777), (320, 320), None, ((320, 320), (206, 320), 57, 0)),
        ((500, 777), (320, 320), 32, ((224, 320), (206, 320), 9, 0)),
        ((3000, 1), (640, 640), None, ((640, 640), (640, 1), 0, 319)),
        ((100, 80), (640, 640), None, ((640, 640), (640, 512), 0, 64)),  # scaled up as well
    ],
)
def test_sizes_and_padding_are_those_of_ultralytics(window, size, stride, expected):
    box = fit_letterbox(window, size, stride)
    assert (box.size, box.inner, box.left, box.top) == expected


@given(SIDES, SIDES, SIZES, st.sampled_from([None, 32]), st.data())
def test_boxes_come_back_from_the_letterbox(width, height, size, stride, data):
    box = fit_letterbox((width, height), size, stride)
    edges = st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4)
    boxes = np.array([data.draw(edges)]) * [width, height, width, height]
    inside = boxes * np.tile(box.scale, 2) + np.tile([box.left, box.top], 2)
    assert (inside >= 0).all()
    assert (inside <= np.tile(box.size, 2) + 1e-9).all()
    assert np.abs(box.undo(inside) - boxes).max() <= 1e-3


@given(SIDES, SIDES, SIZES)
def test_the_picture_is_centred_and_the_stride_is_kept(width, height, size):
    fixed, free = fit_letterbox((width, height), size), fit_letterbox((width, height), size, 32)
    assert fixed.size == size
    assert all(side % 32 == 0 for side in free.size)
    assert free.inner == fixed.inner
    for box in (fixed, free):
        right, bottom = box.size[0] - box.inner[0] - box.left, box.size[1] - box.inner[1] - box.top
        assert right - box.left in (0, 1)
        assert bottom - box.top in (0, 1)


def test_the_window_lies_where_it_is_said_to():
    image = np.full((100, 150, 3), 200, np.uint8)
    box = fit_letterbox((150, 100), (320, 320))
    out = box.apply(image)
    assert out.shape == (320, 320, 3)
    inner = np.zeros((320, 320), bool)
    inner[box.top : box.top + box.inner[1], box.left : box.left + box.inner[0]] = True
    assert (out[inner] == 200).all()
    assert (out[~inner] == PADDING).all()


def test_a_window_of_the_right_size_is_not_touched():
    image = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    assert np.array_equal(fit_letterbox((320, 320), (320, 320)).apply(image), image)
