"""The order of sequential context: anti-diagonals of a regular grid, and nobody sees what is not finished."""

from __future__ import annotations

from fractions import Fraction

import pytest
from edit_scenes import coarse_with

from segtile.edit.context import at_once, wavefront
from segtile.edit.plan import plan_aligned_edit, plan_uniform_edit
from segtile.edit.store import TileStore
from segtile.errors import BadInput
from segtile.types import Box, Tile


def test_a_regular_grid_runs_in_anti_diagonals():
    plan = plan_uniform_edit(Box.frame(900, 700), 200, 20, 0, Fraction(1))
    columns = len({t.core.x0 for t in plan.tiles})
    rows = len({t.core.y0 for t in plan.tiles})
    order = wavefront(plan.tiles, plan.windows)
    assert len(order.waves) == columns + rows - 1
    for number, wave in enumerate(order.waves):
        assert all(index % columns + index // columns == number for index in wave)
    middle = columns + 1
    assert set(order.sees[middle]) == {0, 1, columns}


@pytest.mark.parametrize("things", [[Box(90, 90, 200, 180)], [Box(10, 150, 100, 260), Box(220, 30, 330, 120)]])
def test_on_any_cutting_everything_runs_once_and_sees_only_what_is_finished(things):
    plan = plan_aligned_edit(coarse_with(Box.frame(520, 430), things), 160, 12, 0, Fraction(1))
    order = wavefront(plan.tiles, plan.windows)
    assert sorted(i for wave in order.waves for i in wave) == list(range(len(plan.tiles)))
    finished = {index: number for number, wave in enumerate(order.waves) for index in wave}
    for i, seen in enumerate(order.sees):
        for j in seen:
            assert finished[j] < finished[i]
            assert not (plan.tiles[j].core & plan.windows[i]).empty
    for tile in plan.tiles:
        above = [
            t.index
            for t in plan.tiles
            if t.core.y1 == tile.core.y0 and t.core.x0 < tile.core.x1 and tile.core.x0 < t.core.x1
        ]
        assert set(above) <= set(order.sees[tile.index])


def test_without_context_all_run_at_once():
    order = at_once(5)
    assert order.waves == ((0, 1, 2, 3, 4),)
    assert order.sees == ((),) * 5


def test_a_store_gives_back_what_it_was_given_and_nothing_else():
    import numpy as np

    frame = Box.frame(50, 40)
    tiles = [Tile(0, Box(0, 0, 30, 40), Box(0, 0, 35, 40)), Tile(1, Box(30, 0, 50, 40), Box(25, 0, 50, 40))]
    rng = np.random.default_rng(0)
    with TileStore(tiles, frame, 3, np.dtype(np.uint16)) as store:
        with pytest.raises(BadInput, match="tile 1 has not been written"):
            store.read(1)
        pixels = rng.integers(0, 65536, (40, 25, 3)).astype(np.uint16)
        store.write(1, pixels)
        np.testing.assert_array_equal(store.read(1), pixels)
        np.testing.assert_array_equal(store.read(1, Box(30, 5, 33, 9)), pixels[5:9, 5:8])
        assert store.read(1, Box(30, 5, 30, 9)).shape == (4, 0, 3)
        with pytest.raises(BadInput, match="outside tile 1"):
            store.read(1, Box(20, 0, 30, 10))
        with pytest.raises(BadInput, match="tile 0 is uint8"):
            store.write(0, np.zeros((40, 35, 3), np.uint8))
        with pytest.raises(BadInput, match="rows 0"):
            store.write_rows(iter([(1, np.zeros((3, 35, 3), np.uint16))]))
