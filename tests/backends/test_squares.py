"""Pictures into a network's square and back, against Pillow and by property."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segtile.backends.squares import place, prepare, resize

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("size", [(300, 200), (1500, 1100), (700, 1800), (1024, 640)])
def test_eight_bits_are_scaled_as_pillow_scales_them(size):
    picture = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
    square = place(*size, 1024, "longest")
    got = resize(picture.astype(np.float32) / 255, square.inner)
    expected = np.asarray(Image.fromarray(picture).resize(square.inner, Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(np.rint(got * 255), expected)


def test_finer_values_are_not_rounded_and_differ_by_less_than_a_code_value():
    fine = np.random.default_rng(2).random((180, 240, 3), np.float32)
    square = place(240, 180, 64, "longest")
    got = resize(fine, square.inner) * 255
    eight = np.rint(fine * 255).astype(np.uint8)
    rounded = np.asarray(Image.fromarray(eight).resize(square.inner, Image.Resampling.BILINEAR), np.float32)
    assert np.abs(got - rounded).max() <= 1.0
    assert np.abs(got - np.rint(got)).mean() > 0.1


@given(width=st.integers(1, 3000), height=st.integers(1, 3000))
def test_the_long_side_fills_the_square(width, height):
    square = place(width, height, 1024, "longest")
    assert max(square.inner) == 1024
    assert square.inner[0] == int(width * (1024 / max(width, height)) + 0.5)
    assert square.inner[1] == int(height * (1024 / max(width, height)) + 0.5)


@pytest.mark.parametrize("fit", ["longest", "squash", "as is"])
@pytest.mark.parametrize("size", [(300, 200), (90, 210), (64, 64)])
def test_a_ramp_comes_back_as_it_went(fit, size):
    w, h = size
    square = place(w, h, 128, fit)
    ramp = np.broadcast_to((np.arange(w, dtype=np.float32) + 0.5) / w, (h, w)).copy()
    there = square.from_picture(ramp, 64, -1.0)
    back = square.to_picture(there)
    assert back.shape == (h, w)
    inner = slice(w // 8, -w // 8)
    rows = slice(h // 8, -h // 8)
    np.testing.assert_allclose(back[rows, inner], ramp[rows, inner], atol=0.02)


def test_padding_is_zero_after_normalisation_and_points_scale_with_the_picture():
    square = place(100, 50, 64, "longest")
    ready = prepare(np.ones((50, 100, 3), np.float32), square, MEAN, STD)
    assert ready.shape == (1, 3, 64, 64)
    assert (ready[:, :, 32:] == 0).all()
    np.testing.assert_allclose(ready[0, :, 3, 3], [(1 - m) / s for m, s in zip(MEAN, STD, strict=True)], rtol=1e-5)
    np.testing.assert_allclose(square.to_canvas(np.array([[50, 25]], np.float32)), [[32, 16]])
