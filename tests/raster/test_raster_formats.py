"""Every format, band count and depth that is read comes through bit for bit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from segtile.errors import ReadError
from segtile.raster import open_raster
from segtile.types import Box, Raster

H, W = 61, 83

# name -> (channels, alpha, space, dtype, how it is written)
VIPS = {
    "png grey 8": (1, False, "uint8", ".png", {}),
    "png grey 16": (1, False, "uint16", ".png", {}),
    "png grey+alpha 8": (2, True, "uint8", ".png", {}),
    "png grey+alpha 16": (2, True, "uint16", ".png", {}),
    "png rgb 8": (3, False, "uint8", ".png", {}),
    "png rgb 16 interlaced": (3, False, "uint16", ".png", {"interlace": True}),
    "png rgba 8": (4, True, "uint8", ".png", {}),
    "png rgba 16": (4, True, "uint16", ".png", {}),
    "tiff lzw strips grey 8": (1, False, "uint8", ".tif", {"compression": "lzw", "predictor": "horizontal"}),
    "tiff lzw strips rgb 16": (3, False, "uint16", ".tif", {"compression": "lzw", "predictor": "horizontal"}),
    "tiff deflate tiles rgb 8": (3, False, "uint8", ".tif", {"compression": "deflate", "tile": True, "tile_width": 32}),
    "tiff deflate tiles rgba 16": (4, True, "uint16", ".tif", {"compression": "deflate", "tile": True}),
    "tiff big tiles rgba 8": (4, True, "uint8", ".tif", {"bigtiff": True, "tile": True, "tile_height": 16}),
    "tiff grey+alpha 16": (2, True, "uint16", ".tif", {}),
}
TIFFFILE = {
    "tiff raw grey 16": (1, False, "grey", "uint16", {"photometric": "minisblack"}),
    "tiff raw rgb 8": (3, False, "rgb", "uint8", {"photometric": "rgb"}),
    "tiff big-endian rgb 16": (3, False, "rgb", "uint16", {"photometric": "rgb", "byteorder": ">"}),
    "tiff big deflate rgb 16": (
        3,
        False,
        "rgb",
        "uint16",
        {"photometric": "rgb", "bigtiff": True, "compression": "zlib"},
    ),
    "tiff planar rgb 8": (3, False, "rgb", "uint8", {"photometric": "rgb", "planarconfig": "separate"}),
    "tiff rgba 16": (4, True, "rgb", "uint16", {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "tiff cmyk 8": (4, False, "cmyk", "uint8", {"photometric": "separated"}),
    "tiff cmyk 16 deflate": (4, False, "cmyk", "uint16", {"photometric": "separated", "compression": "zlib"}),
    "tiff cmyk+alpha 8": (5, True, "cmyk", "uint8", {"photometric": "separated", "extrasamples": ["unassalpha"]}),
}


def check(path, pixels: np.ndarray, alpha: bool, space: str) -> None:
    """The raster of `path` has these stored pixels, read in every way there is."""
    with open_raster(path) as raster:
        assert isinstance(raster, Raster)
        info = raster.info
        bands = pixels.shape[2] - alpha
        assert (info.width, info.height, info.bands) == (pixels.shape[1], pixels.shape[0], bands)
        assert (info.dtype, info.space, info.has_alpha) == (pixels.dtype.name, space, alpha)
        assert info.path == path
        assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        colour = pixels[..., :bands]
        assert np.array_equal(raster.strip(0, info.height), colour)
        assert raster.strip(0, info.height).dtype == pixels.dtype
        box = Box(7, 5, 60, 44)
        assert np.array_equal(raster.native(box), colour[box.slices])
        assert np.array_equal(raster.strip(11, 31), colour[11:31])
        opacity = raster.alpha_strip(3, 40)
        if alpha:
            scale = 257 if pixels.dtype == np.uint8 else 1
            assert opacity.dtype == np.uint16
            assert np.array_equal(opacity, pixels[3:40, :, -1].astype(np.uint16) * scale)
        else:
            assert opacity is None
        seen = raster.window(box)
        assert seen.shape == (box.height, box.width, 3)
        assert seen.dtype == pixels.dtype
        if space != "cmyk":
            assert np.abs(seen - on_white(pixels, alpha)[box.slices]).max() <= 0.5


def on_white(pixels: np.ndarray, alpha: bool) -> np.ndarray:
    """(h, w, 3) float64 in the range of the dtype."""
    top = float(np.iinfo(pixels.dtype).max)
    colour = pixels[..., : pixels.shape[2] - alpha].astype(float)
    colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    if not alpha:
        return colour
    opacity = pixels[..., -1:] / top
    return colour * opacity + top * (1 - opacity)


@pytest.mark.parametrize("name", VIPS)
def test_what_libvips_writes(name, kept_in, tmp_path, make_pixels, save_vips):
    channels, alpha, dtype, suffix, options = VIPS[name]
    path = tmp_path / f"a picture [1]  größe{suffix}"
    pixels = make_pixels(H, W, channels, dtype)
    save_vips(path, pixels, **options)
    check(path, pixels, alpha, "grey" if channels < 3 else "rgb")


@pytest.mark.parametrize("name", TIFFFILE)
def test_what_tifffile_writes(name, kept_in, tmp_path, make_pixels):
    channels, alpha, space, dtype, options = TIFFFILE[name]
    path = tmp_path / "picture.tif"
    pixels = make_pixels(H, W, channels, dtype)
    options = dict(options)
    byteorder = {key: options.pop(key) for key in ("byteorder", "bigtiff") if key in options}
    stored = pixels[..., 0] if channels == 1 else pixels
    stored = np.moveaxis(stored, 2, 0) if options.get("planarconfig") == "separate" else stored
    with tifffile.TiffWriter(path, **byteorder) as writer:
        writer.write(stored, **options)
    check(path, pixels, alpha, space)


@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_webp(alpha, kept_in, tmp_path, make_pixels):
    pixels = make_pixels(H, W, 4 if alpha else 3)
    path = tmp_path / "picture.webp"
    Image.fromarray(pixels).save(path, lossless=True, exact=True)
    check(path, pixels, alpha, "rgb")


@pytest.mark.parametrize(("mode", "space"), [("L", "grey"), ("RGB", "rgb"), ("CMYK", "cmyk")])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_what_its_decoder_gives(mode, space, progressive, kept_in, tmp_path, make_pixels):
    channels = len(mode)
    source = make_pixels(H, W, channels)
    path = tmp_path / "picture.jpg"
    Image.fromarray(source[..., 0] if channels == 1 else source, mode).save(
        path, quality=95, subsampling=0, progressive=progressive
    )
    decoded = np.asarray(pyvips.Image.jpegload(str(path)).numpy()).reshape(H, W, channels)
    assert np.abs(decoded.astype(int) - source).mean() < 4
    check(path, decoded, False, space)


def test_palette_and_one_bit_become_eight(tmp_path, make_pixels):
    picture = Image.fromarray(make_pixels(H, W, 3))
    flat = picture.quantize(40)
    bits = picture.convert("1")
    see_through = flat.copy()
    see_through.info["transparency"] = 3
    for image, expected, alpha in [
        (flat, np.asarray(flat.convert("RGB")), False),
        (see_through, np.asarray(see_through.convert("RGBA")), True),
        (bits, np.asarray(bits.convert("L"))[..., None], False),
    ]:
        image.save(tmp_path / "picture.png")
        check(tmp_path / "picture.png", expected, alpha, "grey" if image is bits else "rgb")
    for image, expected in [(flat, np.asarray(flat.convert("RGB"))), (bits, np.asarray(bits.convert("L"))[..., None])]:
        image.save(tmp_path / "picture.tif")
        check(tmp_path / "picture.tif", expected, False, "grey" if image is bits else "rgb")


def test_white_is_zero_tiff_is_turned_the_right_way(tmp_path, make_pixels):
    pixels = make_pixels(H, W, 1)
    tifffile.imwrite(tmp_path / "picture.tif", 255 - pixels[..., 0], photometric="miniswhite")
    check(tmp_path / "picture.tif", pixels, False, "grey")


def test_tiled_planes_are_refused_in_words(tmp_path, make_pixels):
    planes = np.moveaxis(make_pixels(H, W, 3), 2, 0)
    tifffile.imwrite(tmp_path / "picture.tif", planes, photometric="rgb", planarconfig="separate", tile=(32, 32))
    with open_raster(tmp_path / "picture.tif") as raster, pytest.raises(ReadError, match=r"does not read.*planes"):
        raster.strip(0, 1)


def test_premultiplied_tiff_is_made_straight(tmp_path):
    straight = np.array([[[200, 100, 40, 255], [200, 100, 40, 128], [10, 20, 30, 0]]], np.uint8)
    stored = straight.copy()
    stored[..., :3] = np.round(straight[..., :3] * (straight[..., 3:] / 255.0))
    tifffile.imwrite(tmp_path / "picture.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    with open_raster(tmp_path / "picture.tif") as raster:
        assert raster.info.has_alpha
        assert np.abs(raster.strip(0, 1)[0, :2].astype(int) - straight[0, :2, :3]).max() <= 1
        assert raster.window(raster.info.frame)[0, 2].tolist() == [255, 255, 255]


def test_saved_selections_are_not_transparency(tmp_path, make_pixels):
    pixels = make_pixels(H, W, 5)
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, pixels[..., :4], photometric="rgb", extrasamples=["unspecified"])
    with open_raster(path) as raster:
        assert not raster.info.has_alpha
        assert np.array_equal(raster.window(raster.info.frame), pixels[..., :3])
        assert any("1 further channel" in text for text in raster.warnings)
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha", "unspecified"])
    with open_raster(path) as raster:
        assert raster.info.has_alpha
        assert np.array_equal(raster.alpha_strip(0, H), pixels[..., 3].astype(np.uint16) * 257)
        assert np.array_equal(raster.strip(0, H), pixels[..., :3])
        assert any("1 further channel" in text for text in raster.warnings)


def test_the_first_of_several_pages_is_read_and_said_so(tmp_path, make_pixels):
    first, second = make_pixels(H, W, 3, seed=1), make_pixels(H, W, 3, seed=2)
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([first, second]), photometric="rgb")
    frames = [Image.fromarray(first), Image.fromarray(second)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "film.png", save_all=True, append_images=frames[1:])
    for name in ("pages.tif", "film.webp", "film.png"):
        with open_raster(tmp_path / name) as raster:
            assert np.array_equal(raster.native(raster.info.frame)[..., :3], first)
            assert any("first is read" in text or "still picture is read" in text for text in raster.warnings), name


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".jpg", {"dpi": (300, 150)}), (".png", {"dpi": (300, 150)}), (".tif", {"dpi": (300, 150)})],
)
def test_resolution(suffix, options, tmp_path, make_pixels):
    image = Image.fromarray(make_pixels(H, W, 3))
    image.save(tmp_path / f"with{suffix}", **options)
    image.save(tmp_path / f"without{suffix}")
    with open_raster(tmp_path / f"with{suffix}") as raster:
        assert raster.info.dpi == pytest.approx((300, 150), abs=0.01)
    with open_raster(tmp_path / f"without{suffix}") as raster:
        assert raster.info.dpi is None


def test_tiff_resolution_per_centimetre_and_without_a_unit(tmp_path, make_pixels):
    pixels = make_pixels(H, W, 3)
    tifffile.imwrite(tmp_path / "cm.tif", pixels, photometric="rgb", resolution=(100, 200), resolutionunit="CENTIMETER")
    tifffile.imwrite(tmp_path / "none.tif", pixels, photometric="rgb", resolution=(2, 1), resolutionunit="NONE")
    with open_raster(tmp_path / "cm.tif") as raster:
        assert raster.info.dpi == pytest.approx((254, 508), abs=0.01)
    with open_raster(tmp_path / "none.tif") as raster:
        assert raster.info.dpi is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_is_carried(suffix, tmp_path, make_pixels):
    exif = Image.Exif()
    exif[0x010E] = "a ring"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    Image.fromarray(make_pixels(H, W, 3)).save(tmp_path / f"picture{suffix}", exif=exif.tobytes())
    with open_raster(tmp_path / f"picture{suffix}") as raster:
        carried = raster.info.exif
    assert carried.startswith(b"Exif\0\0")
    read = Image.Exif()
    read.load(carried)
    assert read[0x010E] == "a ring"
    assert read.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09"
    Image.fromarray(make_pixels(H, W, 3)).save(tmp_path / f"plain{suffix}")
    with open_raster(tmp_path / f"plain{suffix}") as raster:
        assert raster.info.exif is None


def test_text_in_any_encoding_is_no_obstacle(tmp_path, make_pixels):
    pixels = make_pixels(H, W, 3)
    latin = "Größe".encode("latin-1")
    tifffile.imwrite(
        tmp_path / "picture.tif", pixels, photometric="rgb", extratags=[(270, "s", 0, latin, True)], metadata=None
    )
    check(tmp_path / "picture.tif", pixels, False, "rgb")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_profile_is_carried(suffix, tmp_path, make_pixels, p3_profile):
    Image.fromarray(make_pixels(H, W, 3)).save(tmp_path / f"picture{suffix}", icc_profile=p3_profile)
    with open_raster(tmp_path / f"picture{suffix}") as raster:
        assert raster.info.icc == p3_profile
