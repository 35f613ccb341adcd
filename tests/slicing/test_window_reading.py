"""Reading windows at a detector's size, and putting what it says back into the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.detected import CropMask, Detections
from segtile.masks.crop import window as window_of
from segtile.raster import open_raster
from segtile.slicing import Window
from segtile.slicing.place import in_frame, joined
from segtile.slicing.read import read_window
from segtile.types import Box, Tile


def window(read: Box, size=None, index=0) -> Window:
    return Window(Tile(index, read, read), size or (read.width, read.height))


def pixels(h, w, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (h, w, 3), dtype, endpoint=True)


def test_a_window_as_it_is():
    picture = pixels(90, 120)
    got = read_window(open_raster(picture), window(Box(7, 9, 60, 50)))
    assert np.array_equal(got, picture[9:50, 7:60])


def test_16_bits_become_8_by_one_rule_wherever_they_stand():
    picture = pixels(64, 64, "uint16")
    picture[:32, :32] //= 50  # a dark corner must stay dark
    raster = open_raster(picture)
    whole = read_window(raster, window(raster.info.frame))
    assert np.array_equal(whole, np.rint(picture / 257).astype(np.uint8))
    assert np.array_equal(read_window(raster, window(Box(3, 3, 30, 30))), whole[3:30, 3:30])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_smaller_windows_are_area_means(dtype):
    picture = pixels(96, 144, dtype)
    raster = open_raster(picture)
    got = read_window(raster, window(Box(16, 8, 144, 88), (32, 20)))
    mean = picture[8:88, 16:144].reshape(20, 4, 32, 4, 3).mean((1, 3)) / (257 if dtype == "uint16" else 1)
    assert np.abs(got - mean).max() <= 0.5 + 1e-3
    odd = read_window(raster, window(raster.info.frame, (31, 17)))
    assert odd.shape == (17, 31, 3)
    top = 257 if dtype == "uint16" else 1
    assert np.abs(odd.mean((0, 1)) - picture.mean((0, 1)) / top).max() < 1


def test_a_window_made_smaller_is_read_in_strips(monkeypatch):
    monkeypatch.setattr("segtile.raster.preview._STRIP_SAMPLES", 3 * 100 * 7)
    picture = pixels(100, 100)
    read = []

    class Counting:
        info = open_raster(picture).info

        def window(self, box):
            read.append(box)
            return picture[box.slices]

    got = read_window(Counting(), window(Box.frame(100, 100), (25, 25)))
    assert max(box.height for box in read) == 7
    assert np.abs(got - picture.reshape(25, 4, 25, 4, 3).mean((1, 3))).max() <= 0.51


# into the frame


def found(boxes, masks=None):
    n = len(boxes)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(n, 0.5, np.float32), np.zeros(n, np.int32), np.zeros(n, np.int32), masks)


def test_boxes_are_moved_and_stretched():
    frame = Box.frame(1000, 1000)
    at = in_frame(found([(1.5, 2.25, 10, 20)]), window(Box(100, 200, 164, 264), index=3), frame)
    assert at.boxes.tolist() == [[101.5, 202.25, 110, 220]]
    assert at.tiles.tolist() == [3]
    half = in_frame(found([(1.5, 2.25, 10, 20)]), window(Box(100, 200, 300, 400), (100, 50)), frame)
    assert half.boxes.tolist() == [[103, 209, 120, 280]]
    assert half.boxes.dtype == np.float32


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_masks_of_a_window_as_it_is_keep_their_bits(seed, h, w, soft):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (h, w), np.uint8)
    own, frame = Box.frame(40, 40), Box.frame(200, 300)
    box = Box(5, 6, 5 + w, 6 + h)
    mask = CropMask.from_soft(values, box, own) if soft else CropMask.from_bits(values >= 128, box, own)
    moved = in_frame(found([(5, 6, 9, 9)], (mask,)), window(Box(100, 150, 140, 190)), frame).masks[0]
    there = box.shift(100, 150)
    assert moved.frame == frame
    assert (moved.soft is None) != soft
    assert np.array_equal(window_of(moved, there).bits, values >= 128)
    assert moved.area == (values >= 128).sum()
    # without soft values it lies on the frame's grid of bytes
    assert moved.box == (there if soft else Box(there.x0 // 8 * 8, there.y0, there.x1, there.y1))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.booleans(), st.booleans())
def test_stretched_masks_keep_area_and_place(seed, factor, soft, cut):
    """A blob in a window that was made smaller lies where it lay, and touches the window's border where it did."""
    rng = np.random.default_rng(seed)
    side = 40
    yy, xx = np.mgrid[:side, :side]
    cy, cx = (0.0, 20.0) if cut else rng.uniform(14, 26, 2)
    blob = np.hypot(yy + 0.5 - cy, xx + 0.5 - cx) < 11
    rows, columns = np.flatnonzero(blob.any(1)), np.flatnonzero(blob.any(0))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    own = Box.frame(side, side)
    crop = blob[box.slices]
    mask = CropMask.from_soft(crop * np.uint8(255), box, own) if soft else CropMask.from_bits(crop, box, own)
    read, frame = Box(10, 20, 10 + side * factor, 20 + side * factor), Box.frame(400, 400)
    moved = in_frame(found([(0, 0, 9, 9)], (mask,)), window(read, (side, side)), frame).masks[0]
    assert moved.frame == frame
    assert window_of(moved, read).area == moved.area
    whole = np.zeros((400, 400), bool)
    whole[moved.box.slices] = moved.bits
    yy, xx = np.mgrid[:400, :400] + 0.5
    truth = np.hypot((yy - 20) / factor - cy, (xx - 10) / factor - cx) < 11
    truth &= (yy > 20) & (xx > 10)
    assert (whole & truth).sum() / (whole | truth).sum() > 0.9
    if cut:
        assert whole[20].any()
    if factor == 1:
        assert np.array_equal(window_of(moved, box.shift(10, 20)).bits, crop)


def test_a_very_long_mask_is_stretched_too():
    own, frame = Box.frame(1000, 10), Box.frame(40000, 400)
    mask = CropMask.from_bits(np.ones((10, 1000), bool), own, own)
    moved = in_frame(found([(0, 0, 1000, 10)], (mask,)), window(frame, (1000, 10)), frame).masks[0]
    assert moved.box == frame
    assert moved.area == 40000 * 400


def test_joining_nothing_is_nothing():
    assert len(joined([], False)) == 0
    assert joined([], False).boxes.shape == (0, 4)
    assert joined([], True).masks == ()
    two = joined([found([(0, 0, 1, 1)]), found([]), found([(1, 1, 2, 2)])], False)
    assert two.boxes.tolist() == [[0, 0, 1, 1], [1, 1, 2, 2]]
