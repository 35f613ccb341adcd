"""Files as other programs see them: pixels, alpha, profile, resolution, EXIF."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from read_back import load

from segtile.errors import BadInput, NothingFound, WriteError
from segtile.export import ExportOptions, target_name, write_cutout, write_mask, write_picture
from segtile.export.alpha import to_depth
from segtile.types import Box


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_colours_under_full_alpha_are_the_inputs_to_the_bit(disc, raster_of, alpha_of, tmp_path, kind, dtype):
    picture = disc.at(dtype)
    path = tmp_path / f"ring.{kind}"
    report = write_cutout(raster_of(picture), alpha_of(disc.levels), path, ExportOptions(format=kind))
    image, pixels = load(path)
    assert report.bits == picture.dtype.itemsize * 8
    assert report.warnings == ()
    assert pixels.dtype == picture.dtype
    assert image.interpretation == ("srgb" if dtype is np.uint8 else "rgb16")
    full = disc.levels == 65535
    assert np.array_equal(pixels[full][:, :3], picture[full])
    assert np.array_equal(pixels[..., 3], to_depth(disc.levels, report.bits))
    far = np.zeros_like(full)
    far[:20] = True
    assert not pixels[far].any()


@pytest.mark.parametrize("bits", [8, 16])
def test_pixels_that_read_back_as_opaque_are_untouched_even_where_alpha_was_rounded_up(
    raster_of, alpha_of, tmp_path, bits
):
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[:, :32] = (120, 60, 10)
    levels = np.full((64, 64), 65500, np.uint16)
    levels[:, 40:] = 0
    write_cutout(raster_of(picture), alpha_of(levels), tmp_path / "a.png", ExportOptions(bits=bits))
    _, pixels = load(tmp_path / "a.png")
    assert (pixels[:, :40, 3] == (255 if bits == 8 else 65500)).all()
    if bits == 8:
        assert np.array_equal(pixels[:, :40, :3], picture[:, :40])


def test_no_white_fringe_on_black(disc, raster_of, alpha_of, tmp_path):
    soft = (disc.alpha > 0) & (disc.alpha < 1)
    errors = {}
    for clean in (False, True):
        path = tmp_path / f"{clean}.png"
        write_cutout(raster_of(disc.at(np.uint8)), alpha_of(disc.levels), path, ExportOptions(decontaminate=clean))
        rgba = np.asarray(Image.open(path)) / 255
        over_black = rgba[..., :3] * rgba[..., 3:]
        errors[clean] = np.abs(over_black - disc.gold * disc.alpha[..., None])[soft].mean() * 255
    assert errors[False] > 15
    assert errors[True] < errors[False] / 20


def test_without_cleaning_every_stored_colour_stays(disc, raster_of, alpha_of, tmp_path):
    picture = disc.at(np.uint16)
    write_cutout(
        raster_of(picture), alpha_of(disc.levels), tmp_path / "a.tif", ExportOptions("tiff", decontaminate=False)
    )
    _, pixels = load(tmp_path / "a.tif")
    assert np.array_equal(pixels[..., :3], picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_grey_stays_grey_with_an_alpha_band(disc, raster_of, alpha_of, tmp_path, kind, dtype):
    picture = disc.at(dtype)[..., 1]
    path = tmp_path / f"grey.{kind}"
    write_cutout(raster_of(picture), alpha_of(disc.levels), path, ExportOptions(kind))
    image, pixels = load(path)
    assert image.interpretation == ("b-w" if dtype is np.uint8 else "grey16")
    assert pixels.shape[2] == 2
    full = disc.levels == 65535
    assert np.array_equal(pixels[full][:, 0], picture[full])
    if kind == "tiff":
        assert tifffile.imread(path).shape == pixels.shape


def test_a_background_in_cmyk(disc, raster_of, alpha_of, tmp_path):
    raster = raster_of(np.full((*disc.alpha.shape, 4), 60, np.uint8))
    for colour, ink in (((255, 255, 255), [0, 0, 0, 0]), ((255, 0, 0), [0, 250, 250, 0])):
        path = tmp_path / f"{sum(colour)}.tif"
        report = write_cutout(raster, alpha_of(disc.levels), path, ExportOptions("tiff", background=colour))
        assert any("general CMYK profile" in text for text in report.warnings)
        pixels = tifffile.imread(path)
        assert pixels.shape[2] == 4
        assert np.abs(pixels[0, 0].astype(int) - ink).max() < 12


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_stays_cmyk_in_tiff(disc, raster_of, alpha_of, tmp_path, dtype):
    top = np.iinfo(dtype).max
    ink = np.dstack([top - disc.at(dtype), np.full(disc.alpha.shape, 7, dtype)])
    write_cutout(raster_of(ink, dpi=(300, 300)), alpha_of(disc.levels), tmp_path / "ink.tif", ExportOptions("tiff"))
    with tifffile.TiffFile(tmp_path / "ink.tif") as file:
        page = file.pages[0]
        assert page.photometric.name == "SEPARATED"
        assert page.tags["ExtraSamples"].value == (2,)
        pixels = page.asarray()
    full = disc.levels == 65535
    assert pixels.dtype == dtype
    assert np.array_equal(pixels[full][:, :4], ink[full])
    assert np.array_equal(pixels[..., 4], to_depth(disc.levels, 8 * np.dtype(dtype).itemsize))


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_cmyk_becomes_srgb_elsewhere_and_says_so(disc, raster_of, alpha_of, tmp_path, kind):
    ink = np.zeros((*disc.alpha.shape, 4), np.uint8)
    raster = raster_of(ink, rgb=disc.at(np.uint8))
    report = write_cutout(raster, alpha_of(disc.levels), tmp_path / f"a.{kind}", ExportOptions(kind))
    assert any("CMYK" in text and "sRGB" in text for text in report.warnings)
    image, pixels = load(tmp_path / f"a.{kind}")
    full = disc.levels == 65535
    assert np.array_equal(pixels[full][:, :3], disc.at(np.uint8)[full])
    assert image.get("icc-profile-data")[16:20] == b"RGB "


def test_16_bits_in_webp_become_8_with_a_word(disc, raster_of, alpha_of, tmp_path):
    picture = disc.at(np.uint16)
    report = write_cutout(raster_of(picture), alpha_of(disc.levels), tmp_path / "a.webp", ExportOptions("webp"))
    assert report.bits == 8
    assert any("8 bits" in text for text in report.warnings)
    _, pixels = load(tmp_path / "a.webp")
    full = disc.levels == 65535
    assert np.array_equal(pixels[full][:, :3], to_depth(picture, 8)[full])


def test_webp_says_where_it_ends(raster_of, alpha_of, tmp_path):
    raster = raster_of(np.zeros((2, 16400, 3), np.uint8))
    with pytest.raises(WriteError, match="16383"):
        write_cutout(raster, alpha_of(np.zeros((2, 16400), np.uint16)), tmp_path / "a.webp", ExportOptions("webp"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given_bits", "dtype"), [(8, np.uint16), (16, np.uint8)])
def test_another_depth_is_scaled_over_its_full_range(disc, raster_of, alpha_of, tmp_path, given_bits, dtype):
    picture = disc.at(dtype)
    report = write_cutout(raster_of(picture), alpha_of(disc.levels), tmp_path / "a.png", ExportOptions(bits=given_bits))
    _, pixels = load(tmp_path / "a.png")
    assert report.bits == given_bits == pixels.dtype.itemsize * 8
    full = disc.levels == 65535
    expected = picture.astype(np.int64) * 257 if given_bits == 16 else np.rint(picture / 257).astype(np.int64)
    assert np.array_equal(pixels[full][:, :3], expected[full])
    assert pixels[..., 3].max() == np.iinfo(pixels.dtype).max


def test_crop_trims_to_the_object_with_its_margin(disc, raster_of, alpha_of, tmp_path):
    ys, xs = np.nonzero(disc.levels >= 257)
    whole = tmp_path / "whole.png"
    write_cutout(raster_of(disc.at(np.uint8)), alpha_of(disc.levels), whole)
    for margin in (0, 13, 10_000):
        path = tmp_path / f"{margin}.png"
        report = write_cutout(raster_of(disc.at(np.uint8)), alpha_of(disc.levels), path, ExportOptions(crop=margin))
        expected = Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        assert report.box == expected.expand(margin, Box.frame(disc.alpha.shape[1], disc.alpha.shape[0]))
        part = load(whole)[1][report.box.slices].astype(int)
        assert np.abs(load(path)[1].astype(int) - part).max() <= 1


def test_nothing_to_crop_to(disc, raster_of, alpha_of, tmp_path):
    empty = np.full(disc.levels.shape, 200, np.uint16)
    with pytest.raises(NothingFound):
        write_cutout(raster_of(disc.at(np.uint8)), alpha_of(empty), tmp_path / "a.png", ExportOptions(crop=3))
    with pytest.raises(NothingFound):
        write_mask(alpha_of(empty), raster_of(disc.at(np.uint8)).info, tmp_path / "a.png", ExportOptions(crop=3))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_background_replaces_alpha(disc, raster_of, alpha_of, tmp_path, kind):
    picture, path = disc.at(np.uint8), tmp_path / f"a.{kind}"
    write_cutout(raster_of(picture), alpha_of(disc.levels), path, ExportOptions(kind, background=(10, 200, 30)))
    _, pixels = load(path)
    assert pixels.shape[2] == 3
    full, none = disc.levels == 65535, disc.levels == 0
    assert np.array_equal(pixels[full], picture[full])
    assert (pixels[none] == (10, 200, 30)).all()
    truth = disc.gold * disc.alpha[..., None] + np.array([10, 200, 30]) / 255 * (1 - disc.alpha[..., None])
    assert np.abs(pixels / 255 - truth)[~full & ~none].mean() < 1 / 255


def test_background_goes_through_the_pictures_profile(disc, raster_of, alpha_of, tmp_path, wide_gamut):
    raster = raster_of(disc.at(np.uint16), icc=wide_gamut)
    colour = (180, 90, 60)
    write_cutout(raster, alpha_of(disc.levels), tmp_path / "a.tif", ExportOptions("tiff", background=colour))
    image, pixels = load(tmp_path / "a.tif")
    assert np.abs(pixels[0, 0] / 257 - colour).max() > 20  # stored values differ, as red and green are swapped
    seen = image.icc_transform("srgb", embedded=True, intent="relative", depth=8).numpy()[0, 0]
    assert np.abs(seen.astype(int) - colour).max() <= 1


def test_a_coloured_background_makes_grey_colourful_and_a_grey_one_does_not(disc, raster_of, alpha_of, tmp_path):
    raster = raster_of(disc.at(np.uint8)[..., 0])
    for colour, bands in (((9, 9, 9), 1), ((200, 30, 30), 3)):
        path = tmp_path / f"{bands}.png"
        write_cutout(raster, alpha_of(disc.levels), path, ExportOptions(background=colour))
        pixels = load(path)[1]
        assert pixels.shape[2] == bands
        assert (pixels[0, 0] == colour[:bands]).all()
        full = disc.levels == 65535
        assert (pixels[full] == raster.pixels[full]).all()


def test_transparency_of_the_input_is_kept_and_its_colours_too(disc, raster_of, alpha_of, tmp_path):
    """A cut-out cut out again: the smaller alpha counts, and straight colours are not cleaned twice."""
    colours = np.rint(disc.gold * 255).astype(np.uint8)
    existing = disc.levels.copy()
    existing[:, :150] = 0
    write_cutout(raster_of(colours, existing=existing), alpha_of(disc.levels), tmp_path / "a.png")
    _, pixels = load(tmp_path / "a.png")
    assert np.array_equal(pixels[..., 3], to_depth(np.minimum(existing, disc.levels), 8))
    seen = pixels[..., 3] > 0
    assert np.array_equal(pixels[seen][:, :3], colours[seen])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_mask_is_the_alpha_alone(disc, raster_of, alpha_of, tmp_path, kind, bits, srgb_profile):
    info = raster_of(disc.at(np.uint8), dpi=(300.0, 300.0), icc=srgb_profile).info
    path = tmp_path / f"mask.{kind}"
    report = write_mask(alpha_of(disc.levels), info, path, ExportOptions(kind, bits=bits))
    image, pixels = load(path)
    assert np.array_equal(pixels[..., 0], to_depth(disc.levels, bits))
    assert pixels.shape[2] == 1
    assert report.bits == bits
    assert image.get_typeof("icc-profile-data") == 0
    assert image.xres * 25.4 == pytest.approx(300, abs=0.01)
    with Image.open(path) as opened:
        assert opened.mode == ("L" if bits == 8 else "I;16")


def test_mask_refuses_what_it_cannot_be(disc, raster_of, alpha_of, tmp_path):
    info = raster_of(disc.at(np.uint8)).info
    for options in (ExportOptions("webp"), ExportOptions(background=(0, 0, 0))):
        with pytest.raises(BadInput):
            write_mask(alpha_of(disc.levels), info, tmp_path / "a", options)


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (3, 5), (257, 129)])
def test_odd_sizes(raster_of, alpha_of, tmp_path, shape):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    levels = rng.choice(np.array([0, 30000, 65535], np.uint16), shape)
    for kind in ("png", "tiff", "webp"):
        path = tmp_path / f"a.{kind}"
        write_cutout(raster_of(picture), alpha_of(levels), path, ExportOptions(kind))
        _, pixels = load(path)
        assert np.array_equal(pixels[..., 3], to_depth(levels, 8))
        assert np.array_equal(pixels[levels == 65535][:, :3], picture[levels == 65535])


@pytest.mark.parametrize("bands", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_drawings(tmp_path, bands, dtype):
    rng = np.random.default_rng(2)
    shape = (20, 33, bands) if bands else (20, 33)
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    for name in ("a.png", "a.tif", "a.tiff", "no ending"):
        write_picture(pixels, tmp_path / name)
        assert np.array_equal(load(tmp_path / name)[1], pixels.reshape(20, 33, -1))
    with pytest.raises(BadInput):
        write_picture(pixels.astype(np.float32), tmp_path / "b.png")


@pytest.mark.parametrize(
    "bad", [{"format": "psd"}, {"bits": 12}, {"crop": -1}, {"background": (0, 0, 300)}, {"compression": 0}]
)
def test_options_are_checked_at_once(bad):
    with pytest.raises(BadInput):
        ExportOptions(**bad)


@pytest.mark.parametrize(
    ("source", "kind", "expected"),
    [
        ("/photos/ring 1.JPG", "png", "ring 1.png"),
        ("Kette Größe 5.tif", "tiff", "Kette Größe 5.tif"),
        ("No. 5", "webp", "No. 5.webp"),
        ("a.b.jpeg", "png", "a.b.png"),
    ],
)
def test_target_names(source, kind, expected):
    assert target_name(source, ExportOptions(kind)) == expected
