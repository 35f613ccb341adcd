"""Previews are exact area averages, finer than the file's own steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.raster import open_raster, preview


def area_average(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Every output pixel's mean over the exact rectangle it covers, by integrating along both axes in float64."""

    def along(v: np.ndarray, count: int) -> np.ndarray:
        total = np.concatenate([np.zeros((1, *v.shape[1:])), np.cumsum(v, axis=0)])
        edges = np.linspace(0, len(v), count + 1)
        low = np.minimum(edges.astype(int), len(v) - 1)
        at = total[low] + (edges - low).reshape(-1, *[1] * (v.ndim - 1)) * v[low]
        return np.diff(at, axis=0) * count / len(v)

    return along(along(values.astype(float), height).swapaxes(0, 1), width).swapaxes(0, 1)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    long_side=st.integers(1, 120),
    deep=st.booleans(),
    seed=st.integers(0, 99),
)
def test_it_is_the_area_average(height, width, long_side, deep, seed):
    rng = np.random.default_rng(seed)
    top = 65535 if deep else 255
    pixels = rng.integers(0, top + 1, (height, width, 3)).astype(np.uint16 if deep else np.uint8)
    small = open_raster(pixels).preview(long_side)
    factor = min(1, long_side / max(height, width))
    assert small.shape == (max(1, round(height * factor)), max(1, round(width * factor)), 3)
    assert small.dtype == np.float32
    assert np.abs(small - area_average(pixels / top, *small.shape[:2])).max() < 2e-6


@pytest.mark.parametrize("samples", [1, 500, 4000])
def test_strips_of_any_height_give_the_same(samples, monkeypatch, make_pixels):
    raster = open_raster(make_pixels(130, 70, 3))
    whole = raster.preview(31)
    monkeypatch.setattr(preview, "_STRIP_SAMPLES", samples)
    assert np.abs(raster.preview(31) - whole).max() < 2e-6


def test_contrast_below_one_step_of_the_file_survives(tmp_path, save_vips):
    """White on white: 250.25 against 250.00 of 255, dithered in the file, is a step in the preview."""
    rng = np.random.default_rng(3)
    wanted = np.full((1200, 1200), 250.0)
    wanted[:, 600:] += 0.25
    pixels = np.floor(wanted[..., None] + rng.random((1200, 1200, 3))).astype(np.uint8)
    save_vips(tmp_path / "white.png", pixels)
    with open_raster(tmp_path / "white.png") as raster:
        small = raster.preview(50)
    left, right = small[:, :25].mean() * 255, small[:, 25:].mean() * 255
    assert left == pytest.approx(250.0, abs=0.01)
    assert right == pytest.approx(250.25, abs=0.01)
    assert small[:, 25:].min() > small[:, :25].max()


def test_means_survive_any_size(tmp_path, make_pixels, save_vips):
    pixels = make_pixels(233, 311, 3, "uint16")
    save_vips(tmp_path / "picture.tif", pixels)
    with open_raster(tmp_path / "picture.tif") as raster:
        for long_side in (1, 7, 100, 311, 5000):
            small = raster.preview(long_side)
            assert np.abs(small.mean((0, 1)) - pixels.mean((0, 1)) / 65535).max() < 1e-5


def test_transparent_pixels_lend_no_colour():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, ::2] = (255, 0, 0, 255)
    pixels[:, 1::2] = (0, 255, 0, 0)  # green, but invisible
    small = open_raster(pixels).preview(4)
    assert np.allclose(small, (1.0, 0.5, 0.5), atol=1e-6)
    clear = np.zeros((8, 8, 4), np.uint8)
    assert np.array_equal(open_raster(clear).preview(4), np.ones((4, 4, 3), np.float32))


def test_grey_becomes_three_equal_bands(make_pixels):
    pixels = make_pixels(40, 60, 1)
    small = open_raster(pixels).preview(30)
    assert small.shape == (20, 30, 3)
    assert np.abs(small - area_average(pixels / 255, 20, 30)).max() < 2e-6


@pytest.mark.parametrize(("shape", "expected"), [((1, 1), (1, 1)), ((1, 900), (1, 64)), ((900, 1), (64, 1))])
def test_slender_pictures(shape, expected):
    assert open_raster(np.full((*shape, 3), 128, np.uint8)).preview(64).shape == (*expected, 3)


def test_a_size_below_one_is_refused():
    with pytest.raises(BadInput, match="at least 1"):
        open_raster(np.zeros((4, 4, 3), np.uint8)).preview(0)
