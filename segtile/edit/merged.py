"""A picture with a change of it laid on: rows that are the original's own wherever nothing was changed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from segtile.edit.change import CELL, Change
from segtile.edit.light import to_dtype
from segtile.edit.registration import Registration
from segtile.edit.tiles import Rows
from segtile.edit.written import write_rows
from segtile.export.colour import choose_colours
from segtile.export.options import ExportOptions, ExportReport
from segtile.types import Array, Box, FloatArray, Progress, Raster, no_progress

_ROWS = 512
_LANCZOS = 4  # px beyond a window that resampling reads


@dataclass(frozen=True)
class DiffMerge:
    """What was found, and the merged picture by rows.

    `boxes` are the changes, in px, largest first; `membrane` (rows, columns, bands) float32 on the cells is what
    Poisson merging adds to them (None: feathered). `warnings` are sentences for the user. Both rasters must stay open
    while rows are read.
    """

    original: Raster
    edited: Raster
    change: Change
    registration: Registration
    boxes: tuple[Box, ...]
    membrane: FloatArray | None
    aligned: bool
    warnings: tuple[str, ...]

    def rows(self, on_progress: Progress = no_progress) -> Rows:
        """(y0, rows) in the original's stored colours and depth, top to bottom; px outside the reach are its own."""
        info = self.original.info
        for y0 in range(0, info.height, _ROWS):
            on_progress(y0, info.height, "merge")
            y1 = min(y0 + _ROWS, info.height)
            rows = self.original.strip(y0, y1)
            for box in self._spans(y0, y1):
                self._lay(rows[box.y0 - y0 : box.y1 - y0, box.x0 : box.x1], box)
            yield y0, rows
        on_progress(info.height, info.height, "merge")

    @property
    def array(self) -> Array:
        """The whole merged picture in memory, in the stored colours: (H, W, bands), or (H, W) for a grey one."""
        pixels = np.concatenate([part for _, part in self.rows()])
        return pixels[..., 0] if pixels.shape[2] == 1 else pixels

    def save(
        self,
        path: Path | str,
        *,
        format: str | None = None,
        bits: int | None = None,
        overwrite: bool = False,
        on_progress: Progress = no_progress,
    ) -> ExportReport:
        """Write the merged picture with the original's stored colours, profile, resolution, EXIF and transparency.

        Args:
            path: the file.
            format: "png", "tiff" or "webp"; None takes the name's ending.
            bits: 8 or 16; None for the original's own.
            overwrite: replace an existing file.
            on_progress: called with the stages "merge" and "write".

        Raises:
            BadInput: the ending is not known, or the format holds no such colours.
            WouldOverwrite: the file exists and `overwrite` is False.
            WriteError: it cannot be written there or the disk is full.
        """
        return write_rows(
            lambda: self.rows(on_progress),
            self.original,
            choose_colours(self.original, ExportOptions(format="tiff")),  # what TIFF holds is all that is stored
            Path(path),
            kind=format,
            bits=bits,
            overwrite=overwrite,
            on_progress=on_progress,
        )

    def close(self) -> None:
        """Let go of both pictures."""
        self.original.close()
        self.edited.close()

    def __enter__(self) -> DiffMerge:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _spans(self, y0: int, y1: int) -> list[Box]:
        """Boxes that hold all of the reach in some rows, a cell row at a time joined where columns are the same."""
        top, bottom = y0 // CELL, -(-y1 // CELL)
        part = self.change.reach[top:bottom]
        columns = np.flatnonzero(part.any(axis=0))
        if not len(columns):
            return []
        found = []
        for run in np.split(columns, np.flatnonzero(np.diff(columns) > 16) + 1):
            lines = np.flatnonzero(part[:, run[0] : run[-1] + 1].any(axis=1))
            cells = Box(int(run[0]), top + int(lines[0]), int(run[-1]) + 1, top + int(lines[-1]) + 1)
            px = Box(cells.x0 * CELL, cells.y0 * CELL, cells.x1 * CELL, cells.y1 * CELL)
            found.append(px & Box(0, y0, self.original.info.width, y1))
        return found

    def _lay(self, under: Array, box: Box) -> None:
        """Lay the change on a box of the original, in place."""
        share = self._share(box)
        top = float(np.iinfo(under.dtype).max)
        before = under.astype(np.float32) / np.float32(top)
        after = to_dtype(read_moved(self.edited, box, self._move()), np.dtype(np.float32))
        after = self.change.tone.inverse()(after)
        if self.membrane is not None:
            after = after + _bilinear(self.membrane, box)
        mixed = before + share[..., None] * (after - before)
        levels = np.clip(np.rint(mixed * np.float32(top)), 0, top).astype(under.dtype)
        np.copyto(under, levels, where=share[..., None] > 0)

    def _move(self) -> tuple[float, float]:
        return (self.registration.dx, self.registration.dy) if self.aligned else (0.0, 0.0)

    def _share(self, box: Box) -> FloatArray:
        """The edit's part, (h, w) float32: 1 over the core, fading to 0 within the reach."""
        core = self.change.core.astype(np.uint8)
        cells = np.zeros((*core.shape, 1), np.float32)
        for width, value in ((5, 0.5), (3, 1.0)):
            cells[cv2.dilate(core, np.ones((width, width), np.uint8)) > 0] = value
        return _bilinear(cells, box)[..., 0]


def read_moved(raster: Raster, box: Box, move: tuple[float, float]) -> Array:
    """A box of a picture whose content lies `move` px (x, y) too far; beyond its border the last px is repeated.

    Returns:
        (h, w, bands) stored values; resampled (Lanczos) where the move is not whole.
    """
    dx, dy = (round(v) if abs(v - round(v)) < 0.1 else v for v in move)
    if not dx and not dy:
        return raster.native(box)
    whole = math.floor(dx), math.floor(dy)
    pad = 0 if whole == (dx, dy) else _LANCZOS
    wanted = box.shift(*whole)
    wanted = Box(wanted.x0 - pad, wanted.y0 - pad, wanted.x1 + pad, wanted.y1 + pad)
    frame = raster.info.frame
    xs = np.clip(np.arange(wanted.x0, wanted.x1), 0, frame.width - 1)
    ys = np.clip(np.arange(wanted.y0, wanted.y1), 0, frame.height - 1)
    inside = Box(int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
    part = raster.native(inside)[ys - inside.y0][:, xs - inside.x0]
    if not pad:
        return part
    shift = np.array([[1, 0, dx - whole[0]], [0, 1, dy - whole[1]]], np.float32)
    size = part.shape[1], part.shape[0]
    moved = cv2.warpAffine(part, shift, size, flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP)
    return np.asarray(moved).reshape(part.shape)[pad:-pad, pad:-pad]


def _bilinear(cells: FloatArray, box: Box) -> FloatArray:
    """A map on cells at full size over a box, (h, w, bands) float32."""
    top, left = box.y0 // CELL - 1, box.x0 // CELL - 1
    bottom, right = -(-box.y1 // CELL) + 1, -(-box.x1 // CELL) + 1
    rows = np.clip(np.arange(top, bottom), 0, cells.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, cells.shape[1] - 1)
    part = cells[rows[:, None], columns[None]]
    size = (right - left) * CELL, (bottom - top) * CELL
    big = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
    return np.asarray(big[box.shift(-left * CELL, -top * CELL).slices], np.float32)
