"""Instance masks from prototypes: a detection's coefficients weigh the prototypes of its own box and nothing else.

A prototype cell covers `stride` px of the network's input each way, and its value stands at its middle. Every window
pixel inside the box looks up the logits at its own middle, bilinearly, through the letterbox as it really is (its
padding and its scale of each axis), so nothing is resized that holds padding and nothing is rounded to cells.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from segtile.backends.letterbox import Letterbox
from segtile.detected import CropMask
from segtile.types import Array, Box, FloatArray


def mask_of_box(
    coefficients: FloatArray, prototypes: Array, box: FloatArray, letterbox: Letterbox, soft: bool
) -> CropMask | None:
    """The mask of one detection over the pixels whose middles lie in its box.

    Args:
        coefficients: (k,) of the detection.
        prototypes: (k, ph, pw) float16 or float32 over the network's whole input.
        box: (4,) continuous window px, within the window.
        letterbox: how the window lies in the input.
        soft: keep the probability beside the bits.

    Returns:
        The mask; probability above 0.5 is object. None where coefficients or prototypes are no numbers.
    """
    frame = Box.frame(*letterbox.window)
    x0, y0, x1, y1 = (math.ceil(float(side) - 0.5) for side in box)
    area = Box(x0, y0, max(x0, x1), max(y0, y1)) & frame
    if area.empty:
        return CropMask.from_bits(np.zeros((0, 0), np.bool_), Box(x0, y0, x0, y0), frame)
    ph, pw = prototypes.shape[1:]
    cols = _lookup(area.x0, area.x1, letterbox.scale[0], letterbox.left, letterbox.inner[0], letterbox.size[0] / pw)
    rows = _lookup(area.y0, area.y1, letterbox.scale[1], letterbox.top, letterbox.inner[1], letterbox.size[1] / ph)
    r0, c0 = int(rows.min()), int(cols.min())
    near = prototypes[:, r0 : int(rows.max()) + 2, c0 : int(cols.max()) + 2].astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        logits = np.tensordot(coefficients.astype(np.float32, copy=False), near, 1)
    if not np.isfinite(logits).all():
        return None
    values = _between(_between(logits, cols - c0, 1), rows - r0, 0)  # columns first: there the crop is still small
    if not soft:
        return CropMask.from_bits(values > 0, area, frame)
    probability = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return CropMask.from_soft(np.rint(probability * 255).astype(np.uint8), area, frame)


def _lookup(start: int, stop: int, scale: float, before: int, inner: int, stride: float) -> npt.NDArray[np.float64]:
    """Where the middles of the window px start .. stop - 1 lie on one axis of the prototypes, in cells.

    Clamped to the cells whose middles lie in the picture: what the network made of the padding is not the object's.
    """
    cells = ((np.arange(start, stop) + 0.5) * scale + before) / stride - 0.5
    first = math.ceil(before / stride - 0.5)
    last = max(first, math.floor((before + inner) / stride - 0.5 - 1e-9))
    return np.clip(cells, first, last)


def _between(values: FloatArray, at: npt.NDArray[np.float64], axis: int) -> FloatArray:
    """Values at fractional indices of an axis, linearly between the two next to each."""
    low = np.floor(at).astype(np.intp)
    part = (at - low).astype(np.float32)
    below = values.take(low, axis)
    between = values.take(np.minimum(low + 1, values.shape[axis] - 1), axis)
    between -= below
    between *= part[:, None] if axis == 0 else part
    between += below
    return between
