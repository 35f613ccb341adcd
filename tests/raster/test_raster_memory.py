"""Arrays and Pillow images are pictures too."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from segtile.errors import BadInput, ReadError
from segtile.raster import open_raster
from segtile.types import Box, Raster

H, W = 40, 56


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_arrays(channels, dtype, make_pixels):
    full = make_pixels(H, W, max(1, channels), dtype)
    raster = open_raster(full if channels else full[..., 0])
    alpha = channels in (2, 4)
    assert isinstance(raster, Raster)
    info = raster.info
    assert (info.width, info.height, info.dtype, info.has_alpha) == (W, H, dtype, alpha)
    assert (info.bands, info.space) == ((1, "grey") if channels < 3 else (3, "rgb"))
    assert info.path is None
    assert info.sha256 is None
    assert np.array_equal(raster.strip(0, H), full[..., : info.bands])
    assert raster.window(Box(3, 4, 20, 30)).shape == (26, 17, 3)
    assert (raster.alpha_strip(0, H) is None) != alpha


def test_a_view_is_taken_as_it_is(make_pixels):
    pixels = make_pixels(H, W, 3)
    mirrored = pixels[::-1, ::-1, ::-1]
    assert np.array_equal(open_raster(mirrored).window(Box.frame(W, H)), mirrored)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), bool),
        np.zeros((4, 4, 3), np.int16),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=lambda a: f"{a.shape} {a.dtype}",
)
def test_other_arrays_are_refused(array):
    with pytest.raises(BadInput, match="array of"):
        open_raster(array)


def test_a_raster_is_given_back_as_it_is(make_pixels):
    raster = open_raster(make_pixels(H, W, 3))
    assert open_raster(raster) is raster


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B"])
def test_pillow_modes(mode, make_pixels):
    image = Image.fromarray(make_pixels(H, W, 4)).convert("RGB" if mode not in ("RGBA", "RGBa", "LA") else "RGBA")
    if mode.startswith("I;16"):
        deep = make_pixels(H, W, 1, "uint16")[..., 0]
        image = Image.frombytes(mode, (W, H), deep.astype(">u2" if mode.endswith("B") else "<u2").tobytes())
        expected = deep[..., None]
    else:
        image = image.convert(mode)
        plain = {"1": "L", "P": "RGB", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB"}.get(mode, mode)
        expected = np.asarray(image.convert(plain)).reshape(H, W, -1)
    raster = open_raster(image)
    info = raster.info
    assert info.space == ("cmyk" if mode == "CMYK" else "grey" if mode in ("1", "L", "LA") or "16" in mode else "rgb")
    assert info.has_alpha == (mode in ("LA", "RGBA", "RGBa"))
    assert info.bits == (16 if "16" in mode else 8)
    assert np.array_equal(raster.strip(0, H), expected[..., : info.bands])
    assert raster.window(info.frame).shape == (H, W, 3)


def test_a_palette_with_a_transparent_entry(make_pixels):
    image = Image.fromarray(make_pixels(H, W, 3)).quantize(16)
    image.info["transparency"] = 2
    raster = open_raster(image)
    assert raster.info.has_alpha
    assert np.array_equal(raster.alpha_strip(0, H) // 257, np.asarray(image.convert("RGBA"))[..., 3])


@pytest.mark.parametrize("mode", ["F", "I", "HSV", "LAB"])
def test_other_pillow_modes_are_refused(mode):
    with pytest.raises(BadInput, match=f"Pillow mode '{mode}'"):
        open_raster(Image.new(mode, (4, 4)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pillow_image_brings_its_metadata(orientation, tmp_path, make_pixels, p3_profile):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "picture.png"
    Image.fromarray(make_pixels(H, W, 3)).save(path, exif=exif, dpi=(300, 150), icc_profile=p3_profile)
    with Image.open(path) as image, open_raster(path) as from_file:
        raster = open_raster(image)
        assert raster.info.orientation_was == orientation
        assert raster.info.icc == p3_profile
        assert raster.info.dpi == pytest.approx(from_file.info.dpi, abs=0.02)
        assert raster.info.exif == from_file.info.exif
        assert np.array_equal(raster.window(raster.info.frame), from_file.window(from_file.info.frame))
        assert np.array_equal(raster.strip(0, raster.info.height), np.asarray(ImageOps.exif_transpose(image)))


def test_a_truncated_pillow_image(tmp_path, make_pixels):
    path = tmp_path / "picture.png"
    Image.fromarray(make_pixels(200, 200, 3)).save(path)
    path.write_bytes(path.read_bytes()[:9000])
    with Image.open(path) as image, pytest.raises(ReadError, match="damaged or incomplete"):
        open_raster(image)
