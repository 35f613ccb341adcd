"""The letterbox: a window scaled into a network's input with its aspect kept, centred on grey; and the way back.

Scale, rounding, padding and interpolation are those of ultralytics (LetterBox of ultralytics/data/augment.py), since
networks are trained behind it. The way back divides by what each axis was really scaled by, which differs from the
nominal scale by the rounding of the scaled size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segtile.types import FloatArray

#: The grey that networks of the YOLO family are trained to see around a picture.
PADDING = 114


@dataclass(frozen=True)
class Letterbox:
    """How a window lies in a network's input: sides as (width, height), its scaled `inner` part at (`left`, `top`)."""

    window: tuple[int, int]
    size: tuple[int, int]
    inner: tuple[int, int]
    left: int
    top: int

    @property
    def scale(self) -> tuple[float, float]:
        """Input px per window px, x and y."""
        return self.inner[0] / self.window[0], self.inner[1] / self.window[1]

    def apply(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The window in the box: (h, w, 3) uint8 in, (size) uint8 out, grey around it."""
        if self.inner != self.window:
            image = cv2.resize(image, self.inner, interpolation=cv2.INTER_LINEAR)
        if self.inner == self.size:
            return image
        right, bottom = self.size[0] - self.inner[0] - self.left, self.size[1] - self.inner[1] - self.top
        border = cv2.BORDER_CONSTANT
        return cv2.copyMakeBorder(image, self.top, bottom, self.left, right, border, value=(PADDING,) * 3)

    def undo(self, boxes: FloatArray) -> FloatArray:
        """Boxes (N, 4) of the input's px as continuous window px, not clipped; float32 of a float64 computation."""
        (sx, sy), shift = self.scale, np.array([self.left, self.top] * 2, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # a box that is no number stays none
            return ((boxes - shift) / np.array([sx, sy] * 2)).astype(np.float32)


def fit_letterbox(window: tuple[int, int], size: tuple[int, int], stride: int | None = None) -> Letterbox:
    """Fit a window into a network's input.

    Args:
        window: (width, height) of the window, both at least 1.
        size: (width, height) that the network takes at most.
        stride: where the graph takes any size: keep only as much padding as makes both sides multiples of it.

    Returns:
        The letterbox; its `size` is the input's size, smaller than `size` only where `stride` is given.
    """
    gain = min(size[0] / window[0], size[1] / window[1])
    width, height = (max(round(side * gain), 1) for side in window)
    free_x, free_y = size[0] - width, size[1] - height
    if stride is not None:
        free_x, free_y = free_x % stride, free_y % stride
    # half a pixel of padding too many goes right and below
    left, top = round(free_x / 2 - 0.1), round(free_y / 2 - 0.1)
    return Letterbox(window, (width + free_x, height + free_y), (width, height), left, top)
