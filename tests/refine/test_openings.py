from dataclasses import replace

import numpy as np
import pytest
from refine_scenes import coarse_from, compose, supersampled, whole

from segtile.refine import make_input
from segtile.refine.openings import close_bright, close_denied, close_edgeless, close_tinted, close_unsure
from segtile.types import Box, Tile

PAPER = np.array([0.94, 0.94, 0.93])
NOISE = np.full(3, 0.002, np.float32)


def disc(h, w, x0, y0, r):
    return supersampled(h, w, lambda x, y: np.hypot(x - x0, y - y0) < r)


def shaded_pearl(h=200, w=200):
    """A pearl whose shading passes through the paper's tone in one spot, and an alpha that is open there."""
    alpha = disc(h, w, 100, 100, 80)
    y, x = np.mgrid[:h, :w]
    shade = 0.04 * (1 - np.exp(-np.square(np.hypot(x - 80, y - 90) / 22.0)))
    picture = compose(alpha, PAPER - shade[..., None], PAPER, 0.002)
    found = np.minimum(alpha, 1 - disc(h, w, 80, 90, 8))
    return picture, alpha, found


def closed(picture, exact, found, tile=None):
    x = make_input(picture, coarse_from(exact, 1, PAPER, 0.002, reach=90), tile or whole(exact))
    tone = np.broadcast_to(PAPER.astype(np.float32), x.rgb.shape)
    box = x.tile.read
    return close_edgeless(found[box.slices].astype(np.float32), x, tone, NOISE)


def test_a_spot_of_the_backgrounds_tone_without_an_edge_is_closed():
    picture, exact, found = shaded_pearl()
    result = closed(picture, exact, found)
    assert result[75:105, 65:95].min() == 1
    np.testing.assert_array_equal(result[exact < 1], found[exact < 1], err_msg="the outer edge stays as it was")


