"""What the engine hands on and what blends give back: finished tiles, and rows of the finished picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

from segtile.types import Array, Box, Tile


class Tiles(Protocol):
    """Finished tiles of one edited picture, read in any order; kept on disk, never all in memory."""

    @property
    def tiles(self) -> Sequence[Tile]:
        """Core and read boxes in OUTPUT px."""
        ...

    @property
    def frame(self) -> Box:
        """The output frame."""
        ...

    @property
    def bands(self) -> int:
        """Bands of every tile."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """uint8, uint16 or float32."""
        ...

    def read(self, index: int, box: Box | None = None) -> Array:
        """(h, w, bands) over the tile's read box, or over `box` within it (output px)."""
        ...


#: (y0, rows (n, W, bands)), top to bottom, covering every row once.
Rows = Iterator[tuple[int, Array]]

#: ``rows(y0, y1)`` -> (y1 - y0, W, bands): the original, lazily.
RowSource = Callable[[int, int], Array]
