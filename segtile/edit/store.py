"""Finished tiles in an unnamed scratch file, so that a picture of any size needs no more memory than a tile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from segtile.edit.tiles import Rows
from segtile.errors import BadInput, WriteError
from segtile.types import Array, Box, Tile


class TileStore:
    """`Tiles` whose pixels lie in a temporary file; each tile is written once, whole, and read in any order.

    Parts of the file are mapped for the length of a call only, so the resident size stays flat. Different tiles may be
    written and read from several threads at once. Works as a context manager.
    """

    def __init__(self, tiles: Sequence[Tile], frame: Box, bands: int, dtype: np.dtype[np.generic]) -> None:
        """Make room for the tiles; `tiles[i].index` must be i.

        Raises:
            WriteError: the folder of temporary files cannot hold them.
        """
        self._tiles = tuple(tiles)
        self._frame, self._bands, self._dtype = frame, bands, np.dtype(dtype)
        sizes = [tile.read.area * bands * self._dtype.itemsize for tile in self._tiles]
        self._offsets = [0, *np.cumsum(sizes).tolist()]
        self._file = tempfile.TemporaryFile(prefix="segtile-edit-")  # noqa: SIM115 - lives as long as this object
        self._written = [False] * len(self._tiles)
        try:
            self._file.truncate(max(1, self._offsets[-1]))
        except OSError as error:
            self._file.close()
            raise WriteError(
                f"the tiles' scratch file of {self._offsets[-1] / 2**20:.0f} MB cannot be made in "
                f"{tempfile.gettempdir()}: {error.strerror}; set TMPDIR to a folder with room"
            ) from error

    @property
    def tiles(self) -> Sequence[Tile]:
        """Core and read boxes in output px."""
        return self._tiles

    @property
    def frame(self) -> Box:
        """The output frame."""
        return self._frame

    @property
    def bands(self) -> int:
        """Bands of every tile."""
        return self._bands

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """uint8, uint16 or float32."""
        return self._dtype

    def write(self, index: int, pixels: Array) -> None:
        """Keep a tile's (h, w, bands) over its read box."""
        read = self._tiles[index].read
        if pixels.shape != (read.height, read.width, self._bands) or pixels.dtype != self._dtype:
            raise BadInput(
                f"tile {index} is {pixels.dtype} {pixels.shape}; it must be {self._dtype} "
                f"({read.height}, {read.width}, {self._bands})"
            )
        shape = (read.height, read.width, self._bands)
        mapped = np.memmap(self._file, self._dtype, "r+", self._offsets[index], shape)
        mapped[...] = pixels
        mapped._mmap.close()  # type: ignore[attr-defined]  # now, not when the collector comes by
        self._written[index] = True

    def write_rows(self, rows: Rows) -> None:
        """Keep rows from top to bottom as the one tile of this store.

        Raises:
            BadInput: rows of another shape or dtype, out of order, or missing.
        """
        read = self._tiles[0].read
        row_bytes = read.width * self._bands * self._dtype.itemsize
        expected = 0
        for y0, part in rows:
            if y0 != expected or part.shape[1:] != (read.width, self._bands) or part.dtype != self._dtype:
                raise BadInput(
                    f"rows {expected} of {self._dtype} were to come next; {part.dtype} {part.shape} came at {y0}"
                )
            mapped = np.memmap(self._file, self._dtype, "r+", self._offsets[0] + y0 * row_bytes, part.shape)
            mapped[...] = part
            mapped._mmap.close()  # type: ignore[attr-defined]
            expected += len(part)
        if expected != read.height:
            raise BadInput(f"{expected} of {read.height} rows came")
        self._written[0] = True

    def read(self, index: int, box: Box | None = None) -> Array:
        """(h, w, bands) over the tile's read box, or over `box` within it; a new array.

        Raises:
            BadInput: the tile is not there yet, or `box` reaches outside it.
        """
        whole = self._tiles[index].read
        box = whole if box is None else box
        if not self._written[index]:
            raise BadInput(f"tile {index} has not been written yet")
        if not whole.contains(box):
            raise BadInput(f"{box} reaches outside tile {index}, which lies over {whole}")
        inside = box.within(whole)
        row_bytes = whole.width * self._bands * self._dtype.itemsize
        shape = (box.height, whole.width, self._bands)
        if box.empty:
            return np.empty((box.height, box.width, self._bands), self._dtype)
        mapped = np.memmap(self._file, self._dtype, "r", self._offsets[index] + inside.y0 * row_bytes, shape)
        pixels = np.array(mapped[:, inside.x0 : inside.x1], order="C", subok=False)
        mapped._mmap.close()  # type: ignore[attr-defined]
        return pixels

    @contextmanager
    def mapped(self) -> Iterator[Array]:
        """The one tile of a store that has no other, (h, w, bands), mapped from the file and not to be written."""
        read = self._tiles[0].read
        pixels = np.memmap(self._file, self._dtype, "r", 0, (read.height, read.width, self._bands))
        yield pixels.view(np.ndarray)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> TileStore:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def whole_store(rows: Rows, frame: Box, bands: int, dtype: np.dtype[np.generic]) -> TileStore:
    """Rows from top to bottom as a store of one tile over the frame; raises as `TileStore.write_rows`."""
    store = TileStore([Tile(0, frame, frame)], frame, bands, dtype)
    try:
        store.write_rows(rows)
    except BaseException:
        store.close()
        raise
    return store
