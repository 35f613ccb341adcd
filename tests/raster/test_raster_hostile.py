"""Broken, hostile and mistaken files end in one clear sentence that names them, never in a partial picture."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from segtile.errors import BadInput, ReadError
from segtile.raster import files, open_raster, vips

H, W = 300, 400


def refused(path, match: str, **options) -> None:
    """Opening and reading `path` ends in a ReadError of one sentence that names the file."""
    with pytest.raises(ReadError, match=match) as caught, open_raster(path, **options) as raster:
        raster.strip(0, 1)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 300 + len(str(path))


def write(path, pixels: np.ndarray, kind: str) -> None:
    if kind == "png interlaced":
        pyvips.Image.new_from_array(pixels).pngsave(str(path), interlace=True)
    elif kind == "jpeg progressive":
        Image.fromarray(pixels).save(path, "JPEG", progressive=True)
    elif kind == "tiff tiles":
        tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", tile=(64, 64))
    elif kind == "tiff strips":
        tifffile.imwrite(path, pixels, photometric="rgb", compression="zlib", rowsperstrip=32)
    elif kind == "tiff lzw":
        pyvips.Image.new_from_array(pixels).tiffsave(str(path), compression="lzw")
    elif kind == "tiff raw":
        tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        Image.fromarray(pixels).save(path, kind.upper())


KINDS = [
    "jpeg",
    "jpeg progressive",
    "png",
    "png interlaced",
    "webp",
    "tiff raw",
    "tiff strips",
    "tiff tiles",
    "tiff lzw",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated(kind, share, kept_in, tmp_path, make_pixels):
    path = tmp_path / "picture.bin"
    write(path, make_pixels(H, W, 3), kind)
    with open_raster(path) as raster:
        assert raster.strip(0, 1).shape == (1, W, 3)  # whole, it is fine
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refused(path, "damaged or incomplete|cannot be read as")


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff lzw"])
def test_garbage_in_the_middle(kind, kept_in, tmp_path, make_pixels):
    path = tmp_path / "picture.bin"
    write(path, make_pixels(H, W, 3), kind)
    whole = path.read_bytes()
    third = len(whole) // 3
    path.write_bytes(whole[:third] + np.random.default_rng(0).bytes(3000) + whole[third + 3000 :])
    refused(path, "damaged or incomplete")


def test_a_failed_picture_fails_again_without_a_second_try(tmp_path, make_pixels):
    path = tmp_path / "picture.png"
    write(path, make_pixels(H, W, 3), "png")
    path.write_bytes(path.read_bytes()[:-2000])
    with open_raster(path) as raster:
        for _ in range(2):
            with pytest.raises(ReadError, match="damaged or incomplete"):
                raster.preview(10)
        path.unlink()
        with pytest.raises(ReadError, match="damaged or incomplete"):
            raster.preview(10)


def test_stray_bytes_between_the_segments_of_a_jpeg_are_said_and_read_past(tmp_path, make_pixels):
    path = tmp_path / "picture.jpg"
    write(path, make_pixels(H, W, 3), "jpeg")
    with open_raster(path) as raster:
        clean = raster.strip(0, H)
    whole = path.read_bytes()
    tables = whole.index(b"\xff\xdb")
    path.write_bytes(whole[:tables] + b"\0" * 7 + whole[tables:])
    with open_raster(path) as raster:
        assert np.array_equal(raster.strip(0, H), clean)
        assert any("may be damaged" in text and "extraneous" in text for text in raster.warnings)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("empty.jpg", b"", "empty"),
        ("notes.png", "Grüße, this is text and no picture.\n".encode() * 9, "text file"),
        ("page.jpg", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        ("drawing.png", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        ("drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        ("phone.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("phone.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "AVIF"),
        ("old.gif", b"GIF89a" + b"\0" * 40, "GIF"),
        ("layers.tif", b"8BPS\0\1" + b"\0" * 40, "Photoshop"),
        ("pack.png", b"PK\x03\x04" + b"\0" * 40, "ZIP"),
        ("noise.png", bytes(range(128, 256)) * 4, "known kind"),
        ("zeros.tif", b"\0" * 4096, "known kind"),
        ("head.jpg", b"\xff\xd8\xff\xe0", "cannot be read as JPEG"),
        ("head.png", b"\x89PNG\r\n\x1a\n", "PNG"),
        ("head.tif", b"II*\0\x08\0\0\0", "cannot be read as TIFF"),
        ("head.webp", b"RIFF\x10\0\0\0WEBP", "cannot be read as WebP"),
    ],
)
def test_not_a_picture(name, content, match, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, match)


def test_missing_folder_pipe_and_forbidden(tmp_path):
    refused(tmp_path / "nowhere.jpg", "does not exist")
    refused(tmp_path, "is a folder")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        refused(tmp_path / "pipe.jpg", "not a regular file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_forbidden(tmp_path, make_pixels):
    path = tmp_path / "picture.png"
    write(path, make_pixels(8, 8, 3), "png")
    path.chmod(0)
    refused(path, "permission denied")


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    )


def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(60000, 60000))
    monkeypatch.setattr(vips, "decode", lambda *_: pytest.fail("decoded a bomb"))
    refused(path, r"60000 x 60000 pixels.*max_pixels")


@pytest.mark.parametrize(("kind", "said"), [("jpeg progressive", True), ("png interlaced", True), ("jpeg", False)])
def test_files_that_need_much_memory_to_decode_say_so(kind, said, tmp_path, monkeypatch, make_pixels):
    path = tmp_path / "picture.bin"
    write(path, make_pixels(H, W, 3), kind)
    monkeypatch.setattr(files, "_MUCH", H * W * 3 - 1)
    with open_raster(path) as raster:
        assert any("MiB of memory at once" in text for text in raster.warnings) == said


def test_the_limit_is_the_callers(tmp_path, make_pixels):
    path = tmp_path / "picture.png"
    write(path, make_pixels(H, W, 3), "png")
    refused(path, "more than the limit", max_pixels=H * W - 1)
    with open_raster(path, max_pixels=H * W) as raster:
        assert raster.info.width == W
    with pytest.raises(BadInput, match="more than the limit"):
        open_raster(Image.new("RGB", (W, H)), max_pixels=H * W - 1)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "int8", "uint32"])
def test_other_samples_are_refused(dtype, tmp_path, make_pixels):
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, make_pixels(H, W, 1)[..., 0].astype(dtype), photometric="minisblack")
    refused(path, "8 and 16 bits")


def test_other_colours_are_refused(tmp_path, make_pixels):
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, make_pixels(H, W, 3), photometric="cielab")
    refused(path, "cannot be read as TIFF|grey, RGB and CMYK")


def test_too_small_a_disc_is_said_before_decoding(tmp_path, monkeypatch, make_pixels):
    path = tmp_path / "picture.png"
    write(path, make_pixels(H, W, 3), "png")
    monkeypatch.setattr(vips, "IN_MEMORY", 0)
    monkeypatch.setattr(vips.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    refused(path, r"folder of temporary files.*TMPDIR")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_a_disc_that_fills_up_while_decoding(tmp_path, monkeypatch, make_pixels):
    path = tmp_path / "picture.png"
    write(path, make_pixels(H, W, 3), "png")
    monkeypatch.setattr(vips, "IN_MEMORY", 0)
    monkeypatch.setattr(vips.tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    refused(path, r"folder of temporary files.*TMPDIR")


def test_a_file_that_changes_between_opening_and_reading(tmp_path, make_pixels):
    path = tmp_path / "picture.png"
    write(path, make_pixels(H, W, 3), "png")
    with open_raster(path) as raster:
        write(path, make_pixels(H, W + 1, 3), "png")
        with pytest.raises(ReadError, match="has changed"):
            raster.strip(0, 1)


@pytest.mark.parametrize("source", [None, 7, b"bytes", [[1, 2], [3, 4]]])
def test_other_sources_are_refused(source):
    with pytest.raises(BadInput, match="opened from a path"):
        open_raster(source)
