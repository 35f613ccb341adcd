"""Files appear whole or not at all, and what cannot be written is said before any work."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvips

from segtile.errors import ReadError, WouldOverwrite, WriteError
from segtile.export import ExportOptions, write_cutout, write_mask, write_picture
from segtile.export.encode import Layout, encode

BROKEN = [RuntimeError("broke"), KeyboardInterrupt(), ReadError("truncated"), MemoryError()]


@pytest.mark.parametrize("error", BROKEN, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_an_interrupted_write_leaves_nothing(raster_of, alpha_of, tmp_path, kind, error):
    picture = np.random.default_rng(0).integers(0, 256, (800, 300, 3), dtype=np.uint8)
    alpha = alpha_of(np.full((800, 300), 40000, np.uint16), fail_at=700, error=error)
    with pytest.raises(type(error)) as caught:
        write_cutout(raster_of(picture), alpha, tmp_path / "a.png", ExportOptions(kind))
    assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(raster_of, alpha_of, tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"the old one")
    alpha = alpha_of(np.full((600, 300), 40000, np.uint16), fail_at=500)
    with pytest.raises(RuntimeError):
        write_cutout(raster_of(np.zeros((600, 300, 3), np.uint8)), alpha, target, overwrite=True)
    assert target.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_target_is_refused_before_any_work(disc, raster_of, alpha_of, tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"mine")
    alpha = alpha_of(disc.levels, fail_at=0)  # any read would raise something else
    raster = raster_of(disc.at(np.uint8))
    for write in (
        lambda: write_cutout(raster, alpha, target, ExportOptions(crop=1)),
        lambda: write_mask(alpha, raster.info, target),
        lambda: write_picture(raster.pixels, target),
    ):
        with pytest.raises(WouldOverwrite, match=r"a\.png"):
            write()
    assert target.read_bytes() == b"mine"
    write_cutout(raster, alpha_of(disc.levels), target, overwrite=True)
    assert pyvips.Image.new_from_file(str(target)).bands == 4
    assert list(tmp_path.iterdir()) == [target]


def test_names_with_spaces_and_other_letters(disc, raster_of, alpha_of, tmp_path):
    folder = tmp_path / "Größe 5 кольцо 指輪"
    folder.mkdir()
    for kind, name in (("png", "Ring „weiß“ [1].png"), ("tiff", "ネックレス 2.tif"), ("webp", "ß%20=x,y.webp")):
        write_cutout(raster_of(disc.at(np.uint8)), alpha_of(disc.levels), folder / name, ExportOptions(kind))
        assert (folder / name).stat().st_size > 1000
    assert len(list(folder.iterdir())) == 3


def test_folders_that_cannot_be_written_to(disc, raster_of, alpha_of, tmp_path, monkeypatch):
    raster, alpha = raster_of(disc.at(np.uint8)), alpha_of(disc.levels, fail_at=0)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    cases = [
        (tmp_path / "missing" / "a.png", "missing"),
        (tmp_path / "file" / "a.png", "not a folder"),
        (tmp_path / "folder", "is a folder"),
        (tmp_path / ("x" * 300 + ".png"), "too long"),
    ]
    for path, sentence in cases:
        with pytest.raises(WriteError, match=sentence):
            write_cutout(raster, alpha, path)
    # Whoever runs as root may write to folders without permission, so the system's answer is put in its mouth.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(WriteError, match="read-only"):
        write_cutout(raster, alpha, tmp_path / "folder" / "a.png")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence_and_does_not_hang(tmp_path):
    """The encoder writes to a device that is always full, while more strips wait than fit in the pipe."""
    rng = np.random.default_rng(0)
    strips = (rng.integers(0, 256, (200, 1000, 3), dtype=np.uint8) for _ in range(20))
    with pytest.raises(WriteError, match=r"ring\.png cannot be written"):
        encode(strips, Layout("png", 1000, 4000, 3, 8, "rgb"), Path("/dev/full"), tmp_path / "ring.png")


def test_memory_stays_at_some_strips(tmp_path):
    """6000 x 6000 in 16 bits is 288 MB as RGBA; writing it takes less than that, interpreter and libraries included."""
    if not Path("/proc/self/status").exists():
        pytest.skip("reads the peak from Linux's /proc: getrusage would count the process that started this one")
    code = """
import sys
from pathlib import Path
import numpy as np
from segtile.export import ExportOptions, write_cutout
from segtile.types import Box, ImageInfo
N = 6000
def distance(box):
    y, x = np.ogrid[box.y0:box.y1, box.x0:box.x1]
    return np.sqrt((np.square(x - 3000, dtype=np.float32) + np.square(y - 3000, dtype=np.float32)))
class Alpha:
    frame = Box.frame(N, N)
    def window(self, box):
        return (np.clip((2000 - distance(box)) / 4, 0, 1) * np.float32(65535)).astype(np.uint16)
    def rows(self, y0, y1):
        return self.window(Box(0, y0, N, y1))
class Raster:
    info = ImageInfo(N, N, 3, "uint16")
    def native(self, box):
        grey = (distance(box) * 15).astype(np.uint16)
        return np.dstack([grey, grey, grey])
    def alpha_strip(self, y0, y1):
        return None
write_cutout(Raster(), Alpha(), Path(sys.argv[1]), ExportOptions("tiff", crop=10))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "big.tif")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 288
    image = pyvips.Image.new_from_file(str(tmp_path / "big.tif"))
    assert (image.bands, image.format) == (4, "ushort")
