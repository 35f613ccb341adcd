import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.solar import CURVES, SIGNED_RANGE, channels, fold


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_goes_through_its_points(name):
    points = np.array(CURVES[name]) / 255
    assert fold(name, points[:, 0]) == pytest.approx(points[:, 1], abs=1e-6)


@given(st.sampled_from(sorted(CURVES)), st.floats(0, 1))
def test_a_fold_stays_in_range_and_is_steep_everywhere(name, tone):
    value = float(fold(name, tone))
    assert 0 <= value <= 1
    step = 1e-4 if tone < 0.5 else -1e-4
    slope = abs(float(fold(name, tone + step)) - value) / 1e-4
    segments = len(CURVES[name]) - 1
    crosses_fold = any(min(tone, tone + step) <= p / 255 <= max(tone, tone + step) for p, _ in CURVES[name])
    assert crosses_fold or slope > 0.9 * segments - 0.1


def test_channels_do_not_depend_on_the_window():
    rng = np.random.default_rng(3)
    rgb = rng.random((40, 50, 3), np.float32)
    back = np.full_like(rgb, 0.9)
    noise = np.full(3, 0.01, np.float32)
    names = ("solar4", "signed", "solar1")
    whole = channels(names, rgb, back, noise)
    part = channels(names, rgb[10:30, 5:25], back[10:30, 5:25], noise)
    np.testing.assert_allclose(whole[10:30, 5:25], part, atol=1e-6)
    assert whole.shape == (40, 50, 3)
    assert np.abs(whole).max() <= 1


def test_signed_counts_sigmas():
    back = np.full((1, 1, 3), 0.9, np.float32)
    noise = np.array([0.01, 0.01, 0.01], np.float32)
    sigma = 0.01 * np.sqrt((np.array([0.2126, 0.7152, 0.0722]) ** 2).sum())
    rgb = back + np.float32(4 * sigma)
    assert channels(("signed",), rgb, back, noise)[0, 0, 0] * SIGNED_RANGE == pytest.approx(4, rel=1e-3)


def test_refusals():
    rgb = np.zeros((2, 2, 3), np.float32)
    with pytest.raises(BadInput, match="solar9"):
        fold("solar9", 0.5)
    with pytest.raises(BadInput, match="background"):
        channels(("signed",), rgb, None, None)
