from dataclasses import replace

import numpy as np
import pytest
from refine_scenes import coarse_from, compose, supersampled, whole

from segtile.refine import get_refiner, make_input
from segtile.refine.background import follow_background
from segtile.types import Box, CoarseMap, Tile

GOLD = np.array([0.72, 0.55, 0.25])
PAPER = np.array([0.94, 0.94, 0.93])


def refine(picture, coarse, tile, name="matting"):
    return get_refiner(name).refine(make_input(picture, coarse, tile))


def ring(h=240, w=320, outer=90, inner=55):
    return supersampled(h, w, lambda x, y: (np.hypot(x - 160, y - 120) < outer) & (np.hypot(x - 160, y - 120) >= inner))


@pytest.mark.parametrize("modelled", [True, False])
@pytest.mark.parametrize("scale", [1, 3, 6])
def test_the_edge_is_found_to_a_fraction_of_a_pixel(scale, modelled):
    alpha = ring()
    picture = compose(alpha, GOLD, PAPER, 0.004)
    coarse = coarse_from(alpha, scale, PAPER if modelled else None, 0.004)
    patch = refine(picture, coarse, whole(alpha))
    rough = refine(picture, coarse, whole(alpha), "none")
    assert patch.notes == ()
    error, rough_error = (np.abs(p.alpha - alpha).mean() for p in (patch, rough))
    assert error < 2e-3
    assert scale == 1 or error < 0.25 * rough_error
    wrong = (patch.alpha >= 0.5) != (alpha >= 0.5)
    assert wrong.sum() < 0.02 * ((alpha > 0) & (alpha < 1)).sum()
    assert (patch.alpha[100:140, 140:180] == 0).all(), "the hole is open"


@pytest.mark.parametrize("name", ["matting", "none"])
def test_outside_the_band_the_coarse_answer_stands_exactly(name):
    alpha = ring()
    picture = compose(alpha, GOLD, PAPER, 0.004)
    coarse = coarse_from(alpha, 3, PAPER, 0.004)
    x = make_input(picture, coarse, whole(alpha))
    patch = get_refiner(name).refine(x)
    np.testing.assert_array_equal(patch.alpha[~x.band], (x.prob >= 0.5)[~x.band])
    assert patch.alpha.dtype == patch.trust.dtype == np.float32
    assert patch.alpha.min() >= 0
    assert patch.alpha.max() <= 1
    assert patch.trust.min() > 0


def test_no_haze_and_no_pinholes():
    alpha = ring()
    coarse = coarse_from(alpha, 4, PAPER, 0.006)
    patch = refine(compose(alpha, GOLD, PAPER, 0.006), coarse, whole(alpha))
    far = np.abs(np.hypot(*np.ogrid[-120:120, -160:160]) - 72.5) - 17.5
    assert (patch.alpha[far > 4] == 0).all()
    assert (patch.alpha[far < -4] == 1).all()


def test_a_strand_thinner_than_the_band_survives():
    """1.6 px wide, with no certain inside anywhere: it is known by its difference from the background alone."""
    h, w = 160, 260
    alpha = supersampled(h, w, lambda x, y: np.abs(y - 80 - 30 * np.sin(x / 40)) < 0.8)
    coarse = coarse_from(alpha, 4, PAPER, 0.003)
    assert not ((coarse.prob >= 0.5) & ~coarse.unsure).any()
    patch = refine(compose(alpha, GOLD, PAPER, 0.003), coarse, whole(alpha))
    crest = 80 + 30 * np.sin((np.arange(w) + 0.5) / 40)
    on_strand = patch.alpha[np.floor(crest).astype(int), np.arange(w)]
    assert (on_strand > 0.4).mean() > 0.98
    assert abs(patch.alpha.sum() / alpha.sum() - 1) < 0.25
    assert (patch.alpha > 0.1)[np.abs(np.arange(h)[:, None] - crest) > 4].mean() < 1e-3


def test_small_openings_stay_open():
    """Links of a chain whose openings, 6 px wide, are smaller than two cells of the map."""
    h, w = 120, 260

    def chain(x, y):
        along = (x % 26) - 13
        return (np.hypot(along / 1.6, y - 60) < 8) & (np.hypot(along / 1.9, y - 60) >= 3)

    alpha = supersampled(h, w, chain)
    coarse = coarse_from(alpha, 4, PAPER, 0.003)
    patch = refine(compose(alpha, GOLD, PAPER, 0.003), coarse, whole(alpha))
    middles = patch.alpha[60, 13::26]
    assert len(middles) == 10
    assert (middles < 0.1).all()


@pytest.mark.parametrize("depth", [0.06, 0.1])
def test_a_soft_shadow_is_background(depth):
    alpha = ring()
    shadow = np.exp(-((np.hypot(*np.ogrid[-150:90, -160:160]) - 72.5) ** 2) / 900)
    back = PAPER * (1 - depth * shadow[..., None])
    coarse = coarse_from(alpha, 4, PAPER, 0.003)
    patch = refine(compose(alpha, GOLD, back, 0.003), coarse, whole(alpha))
    away = np.abs(np.hypot(*np.ogrid[-120:120, -160:160]) - 72.5) - 17.5 > 2.5
    assert (patch.alpha[away] > 0).mean() < 2e-3
    assert np.abs(patch.alpha - alpha).mean() < 2e-3


@pytest.mark.parametrize(("contrast", "noise", "dtype"), [(0.04, 0.003, np.uint8), (0.012, 0.0008, np.uint16)])
def test_white_on_white_is_found(contrast, noise, dtype):
    alpha = ring(inner=40)
    picture = compose(alpha, PAPER - contrast, PAPER, noise, dtype)
    coarse = coarse_from(alpha, 3, PAPER, noise)
    patch = refine(picture, coarse, whole(alpha))
    both, either = ((f(patch.alpha >= 0.5, alpha >= 0.5)).sum() for f in (np.logical_and, np.logical_or))
    assert both / either > 0.97


