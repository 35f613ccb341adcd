"""Pictures in the square that a network was trained for, and what it says of them back in their own pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from segtile.types import Array, FloatArray

#: How a picture gets into the square: scaled by its longer side and padded right and below, squashed into it whatever
#: its aspect, or not at all (the graph does it itself).
Fit = Literal["longest", "squash", "as is"]

_LEVELS = np.float32(255.0)
_WHOLE = 1e-3  # code values; float32 holds k / 255 far better than this


@dataclass(frozen=True)
class Square:
    """A picture of `size` (width, height) px, scaled to `inner`, at the top left of a canvas of `outer`."""

    size: tuple[int, int]
    inner: tuple[int, int]
    outer: tuple[int, int]

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas px per picture px as (x, y)."""
        return self.inner[0] / self.size[0], self.inner[1] / self.size[1]

    def to_canvas(self, points: FloatArray) -> FloatArray:
        """(n, 2) points in picture px, in canvas px."""
        return (np.asarray(points, np.float64) * self.scale).astype(np.float32)

    def to_picture(self, values: FloatArray) -> FloatArray:
        """A map over the whole canvas, on any grid, as (height, width) float32 in picture px.

        Bilinear to the canvas, the padding cut off, bilinear to the picture: twice, as the families' own code does it.
        """
        full = cv2.resize(values.astype(np.float32, copy=False), self.outer, interpolation=cv2.INTER_LINEAR)
        part = full[: self.inner[1], : self.inner[0]]
        if self.inner == self.size:
            return np.ascontiguousarray(part)
        return np.asarray(cv2.resize(part, self.size, interpolation=cv2.INTER_LINEAR), np.float32)

    def from_picture(self, values: FloatArray, side: int, padding: float) -> FloatArray:
        """(h, w) float32 of picture px over the canvas at (side, side), area-averaged, `padding` beside the picture."""
        width = max(1, round(side * self.inner[0] / self.outer[0]))
        height = max(1, round(side * self.inner[1] / self.outer[1]))
        canvas = np.full((side, side), padding, np.float32)
        canvas[:height, :width] = _scaled(values.astype(np.float32, copy=False), (width, height))
        return canvas


def place(width: int, height: int, side: int, fit: Fit) -> Square:
    """Where a picture comes to lie: padded, its longer side becomes `side` and the other is rounded half up."""
    if fit == "as is":
        return Square((width, height), (width, height), (width, height))
    if fit == "squash":
        return Square((width, height), (side, side), (side, side))
    scale = side / max(width, height)
    return Square((width, height), (int(width * scale + 0.5), int(height * scale + 0.5)), (side, side))


def prepare(
    rgb: FloatArray,
    square: Square,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    scale: float = 1.0,
) -> FloatArray:
    """A picture as a network takes it: scaled without aliasing, normalised, then padded with zeros.

    A picture of whole 8-bit code values is scaled in 8 bits and rounded, as the families' own code scales it; one that
    is finer is scaled in single precision, from which that differs by less than a code value.

    Args:
        rgb: (h, w, 3) float32 in [0, 1], of the square's size.
        square: where it goes.
        mean: subtracted from ``rgb * scale``.
        std: divides the difference.
        scale: see `mean`.

    Returns:
        (1, 3, height, width) float32 of the canvas.
    """
    scaled = resize(rgb, square.inner)
    normal = (scaled * np.float32(scale) - np.array(mean, np.float32)) / np.array(std, np.float32)
    canvas = np.zeros((1, 3, square.outer[1], square.outer[0]), np.float32)
    canvas[0, :, : square.inner[1], : square.inner[0]] = normal.transpose(2, 0, 1)
    return canvas


def resize(rgb: FloatArray, size: tuple[int, int]) -> FloatArray:
    """(h, w, 3) float32 in [0, 1] at another (width, height), by Pillow's antialiased bilinear filter."""
    if rgb.shape[1::-1] == size:
        return rgb
    levels = rgb * _LEVELS
    whole = np.rint(levels)
    if float(np.abs(levels - whole).max(initial=0.0)) < _WHOLE:
        picture = Image.fromarray(whole.astype(np.uint8))
        return np.asarray(picture.resize(size, Image.Resampling.BILINEAR), np.float32) / _LEVELS
    return np.dstack([_fine(rgb[..., k], size) for k in range(rgb.shape[2])])


def _fine(plane: Array, size: tuple[int, int]) -> FloatArray:
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR), np.float32)


def _scaled(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    shrinking = size[0] < values.shape[1] or size[1] < values.shape[0]
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size, interpolation=how), np.float32)
