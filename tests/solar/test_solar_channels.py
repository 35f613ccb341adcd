import numpy as np
import pytest

from segtile.errors import BadInput
from segtile.solar import NEUTRAL, SOLAR_CHANNELS, AdaptiveCurve, channels, fold, network_channels
from segtile.solar.around import LEAST_SIGMA, MOST_SIGMA
from segtile.solar.channels import SIGNED_RANGE, needs_background

CURVE = AdaptiveCurve(np.full((4, 5, 3), 0.9, np.float32), np.full(3, 0.01, np.float32), 0.007, 0.05, 0.2, 0.1)


def test_channels_do_not_depend_on_the_window():
    rng = np.random.default_rng(3)
    rgb = rng.random((40, 50, 3), np.float32)
    tone = rng.random((40, 50), np.float32)
    names = ("solar4", *SOLAR_CHANNELS, "solar1")
    whole = channels(names, rgb, tone, CURVE)
    part = channels(names, rgb[10:30, 5:25], tone[10:30, 5:25], CURVE)
    np.testing.assert_array_equal(whole[10:30, 5:25], part)
    assert whole.shape == (40, 50, len(names))
    assert whole.dtype == np.float32


def test_ranges_and_order_are_as_documented():
    grey = np.linspace(0, 1, 4097, dtype=np.float32)
    rgb = np.repeat(grey[None, :, None], 3, axis=2)
    made = channels(SOLAR_CHANNELS, rgb, np.full((1, 4097), 0.9, np.float32), CURVE)[0]
    signed, *folded = made.T
    assert (signed.min(), signed.max()) == (-1, pytest.approx(0.1 / 0.007 / SIGNED_RANGE, rel=1e-3))
    assert (np.diff(signed) >= 0).all(), "the signed channel has no folds"
    for k, channel in enumerate(folded):
        assert channel.min() >= 0
        assert channel.max() <= 1
        assert channel[np.abs(grey - 0.9).argmin()] == pytest.approx(0.5, abs=2e-3)
        np.testing.assert_allclose(channel, CURVE.fold(grey - np.float32(0.9), k / 3), atol=1e-4)


def test_signed_counts_sigmas():
    rgb = np.full((1, 1, 3), 0.9 + 4 * 0.007, np.float32)
    found = channels(("signed",), rgb, np.full((1, 1), 0.9, np.float32), CURVE)
    assert found[0, 0, 0] * SIGNED_RANGE == pytest.approx(4, rel=1e-3)


def test_fixed_curves_need_no_background():
    assert not needs_background(("solar1", "solar6"))
    assert needs_background(("solar1", "signed"))
    rgb = np.full((2, 2, 3), 0.3, np.float32)
    assert channels(("solar6",), rgb)[0, 0, 0] == pytest.approx(float(fold("solar6", 0.3)), abs=1e-5)


@pytest.mark.parametrize(("names", "text"), [(("solar9",), "solar9"), (("signed",), "background")])
def test_refusals(names, text):
    with pytest.raises(BadInput, match=text):
        channels(names, np.zeros((2, 2, 3), np.float32))


def test_what_networks_see_is_neutral_at_the_background_and_without_one():
    rgb = np.full((3, 4, 3), 0.8, np.float32)
    for made in (network_channels(rgb, np.full((3, 4), 0.8, np.float32), 0.01), network_channels(rgb, None)):
        assert made.shape == (3, 4, len(SOLAR_CHANNELS))
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, np.broadcast_to(NEUTRAL, made.shape), atol=1e-6)


@pytest.mark.parametrize("sigma", [0.0, 0.004, 0.02, 3.0])
def test_what_networks_see_follows_from_colour_tone_and_noise(sigma):
    grey = np.linspace(0, 1, 4097, dtype=np.float32)
    rgb, tone = np.repeat(grey[None, :, None], 3, axis=2), np.full((1, 4097), 0.9, np.float32)
    made = network_channels(rgb, tone, sigma)
    usable = min(max(sigma, LEAST_SIGMA), MOST_SIGMA)
    straight = max(0.05, 6 * usable)
    curve = AdaptiveCurve(
        np.full((1, 1, 3), 0.9, np.float32), np.zeros(3), usable, straight, 1.25 * straight, 1.25 * straight
    )
    np.testing.assert_allclose(made, channels(SOLAR_CHANNELS, rgb, tone, curve), atol=1e-6)
    np.testing.assert_array_equal(made[:, 700:900], network_channels(rgb[:, 700:900], tone[:, 700:900], sigma))


def test_a_tone_that_does_not_fit_is_refused():
    with pytest.raises(BadInput, match="do not fit"):
        network_channels(np.zeros((4, 4, 3), np.float32), np.zeros((2, 2), np.float32), 0.01)
