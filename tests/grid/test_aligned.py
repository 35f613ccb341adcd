from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.grid import compare, plan_aligned, plan_uniform


def check_laws(grid, coarse, tile, halo, context=None):
    """Cores disjoint, band covered, halo inside every read box, none larger than a tile or reaching past `context`."""
    frame = coarse.frame
    painted = np.zeros((frame.height, frame.width), np.int32)
    for t in grid.tiles:
        assert not t.core.empty
        assert frame.contains(t.read)
        assert t.read.contains(t.core.expand(halo, frame))
        full = (min(tile, frame.width), min(tile, frame.height))
        if context is None:
            assert (t.read.width, t.read.height) == full
        else:
            assert t.core.expand(max(context, halo), frame).contains(t.read)
            assert (t.read.width <= full[0]) & (t.read.height <= full[1])
        painted[t.core.slices] += 1
    assert painted.max(initial=0) <= 1
    rows, cols = coarse.cells(frame)
    assert painted[coarse.unsure[np.ix_(rows, cols)]].all()
    assert sorted(grid.order) == list(range(len(grid.tiles)))
    tops = [grid.tiles[i].read.y0 for i in grid.order]
    assert tops == sorted(tops)


def touching(coarse, tile, halo):
    """The uniform grid's tiles whose core holds band, and how many objects that would fit a tile they part."""
    frame = coarse.frame
    rows, cols = coarse.cells(frame)
    band = coarse.unsure[np.ix_(rows, cols)]
    tiles = [t for t in plan_uniform(frame, tile, halo, coarse).tiles if band[t.core.slices].any()]
    labels = coarse.labels[np.ix_(rows, cols)]
    parted = 0
    for label in np.unique(labels[band]):
        ys, xs = np.nonzero(band & (labels == label))
        wide = min(frame.width, xs.max() + 1 + halo) - max(0, xs.min() - halo)
        high = min(frame.height, ys.max() + 1 + halo) - max(0, ys.min() - halo)
        if label and wide <= tile and high <= tile:
            parted += sum(label in t.objects for t in tiles) > 1
    return len(tiles), parted


@st.composite
def maps(draw):
    """Lines, blobs and dust at random, over frames that need not be whole multiples of the map."""
    width, height = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = np.zeros((height, width), np.uint8)
    for _ in range(draw(st.integers(0, 6))):
        a, b = rng.integers(0, [width, height], (2, 2)).tolist()
        kind = rng.integers(3)
        if kind == 0:
            cv2.line(image, a, b, 1, int(rng.integers(1, 6)))
        elif kind == 1:
            cv2.circle(image, a, int(rng.integers(1, 30)), 1, int(rng.integers(1, 4)))
        else:
            cv2.rectangle(image, a, b, 1, -1)
    image |= (rng.random((height, width)) < draw(st.sampled_from([0, 0, 0.01, 0.1]))).astype(np.uint8)
    scale = draw(st.sampled_from([1.0, 1.0, 1.3, 2.0, 3.7]))
    return image > 0, (round(width * scale), round(height * scale))


@settings(max_examples=60, deadline=None)
@given(drawn=maps(), sizes=st.sampled_from([(24, 4), (32, 4), (40, 10), (64, 0), (64, 16), (300, 20)]))
def test_laws_hold_on_any_map(scene, drawn, sizes):
    coarse = scene.coarse_of(drawn[0], size=drawn[1])
    tile, halo = sizes
    grid = plan_aligned(coarse, tile, halo)
    check_laws(grid, coarse, tile, halo)
    count, parted = touching(coarse, tile, halo)
    assert len(grid.tiles) <= count + parted
    assert plan_aligned(coarse, tile, halo) == grid


@settings(max_examples=30, deadline=None)
@given(drawn=maps(), sizes=st.sampled_from([(32, 4), (64, 0), (64, 16)]), context=st.sampled_from([0, 6, 16, 100]))
def test_a_refiner_may_read_less_than_a_tile_has_room_for(scene, drawn, sizes, context):
    coarse = scene.coarse_of(drawn[0], size=drawn[1])
    tile, halo = sizes
    grid, roomy = plan_aligned(coarse, tile, halo, context), plan_aligned(coarse, tile, halo)
    assert [t.core for t in grid.tiles] == [t.core for t in roomy.tiles]
    if "uniform" in grid.why:
        assert grid == roomy
    else:
        check_laws(grid, coarse, tile, halo, context)


