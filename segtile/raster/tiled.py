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
    """The first `keep` bands of a file, decoded where they are asked for; there are no warnings before that.

    Raises:
        ReadError: the file has changed since its header was read, or can no longer be read.
    """
    with reading:
        try:
            image = load_bands(header, keep, sequential=False)
        except pyvips.Error as error:
            failure = str(error.detail)
        else:
            return TiledPixels(header, image), ()
    raise ReadError(broken(str(header.path), failure))


class TiledPixels:
    """Pixels of a TIFF in tiles; libvips keeps the last two rows of tiles, since neighbouring windows share them."""

    def __init__(self, header: Header, image: pyvips.Image) -> None:
        """`image` was opened for random access."""
        self._name = str(header.path)
        self._image: pyvips.Image | None = image
        self.shape: tuple[int, int, int] = (header.height, header.width, image.bands)
        self.dtype: np.dtype[Any] = header.dtype

    def read(self, box: Box) -> Array:
        """A copy of the box.

        Raises:
            ReadError: a tile of it is missing or damaged; others can be read all the same.
        """
        if self._image is None:
            raise ValueError("closed")
        failure = None
        with reading:
            take_notes()
            try:
                part = self._image.crop(box.x0, box.y0, box.width, box.height)
                pixels = cast(Array, part.numpy()).reshape(box.height, box.width, self.shape[2])
                failure = next((n for n in take_notes().splitlines() if n.strip() and not STRAY.search(n)), None)
            except pyvips.Error as error:
                failure = str(error.detail)
        if failure is not None:
            raise ReadError(broken(self._name, failure))
        return pixels

    def close(self) -> None:
        """Let go of the file."""
        self._image = None
