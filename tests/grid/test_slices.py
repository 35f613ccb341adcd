"""SAHI's grid to the number, regions of interest, and slices that follow the coarse pass's objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sahi.slicing import get_slice_bboxes
from scipy import ndimage

from segtile.errors import BadInput
from segtile.grid.objects import plan_objects
from segtile.grid.regions import regions_of
from segtile.grid.slices import slice_grid
from segtile.types import Box, CoarseMap


def corners(grid):
    return [[t.read.x0, t.read.y0, t.read.x1, t.read.y1] for t in grid.tiles]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(40, 900),
    st.integers(40, 900),
    st.floats(0, 0.9),
    st.floats(0, 0.9),
)
@example(640, 640, 640, 640, 0.2, 0.2)
@example(641, 639, 640, 640, 0.2, 0.2)
def test_slices_are_sahis(width, height, slice_width, slice_height, across, down):
    theirs = get_slice_bboxes(height, width, slice_height, slice_width, False, down, across)
    grid = slice_grid(Box.frame(width, height), slice_width, slice_height, across, down)
    assert corners(grid) == theirs
    assert [grid.tiles[i].read for i in grid.order] == [t.read for t in grid.tiles]


@settings(max_examples=200, deadline=None)
@given(st.integers(8, 9000), st.integers(8, 9000))
@example(512, 512)
@example(1024, 1024)
@example(2896, 2896)
@example(4096, 4096)
@example(4097, 4096)
def test_automatic_slices_are_sahis(width, height):
    assert corners(slice_grid(Box.frame(width, height), None, None, auto=True)) == get_slice_bboxes(height, width)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(2, 150), st.integers(2, 150), st.floats(0, 0.9))
def test_cores_partition_the_frame(width, height, slice_width, slice_height, ratio):
    grid = slice_grid(Box.frame(width, height), slice_width, slice_height, ratio, ratio)
    seen = np.zeros((height, width), int)
    for tile in grid.tiles:
        assert tile.read.contains(tile.core)
        seen[tile.core.slices] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((Box.frame(100, 0), 64, 64), "holds pixels"),
        ((Box(5, 0, 100, 100), 64, 64), "starts at"),
        ((Box.frame(100, 100), None, None), "both sides"),
        ((Box.frame(100, 100), 64, -1), "at least 1 px"),
        ((Box.frame(100, 100), 64, 64, 1.0), "below 1"),
        ((Box.frame(100, 100), 64, 64, 0.2, float("nan")), "below 1"),
        ((Box.frame(3, 10_000_000), None, None, 0.2, 0.2, True), "too narrow"),
    ],
)
def test_slices_that_make_no_sense_are_refused(arguments, words):
    with pytest.raises(BadInput, match=words):
        slice_grid(*arguments)


# regions of interest


def test_only_slices_that_a_region_needs():
    frame = Box.frame(1000, 800)
    triangle = [(600.0, 500.0), (990.0, 500.0), (990.0, 790.0)]
    regions = regions_of([Box(10, 10, 90, 90), triangle], frame)
    whole, some = slice_grid(frame, 200, 200), slice_grid(frame, 200, 200, regions=regions)
    assert regions.bounds == Box(10, 10, 990, 790)
    kept = {t.read for t in some.tiles}
    assert kept < {t.read for t in whole.tiles}
    wanted = np.zeros((800, 1000), bool)
    wanted[10:90, 10:90] = True
    yy, xx = np.mgrid[:800, :1000] + 0.5
    wanted |= (yy > 500) & (xx < 990) & ((yy - 500) / 290 < (xx - 600) / 390)
    for tile in whole.tiles:
        assert (tile.read in kept) >= bool(wanted[tile.core.slices].any())
    for tile in some.tiles:
        assert wanted[tile.core.expand(1, frame).slices].any()
    assert f"{len(whole.tiles) - len(some.tiles)} of {len(whole.tiles)}" in some.why


def test_a_shared_border_is_no_meeting():
    regions = regions_of([Box(100, 0, 200, 100)], Box.frame(300, 300))
    assert not regions.meets(Box(0, 0, 100, 100))
    assert regions.meets((99.5, 50.0, 100.5, 51.0))


@pytest.mark.parametrize(
    "given",
    [
        [],
        [Box(5, 5, 5, 9)],
        [Box(400, 400, 500, 500)],
        [[(0, 0), (5, 5)]],
        [[(0, 0), (5, 5), (9, float("nan"))]],
        [[(0, 0), (5, 5), (9, 9)]],
        ["box"],
        [7],
    ],
    ids=str,
)
def test_regions_that_are_none_are_refused(given):
    with pytest.raises(BadInput, match="region of interest"):
        regions_of(given, Box.frame(300, 300))


def test_a_polygon_that_crosses_itself_is_both_of_its_halves():
    bow = [(0.0, 0.0), (100.0, 100.0), (100.0, 0.0), (0.0, 100.0)]
    regions = regions_of([bow], Box.frame(200, 200))
    assert regions.meets(Box(2, 40, 10, 60))
    assert regions.meets(Box(90, 40, 98, 60))
    assert not regions.meets(Box(45, 2, 55, 10))


# slices that follow the objects


def coarse_of(cells, cell=10):
    labels = ndimage.label(cells, np.ones((3, 3)))[0].astype(np.int32)
    h, w = cells.shape
    return CoarseMap(
        prob=cells.astype(np.float32),
        unsure=np.zeros_like(cells),
        labels=labels,
        scale=float(cell),
        frame=Box.frame(w * cell, h * cell),
        source="test",
    )


def object_boxes(coarse):
    places = ndimage.find_objects(coarse.labels)
    return [coarse.to_frame(Box(c.start, r.start, c.stop, r.stop)) for r, c in places]


@st.composite
def scattered(draw):
    h, w = draw(st.integers(20, 90)), draw(st.integers(20, 90))
    cells = np.zeros((h, w), bool)
    for _ in range(draw(st.integers(0, 25))):
        y, x = draw(st.integers(0, h - 1)), draw(st.integers(0, w - 1))
        cells[y : y + draw(st.integers(1, 30)), x : x + draw(st.integers(1, 30))] = True
    return coarse_of(cells)


@settings(max_examples=80, deadline=None)
@given(scattered(), st.integers(100, 300), st.integers(100, 300), st.floats(0, 0.5))
def test_what_fits_is_whole_and_what_does_not_is_covered(coarse, width, height, overlap):
    plan = plan_objects(coarse, width, height, overlap)
    again = plan_objects(coarse, width, height, overlap)
    assert plan == again
    seen = np.zeros((coarse.frame.height, coarse.frame.width), bool)
    for tile in plan.tiles:
        assert coarse.frame.contains(tile.read)
        assert tile.read.contains(tile.core)
        assert tile.read.width == min(width, coarse.frame.width)
        assert tile.read.height == min(height, coarse.frame.height)
        seen[tile.read.slices] = True
    cells = np.kron(coarse.labels > 0, np.ones((10, 10), bool))
    assert not (cells & ~seen).any()
    for box in object_boxes(coarse):
        if box.width <= width and box.height <= height:
            assert any(tile.read.contains(box) for tile in plan.tiles)


def test_pieces_of_a_large_object_overlap_where_it_goes_on():
    """From any slice of it to any other there is a way over overlaps that hold cells of the object."""
    yy, xx = np.mgrid[:200, :200]
    ring = np.abs(np.hypot(yy - 100, xx - 100) - 80) < 4
    coarse = coarse_of(ring)
    plan = plan_objects(coarse, 320, 320, 0.2)
    full = np.kron(ring, np.ones((10, 10), bool))
    reads = [t.read for t in plan.tiles]
    reached, todo = {0}, [0]
    while todo:
        here = reads[todo.pop()]
        for i, other in enumerate(reads):
            if i not in reached and not (here & other).empty and full[(here & other).slices].any():
                reached.add(i)
                todo.append(i)
    assert reached == set(range(len(reads)))
    assert len(reads) < len(slice_grid(coarse.frame, 320, 320).tiles) * 0.75


def test_empty_background_is_skipped_and_counted():
    cells = np.zeros((400, 400), bool)
    cells[10:20, 10:20] = cells[12:22, 40:50] = cells[300:310, 200:210] = True
    plan = plan_objects(coarse_of(cells), 640, 640)
    assert len(plan.tiles) == 2
    assert plan.tiles[0].objects == (1, 2)
    assert "2 slices, where the uniform grid has 64, see 3 objects whole and cover 0" in plan.why


def test_a_map_of_background_alone_needs_no_slice():
    plan = plan_objects(coarse_of(np.zeros((30, 30), bool)), 100, 100)
    assert plan.tiles == ()
    assert "only background" in plan.why


def test_only_objects_in_the_region():
    cells = np.zeros((400, 400), bool)
    cells[10:20, 10:20] = cells[300:310, 200:210] = True
    coarse = coarse_of(cells)
    plan = plan_objects(coarse, 640, 640, regions=regions_of([Box(0, 0, 1000, 1000)], coarse.frame))
    assert [t.objects for t in plan.tiles] == [(1,)]


def test_real_objects_are_whole(data_samples):
    from segtile.coarse import look
    from segtile.raster import open_raster

    with open_raster(data_samples / "flatlay.jpg") as raster:
        coarse = look(raster.preview(1024), raster.info.frame, "studio")
    plan = plan_objects(coarse, 640, 640)
    assert len(plan.tiles) <= len(slice_grid(coarse.frame, 640, 640).tiles)
    for box in object_boxes(coarse):
        assert max(box.width, box.height) > 640 or any(t.read.contains(box) for t in plan.tiles)
