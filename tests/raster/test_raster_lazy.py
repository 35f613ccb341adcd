"""Large TIFF files in tiles: a window costs its own tiles, whatever the rest of the file is."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import tifffile

from segtile.errors import ReadError
from segtile.raster import open_raster, vips
from segtile.raster.tiled import TiledPixels
from segtile.types import Box

SIDE = 64


@pytest.fixture
def tiled(tmp_path, make_pixels, monkeypatch):
    """A tiled TIFF that counts as large, and its pixels."""
    monkeypatch.setattr("segtile.raster.tiled.IN_MEMORY", 0)

    def make(dtype="uint8", channels=3, **options):
        pixels = make_pixels(300, 420, channels, dtype)
        path = tmp_path / "tiled.tif"
        extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
        tifffile.imwrite(path, pixels, tile=(SIDE, SIDE), photometric="rgb", compression="zlib", **extra, **options)
        return path, pixels

    return make


def spoil(path, *tiles: int) -> None:
    """Overwrite the bytes of some tiles."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        places = [(page.dataoffsets[i], page.databytecounts[i]) for i in tiles]
    with path.open("r+b") as file:
        for offset, count in places:
            file.seek(offset)
            file.write(b"\x55" * count)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("orientation", [1, 6])
def test_windows_are_those_of_the_whole_picture(tiled, dtype, channels, orientation):
    path, _ = tiled(dtype, channels, extratags=[(274, "H", 1, orientation, True)])
    with open_raster(path) as whole, open_raster(path, lazy=True) as lazy:
        assert lazy.info.frame == whole.info.frame
        assert lazy.info.sha256 is None
        for box in (Box(0, 0, 5, 5), Box(63, 60, 130, 129), Box(200, 100, 299, 290), whole.info.frame):
            assert np.array_equal(lazy.window(box), whole.window(box))
        assert np.array_equal(lazy.preview(50), whole.preview(50))


def test_only_the_tiles_of_a_window_are_decoded(tiled):
    path, pixels = tiled()
    spoil(path, *range(1, 35))  # all but the first
    with pytest.raises(ReadError, match="damaged"), open_raster(path) as whole:
        whole.window(Box(0, 0, 60, 60))
    with open_raster(path, lazy=True) as lazy:
        assert np.array_equal(lazy.window(Box(0, 0, SIDE, SIDE)), pixels[:SIDE, :SIDE])
        with pytest.raises(ReadError, match="damaged"):
            lazy.window(Box(0, 0, SIDE + 1, SIDE))
        assert np.array_equal(lazy.window(Box(3, 3, 40, 40)), pixels[3:40, 3:40])


def write_huge(path, side: int, tile: int, special: int, pixels: np.ndarray) -> None:
    """A square RGB TIFF whose tiles are all one and the same black one, but for the one numbered `special`."""
    blobs = [zlib.compress(bytes(tile * tile * 3)), zlib.compress(pixels.tobytes())]
    count = (-(-side // tile)) ** 2
    numbers = [1 if i == special else 0 for i in range(count)]
    starts = [8, 8 + len(blobs[0])]
    arrays = 8 + len(blobs[0]) + len(blobs[1])
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 3, arrays + 8 * count), (259, 3, 1, 8), (262, 3, 1, 2)]
    tags += [(277, 3, 1, 3), (322, 4, 1, tile), (323, 4, 1, tile)]
    tags += [(324, 4, count, arrays), (325, 4, count, arrays + 4 * count)]
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, arrays + 8 * count + 6) + b"".join(blobs))
        file.write(struct.pack(f"<{count}I", *(starts[n] for n in numbers)))
        file.write(struct.pack(f"<{count}I", *(len(blobs[n]) for n in numbers)))
        file.write(struct.pack("<3HH", 8, 8, 8, len(tags)))
        for tag, kind, amount, value in tags:
            file.write(struct.pack("<HHI", tag, kind, amount))
            file.write(struct.pack("<HH", value, 0) if kind == 3 and amount == 1 else struct.pack("<I", value))
        file.write(struct.pack("<I", 0))


def test_a_window_of_a_picture_that_no_memory_holds(tmp_path):
    """40000 x 40000 px, 4.8 GB decoded: more than open_raster takes unless it need not decode it."""
    path = tmp_path / "huge.tif"
    light = np.zeros((1024, 1024, 3), np.uint8)
    light[100:150, 200:260] = 200
    write_huge(path, 40000, 1024, 20 * 40 + 38, light)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(ReadError, match="more than the limit"):
        open_raster(path)
    with open_raster(path, lazy=True) as lazy:
        assert lazy.info.frame == Box.frame(40000, 40000)
        window = lazy.window(Box(38 * 1024 + 190, 20 * 1024 + 90, 38 * 1024 + 300, 20 * 1024 + 200))
    assert (window[10:60, 10:70] == 200).all()
    assert window.sum() == 200 * 3 * 50 * 60


def test_a_preview_decodes_each_row_of_tiles_once(tiled, monkeypatch):
    path, pixels = tiled()
    monkeypatch.setattr("segtile.raster.preview._STRIP_SAMPLES", 420 * 3 * 7)
    decoded = []
    original = TiledPixels._decoded
    monkeypatch.setattr(TiledPixels, "_decoded", lambda self, box: decoded.append(box) or original(self, box))
    with open_raster(path, lazy=True) as lazy:
        small = lazy.preview(60)
    assert decoded == [Box(0, y, 420, min(y + SIDE, 300)) for y in range(0, 300, SIDE)]
    assert np.array_equal(small, open_raster(pixels).preview(60))


def test_other_files_are_decoded_once_as_ever(tmp_path, make_pixels, monkeypatch):
    pixels = make_pixels(100, 120, 3)
    path = tmp_path / "strips.tif"
    tifffile.imwrite(path, pixels, photometric="rgb")
    monkeypatch.setattr(vips, "IN_MEMORY", 0)
    with open_raster(path, lazy=True) as raster:
        assert raster.info.sha256 is not None
        assert np.array_equal(raster.window(raster.info.frame), pixels)
    with pytest.raises(ReadError, match="more than the limit"):
        open_raster(path, lazy=True, max_pixels=100)


def test_a_lazy_picture_that_changes_or_is_closed(tiled):
    path, _ = tiled()
    raster = open_raster(path, lazy=True)
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), photometric="rgb", tile=(64, 64))
    with pytest.raises(ReadError, match="changed"):
        raster.window(Box(0, 0, 4, 4))
    raster.close()