def test_one_object_is_one_tile_whole_and_centred(scene):
    coarse = scene.outline(scene.discs(300, 200, (140, 90, 30)))
    grid = plan_aligned(coarse, 100, 10)
    (t,) = grid.tiles
    ys, xs = np.nonzero(coarse.unsure)
    assert (t.core.x0, t.core.y0, t.core.x1, t.core.y1) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert abs((t.read.x0 + t.read.x1) - (t.core.x0 + t.core.x1)) <= 1
    assert abs((t.read.y0 + t.read.y1) - (t.core.y0 + t.core.y1)) <= 1
    assert t.objects == (1,)


def test_objects_far_apart_have_a_tile_each_and_neighbours_share(scene):
    far = plan_aligned(scene.outline(scene.discs(600, 400, (60, 60, 20), (500, 300, 20))), 128, 16)
    assert [t.objects for t in far.tiles] == [(1,), (2,)]
    near = plan_aligned(scene.outline(scene.discs(600, 400, (60, 60, 15), (110, 70, 15))), 128, 16)
    assert [t.objects for t in near.tiles] == [(1, 2)]


def test_objects_that_fit_stay_whole_where_the_uniform_grid_cuts_them(scene):
    places = [(x, y, 22) for y in range(60, 560, 70) for x in range(60 + (y % 4) * 9, 740, 80)]
    coarse = scene.outline(scene.discs(800, 600, *places))
    grid, uniform = plan_aligned(coarse, 128, 16), plan_uniform(coarse.frame, 128, 16, coarse)
    stats = compare(grid, uniform, coarse)
    assert stats.objects_cut_uniform > 10
    assert (stats.objects_cut, stats.crossings) == (0, 0)
    assert stats.objects_whole == stats.tiles == len(places)  # two of them never fit one tile here


def test_a_shape_amid_another_ones_box_is_not_cut(scene):
    image = scene.discs(500, 500, (250, 250, 25)) | scene.ring(500, 500, 250, 250, 200, 6)
    coarse = scene.outline(image)
    grid = plan_aligned(coarse, 160, 16)
    check_laws(grid, coarse, 160, 16)
    middle = coarse.labels[250, 225]
    assert sum(middle in t.objects for t in grid.tiles) == 1


def test_a_dumbbell_is_cut_at_its_neck(scene):
    image = scene.discs(420, 200, (90, 100, 60), (330, 100, 60))
    image[98:103, 90:330] = True
    coarse = scene.outline(image)
    grid = plan_aligned(coarse, 256, 16)
    stats = compare(grid, plan_uniform(coarse.frame, 256, 16, coarse), coarse)
    assert (stats.tiles, stats.crossings) == (2, 1)
    assert stats.crossing_px <= 15


def cut_of(grid):
    """Where the only vertical border between two cores lies."""
    (border,) = {t.core.x1 for t in grid.tiles} & {t.core.x0 for t in grid.tiles}
    return border


def test_cuts_keep_away_from_busy_places(scene):
    band = np.zeros((60, 420), bool)
    band[28:32, 10:410] = True
    for x in range(10, 206, 6):  # dots that no upright cut need touch, on the left half only
        band[18:20, x : x + 2] = band[40:42, x : x + 2] = True
    grid = plan_aligned(scene.coarse_of(band), 256, 12)
    assert len(grid.tiles) == 2
    assert cut_of(grid) >= 208


def test_one_thick_strand_is_rather_cut_than_two_narrower_ones(scene):
    band = np.zeros((60, 420), bool)
    band[8:18, 10:410] = band[36:46, 10:410] = True
    band[8:46, 202:220] = True
    band[8:15, 206:216] = band[39:46, 206:216] = False  # one strand of 24 instead of two of 10
    grid = plan_aligned(scene.coarse_of(band), 256, 12)
    assert len(grid.tiles) == 2
    assert 206 < cut_of(grid) < 216


