import numpy as np
import pytest

from segtile.errors import BadInput
from segtile.solar import SOLAR_CHANNELS, AdaptiveCurve, channels, fold
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
