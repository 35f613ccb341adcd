"""Where decoded pixels live: in an array, or in a scratch file that is read window by window."""

from __future__ import annotations

import mmap
from typing import IO, Any, Protocol

import numpy as np

from segtile.types import Array, Box

# How much of a scratch file is mapped at a time. Mapped pages count as resident, so this bounds what a read costs.
_MAPPED = 32 << 20


class PixelSource(Protocol):
    """Decoded pixels as stored (not yet upright), colour bands first, then an alpha band where there is one."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, bands + alpha)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16."""
        ...

    def read(self, box: Box) -> Array:
        """(h, w, c) of any box inside the picture; may be a view that must not be written to."""
        ...

    def close(self) -> None:
        """Let go of memory and files."""
        ...


class ArrayPixels:
    """Pixels of an array that is in memory anyway; the array is held, not copied."""

    def __init__(self, array: Array) -> None:
        """`array` is (h, w, c) uint8 or uint16."""
        self._array: Array | None = array.view()
        self._array.flags.writeable = False  # so that a view of it is told from a copy
        self.shape: tuple[int, int, int] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def read(self, box: Box) -> Array:
        """A view of the box."""
        if self._array is None:
            raise ValueError("closed")
        return self._array[box.slices]

    def close(self) -> None:
        """Drop the array."""
        self._array = None


class ScratchPixels:
    """Pixels of an unnamed temporary file of raw samples.

    Parts of the file are mapped for the length of a read and unmapped again: any number of threads may read at once,
    and the resident size stays flat however large the picture is. The system's page cache keeps what is read often.
    """

    def __init__(self, file: IO[bytes], shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        """`file` holds h * w * c samples of `dtype` in machine order; it is closed with this object."""
        self._file = file
        self.shape = shape
        self.dtype = dtype

    def read(self, box: Box) -> Array:
        """A copy of the box."""
        _, width, bands = self.shape
        out = np.empty((box.height, box.width, bands), self.dtype)
        row_bytes = width * bands * self.dtype.itemsize
        rows = max(1, _MAPPED // row_bytes)
        for y in range(box.y0, box.y1, rows):
            y_end = min(y + rows, box.y1)
            part = out[y - box.y0 : y_end - box.y0]
            self._copy(part, y * row_bytes, (y_end - y) * row_bytes, box)
        return out

    def _copy(self, part: Array, start: int, length: int, box: Box) -> None:
        base = start - start % mmap.ALLOCATIONGRANULARITY
        with mmap.mmap(self._file.fileno(), start + length - base, access=mmap.ACCESS_READ, offset=base) as mapped:
            rows = np.frombuffer(mapped, self.dtype, length // self.dtype.itemsize, start - base)
            np.copyto(part, rows.reshape(part.shape[0], *self.shape[1:])[:, box.x0 : box.x1])
            del rows  # the map cannot be closed while a view of it lives

    def close(self) -> None:
        """Close the file, which removes it."""
        self._file.close()
