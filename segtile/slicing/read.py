"""Reading a window as a detector wants it: 8 bits, sRGB, at its size; by one rule for the whole picture."""

from __future__ import annotations

import numpy as np

from segtile.detected import ByteArray
from segtile.raster.preview import AreaAverage, strip_bounds
from segtile.slicing.plan import Window
from segtile.types import Array, Box, FloatArray, Raster


def read_window(raster: Raster, window: Window) -> ByteArray:
    """(h, w, 3) uint8 sRGB of the window's size, existing transparency on white.

    A window made smaller is the mean over the exact area of each of its pixels, from all bits of the file; only then
    are 16 bits taken to 8, rounded. A pixel's value depends on nothing but the pixels it covers.

    Raises:
        ReadError: the picture cannot be read there.
    """
    read, (width, height) = window.tile.read, window.size
    if (width, height) == (read.width, read.height):
        return _to_8(raster.window(read))
    mean = AreaAverage(read.width, read.height, width, height, 3)
    for y0, y1 in strip_bounds(read.height, read.width * 3):
        mean.add(y0, raster.window(Box(read.x0, read.y0 + y0, read.x1, read.y0 + y1)).astype(np.float32))
    return _rounded(mean.result, 257 if raster.info.bits == 16 else 1)


def _to_8(pixels: Array) -> ByteArray:
    return pixels if pixels.dtype == np.uint8 else ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _rounded(mean: FloatArray, levels: int) -> ByteArray:
    return np.clip(np.rint(mean / np.float32(levels)), 0, 255).astype(np.uint8)
