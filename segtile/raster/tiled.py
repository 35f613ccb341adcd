"""Large TIFF files in tiles, read window by window: only the tiles that a window meets are ever decoded."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyvips

from segtile.errors import ReadError
from segtile.raster.pixels import PixelSource
from segtile.raster.vips import IN_MEMORY, STRAY, Header, broken, load_bands, reading, take_notes
from segtile.types import Array, Box


def is_large_and_tiled(header: Header) -> bool:
    """True for a TIFF stored in tiles that would not be kept in memory anyway."""
    return header.format == "tiff" and "tile-width" in header.fields and header.nbytes > IN_MEMORY


def open_tiles(header: Header, keep: int) -> tuple[PixelSource, tuple[str, ...]]:
    """The first `keep` bands of a file, decoded where they are asked for; there are no warnings before that."""
    return TiledPixels(header, keep), ()


class TiledPixels:
    """Pixels of a TIFF in tiles.

    The file is opened anew for each window: a decoder that stays open keeps all the tiles that it comes by, and more
    with every window. The tiles that two windows share are decoded twice, which costs less than a sixth of the time.
    Strips of the whole width, as previews are made of, come out of a row of tiles that is kept for the next one.
    """

    def __init__(self, header: Header, keep: int) -> None:
        """`keep` is how many bands are read."""
        self._header, self._closed = header, False
        self._kept: tuple[int, Array] | None = None
        self.shape: tuple[int, int, int] = (header.height, header.width, keep)
        self.dtype: np.dtype[Any] = header.dtype

    def read(self, box: Box) -> Array:
        """A copy of the box.

        Raises:
            ReadError: a tile of it is missing or damaged; others can be read all the same.
        """
        if self._closed:
            raise ValueError("closed")
        if box.width < self.shape[1]:
            self._kept = None
            return self._decoded(box)
        tall = int(self._header.fields["tile-height"])
        out = np.empty((box.height, *self.shape[1:]), self.dtype)
        for y in range(box.y0 - box.y0 % tall, box.y1, tall):
            rows = Box(0, y, self.shape[1], min(y + tall, self.shape[0]))
            shared = rows & box
            out[shared.within(box).slices] = self._row(rows)[shared.within(rows).slices]
        return out

    def _row(self, rows: Box) -> Array:
        """A whole row of tiles."""
        kept = self._kept
        if kept is None or kept[0] != rows.y0:
            kept = (rows.y0, self._decoded(rows))
            self._kept = kept
        return kept[1]

    def _decoded(self, box: Box) -> Array:
        failure = None
        with reading:
            take_notes()
            try:
                image = load_bands(self._header, self.shape[2], sequential=False)
                pixels = cast(Array, image.crop(box.x0, box.y0, box.width, box.height).numpy())
                failure = next((n for n in take_notes().splitlines() if n.strip() and not STRAY.search(n)), None)
            except pyvips.Error as error:
                failure = str(error.detail)
        if failure is not None:
            raise ReadError(broken(str(self._header.path), failure))
        return pixels.reshape(box.height, box.width, self.shape[2])

    def close(self) -> None:
        """Read no more."""
        self._closed = True
        self._kept = None
