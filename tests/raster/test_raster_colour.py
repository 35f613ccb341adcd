"""What models see is sRGB: through the profile, at the file's depth, transparency on white."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from segtile.raster import open_raster
from segtile.types import Box

H, W = 48, 64

# Linear Display P3 to linear sRGB; both have the white D65 and the sRGB curve (primaries of SMPTE EG 432-1 and BT.709).
P3_TO_SRGB = np.array([[1.22494, -0.22494, 0.0], [-0.04206, 1.04206, 0.0], [-0.01964, -0.07864, 1.09828]])


def decode_srgb(v: np.ndarray) -> np.ndarray:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def encode_srgb(v: np.ndarray) -> np.ndarray:
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def well_inside(v: np.ndarray) -> np.ndarray:
    """Where P3 colours lie inside sRGB and away from its dark faces, where one step of light is many steps of sRGB."""
    linear = decode_srgb(v) @ P3_TO_SRGB.T
    return ((linear > 0.02) & (linear < 1)).all(axis=2)


def p3_to_srgb(v: np.ndarray) -> np.ndarray:
    return encode_srgb(decode_srgb(v) @ P3_TO_SRGB.T)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_wide_profile_is_applied(dtype, suffix, tmp_path, make_pixels, save_vips, p3_profile):
    pixels = make_pixels(H, W, 3, dtype)
    top = np.iinfo(dtype).max
    path = tmp_path / f"picture{suffix}"
    save_vips(path, pixels, icc=p3_profile)
    expected = p3_to_srgb(pixels / top)
    with open_raster(path) as raster:
        seen = raster.window(raster.info.frame)
        assert seen.dtype == pixels.dtype
        inside = well_inside(pixels / top)
        assert inside.mean() > 0.5
        fine, table = 1 / 255, 2.5 / 255  # Little CMS computes 8 bits, but interpolates 16 bits in a table
        assert np.abs(seen / top - expected)[inside].max() < (fine if dtype == "uint8" else table)
        assert np.abs(seen / top - expected).mean() < 0.4 / 255
        assert np.abs(seen / top - pixels / top).mean() > 4 / 255  # the profile made a difference
        assert np.array_equal(raster.strip(0, H), pixels)
        box = Box(9, 5, 40, 31)
        assert np.array_equal(raster.window(box), seen[box.slices])
        assert np.abs(raster.preview(W) - expected)[inside].max() < table
        assert raster.warnings == ()
        if dtype == "uint16":
            assert len(np.unique(seen)) > 1000


def test_the_preview_of_a_wide_profile_is_averaged_then_converted(tmp_path, save_vips, p3_profile):
    pixels = np.full((40, 60, 3), (180, 120, 90), np.uint8)
    pixels[:, ::2] += 1
    save_vips(tmp_path / "picture.png", pixels, icc=p3_profile)
    with open_raster(tmp_path / "picture.png") as raster:
        small = raster.preview(6)
    expected = p3_to_srgb((np.array([180, 120, 90]) + 0.5) / 255)
    assert np.abs(small - expected).max() < 1 / 255
    assert np.ptp(small, axis=(0, 1)).max() < 1e-4


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_profile_that_is_srgb_changes_no_bit(dtype, tmp_path, make_pixels, save_vips):
    pixels = make_pixels(H, W, 3, dtype)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save_vips(tmp_path / "picture.png", pixels, icc=profile)
    with open_raster(tmp_path / "picture.png") as raster:
        assert raster.info.icc == profile
        assert np.array_equal(raster.window(raster.info.frame), pixels)
        assert raster.warnings == ()


def test_a_grey_profile_is_applied(tmp_path, save_vips, linear_grey_profile):
    pixels = np.linspace(0, 65535, H * W).round().astype(np.uint16).reshape(H, W, 1)
    save_vips(tmp_path / "picture.tif", pixels, icc=linear_grey_profile)
    with open_raster(tmp_path / "picture.tif") as raster:
        seen = raster.window(raster.info.frame)
        assert raster.warnings == ()
        light = pixels > 0.05 * 65535  # below, the curve is too steep for any table of it
        assert np.abs(seen / 65535 - encode_srgb(pixels / 65535))[light[..., 0]].max() < 2 / 255
        assert np.abs(np.ptp(seen.astype(int), axis=2)).max() < 300


def test_cmyk_goes_through_its_profile_and_not_by_the_naive_formula(tmp_path, cmyk_profile):
    ink = np.zeros((H, W, 4), np.uint8)
    ink[:] = (30, 206, 206, 0)  # what the naive formula makes a pure (225, 49, 49)
    image = Image.fromarray(ink, "CMYK")
    image.save(tmp_path / "with.tif", icc_profile=cmyk_profile)
    image.save(tmp_path / "without.tif")
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile)),
        ImageCms.createProfile("sRGB"),
        "CMYK",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    expected = np.asarray(ImageCms.applyTransform(image, transform)).astype(int)
    naive = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(expected - naive).max() > 15
    with open_raster(tmp_path / "with.tif") as raster:
        assert raster.info.space == "cmyk"
        assert np.abs(raster.window(raster.info.frame) - expected).max() <= 3
        assert np.abs(raster.preview(W) * 255 - expected).max() <= 3
        assert np.array_equal(raster.strip(0, H), ink)
        assert raster.warnings == ()
    with open_raster(tmp_path / "without.tif") as raster:
        assert np.abs(raster.window(raster.info.frame) - expected).max() <= 3
        assert any("CMYK without a colour profile" in text for text in raster.warnings)


def test_cmyk_jpeg_keeps_no_ink_at_zero(tmp_path):
    ink = np.zeros((H, W, 4), np.uint8)
    ink[:, W // 2 :, 3] = 255
    Image.fromarray(ink, "CMYK").save(tmp_path / "picture.jpg", quality=95)
    with open_raster(tmp_path / "picture.jpg") as raster:
        stored, seen = raster.strip(0, H), raster.window(raster.info.frame)
    assert stored[:, : W // 2 - 8].max() <= 2
    assert seen[:, : W // 2 - 8].min() > 250
    assert seen[:, W // 2 + 8 :].max() < 60


def broken_profiles(p3: bytes, cmyk: bytes) -> dict[str, bytes]:
    return {"cut": p3[:200], "noise": bytes(range(256)) * 3, "for another space": cmyk, "tiny": b"profile"}


@pytest.mark.parametrize("which", ["cut", "noise", "for another space", "tiny"])
def test_an_unusable_profile_is_said_and_passed_over(which, tmp_path, make_pixels, p3_profile, cmyk_profile):
    pixels = make_pixels(H, W, 3)
    profile = broken_profiles(p3_profile, cmyk_profile)[which]
    Image.fromarray(pixels).save(tmp_path / "picture.tif", icc_profile=profile)
    with open_raster(tmp_path / "picture.tif") as raster:
        assert np.array_equal(raster.window(raster.info.frame), pixels)
        assert np.abs(raster.preview(W) * 255 - pixels).max() < 1e-3
        (text,) = raster.warnings
        assert "cannot be used" in text
        assert "sRGB" in text
        assert "\n" not in text


def test_an_unusable_cmyk_profile_gives_way_to_a_general_one(tmp_path, p3_profile):
    Image.fromarray(np.full((H, W, 4), 90, np.uint8), "CMYK").save(tmp_path / "picture.tif", icc_profile=p3_profile)
    with open_raster(tmp_path / "picture.tif") as raster:
        assert raster.window(Box(0, 0, 4, 4)).shape == (4, 4, 3)
        assert any("cannot be used" in text and "CMYK profile" in text for text in raster.warnings)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_transparency_is_laid_on_white_after_the_profile(dtype, tmp_path, make_pixels, save_vips, p3_profile):
    pixels = make_pixels(H, W, 4, dtype)
    top = np.iinfo(dtype).max
    pixels[:8, :, 3], pixels[-8:, :, 3] = 0, top
    save_vips(tmp_path / "picture.tif", pixels, icc=p3_profile)
    alpha = pixels[..., 3:] / top
    expected = p3_to_srgb(pixels[..., :3] / top) * alpha + 1 - alpha
    with open_raster(tmp_path / "picture.tif") as raster:
        seen = raster.window(raster.info.frame)
    assert seen.dtype == pixels.dtype
    assert (seen[:8] == top).all()
    inside = well_inside(pixels[..., :3] / top)
    assert np.abs(seen / top - expected)[inside].max() < 1.5 / 255
