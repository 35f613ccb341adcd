"""Which windows: scales, regions, the full picture, and the sizes at which a detector sees them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput, OverLimit
from segtile.grid.regions import regions_of
from segtile.grid.slices import slice_grid
from segtile.slicing import plan_slices
from segtile.types import Box, CoarseMap

FRAME = Box.frame(2000, 1500)


def reads(plan):
    return [w.tile.read for w in plan.windows]


def test_one_scale_is_the_grid_as_it_is():
    plan = plan_slices(FRAME, (640, 640))
    grid = slice_grid(FRAME, 640, 640)
    assert reads(plan) == [t.read for t in grid.tiles]
    assert all(w.size == (w.tile.read.width, w.tile.read.height) for w in plan.windows)
    assert plan.uniform == len(grid.tiles)
    assert plan.warnings == ()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(100, 700),
    st.lists(st.one_of(st.just("full"), st.floats(0.1, 1.0)), min_size=1, max_size=4),
)
def test_scales_cover_the_frame_each_and_are_numbered_through(width, height, side, scales):
    frame = Box.frame(width, height)
    plan = plan_slices(frame, (side, side), scales=scales)
    assert [w.tile.index for w in plan.windows] == list(range(len(plan.windows)))
    assert plan.uniform == len(plan.windows)
    numbers = list(dict.fromkeys(s for s in scales if s != "full"))
    grids = [slice_grid(frame, max(1, round(side / s)), max(1, round(side / s))) for s in numbers]
    expected = [tile.read for grid in grids for tile in grid.tiles]
    assert reads(plan)[: len(expected)] == expected
    assert len(plan.windows) - len(expected) <= ("full" in scales)
    for window in plan.windows:
        assert max(window.size) <= side + 1
        assert min(window.size) >= 1
        assert min(window.factors) > 0.99 or min(window.tile.read.width, window.tile.read.height) < 100


def test_the_full_picture_fits_the_detectors_input():
    full = plan_slices(FRAME, (640, 480), scales=["full"]).windows[0]
    assert (full.tile.read, full.size) == (FRAME, (640, 480))
    assert plan_slices(FRAME, (640, 640), scales=["full"]).windows[0].size == (640, 480)
    assert plan_slices(FRAME, None, scales=["full"]).windows[0].size == (2000, 1500)


def test_the_full_picture_is_not_looked_at_twice():
    small = Box.frame(500, 400)
    assert reads(plan_slices(small, (640, 640), scales=[1.0, "full"])) == [small]
    # half as large is not as fine: the full picture shows more
    assert len(plan_slices(small, (640, 640), scales=[0.5, "full"]).windows) == 2


def test_the_full_picture_of_a_region_is_the_region():
    regions = regions_of([Box(100, 200, 500, 800), [(900, 100), (1000, 100), (1000, 300)]], FRAME)
    plan = plan_slices(FRAME, (640, 640), scales=[1.0, "full"], regions=regions)
    assert reads(plan)[-1] == Box(100, 100, 1000, 800)
    assert all(regions.meets(w.tile.core) for w in plan.windows)
    assert plan.uniform == len(plan.windows) < len(plan_slices(FRAME, (640, 640)).windows)


def test_a_slice_is_the_detectors_own_unless_said_otherwise():
    assert plan_slices(FRAME, None).windows[0].size == (640, 640)
    assert plan_slices(FRAME, (320, 256)).windows[0].size == (320, 256)
    assert plan_slices(FRAME, (320, 256), side=500).windows[0].size == (500, 500)
    half = plan_slices(FRAME, (320, 256), side=(500, 400), scales=[0.5]).windows[0]
    assert (half.tile.read, half.size) == (Box.frame(1000, 800), (500, 400))


def coarse(labels):
    h, w = labels.shape
    prob = (labels > 0).astype(np.float32)
    return CoarseMap(prob, np.zeros((h, w), bool), labels, 10.0, Box.frame(10 * w, 10 * h), "test")


def test_the_aligned_grid_at_two_scales():
    labels = np.zeros((150, 200), np.int32)
    labels[20:30, 20:30] = 1
    labels[100:140, 100:180] = 2  # larger than a slice at full size
    plan = plan_slices(FRAME, (640, 640), grid="aligned", scales=[1.0, 0.5], coarse=coarse(labels))
    fine = [w for w in plan.windows if w.factors == (1.0, 1.0)]
    assert 0 < len(plan.windows) - len(fine) < len(fine) < plan.uniform
    assert any(w.tile.read.contains(Box(1000, 1000, 1800, 1400)) for w in plan.windows if w not in fine)
    assert all(w.size == (640, 640) for w in plan.windows if w.tile.read.height == 1280)


def test_an_empty_coarse_map_is_a_warning():
    plan = plan_slices(FRAME, (640, 640), grid="aligned", coarse=coarse(np.zeros((150, 200), np.int32)))
    assert plan.windows == ()
    assert "only background" in plan.warnings[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"side": 0}, "holds no pixel"),
        ({"side": (640, -1)}, "holds no pixel"),
        ({"scales": []}, "no scale"),
        ({"scales": [0]}, "above 0"),
        ({"scales": [1.5]}, "never made larger"),
        ({"scales": [float("nan")]}, "above 0"),
        ({"scales": ["half"]}, "or full"),
        ({"overlap": 1.0}, "below 1"),
        ({"grid": "aligned"}, "coarse map"),
    ],
)
def test_what_makes_no_sense_is_refused(options, words):
    with pytest.raises(BadInput, match=words):
        plan_slices(FRAME, (640, 640), **options)


def test_a_huge_picture_is_not_shown_whole_to_a_detector_without_a_size():
    with pytest.raises(OverLimit, match="smaller number"):
        plan_slices(Box.frame(40000, 40000), None, scales=["full"])
