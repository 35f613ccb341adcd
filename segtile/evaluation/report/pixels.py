"""Looks at one picture's files: small views of them, the signed error, and the window where it is worst.

All arithmetic is done by strips: a picture of 12000 px costs its decoded files in their own depth, and little more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segtile.errors import ReadError
from segtile.evaluation.alphas import read_alpha
from segtile.raster.preview import AreaAverage, preview_size, strip_bounds
from segtile.types import Array, Box, FloatArray, Raster

#: Side of the window that is shown pixel by pixel.
WINDOW = 256

#: What the error map is painted in, sRGB 0..255: red where the object is missing, blue where there is too much of it.
MISSING = (239, 68, 56)
EXTRA = (56, 132, 255)

_DIM = 0.34  # the photo behind the error, so that both colours stand out on white and on black


class AlphaFile:
    """An alpha as the run wrote it, kept in the file's own depth and read by boxes as float32 in [0, 1]."""

    def __init__(self, path: Path, what: str, size: tuple[int, int] | None = None) -> None:
        """`size` (width, height): what it is asked for; an alpha of another size is resized as the metrics do it.

        Raises:
            ReadError: the file is not there any more, or cannot be read; the sentence says that it is `what`.
            BadInput: it is a colour picture without an alpha channel.
        """
        check_there(path, what)
        values = read_alpha(path)
        own = (values.shape[1], values.shape[0])
        self.size = size or own
        if self.size != own:
            values = np.asarray(cv2.resize(values, self.size, interpolation=cv2.INTER_LINEAR))
        self._values = values

    def read(self, box: Box) -> FloatArray:
        """(h, w) float32 in [0, 1]."""
        values = self._values[box.slices]
        return (values / np.float32(np.iinfo(values.dtype).max)).astype(np.float32)


@dataclass(frozen=True)
class Look:
    """An alpha in small: `alpha`, `missing` and `extra` are (h, w) float32 in [0, 1], averaged over each pixel's area.

    `missing` averages max(0, truth - alpha) and `extra` max(0, alpha - truth); they do not cancel. `worst` is the
    window with the greatest sum of absolute error, None where there is no error at all, `worst_error` that sum in px.
    """

    alpha: FloatArray
    missing: FloatArray | None
    extra: FloatArray | None
    worst: Box | None
    worst_error: float


def check_there(path: Path, what: str) -> None:
    """Refuse a file that the results name and that is gone.

    Raises:
        ReadError: there is no such file; the sentence says what it was.
    """
    if not path.is_file():
        raise ReadError(f"{what} is missing: {path} is not there any more; put it back or run the evaluation again")


def compare(alpha: AlphaFile, truth: AlphaFile | None, long_side: int) -> Look:
    """An alpha in small, beside its truth where there is one (of the same size)."""
    width, height = alpha.size
    size = preview_size(width, height, long_side)
    mean = AreaAverage(width, height, *size, 1 if truth is None else 3)
    worst = WorstWindow(width, height)
    for y0, y1 in strip_bounds(height, width * 6):
        box = Box(0, y0, width, y1)
        values = alpha.read(box)
        if truth is None:
            mean.add(y0, values[..., None])
            continue
        signed = values - truth.read(box)
        mean.add(y0, np.stack([values, np.maximum(-signed, 0), np.maximum(signed, 0)], axis=-1))
        worst.add(np.abs(signed))
    result = np.clip(mean.result, 0, 1)
    if truth is None:
        return Look(result[..., 0], None, None, None, 0.0)
    box_of_worst = worst.box if worst.total <= 0 else _centred(worst.box, alpha, truth, worst.total)
    found = box_of_worst if worst.total > 0 else None
    return Look(result[..., 0], result[..., 1], result[..., 2], found, worst.total)


