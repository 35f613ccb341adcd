"""Small pictures with exact alpha, in every kind of colours the export room writes."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from segtile.types import Box, ImageInfo

sys.path.insert(0, str(Path(__file__).parent))  # the detections that the writers' tests share


@dataclass
class ArrayAlpha:
    """An alpha in memory; `fail_at` makes it raise from that row on, `error` says what."""

    levels: np.ndarray
    fail_at: int | None = None
    error: BaseException = field(default_factory=lambda: RuntimeError("the alpha broke"))
    largest_read: int = 0

    @property
    def frame(self):
        return Box.frame(self.levels.shape[1], self.levels.shape[0])

    def rows(self, y0, y1):
        return self.window(Box(0, y0, self.levels.shape[1], y1))

    def window(self, box):
        if self.fail_at is not None and box.y1 > self.fail_at:
            raise self.error
        self.largest_read = max(self.largest_read, box.height)
        return self.levels[box.slices].copy()


@dataclass
class ArrayRaster:
    """A raster in memory that gives exactly the stored values it was made with."""

    pixels: np.ndarray
    info: ImageInfo
    existing: np.ndarray | None = None
    rgb: np.ndarray | None = None

    def native(self, box):
        return self.pixels[box.slices].copy()

    def strip(self, y0, y1):
        return self.pixels[y0:y1].copy()

    def window(self, box):
        rgb = self.pixels if self.rgb is None else self.rgb
        return (np.repeat(rgb, 3, axis=2) if rgb.shape[2] == 1 else rgb)[box.slices].copy()

    def alpha_strip(self, y0, y1):
        return None if self.existing is None else self.existing[y0:y1].copy()

    def preview(self, long_side):
        raise NotImplementedError

    def close(self):
        pass


def make_raster(pixels, existing=None, rgb=None, **info):
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    bands = pixels.shape[2]
    about = ImageInfo(
        width=pixels.shape[1],
        height=pixels.shape[0],
        bands=bands,
        dtype=pixels.dtype.name,
        space={1: "grey", 3: "rgb", 4: "cmyk"}[bands],
        has_alpha=existing is not None,
    )
    return ArrayRaster(pixels, dataclasses.replace(about, **info), existing, rgb)


@dataclass(frozen=True)
class Scene:
    """A gold disc with an open hole on white: the shot (h, w, 3), the true colour and the exact alpha, all floats."""

    shot: np.ndarray
    gold: np.ndarray
    alpha: np.ndarray

    @property
    def levels(self):
        return np.rint(self.alpha * 65535).astype(np.uint16)

    def at(self, dtype):
        return np.rint(self.shot * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture(scope="session")
def disc():
    h, w, fine = 330, 410, 8
    yy, xx = (np.mgrid[: h * fine, : w * fine] + 0.5) / fine
    r = np.hypot(xx - 200.3, yy - 160.7)
    alpha = ((r < 120) & (r > 40)).reshape(h, fine, w, fine).mean((1, 3))
    y, x = np.mgrid[:h, :w]
    gold = np.stack([0.75 + 0.1 * np.sin(x / 9), 0.55 + 0.1 * np.cos(y / 7), 0.2 + 0.05 * np.sin((x + y) / 5)], -1)
    return Scene(gold * alpha[..., None] + (1 - alpha[..., None]), gold, alpha)


@pytest.fixture(scope="session")
def raster_of():
    return make_raster


@pytest.fixture(scope="session")
def alpha_of():
    return ArrayAlpha


@pytest.fixture(scope="session")
def wide_gamut():
    """A valid RGB matrix profile whose colours are plainly not those of sRGB: red and green have changed places."""
    profile = ImageCms.createProfile("sRGB")
    data = bytearray(ImageCms.ImageCmsProfile(profile).tobytes())
    count = int.from_bytes(data[128:132], "big")
    tags = {bytes(data[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red + 4 : red + 12], data[green + 4 : green + 12] = data[green + 4 : green + 12], data[red + 4 : red + 12]
    return bytes(data)


@pytest.fixture(scope="session")
def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(params=["<", ">"], ids=["little", "big"])
def exif_block(request):
    """An EXIF block with words, an exposure, a place, a wrong size and orientation 6."""
    exif = Image.Exif()
    if request.param == "<":
        exif.endian = "<"
    exif[0x010F] = "Maker & Söhne"
    exif[0x0112] = 6
    inner = exif.get_ifd(0x8769)
    inner[0xA002], inner[0xA003] = 123, 77
    inner[0x829A] = 0.008
    inner[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 15.5)
    block = exif.tobytes()
    return block if block.startswith(b"Exif") else b"Exif\0\0" + block
