"""Instances drawn on a preview."""

import tracemalloc

import numpy as np
import pytest
from found_scenes import CORNERS, DISC, EMPTY, RING, TWO_PARTS, crop, picture, whole

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.export import overlay as module
from segtile.export.overlay import colour_of, coverage, draw_instances
from segtile.types import Box


@pytest.mark.parametrize("mask", [RING, DISC, TWO_PARTS, CORNERS], ids=["ring", "disc", "parts", "corners"])
def test_coverage_is_the_share_of_each_preview_pixel(mask, monkeypatch):
    full = whole(mask).astype(np.float64)
    expected = full.reshape(40, 5, 52, 5).mean((1, 3))
    for at_a_time in (1 << 23, 200):
        monkeypatch.setattr(module, "_AT_A_TIME", at_a_time)
        box, share = coverage(mask, (1 / 5, 1 / 5), (52, 40))
        drawn = np.zeros((40, 52))
        drawn[box.slices] = share
        assert abs(drawn - expected).max() < 0.01


def test_the_ring_is_tinted_and_its_hole_is_not():
    preview = np.full((100, 130, 3), 0.5, np.float32)
    found = picture(RING)
    made = draw_instances(preview, found, labels=False)
    assert made.dtype == np.uint8
    assert made.shape == (100, 130, 3)
    inner = np.argwhere(whole(RING)[::2, ::2])
    middle = RING.box.x0 + RING.box.width // 2, RING.box.y0 + RING.box.height // 2
    assert (made[middle[1] // 2, middle[0] // 2] == 128).all()
    assert (np.abs(made[inner[:, 0], inner[:, 1]].astype(int) - 128).sum(1) > 20).mean() > 0.95
    assert (made[:5] == 128).all()
    assert (preview == 0.5).all()


def test_drawing_is_confined_to_what_is_drawn_and_repeatable():
    preview = np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    found = picture(DISC, None, EMPTY, CORNERS)
    made = draw_instances(preview, found)
    assert (made == draw_instances(preview, found)).all()
    assert (made != preview).any()
    far = np.s_[40:80, 120:240]
    assert (made[far] == preview[far]).all()
    assert (draw_instances(preview, picture()) == preview).all()


def test_what_is_smaller_than_a_preview_pixel_is_still_seen():
    dot = crop(np.ones((1, 1), bool), 130, 100)
    preview = np.zeros((20, 26, 3), np.uint8)
    assert draw_instances(preview, picture(dot), labels=False).any()


def test_labels_boxes_and_names_of_other_letters(monkeypatch):
    preview = np.zeros((200, 260, 3), np.uint8)
    found = picture(DISC, RING, None, boxes=[(0, 0, 5, 5), (255, 195, 400, 900), (-1e9, -1e9, 1e9, 1e9)])
    with_labels, without = (draw_instances(preview, found, labels=flag) for flag in (True, False))
    assert (with_labels != without).any()
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert (draw_instances(preview, found) != without).any()  # whatever font there is
    broken = picture(DISC, boxes=[(np.nan, 0, 5, 5)])
    assert (draw_instances(preview, broken) == 0).all()


def test_colours_are_those_of_the_index():
    assert len({colour_of(k) for k in range(60)}) == 60
    preview = np.zeros((200, 260, 3), np.uint8)
    by_class = draw_instances(preview, picture(DISC), labels=False, opacity=1.0)
    by_id = draw_instances(preview, picture(DISC), labels=False, opacity=1.0, colour_by="id")
    y, x = DISC.box.y0 + 30, DISC.box.x0 + 30
    assert tuple(by_class[y, x]) == colour_of(0)
    assert tuple(by_id[y, x]) == colour_of(1)


def test_memory_goes_with_the_preview_not_with_the_mask():
    """An object of 8000 px is 64 MB as bytes; drawing it takes some MB at a time."""
    frame = Box.frame(8000, 8000)
    mask = CropMask(frame, np.full((8000, 1000), 255, np.uint8), frame)
    tracemalloc.start()
    coverage(mask, (0.1, 0.1), (800, 800))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


def test_previews_that_are_none():
    for bad in (np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(BadInput, match="preview"):
            draw_instances(bad, picture(RING))
    good = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(BadInput, match="opacity"):
        draw_instances(good, picture(RING), opacity=1.5)
    with pytest.raises(BadInput, match="'size'"):
        draw_instances(good, picture(RING), colour_by="size")
