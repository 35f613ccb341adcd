"""Exact area averaging of a picture that is read strip by strip."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from scipy.sparse import csr_array

from segtile.types import Array, FloatArray

# Float samples that one strip may hold: 4 Mi of them are 16 MiB.
_STRIP_SAMPLES = 4 << 20


def preview_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(width, height) of a preview whose longer side is at most `long_side`: at least 1 px each, never larger."""
    factor = min(1.0, long_side / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def strip_bounds(height: int, row_samples: int) -> Iterator[tuple[int, int]]:
    """(y0, y1) of strips that cover `height` rows of `row_samples` samples and stay small as float32."""
    rows = max(1, _STRIP_SAMPLES // max(1, row_samples))
    for y in range(0, height, rows):
        yield y, min(y + rows, height)


class AreaAverage:
    """The running area average of rows that come in from top to bottom.

    Each output pixel is the mean of the input rectangle it covers, fractions of pixels counted as such, in float32.
    """

    def __init__(self, width: int, height: int, out_width: int, out_height: int, channels: int) -> None:
        """From (height, width, channels) to (out_height, out_width, channels), never larger."""
        self._width, self._height, self._out_width = width, height, out_width
        self._sum: FloatArray = np.zeros((out_height, out_width, channels), np.float32)

    def add(self, y0: int, rows: FloatArray) -> None:
        """Add rows y0 .. of shape (h, width, channels) float32."""
        count, _, channels = rows.shape
        first, weights = self._weights(y0, y0 + count)
        # Sparse rather than dense: an input row lies in two output rows at most, and the sum's order is fixed.
        lines = csr_array(weights) @ rows.reshape(count, -1)
        lines = lines.reshape(len(weights), self._width, channels)
        if self._out_width != self._width:
            lines = np.asarray(cv2.resize(lines, (self._out_width, len(weights)), interpolation=cv2.INTER_AREA))
        self._sum[first : first + len(weights)] += lines.reshape(len(weights), self._out_width, channels)

    def _weights(self, y0: int, y1: int) -> tuple[int, FloatArray]:
        """The first output row that input rows y0 .. y1 - 1 touch, and (outputs, inputs) the share of each in each."""
        scale = self._height / len(self._sum)
        first = min(int(y0 / scale), len(self._sum) - 1)
        last = min(int(np.ceil(y1 / scale)), len(self._sum))
        tops = np.arange(first, last)[:, None] * scale
        rows = np.arange(y0, y1)[None, :]
        overlap = np.minimum(rows + 1, tops + scale) - np.maximum(rows, tops)
        return first, (np.clip(overlap, 0, None) / scale).astype(np.float32)

    @property
    def result(self) -> FloatArray:
        """(out_height, out_width, channels) float32, once all rows were added."""
        return self._sum


def as_uint16(values: FloatArray) -> Array:
    """Values in [0, 1] as uint16 over its full range, rounded."""
    scaled = values * np.float32(65535)
    scaled += 0.5
    return np.clip(scaled, 0, 65535, out=scaled).astype(np.uint16)
