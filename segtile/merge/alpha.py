"""One alpha out of many tiles: a memory-mapped frame, blended in whole numbers so that order never shows."""

from __future__ import annotations

import mmap
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput, WriteError
from segtile.merge.seams import SeamMeter
from segtile.merge.weights import integer_weights
from segtile.types import AlphaArray, Box, CoarseMap, Grid, SeamReport, TilePatch

_BLOCK = 64  # px; accumulators live in squares of this side: 12 bytes a pixel, only where tiles overlap
_OPAQUE = 65535


class AlphaStore:
    """The frame's alpha while tiles come in and after: a uint16 file in a temporary folder, mapped into memory.

    Where no tile answers, the coarse pass's constants stand. Where one tile answers, its alpha stands to the 16-bit
    level. Where several do, each counts by its window times its trust; sums are whole numbers, so the result does not
    depend on the order of arrival. Accumulators exist only for blocks that still wait for a tile.

    Use it in a with statement, or call `close`: the temporary folder goes with it. `add` may be called from several
    threads.
    """

    def __init__(self, grid: Grid, coarse: CoarseMap) -> None:
        """Make the frame and lay the constants.

        Raises:
            WriteError: the temporary folder has no room for it.
        """
        self._grid = grid
        self._tiles = {tile.index: tile for tile in grid.tiles}
        self._waiting = set(self._tiles)
        self._lock = threading.Lock()
        self._meter = SeamMeter(grid, coarse)
        self._readers = _count_readers(grid)
        self._missing = self._readers.copy()
        self._sums: dict[tuple[int, int], tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]] = {}
        self._done = False
        self._folder = tempfile.TemporaryDirectory(prefix="segtile-")
        try:
            self._file = _map_file(Path(self._folder.name), grid.frame)
            self._levels: AlphaArray = np.frombuffer(self._file, np.uint16).reshape(grid.frame.height, grid.frame.width)
            _fill_constants(self._levels, coarse)
            self._release_pages()
        except BaseException:
            self._folder.cleanup()
            raise

    @property
    def frame(self) -> Box:
        """The box of the whole picture."""
        return self._grid.frame

    def add(self, patch: TilePatch) -> None:
        """Take in one tile's answer.

        Raises:
            BadInput: the tile is not in the plan, was added before, or its arrays have the wrong shape.
        """
        tile = patch.tile
        shape = (tile.read.height, tile.read.width)
        if self._tiles.get(tile.index) != tile:
            raise BadInput(f"tile {tile.index} is not in the plan that this alpha was made for")
        if patch.alpha.shape != shape or patch.trust.shape != shape:
            raise BadInput(
                f"tile {tile.index}: alpha {patch.alpha.shape} and trust {patch.trust.shape} must be {shape}"
            )
        levels = np.rint(np.clip(patch.alpha, 0.0, 1.0).astype(np.float64) * _OPAQUE).astype(np.uint16)
        weights = integer_weights(tile, patch.trust)
        with self._lock:
            if tile.index not in self._waiting:
                raise BadInput(f"tile {tile.index} was added before")
            self._waiting.remove(tile.index)
            self._meter.add(tile, levels)
            for row, column in _blocks(tile.read):
                self._add_block(row, column, tile.read, levels, weights)

    def finish(self) -> SeamReport:
        """Declare the alpha complete and say how well the tiles agreed.

        Raises:
            BadInput: a tile of the plan was never added.
        """
        with self._lock:
            if self._waiting:
                raise BadInput(f"{len(self._waiting)} of {len(self._tiles)} tiles were never added")
            self._done = True
            self._release_pages()
            return self._meter.report()

    def rows(self, y0: int, y1: int) -> AlphaArray:
        """(y1 - y0, width) uint16, a copy; only after `finish`."""
        return self.window(Box(0, y0, self.frame.width, y1))

    def window(self, box: Box) -> AlphaArray:
        """(h, w) uint16, a copy; only after `finish`.

        Raises:
            BadInput: the box leaves the frame, or the alpha is not finished.
        """
        if not self._done:
            raise BadInput("the alpha is read before it is finished")
        if not self.frame.contains(box):
            raise BadInput(f"{box} leaves the frame of {self.frame.width} x {self.frame.height} px")
        part = np.array(self._levels[box.slices])
        self._release_pages()
        return part

    def close(self) -> None:
        """Remove the temporary file; the alpha cannot be read any more."""
        self._done = False
        self._sums.clear()
        self._levels = np.empty((0, 0), np.uint16)  # a mapping that an array still looks into cannot be closed
        self._file.close()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add_block(self, row: int, column: int, read: Box, levels: AlphaArray, weights: npt.NDArray[np.uint16]) -> None:
        """Add the part of a patch that lies in one block; write the block out when its last tile has come."""
        block = _block_box(row, column) & self.frame
        part = block & read
        mine = part.within(read).slices
        if self._readers[row, column] == 1:
            self._levels[part.slices] = levels[mine]
            return
        key = (row, column)
        if key not in self._sums:
            size = (block.height, block.width)
            self._sums[key] = np.zeros(size, np.uint64), np.zeros(size, np.uint32)
        total, weight = self._sums[key]
        here = part.within(block).slices
        total[here] += levels[mine].astype(np.uint64) * weights[mine]
        weight[here] += weights[mine]
        self._missing[row, column] -= 1
        if self._missing[row, column] == 0:
            answered = weight > 0
            blended = (total + weight // 2) // np.maximum(weight, 1)
            self._levels[block.slices][answered] = blended[answered]
            del self._sums[key]

    def _release_pages(self) -> None:
        """Let the system take back mapped pages: they count as this process's memory, but live in the file."""
        # elsewhere the same advice may throw away what was not written yet
        if sys.platform == "linux":
            self._file.madvise(mmap.MADV_DONTNEED)


def _map_file(folder: Path, frame: Box) -> mmap.mmap:
    needed = frame.area * 2
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WriteError(
            f"{folder.parent}: {needed >> 20} MB are needed for the alpha of {frame.width} x {frame.height} px and "
            f"{free >> 20} MB are free; make room or point TMPDIR elsewhere"
        )
    with (folder / "alpha.u16").open("w+b") as file:
        file.truncate(needed)
        return mmap.mmap(file.fileno(), needed)


def _fill_constants(levels: AlphaArray, coarse: CoarseMap) -> None:
    """Write 65535 where the coarse pass says object; a new file is 0 already, so empty rows cost nothing."""
    rows, columns = coarse.cells(coarse.frame)
    inside = coarse.prob >= 0.5
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    for start, stop in zip(starts, np.r_[starts[1:], rows.size], strict=True):
        line = inside[rows[start]]
        if line.any():
            levels[start:stop] = np.where(line[columns], np.uint16(_OPAQUE), np.uint16(0))


def _blocks(box: Box) -> Iterator[tuple[int, int]]:
    for row in range(box.y0 // _BLOCK, -(-box.y1 // _BLOCK)):
        for column in range(box.x0 // _BLOCK, -(-box.x1 // _BLOCK)):
            yield row, column


def _block_box(row: int, column: int) -> Box:
    return Box(column * _BLOCK, row * _BLOCK, (column + 1) * _BLOCK, (row + 1) * _BLOCK)


def _count_readers(grid: Grid) -> npt.NDArray[np.int32]:
    """How many tiles read some of each block."""
    counts = np.zeros((-(-grid.frame.height // _BLOCK), -(-grid.frame.width // _BLOCK)), np.int32)
    for tile in grid.tiles:
        box = tile.read
        counts[box.y0 // _BLOCK : -(-box.y1 // _BLOCK), box.x0 // _BLOCK : -(-box.x1 // _BLOCK)] += 1
    return counts
