"""Pixels are delivered upright whatever the file's orientation."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from segtile.raster import open_raster
from segtile.raster.orientation import to_stored, upright, upright_size
from segtile.types import Box

H, W = 40, 56


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pillow's idea of upright."""
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_every_orientation(orientation, suffix, kept_in, tmp_path, make_pixels):
    pixels = make_pixels(H, W, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"picture{suffix}"
    options = {"dpi": (300, 150)} if suffix != ".webp" else {"lossless": True}
    Image.fromarray(pixels).save(path, exif=exif, **options)
    if suffix == ".jpg":
        with Image.open(path) as image:
            expected = np.asarray(ImageOps.exif_transpose(image)).astype(int)
    else:
        expected = turned(pixels, orientation).astype(int)
    with open_raster(path) as raster:
        assert raster.info.orientation_was == orientation
        assert (raster.info.height, raster.info.width) == expected.shape[:2]
        slack = 2 if suffix == ".jpg" else 0  # two JPEG decoders round differently
        assert np.abs(raster.window(raster.info.frame) - expected).max() <= slack
        assert np.abs(raster.strip(5, 21) - expected[5:21]).max() <= slack
        assert np.abs(raster.native(Box(3, 9, 30, 33)) - expected[9:33, 3:30]).max() <= slack
        assert np.abs(raster.preview(64) * 255 - expected).max() <= slack + 1e-3
        if suffix != ".webp":
            assert raster.info.dpi == pytest.approx((300, 150) if orientation < 5 else (150, 300), abs=0.01)


def test_existing_alpha_turns_with_the_picture(tmp_path, make_pixels):
    pixels = make_pixels(H, W, 4)
    tifffile.imwrite(
        tmp_path / "picture.tif",
        pixels,
        photometric="rgb",
        extrasamples=["unassalpha"],
        extratags=[(274, "H", 1, 6, True)],
    )
    with open_raster(tmp_path / "picture.tif") as raster:
        expected = turned(pixels, 6)
        assert np.array_equal(raster.alpha_strip(0, raster.info.height), expected[..., 3].astype(np.uint16) * 257)
        assert np.array_equal(raster.strip(0, raster.info.height), expected[..., :3])


@pytest.mark.parametrize("nonsense", [0, 9, 4000])
def test_nonsense_is_upright(nonsense, tmp_path, make_pixels):
    pixels = make_pixels(H, W, 3)
    exif = Image.Exif()
    exif[0x0112] = nonsense
    Image.fromarray(pixels).save(tmp_path / "picture.png", exif=exif)
    with open_raster(tmp_path / "picture.png") as raster:
        assert raster.info.orientation_was == 1
        assert np.array_equal(raster.strip(0, H), pixels)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_box_comes_from_where_the_geometry_says(data):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    orientation = data.draw(st.integers(1, 8))
    channels = data.draw(st.integers(1, 5))
    kind = data.draw(st.sampled_from(["uint8", "uint16", "int64"]))
    stored = np.arange(height * width * channels).reshape(height, width, channels).astype(kind)
    whole = upright(stored, orientation)
    up_width, up_height = upright_size(width, height, orientation)
    assert whole.shape == (up_height, up_width, channels)
    x = sorted(data.draw(st.tuples(st.integers(0, up_width), st.integers(0, up_width))))
    y = sorted(data.draw(st.tuples(st.integers(0, up_height), st.integers(0, up_height))))
    box = Box(x[0], y[0], x[1], y[1])
    source = to_stored(box, up_width, up_height, orientation)
    assert np.array_equal(upright(stored[source.slices], orientation), whole[box.slices])
