import numpy as np
import pytest

from segtile.errors import BadInput
from segtile.solar import NEUTRAL, SOLAR_CHANNELS, AdaptiveCurve, fold, luma_of, network_channels
from segtile.solar.channels import (
    EDGE_CHANNELS,
    LEAST_SIGMA,
    MOST_SIGMA,
    SIGNED_RANGE,
    VIEW_CHANNELS,
    curve_channels,
    needs_background,
    needs_curve,
)


def greys(count: int = 4097) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every tone in a row, (count,) and as (1, count, 3), before a background of 0.9."""
    grey = np.linspace(0, 1, count, dtype=np.float32)
    return grey, np.repeat(grey[None, :, None], 3, axis=2), np.full((1, count), 0.9, np.float32)


def test_channels_do_not_depend_on_the_window():
    rng = np.random.default_rng(3)
    rgb = rng.random((40, 50, 3), np.float32)
    tone = rng.random((40, 50), np.float32)
    names = ("solar4", *SOLAR_CHANNELS, "solar1")
    whole = network_channels(rgb, tone, 0.01, names)
    part = network_channels(rgb[10:30, 5:25], tone[10:30, 5:25], 0.01, names)
    np.testing.assert_array_equal(whole[10:30, 5:25], part)
    assert whole.shape == (40, 50, len(names))
    assert whole.dtype == np.float32


@pytest.mark.parametrize("sigma", [0.0, 0.004, 0.02, 3.0])
def test_ranges_order_and_folds_are_as_documented(sigma):
    grey, rgb, tone = greys()
    signed, *folded = network_channels(rgb, tone, sigma)[0].T
    used = min(max(sigma, LEAST_SIGMA), MOST_SIGMA)
    low, high = (float(np.clip(x / used / SIGNED_RANGE, -1, 1)) for x in (grey.min() - 0.9, grey.max() - 0.9))
    assert (signed.min(), signed.max()) == (pytest.approx(low, rel=1e-3), pytest.approx(high, rel=1e-3))
    assert (np.diff(signed) >= 0).all(), "the signed channel has no folds"
    straight = max(0.05, 6 * used)
    flat = np.zeros((1, 1, 3), np.float32)
    curve = AdaptiveCurve(flat, np.zeros(3, np.float32), used, straight, 1.25 * straight, 1.25 * straight)
    for k, channel in enumerate(folded):
        assert channel.min() >= 0
        assert channel.max() <= 1
        assert channel[np.abs(grey - 0.9).argmin()] == pytest.approx(0.5, abs=2e-3)
        np.testing.assert_allclose(channel, curve.fold(grey - np.float32(0.9), k / 3), atol=1e-6)


def test_signed_counts_sigmas():
    rgb = np.full((1, 1, 3), 0.9 + 4 * 0.007, np.float32)
    found = network_channels(rgb, np.full((1, 1), 0.9, np.float32), 0.007, ("signed",))
    assert found[0, 0, 0] * SIGNED_RANGE == pytest.approx(4, rel=1e-3)


def test_all_are_neutral_at_the_background_and_without_one():
    rgb = np.full((3, 4, 3), 0.8, np.float32)
    for made in (network_channels(rgb, np.full((3, 4), 0.8, np.float32), 0.01), network_channels(rgb, None)):
        assert made.shape == (3, 4, len(SOLAR_CHANNELS))
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, np.broadcast_to([NEUTRAL[n] for n in SOLAR_CHANNELS], made.shape), atol=1e-6)


def test_fixed_curves_need_no_background():
    assert not needs_background(("solar1", "solar6"))
    assert needs_background(("solar1", "signed"))
    rgb = np.full((2, 2, 3), 0.3, np.float32)
    made = network_channels(rgb, None, names=("solar6",))
    assert made[0, 0, 0] == pytest.approx(float(fold("solar6", 0.3)), abs=1e-5)


@pytest.mark.parametrize(
    ("tone", "sigma", "names", "text"),
    [
        (np.zeros((4, 4), np.float32), 0.01, ("solar9",), "solar9"),
        (np.zeros((2, 2), np.float32), 0.01, SOLAR_CHANNELS, "do not fit"),
        (np.zeros((4, 4), np.float32), float("nan"), SOLAR_CHANNELS, "do not fit"),
    ],
)
def test_refusals(tone, sigma, names, text):
    with pytest.raises(BadInput, match=text):
        network_channels(np.zeros((4, 4, 3), np.float32), tone, sigma, names)


def test_a_pictures_own_curve_shows_its_colours_and_its_luma_at_three_phases():
    rng = np.random.default_rng(3)
    rgb, tone = rng.random((20, 30, 3), np.float32), np.full((20, 30, 3), (0.9, 0.88, 0.86), np.float32)
    curve = AdaptiveCurve(tone, np.full(3, 0.002, np.float32), 0.002, 0.02, 0.03, 0.04)
    names = (*EDGE_CHANNELS, *VIEW_CHANNELS)
    shown = curve_channels(rgb, tone, curve, names)
    assert shown.dtype == np.float32
    assert shown.min() >= 0
    assert shown.max() <= 1
    np.testing.assert_array_equal(shown[5:9, 4:7], curve_channels(rgb[5:9, 4:7], tone[5:9, 4:7], curve, names))
    for k in range(3):
        np.testing.assert_allclose(shown[..., k], curve.fold(luma_of(rgb) - luma_of(tone), k / 3), atol=1e-6)
        np.testing.assert_allclose(shown[..., 3 + k], curve.fold(rgb[..., k] - tone[..., k]), atol=1e-6)
    np.testing.assert_allclose(curve_channels(tone, tone, curve, names), 0.5, atol=1e-6)
    assert needs_curve(names)
    assert not needs_curve(SOLAR_CHANNELS)
    with pytest.raises(BadInput, match="adaptive"):
        curve_channels(rgb, tone, curve, ("adaptive",))
