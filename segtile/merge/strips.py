"""Blending two strips of pixels in the canvas's own dtype."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.types import Array, FloatArray

_DEPTHS = {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U, np.dtype(np.float32): cv2.CV_32F}

#: The dtypes a strip may have.
SUPPORTED = frozenset(_DEPTHS)

# The float difference of a block is written once and read twice: it should stay in a core's own cache.
_BLOCK_BYTES = 256 * 1024


class StripLerp:
    """``dst = a + w * (b - a)`` for 2-D strips, a block of rows at a time; holds the block's scratch memory.

    All arrays are 2-D; `a` and `b` share a dtype. `w` is float32 in [0, 1), (1, columns) or (rows, 1). `dst` is float32
    or an integer dtype (then rounded to nearest, ties to even, and saturated); it may be `a` or `b` itself. Written as
    a - w * (a - b): exact where a == b down to the sign of a zero, and never outside [a, b] while 1 - w > 2**-20,
    because the last rounding is monotone and the errors before it are smaller than what is left of b's distance.
    """

    def __init__(self) -> None:
        self._scratch = np.empty(_BLOCK_BYTES // 4, np.float32)

    def __call__(self, dst: Array, a: Array, b: Array, w: FloatArray) -> None:
        """Blend a whole strip."""
        rows, columns = a.shape
        if not rows or not columns:
            return
        depth = _DEPTHS[dst.dtype]
        step = max(1, self._scratch.size // columns)
        if columns > self._scratch.size:
            self._scratch = np.empty(columns, np.float32)
        for y0 in range(0, rows, step):
            part = slice(y0, min(rows, y0 + step))
            difference = self._scratch[: (part.stop - y0) * columns].reshape(-1, columns)
            cv2.subtract(a[part], b[part], dst=difference, dtype=cv2.CV_32F)
            np.multiply(difference, w[part] if len(w) > 1 else w, out=difference)
            cv2.subtract(a[part], difference, dst=dst[part], dtype=depth)
