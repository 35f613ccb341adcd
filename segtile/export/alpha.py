"""Alphas as they are written: with the transparency a file already had, and the object's box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segtile.types import AlphaArray, AlphaSource, Array, Box, Raster

#: The least alpha, of 65535, that counts as object when the frame is trimmed: one step of 8 bits.
VISIBLE = 257
_ROWS = 256


@dataclass(frozen=True)
class WithExisting:
    """An alpha that is nowhere more opaque than the picture's own transparency: the smaller of the two.

    The smaller, not the product: a cut-out that is cut out again finds the edge it has already, and must keep it.
    """

    alpha: AlphaSource
    raster: Raster

    @property
    def frame(self) -> Box:
        """The box of the whole picture."""
        return self.alpha.frame

    def rows(self, y0: int, y1: int) -> AlphaArray:
        """(y1 - y0, width) uint16."""
        return self.window(Box(0, y0, self.frame.width, y1))

    def window(self, box: Box) -> AlphaArray:
        """(h, w) uint16."""
        found = self.alpha.window(box)
        existing = existing_alpha(self.raster, box)
        return found if existing is None else np.minimum(found, existing)


def with_existing(raster: Raster, alpha: AlphaSource) -> AlphaSource:
    """`alpha` limited by the transparency the picture already has; `alpha` itself where it has none."""
    return WithExisting(alpha, raster) if raster.info.has_alpha else alpha


def existing_alpha(raster: Raster, box: Box) -> AlphaArray | None:
    """The picture's own transparency in a box, (h, w) uint16; None where it has none."""
    if not raster.info.has_alpha:
        return None
    rows = raster.alpha_strip(box.y0, box.y1)
    return None if rows is None else rows[:, box.x0 : box.x1]


def object_box(alpha: AlphaSource) -> Box:
    """The smallest box that holds every pixel of at least 1/255 alpha; empty where there is none. Reads by rows."""
    frame = alpha.frame
    columns = np.zeros(frame.width, bool)
    top, bottom = frame.height, 0
    for y0 in range(0, frame.height, _ROWS):
        seen = alpha.rows(y0, min(y0 + _ROWS, frame.height)) >= VISIBLE
        lines = np.flatnonzero(seen.any(axis=1))
        if len(lines):
            top, bottom = min(top, y0 + int(lines[0])), y0 + int(lines[-1]) + 1
            columns |= seen.any(axis=0)
    across = np.flatnonzero(columns)
    return Box(int(across[0]), top, int(across[-1]) + 1, bottom) if len(across) else Box(0, 0, 0, 0)


def to_depth(values: Array, bits: int) -> Array:
    """uint8 or uint16 values at another depth, full scale kept: x 257 upwards, rounded to nearest downwards."""
    if values.dtype.itemsize * 8 == bits:
        return values
    if bits == 16:
        return values.astype(np.uint16) * np.uint16(257)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
