import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_plans import grids, make_grid

from segtile.merge.weights import WEIGHT_TOP, integer_weights, shares, window


@settings(max_examples=40, deadline=None)
@given(grid=grids())
def test_shares_sum_to_one_wherever_a_tile_reads(grid):
    parts = shares(grid.tiles, grid.frame)
    total = np.sum([share.astype(np.float64) for _, share in parts], axis=0)
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    for tile, share in parts:
        outside = np.ones(share.shape, bool)
        outside[tile.read.slices] = False
        assert not share[outside].any()
        most = np.max([other[tile.core.slices] for _, other in parts], axis=0)
        assert (share[tile.core.slices] >= most - 1e-6).all(), "in its core no tile counts more than its own"


@settings(max_examples=40, deadline=None)
@given(grid=grids())
def test_a_window_is_one_in_its_core_and_never_zero(grid):
    for tile in grid.tiles:
        weight = window(tile)
        assert weight.shape == (tile.read.height, tile.read.width)
        assert (weight[tile.core.within(tile.read).slices] == 1).all()
        assert weight.min() > 0
        assert integer_weights(tile, np.full(weight.shape, 1e-9, np.float32)).min() == 1


def test_the_ramp_is_linear_over_the_halo_and_absent_at_the_frame():
    left, right = make_grid([0, 50, 100], [0, 30], 10).tiles
    across = window(left)[0]
    np.testing.assert_allclose(across[:50], 1.0)
    np.testing.assert_allclose(across[50:], (np.arange(10)[::-1] + 0.5) / 10)
    np.testing.assert_allclose(window(right)[0], across[::-1])


def test_trust_scales_the_weight_and_more_than_one_counts_as_one():
    tile = make_grid([0, 40], [0, 40], 0).tiles[0]
    trust = np.full((40, 40), 0.25, np.float32)
    trust[0] = 7.0
    weights = integer_weights(tile, trust)
    assert (weights[0] == WEIGHT_TOP).all()
    np.testing.assert_allclose(weights[1:] / WEIGHT_TOP, 0.25, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(grid=grids(), x=st.integers(0, 60), y=st.integers(0, 60))
def test_shares_of_a_part_are_those_of_the_whole(grid, x, y):
    whole = dict(shares(grid.tiles, grid.frame))
    box = type(grid.frame)(x, y, x + 30, y + 30) & grid.frame
    if box.empty:
        return
    for tile, share in shares(grid.tiles, box):
        np.testing.assert_array_equal(share, whole[tile][box.slices])
