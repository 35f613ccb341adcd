"""Drift after one affine: by hand, by property, and its colour against another implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.metrics.drift import Drift, drift_delta_e, drift_levels


def cells(values, side=4):
    """A picture whose cells of `side` px have these values; each cell holds fine texture that averages out."""
    texture = np.where(np.indices((side, side)).sum(axis=0) % 2, 0.05, -0.05)
    return np.kron(np.asarray(values, np.float64), np.ones((side, side))) + np.tile(texture, np.shape(values))


def test_by_hand():
    # Over two tones of the reference the best affine goes through the means of the picture there, 0.2 and 0.7:
    # residuals 0.1, 0.1, 0.2, 0.2.
    reference, picture = cells([[0, 0], [1, 1]]), cells([[0.1, 0.3], [0.5, 0.9]])
    found = drift_levels(picture, reference, 4)
    assert found.mean == pytest.approx(255 * 0.15)
    assert found.largest == found.p99 == pytest.approx(255 * 0.2)


def test_ragged_cells_are_means_too():
    # 5 x 6 px in cells of 4: columns 0..3 and 4..5, rows 0..3 and 4. The last cell is wrong by 0.4 in its two pixels.
    reference = np.zeros((5, 6))
    reference[:, 4:] = 1
    picture = reference * 0.5
    picture[4, 4:] += 0.4
    # over tone 1 the cells are 0.5 and 0.9: residuals 0.2 each
    assert drift_levels(picture, reference, 4) == Drift(*(pytest.approx(255 * v) for v in (0.1, 0.2, 0.2)))


@given(st.integers(0, 999), st.booleans())
@settings(max_examples=30, deadline=None)
def test_an_affine_change_is_no_drift(seed, colour):
    rng = np.random.default_rng(seed)
    reference = np.kron(rng.random((5, 6, 3) if colour else (5, 6)), np.ones((8, 8, 1) if colour else (8, 8)))
    if colour:
        picture = reference @ (np.eye(3) * 0.7 + rng.normal(0, 0.05, (3, 3))) + rng.random(3) * 0.1
        assert drift_delta_e(picture, reference, 8).largest == pytest.approx(0, abs=1e-6)
    else:
        picture = 0.6 * reference + 0.2
    assert drift_levels(picture, reference, 8).largest == pytest.approx(0, abs=1e-9)
    assert drift_levels(reference, reference, 8).largest == pytest.approx(0, abs=1e-9)


def test_a_steeper_shadow_is_more_drift_and_texture_is_none():
    rng = np.random.default_rng(0)
    reference = np.kron(rng.random((8, 8, 3)), np.ones((16, 16, 1))) * 0.6 + 0.2
    slope = np.linspace(-0.1, 0.1, 128)[:, None, None]
    for figure in (drift_levels, drift_delta_e):
        row = [figure(reference + slope * k / 4, reference, 16).mean for k in range(5)]
        assert row == sorted(row)
        assert row[-1] > row[0] + 2
        noisy = reference + rng.normal(0, 0.02, reference.shape)
        assert figure(noisy, reference, 16).mean < row[-1] / 5


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_the_dtype_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, (30, 41, 3)).astype(np.uint8) for _ in range(2))
    want = drift_levels(a, b, 7)
    for x in (a.astype(np.uint16) * 257, a / 255):
        assert drift_levels(x, b, 7).mean == pytest.approx(want.mean)


def test_colours_are_scikit_images():
    from skimage.color import rgb2lab

    from segtile.metrics.drift import _lab

    colours = np.random.default_rng(1).random((500, 3))
    np.testing.assert_allclose(_lab(colours), rgb2lab(colours), atol=0.05)  # another rounding of the same matrix
    np.testing.assert_allclose(_lab(np.ones((1, 3))), [[100, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(_lab(np.zeros((1, 3))), [[0, 0, 0]], atol=1e-9)


def test_what_cannot_be_compared_is_refused():
    grey, colour = np.zeros((64, 64)), np.zeros((64, 64, 3))
    with pytest.raises(BadInput, match="one shape"):
        drift_levels(grey, colour)
    with pytest.raises(BadInput, match="1 cells of 64 px are too few"):
        drift_levels(grey, grey)
    with pytest.raises(BadInput, match="3\\), not"):
        drift_delta_e(grey, grey, 8)
    with pytest.raises(BadInput, match="NaN"):
        drift_levels(np.full((64, 64), np.nan), grey, 8)
    with pytest.raises(BadInput, match="int64"):
        drift_levels(grey.astype(int), grey, 8)
    with pytest.raises(BadInput, match="at least 1"):
        drift_levels(grey, grey, 0)
