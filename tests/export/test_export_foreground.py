"""The colours under the soft edge: no fringe, nothing explodes, the same however the picture is cut into windows."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.export import estimate_foreground
from segtile.export.alpha import to_depth
from segtile.export.colour import choose_colours
from segtile.export.compose import Composer
from segtile.export.foreground import ALIGN, REACH
from segtile.export.options import ExportOptions
from segtile.types import no_progress


def fringe(colour, scene, chosen):
    """Mean difference to the truth over black, in 1/255."""
    a = scene.alpha[chosen][:, None]
    return float(np.abs(colour[chosen] * a - scene.gold[chosen] * a).mean() * 255)


def test_fringe_on_black_all_but_vanishes(disc):
    soft = (disc.alpha > 0) & (disc.alpha < 1)
    found = estimate_foreground(disc.at(np.uint8).astype(np.float32) / 255, disc.alpha.astype(np.float32))
    before, after = fringe(disc.shot, disc, soft), fringe(found, disc, soft)
    assert before > 15
    assert after < before / 20


def test_fringe_shrinks_with_an_alpha_that_is_a_little_wrong(disc):
    shaky = np.clip(cv2.GaussianBlur(disc.alpha, (0, 0), 0.7) * 1.1 - 0.05, 0, 1).astype(np.float32)
    soft = (shaky > 0.05) & (shaky < 0.95)
    found = estimate_foreground(disc.shot.astype(np.float32), shaky)
    error_before = np.abs(disc.shot[soft] - disc.gold[soft]).mean()
    error_after = np.abs(found[soft] - disc.gold[soft]).mean()
    assert error_after < error_before / 2.5


@pytest.mark.parametrize("name", ["earrings_chandbali", "ring_gold_bypass", "necklace_pearl_charms"])
def test_real_cutouts_on_white_get_their_colours_back(shared, name):
    picture = cv2.imread(str(shared / "samples" / "cutouts" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    picture = picture[:600, :600].astype(np.float32) / 255
    truth, alpha = picture[..., :3], picture[..., 3]
    shot = np.rint((truth * alpha[..., None] + 1 - alpha[..., None]) * 255).astype(np.float32) / 255
    soft = (alpha > 0.05) & (alpha < 0.95)
    assert soft.sum() > 500
    weight = alpha[soft][:, None]
    found = estimate_foreground(shot, alpha)
    before = (np.abs(shot[soft] - truth[soft]) * weight).mean()
    after = (np.abs(found[soft] - truth[soft]) * weight).mean()
    assert after < before / 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3, 4]))
def test_colours_stay_in_range_and_finite_for_any_input(seed, height, width, bands):
    rng = np.random.default_rng(seed)
    colour = rng.choice([0.0, 1.0, 0.5], (height, width, bands)).astype(np.float32)
    alpha = rng.choice([0, 1e-5, 0.01, 0.02, 0.5, 1], (height, width)).astype(np.float32)
    found = estimate_foreground(colour, alpha)
    assert found.shape == colour.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_tiny_alpha_takes_the_colour_of_its_neighbours():
    """1 % of dark red on white is white to within a step of 8 bits; division by alpha would give any colour at all."""
    colour = np.ones((40, 60, 3), np.float32)
    colour[:, :30] = (0.4, 0.05, 0.1)
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, :30], alpha[:, 30:34] = 1, 0.01
    found = estimate_foreground(colour, alpha)
    assert np.abs(found[:, 30:34] - (0.4, 0.05, 0.1)).max() < 0.05


def test_everything_soft_keeps_its_own_colours():
    """Glass: with no bare background in reach there is nothing to subtract."""
    rng = np.random.default_rng(3)
    colour = np.clip(0.6 + 0.1 * rng.standard_normal((80, 80, 3)), 0, 1).astype(np.float32)
    found = estimate_foreground(colour, np.full((80, 80), 0.6, np.float32))
    assert np.abs(found.mean((0, 1)) - colour.mean((0, 1))).max() < 0.02


def test_the_result_in_a_window_does_not_depend_on_what_lies_beyond_its_reach():
    rng = np.random.default_rng(5)
    size, cut = 4 * REACH, 2 * REACH
    colour = rng.random((size, size, 3), dtype=np.float32)
    alpha = np.clip(rng.standard_normal((size, size)) + 0.5, 0, 1).astype(np.float32)
    whole = estimate_foreground(colour, alpha)
    start = cut - REACH
    assert start % ALIGN == 0
    part = estimate_foreground(colour[start:], alpha[start:])[REACH:]
    np.testing.assert_array_equal(part, whole[cut:])
    part = estimate_foreground(colour[:, start:], alpha[:, start:])[:, REACH:]
    assert np.abs(part - whole[:, cut:]).max() < 2e-6


@settings(max_examples=8, deadline=None)
@given(height=st.integers(9, 120), dtype=st.sampled_from([np.uint8, np.uint16]), background=st.booleans())
def test_strips_of_any_height_give_the_same_picture(disc, raster_of, alpha_of, height, dtype, background):
    raster, levels = raster_of(disc.at(dtype)[:180, :260]), disc.levels[:180, :260]
    colours = choose_colours(raster, ExportOptions())
    base = np.array([0.2, 0.4, 0.6], np.float32) if background else None
    bits = np.dtype(dtype).itemsize * 8
    composer = Composer(raster, alpha_of(levels), colours, raster.info.frame, bits, base, True)
    whole = np.concatenate(list(composer.strips(no_progress, raster.info.height))).astype(np.int64)
    strips = np.concatenate(list(composer.strips(no_progress, height))).astype(np.int64)
    assert np.abs(whole - strips).max() <= (1 if bits == 8 else 4)


@given(st.integers(0, 65535))
def test_depth_goes_up_and_down_without_loss_at_the_ends(value):
    down = to_depth(np.array([value], np.uint16), 8)
    assert abs(int(down[0]) - value / 257) <= 0.5
    assert to_depth(to_depth(down, 16), 8)[0] == down[0]
    assert to_depth(np.array([0, 65535], np.uint16), 8).tolist() == [0, 255]
    assert to_depth(np.array([0, 255], np.uint8), 16).tolist() == [0, 65535]
