import shutil
import tracemalloc
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_plans import all_band, coarse_map, grids, make_grid

from segtile.errors import BadInput, WriteError
from segtile.merge import AlphaStore
from segtile.refine.base import context_trust
from segtile.types import Box, Tile, TilePatch


def merged(grid, coarse, patches, threads=1):
    with AlphaStore(grid, coarse) as store:
        if threads == 1:
            for patch in patches:
                store.add(patch)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(store.add, patches))
        report = store.finish()
        return store.rows(0, grid.frame.height), report


def random_patches(grid, seed):
    rng = np.random.default_rng(seed)
    for tile in grid.tiles:
        shape = (tile.read.height, tile.read.width)
        yield TilePatch(tile, rng.random(shape, np.float32), rng.uniform(1e-3, 1.0, shape).astype(np.float32))


@settings(max_examples=30, deadline=None)
@given(grid=grids(), seed=st.integers(0, 999))
def test_an_identity_refiner_gives_every_level_back(grid, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 65536, (grid.frame.height, grid.frame.width), dtype=np.uint16)
    patches = [
        TilePatch(
            tile,
            (truth[tile.read.slices] / np.float32(65535)).astype(np.float32),
            rng.uniform(1e-3, 1, (tile.read.height, tile.read.width)).astype(np.float32),
        )
        for tile in grid.tiles
    ]
    alpha, report = merged(grid, all_band(grid.frame), patches)
    np.testing.assert_array_equal(alpha, truth)
    assert report.mean == 0.0


@settings(max_examples=15, deadline=None)
@given(grid=grids(), seed=st.integers(0, 999))
def test_neither_order_nor_threads_change_a_bit(grid, seed):
    coarse = all_band(grid.frame)
    patches = list(random_patches(grid, seed))
    first, report = merged(grid, coarse, patches)
    shuffled = [patches[k] for k in np.random.default_rng(seed).permutation(len(patches))]
    for threads in (1, 2, 4):
        again, same = merged(grid, coarse, shuffled, threads)
        np.testing.assert_array_equal(again, first)
        assert same == report


@settings(max_examples=15, deadline=None)
@given(grid=grids(), data=st.data(), seed=st.integers(0, 99))
def test_tiled_equals_whole_where_the_reach_is_inside_the_halo(grid, data, seed):
    """A blur of that reach, trusted by the context it had: what was cut off must not show."""
    reach = data.draw(st.integers(0, grid.halo))
    rng = np.random.default_rng(seed)
    picture = rng.random((grid.frame.height, grid.frame.width), np.float32)

    def blur(values):
        # outside the frame is the same for tile and whole; outside a tile's window it is not
        return cv2.blur(values, (2 * reach + 1, 2 * reach + 1), borderType=cv2.BORDER_CONSTANT)

    patches = [
        TilePatch(tile, blur(picture[tile.read.slices]), context_trust(tile, grid.frame, reach)) for tile in grid.tiles
    ]
    alpha, _ = merged(grid, all_band(grid.frame), patches)
    soft = np.abs(alpha / 65535 - blur(picture))
    assert soft.max() < 1 / 255


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999))
def test_a_blend_stays_between_what_its_tiles_say(seed):
    grid = make_grid([0, 40, 90], [0, 35, 80], 12)
    low, high = np.full((80, 90), 2.0), np.full((80, 90), -1.0)
    patches = list(random_patches(grid, seed))
    for patch in patches:
        box = patch.tile.read.slices
        low[box] = np.minimum(low[box], patch.alpha)
        high[box] = np.maximum(high[box], patch.alpha)
    alpha, _ = merged(grid, all_band(grid.frame), patches)
    assert (alpha / 65535 >= low - 1e-4).all()
    assert (alpha / 65535 <= high + 1e-4).all()


