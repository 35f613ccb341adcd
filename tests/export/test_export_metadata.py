"""What travels with a file's pixels, as other programs see it: profile, resolution, EXIF."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from read_back import load

from segtile.export import ExportOptions, write_cutout
from segtile.export.alpha import to_depth
from segtile.export.tiff_exif import upright_exif
from segtile.raster import open_raster


def test_16_bit_tiff_keeps_profile_and_dpi_for_every_reader(disc, raster_of, alpha_of, tmp_path, wide_gamut):
    picture = disc.at(np.uint16)
    raster = raster_of(picture, icc=wide_gamut, dpi=(300.0, 300.0))
    path = tmp_path / "ring.tif"
    write_cutout(raster, alpha_of(disc.levels), path, ExportOptions("tiff"))
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        pixels = page.asarray()
        assert page.tags["ExtraSamples"].value == (2,)
        assert page.tags["BitsPerSample"].value == (16, 16, 16, 16)
        assert page.tags["XResolution"].value == page.tags["YResolution"].value == (300, 1)
        assert page.tags["ResolutionUnit"].value == 2
        assert page.tags["Orientation"].value == 1
        assert page.tags["InterColorProfile"].value == wide_gamut
    image, same = load(path)
    assert image.get("icc-profile-data") == wide_gamut
    assert image.xres * 25.4 == pytest.approx(300, abs=0.01)
    assert np.array_equal(pixels, same)
    full = disc.levels == 65535
    assert np.array_equal(pixels[full][:, :3], picture[full])
    with Image.open(path) as opened:
        assert opened.info["dpi"] == (300.0, 300.0)
        assert opened.info["icc_profile"] == wide_gamut


def test_png_and_webp_keep_profile_and_dpi(disc, raster_of, alpha_of, tmp_path, wide_gamut):
    raster = raster_of(disc.at(np.uint8), icc=wide_gamut, dpi=(300.0, 240.0))
    for kind in ("png", "webp"):
        path = tmp_path / f"ring.{kind}"
        write_cutout(raster, alpha_of(disc.levels), path, ExportOptions(kind))
        with Image.open(path) as opened:
            assert opened.info["icc_profile"] == wide_gamut
            assert opened.mode == "RGBA"
            if kind == "png":
                assert opened.info["dpi"] == pytest.approx((300, 240), abs=0.02)


@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_exif_goes_along_and_tells_the_truth(disc, raster_of, alpha_of, tmp_path, exif_block, kind):
    raster = raster_of(disc.at(np.uint8), exif=exif_block, orientation_was=6, dpi=(300.0, 300.0))
    path = tmp_path / f"ring.{kind}"
    report = write_cutout(raster, alpha_of(disc.levels), path, ExportOptions(kind, crop=5))
    with Image.open(path) as opened:
        opened.load()
        exif = opened.getexif()
        assert exif.get(0x0112, 1) == 1
        assert "Maker" in exif[0x010F]
        inner = exif.get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == (report.box.width, report.box.height) == opened.size
        assert float(inner[0x829A]) == pytest.approx(0.008)
        assert inner[0x9003] == "2026:01:02 03:04:05"
        place = exif.get_ifd(0x8825)
        assert place[1] == "N"
        assert tuple(map(float, place[2])) == pytest.approx((52, 30, 15.5))
    if kind == "tiff":
        with tifffile.TiffFile(path) as file:
            assert len(file.pages) == 1
            assert float(file.pages[0].tags["ExifTag"].value["ExposureTime"]) == pytest.approx(0.008)


def test_exif_in_a_bigtiff(disc, raster_of, alpha_of, tmp_path, exif_block, monkeypatch):
    monkeypatch.setattr("segtile.export.encode._BIG_TIFF", 0)
    picture = disc.at(np.uint8)
    write_cutout(raster_of(picture, exif=exif_block), alpha_of(disc.levels), tmp_path / "a.tif", ExportOptions("tiff"))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        tags = file.pages[0].tags
        assert "Maker" in tags["Make"].value
        assert tags["ExifTag"].value["DateTimeOriginal"] == "2026:01:02 03:04:05"
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert np.array_equal(file.pages[0].asarray()[..., 3], to_depth(disc.levels, 8))
    assert load(tmp_path / "a.tif")[1].shape == (*picture.shape[:2], 4)


def test_the_thumbnail_of_other_pixels_is_cut_off():
    first = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, 8, 0, 26)
    thumbnail = struct.pack("<HHHIII", 1, 0x0201, 4, 1, 999, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + thumbnail
    found = upright_exif(block, 5, 6)
    exif = Image.Exif()
    exif.load(found)
    assert exif[0x0112] == 1
    assert not exif.get_ifd(1)
    assert upright_exif(b"Exif\0\0nonsense", 5, 6) is None


def test_from_a_real_file_to_a_real_file(disc, alpha_of, tmp_path, wide_gamut):
    """16-bit TIFF stored sideways in, upright TIFF out: the same values, profile and resolution."""
    picture = disc.at(np.uint16)
    source = tmp_path / "in put.tif"
    tags = [("InterColorProfile", 7, len(wide_gamut), wide_gamut, True), ("Orientation", 3, 1, 6, True)]
    stored = np.rot90(picture)  # orientation 6: the first stored row is the right hand side
    tifffile.imwrite(source, stored, photometric="rgb", resolution=(300, 300), resolutionunit=2, extratags=tags)
    with open_raster(source) as raster:
        assert (raster.info.width, raster.info.height) == (picture.shape[1], picture.shape[0])
        write_cutout(raster, alpha_of(disc.levels), tmp_path / "out.tif", ExportOptions("tiff"))
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        page = file.pages[0]
        full = disc.levels == 65535
        assert np.array_equal(page.asarray()[full][:, :3], picture[full])
        assert page.tags["InterColorProfile"].value == wide_gamut
        assert page.tags["XResolution"].value == (300, 1)
        assert page.tags["Orientation"].value == 1


def test_a_damaged_exif_block_is_left_out_with_a_word(disc, raster_of, alpha_of, tmp_path):
    raster = raster_of(disc.at(np.uint8), exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff\xff")
    report = write_cutout(raster, alpha_of(disc.levels), tmp_path / "a.tif", ExportOptions("tiff"))
    assert any("EXIF" in text for text in report.warnings)
    with Image.open(tmp_path / "a.tif") as opened:
        opened.load()


def test_a_profile_for_other_colours_is_not_attached(disc, raster_of, alpha_of, tmp_path, srgb_profile):
    raster = raster_of(disc.at(np.uint8)[..., 0], icc=srgb_profile)
    report = write_cutout(raster, alpha_of(disc.levels), tmp_path / "grey.png")
    assert "profile" in report.warnings[0]
    with Image.open(tmp_path / "grey.png") as opened:
        assert "icc_profile" not in opened.info


def test_a_damaged_profile_is_left_out_with_a_word(disc, raster_of, alpha_of, tmp_path):
    raster = raster_of(disc.at(np.uint8), icc=b"\0" * 16 + b"RGB " + b"x" * 400)
    for kind in ("png", "tiff", "webp"):
        path = tmp_path / f"a.{kind}"
        report = write_cutout(raster, alpha_of(disc.levels), path, ExportOptions(kind, background=(1, 2, 200)))
        assert any("damaged" in text for text in report.warnings)
        image, pixels = load(path)
        assert image.get_typeof("icc-profile-data") == 0
        assert pixels[0, 0].tolist() == [1, 2, 200]
