"""Masks of whole windows, as other libraries hold them, cropped to the object."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from segtile.detected import CropMask
from segtile.types import Array, BoolArray, Box


def crop_of(bits: BoolArray, frame: Box) -> CropMask:
    """Crop (h, w) bool over a whole window to the object; the box is empty where there is none."""
    x, y, w, h = cv2.boundingRect(bits.view(np.uint8))
    box = Box(x, y, x + w, y + h)
    return CropMask.from_bits(bits[box.slices], box, frame)


def fill_rings(rings: Sequence[Sequence[float]], frame: Box) -> CropMask:
    """The pixels of polygon rings, even-odd: a ring inside a ring is a hole.

    Args:
        rings: each flat x, y, x, y, ... in window px, pixel middles being whole numbers, as cv2.findContours gives and
            SAHI passes on; a ring of fewer than 3 points holds nothing.
        frame: the window.

    Raises:
        ValueError: a ring is not made of pairs of numbers.
    """
    whole = [_points(ring, frame) for ring in rings]
    whole = [points for points in whole if len(points) >= 3]
    if not whole:
        return CropMask.from_bits(np.zeros((0, 0), np.bool_), Box(0, 0, 0, 0), frame)
    corners = np.concatenate(whole)
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    box = Box(int(x0), int(y0), int(x1) + 1, int(y1) + 1)
    canvas = np.zeros((box.height, box.width), np.uint8)
    cv2.fillPoly(canvas, [points - (box.x0, box.y0) for points in whole], (1,))
    return CropMask.from_bits(canvas.view(np.bool_), box, frame)


def _points(ring: Sequence[float], frame: Box) -> Array:
    """(N, 2) int32, within the window."""
    values = np.asarray(ring, np.float64)
    if values.ndim != 1 or len(values) % 2 or not np.isfinite(values).all():
        raise ValueError(f"a polygon has to be pairs of numbers x, y, x, y, ...; this one has {values.size} values")
    last = (frame.x1 - 1, frame.y1 - 1)
    return np.clip(np.rint(values.reshape(-1, 2)), 0, last).astype(np.int32)