def test_the_background_is_followed_to_the_edge_and_no_further():
    alpha = ring()
    y = np.linspace(0, 1, 240)[:, None, None]
    back = PAPER * (1 - 0.1 * y)
    x = make_input(compose(alpha, GOLD, back, 0.003), coarse_from(alpha, 4, PAPER, 0.003), whole(alpha))
    local = follow_background(x)
    empty = x.band & (alpha == 0)
    assert local.reached[empty].mean() > 0.75
    assert not local.reached[alpha > 0.1].any()
    assert np.abs(local.tone - back)[empty].mean() < 0.005


def test_a_tile_without_a_band_is_its_constants():
    frame = Box.frame(64, 48)
    prob = np.zeros((24, 32), np.float32)
    prob[:, 16:] = 1
    nothing = np.zeros(prob.shape, bool)
    coarse = CoarseMap(prob, nothing, prob.astype(np.int32), 2.0, frame, "test")
    patch = refine(compose(np.zeros((48, 64)), GOLD, PAPER), coarse, Tile(0, frame, frame))
    np.testing.assert_array_equal(patch.alpha, np.repeat([[0.0, 1.0]], 32, axis=1).repeat(48, axis=0))


def test_a_tile_that_is_all_band_gives_a_finite_answer_near_the_coarse_one():
    alpha = ring()
    coarse = coarse_from(alpha, 2)
    every = CoarseMap(coarse.prob, np.ones_like(coarse.unsure), coarse.labels, 2.0, coarse.frame, "test")
    patch = refine(compose(alpha, GOLD, PAPER, 0.004), every, whole(alpha))
    assert np.isfinite(patch.alpha).all()
    assert ((patch.alpha >= 0.5) == (alpha >= 0.5)).mean() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 3)])
def test_tiny_pictures_do_not_break(shape):
    alpha = np.zeros(shape, np.float32)
    frame = Box.frame(shape[1], shape[0])
    half = np.full(shape, 0.5, np.float32)
    unsure = np.ones(shape, bool)
    unsure[0, 0] = False
    prob = half.copy()
    prob[0, 0] = 0
    coarse = CoarseMap(prob, unsure, np.ones(shape, np.int32), 1.0, frame, "test")
    patch = refine(compose(alpha, GOLD, PAPER), coarse, Tile(0, frame, frame))
    assert np.isfinite(patch.alpha).all()


def test_trust_falls_where_the_picture_was_cut_off_and_only_there():
    frame = Box.frame(300, 200)
    core = Box(100, 0, 200, 200)
    alpha = np.zeros((200, 300), np.float32)
    tile = Tile(0, core, core.expand(64, frame))
    trust = refine(compose(alpha, GOLD, PAPER), coarse_from(alpha, 2, PAPER), tile).trust
    assert (trust[:, 60:-60] == 1).all(), "a core and the frame's own border"
    assert (trust[:, :8] < 0.01).all()
    assert (np.diff(trust[0, :100]) >= 0).all()


def test_nothing_is_printed(capfd):
    alpha = ring()
    refine(compose(alpha, GOLD, PAPER, 0.02), coarse_from(alpha, 4), whole(alpha))
    assert capfd.readouterr() == ("", "")


def notched():
    """A bar with notches 4 px wide in its border, and the shadow that fills them, as dark as the bar."""
    bar = supersampled(160, 240, lambda x, y: (np.abs(y - 80 + 0 * x) < 30) & ((y > 56) | (np.mod(x, 12) > 4)))
    full = supersampled(160, 240, lambda x, y: np.abs(y - 80 + 0 * x) < 30)[..., None]
    return bar, compose(bar, 0.4 * GOLD, PAPER * (1 - 0.9 * full) + 0.9 * full * 0.4 * GOLD, 0.003)


def test_shadow_in_a_notch_is_background_where_the_coarse_pass_is_sure():
    bar, picture = notched()
    sure = replace(coarse_from(bar, 1, PAPER, 0.003), graded=True)
    x = make_input(picture, sure, whole(bar))
    patch = get_refiner("matting").refine(x)
    notch = x.band & (x.prob < 0.1) & (np.abs(np.arange(160) - 53.5) < 2)[:, None]
    assert notch.sum() > 200
    assert (patch.alpha[notch] == 0).all()
    unsure = replace(sure, prob=np.where(sure.unsure, np.clip(sure.prob, 0.3, 0.7), sure.prob).astype(np.float32))
    other = refine(picture, unsure, whole(bar))
    assert (other.alpha[notch] > 0.5).mean() > 0.8  # colours alone take it for the bar
    plain = refine(picture, replace(sure, graded=False), whole(bar))
    assert (plain.alpha[notch] > 0.5).mean() > 0.8  # no shades of certainty: nothing to rely on


def test_where_a_cell_holds_many_pixels_the_coarse_pass_is_sure_of_none():
    """A strand that a coarse map of 5 px cells has lost is found in its band; with small cells it is not."""
    strand = supersampled(160, 240, lambda x, y: np.abs(y - 80 + 0 * x) < 1.5)
    picture = compose(strand, GOLD, PAPER, 0.003)
    for scale, found in ((5, True), (2, False)):
        coarse = coarse_from(strand, scale, PAPER, 0.003)
        lost = replace(coarse, prob=np.full_like(coarse.prob, 0.05), graded=True)
        middle = refine(picture, lost, whole(strand)).alpha[79:81, 20:-20]
        assert (middle > 0.9).all() if found else (middle == 0).all()