def test_where_no_tile_answers_the_coarse_constants_stand():
    prob = np.zeros((20, 25))
    prob[5:15, 10:] = 0.9
    unsure = np.zeros(prob.shape, bool)
    unsure[3:6, 8:12] = True
    frame = Box.frame(103, 79)  # cells are no whole number of pixels
    coarse = coarse_map(frame, prob, unsure)
    core = Box(30, 10, 55, 26)
    grid = make_grid([0, 103], [0, 79], 0)
    grid = type(grid)("aligned", frame, (Tile(0, core, core.expand(6, frame)),), 64, 6, (0,), 0, "")
    tile = grid.tiles[0]
    patch = TilePatch(tile, np.full((28, 37), 0.25, np.float32), np.ones((28, 37), np.float32))
    alpha, _ = merged(grid, coarse, [patch])
    rows, columns = coarse.cells(frame)
    expected = np.where(prob[np.ix_(rows, columns)] >= 0.5, 65535, 0)
    expected[tile.read.slices] = round(0.25 * 65535)
    np.testing.assert_array_equal(alpha, expected)


def test_windows_and_rows_are_parts_of_one_frame():
    grid = make_grid([0, 70, 130], [0, 64, 100], 9)
    with AlphaStore(grid, all_band(grid.frame)) as store:
        for patch in random_patches(grid, 3):
            store.add(patch)
        store.finish()
        whole = store.rows(0, 100)
        assert whole.dtype == np.uint16
        np.testing.assert_array_equal(store.rows(33, 47), whole[33:47])
        np.testing.assert_array_equal(store.window(Box(5, 60, 128, 99)), whole[60:99, 5:128])
        store.rows(0, 100)[:] = 0
        np.testing.assert_array_equal(store.rows(0, 100), whole)
        with pytest.raises(BadInput, match="leaves the frame"):
            store.window(Box(5, 60, 131, 99))


def test_memory_is_that_of_a_tile_not_of_the_frame():
    """A 3000 x 3000 frame in 144 tiles: a dense uint16 frame would be 18 MB, float sums and weights 72 MB."""
    cuts = [*range(0, 3000, 250), 3000]
    grid = make_grid(cuts, cuts, 16)
    coarse = all_band(grid.frame)
    tracemalloc.start()
    try:
        with AlphaStore(grid, coarse) as store:
            for patch in random_patches(grid, 5):
                store.add(patch)
            store.finish()
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 14e6


def test_the_temporary_folder_goes_with_the_store(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    grid = make_grid([0, 30], [0, 30], 0)
    store = AlphaStore(grid, all_band(grid.frame))
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".u16"]
    store.close()
    assert not list(tmp_path.iterdir())
    store.close()  # twice is harmless
    with pytest.raises(BadInput):
        store.rows(0, 1)


def test_a_full_disk_is_said_before_anything_is_written(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 100))
    grid = make_grid([0, 30], [0, 30], 0)
    with pytest.raises(WriteError, match="TMPDIR"):
        AlphaStore(grid, all_band(grid.frame))


def test_misuse_is_named():
    grid = make_grid([0, 30, 60], [0, 30], 5)
    patches = list(random_patches(grid, 1))
    other = make_grid([0, 31, 60], [0, 30], 5)
    with AlphaStore(grid, all_band(grid.frame)) as store:
        with pytest.raises(BadInput, match="not in the plan"):
            store.add(next(iter(random_patches(other, 1))))
        with pytest.raises(BadInput, match="must be"):
            store.add(TilePatch(grid.tiles[0], patches[0].alpha[1:], patches[0].trust))
        store.add(patches[0])
        with pytest.raises(BadInput, match="before"):
            store.add(patches[0])
        with pytest.raises(BadInput, match="1 of 2"):
            store.finish()
        with pytest.raises(BadInput, match="before it is finished"):
            store.rows(0, 3)


def test_a_mapped_file_is_what_holds_the_frame(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    grid = make_grid([0, 64], [0, 50], 0)
    with AlphaStore(grid, all_band(grid.frame)) as store:
        for patch in random_patches(grid, 1):
            store.add(patch)
        store.finish()
        stored = np.fromfile(next(Path(tmp_path).glob("*/*.u16")), np.uint16).reshape(50, 64)
        np.testing.assert_array_equal(stored, store.rows(0, 50))
