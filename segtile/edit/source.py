"""The picture that is edited: what a model is shown of it, and the rows that come back where nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

from segtile.errors import BadInput
from segtile.export.colour import Colours, choose_colours
from segtile.export.options import ExportOptions
from segtile.raster import MAX_PIXELS, open_raster
from segtile.raster.preview import preview_size
from segtile.types import Array, Box, FloatArray, Raster

_NAMES = {"grey": "grey", "rgb": "RGB", "cmyk": "CMYK"}


@dataclass(frozen=True)
class Source:
    """An opened picture.

    `read` gives what a model sees of a box: (h, w, 3), a new array in the picture's dtype (uint8, uint16 or float32).
    Colours are the stored values, so that an identity gives the file's own bits back: grey is repeated three times, and
    only CMYK is converted to sRGB. `bands` is what is kept of the model's three, 1 for grey. `preview` gives the whole
    picture at most that long, (h, w, 3) float32. `raster` and `colours` are None for a float array.
    """

    name: str
    frame: Box
    dtype: np.dtype[np.generic]
    bands: int
    read: Callable[[Box], Array]
    preview: Callable[[int], FloatArray]
    raster: Raster | None = None
    colours: Colours | None = None
    warnings: tuple[str, ...] = ()

    def rows(self, y0: int, y1: int) -> Array:
        """(y1 - y0, width, bands): the picture as an edit is compared with it."""
        return self.read(Box(0, y0, self.frame.width, y1))[..., : self.bands]

    def close(self) -> None:
        """Let go of the file."""
        if self.raster is not None:
            self.raster.close()


def open_source(image: Any, max_pixels: int = MAX_PIXELS) -> Source:
    """Open what is to be edited.

    Args:
        image: a path, an (H, W[, 3 or 4]) uint8 or uint16 array in RGB order, an (H, W, 3) float32 array, a PIL image
            or a Raster.
        max_pixels: refuse pictures that claim more.

    Raises:
        ReadError: the picture cannot be read.
        BadInput: it is none of these, or a float array with another shape, NaN or infinite values.
    """
    if isinstance(image, np.ndarray) and image.dtype.kind == "f":
        return _float_source(image)
    raster = open_raster(image, max_pixels=max_pixels)
    info = raster.info
    colours = choose_colours(raster, ExportOptions(format="png"))
    bands = 1 if info.space == "grey" else 3

    def read(box: Box) -> Array:
        pixels = colours.read(box)
        return np.repeat(pixels, 3, axis=2) if bands == 1 else pixels

    return Source(
        str(info.path) if info.path else "the array",
        info.frame,
        np.dtype(info.dtype),
        bands,
        read,
        raster.preview,
        raster,
        colours,
        (*colours.warnings, *_other_colours(raster, colours)),
    )


def _other_colours(raster: Raster, colours: Colours) -> tuple[str, ...]:
    """A sentence where the stored values that a model sees are not sRGB."""
    frame = raster.info.frame
    if colours.icc is None or not colours.stored or raster.info.has_alpha:
        return ()
    patch = Box(frame.width // 2, frame.height // 2, frame.width // 2 + 64, frame.height // 2 + 64) & frame
    stored, seen = raster.native(patch), raster.window(patch)
    if np.array_equal(np.broadcast_to(stored, seen.shape), seen):
        return ()
    return (
        f"the colours are not sRGB: the model was shown the values of the embedded {_NAMES[raster.info.space]} profile "
        "as they are, and the result keeps that profile.",
    )


def _float_source(image: Array) -> Source:
    pixels = image.astype(np.float32, copy=False)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise BadInput(f"a float picture is (height, width, 3), this array is {image.shape}")
    height, width = pixels.shape[:2]
    for y in range(0, height, 256):
        if not np.isfinite(pixels[y : y + 256]).all():
            raise BadInput(f"rows {y} to {min(y + 256, height)} of the array hold NaN or infinite values")

    def preview(long_side: int) -> FloatArray:
        size = preview_size(width, height, long_side)
        return np.clip(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32), 0, 1)

    return Source(
        "the array", Box.frame(width, height), pixels.dtype, 3, lambda box: np.array(pixels[box.slices]), preview
    )


def out_frame(frame: Box, scale: Fraction) -> Box:
    """The frame of an edit whose model gives `scale` px for one: sizes are rounded up."""
    p, q = scale.numerator, scale.denominator
    return Box.frame(-(-frame.width * p // q), -(-frame.height * p // q))


def scaled_rows(rows: Callable[[int, int], Array], frame: Box, scale: Fraction) -> Callable[[int, int], Array]:
    """Rows of a picture at another size, made when they are asked for.

    Args:
        rows: ``rows(y0, y1)`` -> (y1 - y0, width[, bands]) of the picture.
        frame: its frame.
        scale: output px per px; 1 gives `rows` itself.

    Returns:
        The same over `out_frame`, in the same dtype: area-averaged where it shrinks, each px a block of its own where
        it grows by a whole number (so that means over an area stay what they are), bilinear where it grows by another.
    """
    if scale == 1:
        return rows
    p, q, out = scale.numerator, scale.denominator, out_frame(frame, scale)
    across = -(-frame.width // q)  # blocks of q px become blocks of p px
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST if q == 1 else cv2.INTER_LINEAR

    def scaled(y0: int, y1: int) -> Array:
        first, last = max(0, y0 // p - 2), min(-(-frame.height // q), -(-y1 // p) + 2)
        pixels = rows(first * q, min(last * q, frame.height))
        pads = (0, last * q - first * q - len(pixels)), (0, across * q - frame.width)
        padded = np.pad(pixels, (*pads, *[(0, 0)] * (pixels.ndim - 2)), mode="edge")
        big = cv2.resize(padded, (across * p, (last - first) * p), interpolation=how)
        big = big.reshape(*big.shape[:2], *pixels.shape[2:])
        return np.ascontiguousarray(big[y0 - first * p : y1 - first * p, : out.width])

    return scaled
