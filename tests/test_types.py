import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segtile.types import Box, CoarseMap

coordinates = st.integers(-500, 500)
boxes = st.builds(Box, coordinates, coordinates, coordinates, coordinates)
solid = boxes.filter(lambda b: not b.empty)


@given(boxes, boxes)
def test_and_holds_exactly_the_common_pixels(a, b):
    frame = np.zeros((1000, 1000), np.int8)
    for box in (a, b):
        if not box.empty:
            frame[box.shift(500, 500).slices] += 1
    both = a & b
    assert (frame == 2).sum() == (0 if a.empty or b.empty else both.area)


@given(boxes, boxes)
def test_or_contains_both(a, b):
    union = a | b
    assert union.contains(a)
    assert union.contains(b)


@given(solid, st.floats(0.01, 20), st.floats(0.01, 20))
def test_scaled_covers_what_it_came_from(box, fx, fy):
    out = box.scaled(fx, fy)
    assert out.x0 <= box.x0 * fx + 1e-6
    assert out.x1 >= box.x1 * fx - 1e-6
    assert out.y0 <= box.y0 * fy + 1e-6
    assert out.y1 >= box.y1 * fy - 1e-6
    assert out.width < box.width * fx + 2


def test_scaling_there_and_back_spills_no_pixel():
    assert Box(0, 3, 6, 9).scaled(1 / 3).scaled(3) == Box(0, 3, 6, 9)


@given(solid, st.integers(0, 50))
def test_expand_stays_within_bounds(box, halo):
    bounds = Box(-200, -200, 200, 200)
    grown = box.expand(halo, bounds)
    assert bounds.contains(grown)
    assert grown.contains(box & bounds)


@given(st.integers(1, 400), st.integers(1, 400), st.floats(1, 9), st.data())
def test_coarse_map_boxes_cover_each_other(width, height, scale, data):
    h, w = max(1, round(height / scale)), max(1, round(width / scale))
    zeros = np.zeros((h, w), np.float32)
    coarse = CoarseMap(zeros, zeros > 0, zeros.astype(np.int32), scale, Box.frame(width, height), "test")
    x0 = data.draw(st.integers(0, width - 1))
    y0 = data.draw(st.integers(0, height - 1))
    box = Box(x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height)))
    assert coarse.to_frame(coarse.to_map(box)).contains(box)
    rows, cols = coarse.cells(box)
    cells = coarse.to_map(box)
    assert rows.min() >= cells.y0
    assert rows.max() < cells.y1
    assert cols.min() >= cells.x0
    assert cols.max() < cells.x1