class WorstWindow:
    """The WINDOW x WINDOW px box with the greatest sum of values, exactly, of rows that come from top to bottom."""

    def __init__(self, width: int, height: int) -> None:
        """Where the picture is smaller than the window, the window is cut to it."""
        self._width, self._height = min(WINDOW, width), min(WINDOW, height)
        self._rows: FloatArray = np.zeros((0, width), np.float32)
        self._top = 0
        self.total = -1.0
        self.box = Box(0, 0, self._width, self._height)

    def add(self, rows: FloatArray) -> None:
        """(h, width) float32, not negative."""
        held = np.concatenate([self._rows, rows])
        if len(held) >= self._height:
            table = cv2.integral(held, sdepth=cv2.CV_64F)
            w, h = self._width, self._height
            sums = table[h:, w:] - table[:-h, w:] - table[h:, :-w] + table[:-h, :-w]
            y, x = np.unravel_index(int(sums.argmax()), sums.shape)
            if sums[y, x] > self.total:
                self.total = float(sums[y, x])
                self.box = Box(int(x), self._top + int(y), int(x) + w, self._top + int(y) + h)
        keep = min(len(held), self._height - 1)
        self._top += len(held) - keep
        self._rows = held[len(held) - keep :].copy()


def _centred(box: Box, alpha: AlphaFile, truth: AlphaFile, total: float) -> Box:
    """The window moved so that its error lies in its middle, where that loses none of it.

    Of many windows that hold the same small spot the search finds the first, which shows the spot in its corner.
    """
    error = np.abs(alpha.read(box) - truth.read(box)).astype(np.float64)
    width, height = alpha.size
    x = float(error.sum(0) @ (np.arange(box.width) + 0.5) / error.sum()) + box.x0
    y = float(error.sum(1) @ (np.arange(box.height) + 0.5) / error.sum()) + box.y0
    left = min(max(round(x - box.width / 2), 0), width - box.width)
    top = min(max(round(y - box.height / 2), 0), height - box.height)
    moved = Box(left, top, left + box.width, top + box.height)
    found = np.abs(alpha.read(moved) - truth.read(moved)).sum(dtype=np.float64)
    return moved if found >= total * (1 - 1e-6) else box


def photo_window(raster: Raster, box: Box, size: tuple[int, int]) -> FloatArray:
    """(h, w, 3) float32 sRGB in [0, 1]: the photo under a box of a frame of `size`, at the box's own size."""
    info = raster.info
    if (info.width, info.height) == size:
        pixels = raster.window(box)
    else:
        pixels = raster.window(box.scaled(info.width / size[0], info.height / size[1]) & info.frame)
        pixels = np.asarray(cv2.resize(pixels, (box.width, box.height), interpolation=cv2.INTER_LINEAR))
    return (pixels / np.float32(np.iinfo(pixels.dtype).max)).astype(np.float32)


def error_map(photo: FloatArray, missing: FloatArray, extra: FloatArray, *, root: float = 2) -> Array:
    """Signed error on the dimmed photo, (h, w, 3) uint8 sRGB.

    Red where the object is missing, blue where there is too much of it; where both meet in one pixel, their mixture.
    The paint's strength is a root of the pixel's mean absolute error: an error of 1 shows the pure colour, and with the
    third root a one-pixel line still shows half of it when a preview's pixel covers eight.

    Args:
        photo: (h, w, 3) float32 sRGB in [0, 1].
        missing: (h, w) float32 in [0, 1], mean of max(0, truth - alpha).
        extra: (h, w) float32 in [0, 1], mean of max(0, alpha - truth).
        root: which root, from 1 up.
    """
    grey = photo @ np.array([0.299, 0.587, 0.114], np.float32)
    total = np.clip(missing + extra, 0, 1)[..., None]
    share = np.divide(missing[..., None], missing[..., None] + extra[..., None] + 1e-12)
    paint = share * np.array(MISSING, np.float32) + (1 - share) * np.array(EXTRA, np.float32)
    strength = total ** (1 / root)
    out = grey[..., None] * (255 * _DIM) * (1 - strength) + paint * strength
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def smaller(array: Array, long_side: int) -> Array:
    """The array, averaged down so that its longer side is at most `long_side`."""
    height, width = array.shape[:2]
    size = preview_size(width, height, long_side)
    return array if size == (width, height) else np.asarray(cv2.resize(array, size, interpolation=cv2.INTER_AREA))