def test_an_object_that_fits_is_not_cut_to_save_a_tile(scene):
    band = np.zeros((20, 152), bool)
    for x in (1, 39, 77, 115):
        band[8:12, x : x + 36] = True
    coarse = scene.coarse_of(band)
    grid = plan_aligned(coarse, 64, 0)  # three tiles would do
    assert [t.objects for t in sorted(grid.tiles, key=lambda t: t.core.x0)] == [(1,), (2,), (3,), (4,)]


def test_a_large_ring_needs_few_tiles_and_crossings(scene):
    coarse = scene.outline(scene.ring(1000, 1000, 500, 500, 400, 24), size=(4000, 4000), grow=4)
    stats = compare(plan_aligned(coarse, 1024, 64), plan_uniform(coarse.frame, 1024, 64, coarse), coarse)
    assert stats.tiles * 2 <= stats.tiles_uniform
    assert stats.crossings * 3 <= stats.crossings_uniform * 2
    assert stats.crossing_px * 3 <= stats.crossing_px_uniform * 2


def test_moving_everything_moves_the_plan(scene):
    image = scene.ring(500, 420, 190, 200, 110, 9) | scene.discs(500, 420, (350, 90, 14))
    before = plan_aligned(scene.outline(image), 128, 12)
    after = plan_aligned(scene.outline(np.roll(image, (23, 17), (0, 1))), 128, 12)
    assert [t.core.shift(17, 23) for t in before.tiles] == [t.core for t in after.tiles]


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (60, 60)])
def test_a_frame_smaller_than_a_tile_is_one_tile(scene, size):
    coarse = scene.coarse_of(np.ones((size[1], size[0])))
    (t,) = plan_aligned(coarse, 64, 8).tiles
    assert t.core == t.read == coarse.frame


def test_nothing_unsure_needs_no_tile(scene):
    grid = plan_aligned(scene.coarse_of(np.zeros((40, 50)), np.ones((40, 50))), 32, 4)
    assert grid.tiles == grid.order == ()
    assert "sure" in grid.why


def test_all_unsure_is_covered_all(scene):
    coarse = scene.coarse_of(np.ones((150, 210)))
    grid = plan_aligned(coarse, 64, 8)
    check_laws(grid, coarse, 64, 8)
    assert sum(t.core.area for t in grid.tiles) == coarse.frame.area
    assert len(grid.tiles) <= len(plan_uniform(coarse.frame, 64, 8).tiles)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (40, 140), (0, 140), (40, 0)])
def test_band_at_the_frames_border_needs_no_halo_beyond_it(scene, top, left):
    coarse = scene.coarse_of(np.pad(np.ones((60, 60)), ((top, 40 - top), (left, 140 - left))))
    (t,) = plan_aligned(coarse, 64, 4).tiles
    assert (t.core.x0, t.core.y0) == (left, top)
    assert (t.read.x0 == 0, t.read.x1 == 200) == (left == 0, left == 140)
    assert (t.read.y0 == 0, t.read.y1 == 100) == (top == 0, top == 40)


def test_tiles_below_the_size_of_a_cell_fall_back_and_say_so(scene, caplog):
    coarse = scene.coarse_of(np.eye(6), size=(240, 240))
    with caplog.at_level("WARNING", logger="segtile"):
        grid = plan_aligned(coarse, 40, 8)
    check_laws(grid, coarse, 40, 8)
    assert "larger tile" in grid.why
    assert caplog.records


def test_band_without_a_label_is_covered_too(scene):
    coarse = scene.outline(scene.discs(200, 200, (100, 100, 60)))
    coarse = replace(coarse, labels=np.zeros_like(coarse.labels))
    check_laws(plan_aligned(coarse, 96, 8), coarse, 96, 8)


def test_sizes_without_a_core_are_refused(scene):
    with pytest.raises(BadInput, match="no core"):
        plan_aligned(scene.coarse_of(np.ones((9, 9))), 32, 16)