@pytest.mark.parametrize("metal", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("radius", [2, 5, 12])
def test_a_real_opening_stays_open(metal, radius):
    exact = disc(160, 160, 80, 80, 60) - disc(160, 160, 75, 85, radius)
    picture = compose(exact, np.full(3, metal), PAPER, 0.002)
    np.testing.assert_array_equal(closed(picture, exact, exact), exact)


def test_openings_close_to_the_outer_edge_leave_it_alone():
    exact = disc(160, 160, 80, 80, 60)
    found = np.minimum(exact, 1 - disc(160, 160, 80, 25, 2.5))
    picture = compose(exact, PAPER - 0.005, PAPER, 0.0005)
    result = closed(picture, exact, found)
    assert result[25, 80] == 1
    outside = exact < 0.5
    np.testing.assert_array_equal(result[outside], found[outside])


def test_large_openings_and_notches_are_left():
    exact = disc(200, 200, 100, 100, 90)
    picture = compose(exact, PAPER - 0.001, PAPER, 0.0005)
    for opening in (disc(200, 200, 100, 100, 25), disc(200, 200, 100, 12, 12)):
        found = np.minimum(exact, 1 - opening)
        np.testing.assert_array_equal(closed(picture, exact, found), found.astype(np.float32))


def test_the_same_in_every_tile_that_sees_it_whole():
    picture, exact, found = shaded_pearl()
    whole_answer = closed(picture, exact, found)
    frame = Box.frame(200, 200)
    for read in (Box(20, 30, 200, 200), Box(0, 0, 130, 140), Box(40, 50, 120, 130)):
        part = closed(picture, exact, found, Tile(0, read, read & frame))
        np.testing.assert_array_equal(part, whole_answer[read.slices])


def test_where_a_tile_sees_it_cut_off_nothing_is_done():
    picture, exact, found = shaded_pearl()
    read = Box(78, 0, 200, 200)
    part = closed(picture, exact, found, Tile(0, read, read))
    np.testing.assert_array_equal(part, found[read.slices].astype(np.float32))


def denied(exact, found, scale=1, tile=None, doubt=None):
    """What is left of `found` over a map of `exact`, at one place less sure of the object."""
    coarse = coarse_from(exact, scale, PAPER, 0.002, reach=90)
    if doubt is not None:
        coarse.prob[doubt] = 0.7
    x = make_input(compose(exact, np.full(3, 0.5), PAPER, 0.002), coarse, tile or whole(exact))
    return close_denied(found[x.tile.read.slices].astype(np.float32), x)


@pytest.mark.parametrize("least", [0.04, 0.4])
def test_an_opening_that_the_map_knows_nothing_of_is_closed(least):
    exact = disc(200, 200, 100, 100, 80)
    found = np.minimum(exact, np.maximum(1 - disc(200, 200, 80, 90, 8), least))
    np.testing.assert_allclose(denied(exact, found), exact, atol=1e-6)


@pytest.mark.parametrize(
    ("seen", "paper", "stays"),
    [
        (0.8 * PAPER, PAPER, True),  # paper in a deep shadow
        (PAPER, PAPER, True),
        (np.minimum(1.06 * PAPER, 1), PAPER, False),  # a highlight
        ((0.8, 0.7, 0.75), PAPER, False),  # a stone
        (np.full(3, 0.05), np.full(3, 0.06), False),  # too dark to tell
    ],
)
def test_where_the_network_has_no_doubt_paper_in_shadow_stays_open_though_the_map_denies_it(seen, paper, stays):
    exact, spot = disc(160, 160, 80, 80, 60), disc(160, 160, 75, 85, 6)
    colours = 0.5 * (1 - spot[..., None]) + spot[..., None] * np.asarray(seen)
    x = tile_input(compose(exact, colours, paper, 0.002), exact, tone=paper)
    found = (exact - spot).astype(np.float32)
    np.testing.assert_allclose(close_denied(found, x), found if stays else exact, atol=1e-6)
    unsure = np.where(spot > 0.5, np.float32(0.04), found)
    assert close_denied(unsure, x)[85, 75] == 1
    unknown = replace(x, background=None)
    assert close_denied(found, unknown)[85, 75] == 1


def test_an_opening_of_which_the_map_doubts_one_cell_stays_open():
    exact = disc(200, 200, 100, 100, 80)
    found = np.minimum(exact, 1 - disc(200, 200, 80, 90, 8)).astype(np.float32)
    np.testing.assert_array_equal(denied(exact, found, doubt=(92, 83)), found)


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("radius", [2.5, 5, 12])
def test_a_true_opening_stays_open_at_any_size_of_the_cells(scale, radius):
    exact = (disc(160, 160, 80, 80, 60) - disc(160, 160, 76, 86, radius)).astype(np.float32)
    np.testing.assert_array_equal(denied(exact, exact, scale), exact)


def test_denied_openings_that_are_large_or_that_a_neighbour_sees_whole_are_left():
    exact = disc(200, 200, 100, 100, 90)
    large = np.minimum(exact, 1 - disc(200, 200, 100, 100, 25)).astype(np.float32)
    np.testing.assert_array_equal(denied(exact, large), large)
    small = np.minimum(exact, 1 - disc(200, 200, 100, 100, 8)).astype(np.float32)
    read = Box(85, 0, 200, 200)  # the opening lies 7 px from where this tile was cut off
    np.testing.assert_array_equal(denied(exact, small, tile=Tile(0, read, read)), small[read.slices])


def tile_input(picture, exact, tile=None, tone=PAPER):
    """What a refiner sees of a picture whose coarse map is exact."""
    return make_input(picture, coarse_from(exact, 1, tone, 0.002, reach=90), tile or whole(exact))


def in_grey(exact):
    return compose(exact, np.full(3, 0.5), PAPER, 0.002)


@pytest.mark.parametrize("least", [0.07, 0.12, 0.3, 0.45])
def test_an_opening_that_is_nowhere_surely_open_is_closed(least):
    exact = disc(160, 160, 80, 80, 60)
    found = np.minimum(exact, np.maximum(1 - disc(160, 160, 90, 70, 5), least)).astype(np.float32)
    np.testing.assert_allclose(close_unsure(found, tile_input(in_grey(exact), exact)), exact, atol=1e-6)


@pytest.mark.parametrize("radius", [1.5, 2, 5, 12])
def test_a_true_opening_is_surely_open_somewhere_and_stays(radius):
    exact = (disc(160, 160, 80, 80, 60) - disc(160, 160, 76.5, 86.5, radius)).astype(np.float32)
    np.testing.assert_array_equal(close_unsure(exact, tile_input(in_grey(exact), exact)), exact)


def test_closing_beside_the_outer_edge_leaves_that_as_it_is():
    exact = disc(160, 160, 80, 80, 60).astype(np.float32)
    found = np.minimum(exact, np.maximum(1 - disc(160, 160, 80, 25, 2.5), 0.3)).astype(np.float32)
    result = close_unsure(found, tile_input(in_grey(exact), exact))
    assert result[25, 80] == 1
    np.testing.assert_array_equal(result[exact < 0.5], found[exact < 0.5])


def coloured_spot(colour):
    """A grey disc with a spot of a colour, its alpha, and one that is open at the spot."""
    exact, spot = disc(160, 160, 80, 80, 60), disc(160, 160, 75, 85, 6)
    colours = 0.5 * (1 - spot[..., None]) + spot[..., None] * np.asarray(colour)
    return compose(exact, colours, PAPER, 0.002), exact.astype(np.float32), (exact - spot).astype(np.float32)


def test_an_opening_through_which_a_stone_shows_is_closed():
    picture, exact, found = coloured_spot((0.6, 0.3, 0.5))
    np.testing.assert_allclose(close_tinted(found, tile_input(picture, exact)), exact, atol=1e-6)


@pytest.mark.parametrize("light", [0.2, 0.5, 0.8, 1.0, 1.05])
def test_an_opening_through_which_paper_in_any_shade_is_seen_stays(light):
    picture, exact, found = coloured_spot(np.minimum(light * PAPER, 1))
    np.testing.assert_array_equal(close_tinted(found, tile_input(picture, exact)), found)


@pytest.mark.parametrize(("light", "stays"), [(0.5, True), (1.0, True), (1.02, True), (1.06, False)])
def test_an_opening_that_is_lighter_than_the_paper_is_a_highlight(light, stays):
    picture, exact, found = coloured_spot(np.minimum(light * PAPER, 1))
    x = tile_input(picture, exact)
    np.testing.assert_allclose(close_bright(found, x), found if stays else exact, atol=1e-6)
    assert close_bright(found, replace(x, background=None)) is found
    # noise that hides such a difference
    np.testing.assert_array_equal(close_bright(found, replace(x, noise=np.full(3, 0.03, np.float32))), found)


def test_a_coloured_background_is_no_tint_of_its_own():
    felt = np.array([0.25, 0.5, 0.3])
    exact = disc(160, 160, 80, 80, 60)
    found = (exact - disc(160, 160, 75, 85, 6)).astype(np.float32)
    x = tile_input(compose(found, np.full(3, 0.5), felt, 0.002), exact, tone=felt)
    np.testing.assert_array_equal(close_tinted(found, x), found)


def test_without_a_known_background_no_tint_is_told():
    picture, exact, found = coloured_spot((0.6, 0.3, 0.5))
    x = replace(tile_input(picture, exact), background=None)
    np.testing.assert_array_equal(close_tinted(found, x), found)


@pytest.mark.parametrize(
    ("close", "colour"), [(close_unsure, (0.6, 0.3, 0.5)), (close_tinted, (0.6, 0.3, 0.5)), (close_bright, (1, 1, 1))]
)
def test_every_tile_that_sees_an_opening_whole_closes_it_alike(close, colour):
    picture, exact, found = coloured_spot(colour)
    found = np.where(found < 0.3, np.float32(0.3), found)
    answer = close(found, tile_input(picture, exact))
    assert answer.min() == pytest.approx(0.3)
    assert answer[85, 75] == 1
    for read in (Box(20, 30, 160, 160), Box(0, 0, 120, 130), Box(59, 40, 160, 160), Box(0, 0, 92, 102)):
        part = tile_input(picture, exact, Tile(0, read, read & Box.frame(160, 160)))
        np.testing.assert_array_equal(close(found[read.slices], part), answer[read.slices])
