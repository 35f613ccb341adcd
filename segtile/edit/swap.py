"""The last step against drift: the original's low frequencies for the edit's, wherever the edit changed nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from segtile.edit.cells import CELL, cell_means, grid_size, reference_rows, upsampled
from segtile.edit.drift import SIGMA, WANTED, low_pass
from segtile.edit.light import light_of, to_dtype
from segtile.edit.perceptual import distance
from segtile.edit.tiles import Rows, RowSource
from segtile.edit.tone import NOTHING, Tone
from segtile.errors import BadInput
from segtile.types import Array, BoolArray, Box, FloatArray

_STEP = 16 * CELL  # rows that are compared at once


def swap_low(
    rows: Rows,
    reference: RowSource,
    changed: BoolArray | None,
    frame: Box,
    *,
    tone: Tone | None = None,
    limit: float = WANTED,
    sigma: float = SIGMA,
    dtype: npt.DTypeLike | None = None,
) -> Rows:
    """Give the edit the original's low frequencies over what was not changed.

    Streams: rows are held back for three standard deviations of the low pass.

    Args:
        rows: the merged picture.
        reference: rows of the original at the same size.
        changed: (rows, columns) bool on cells of 8 px (`Corrections.changed`): what keeps its colours. None: what
            differs by more than `limit`.
        frame: the picture's box.
        tone: the edit's global change, applied to the original first (`Corrections.tone`).
        limit: cells that differ by more than this, delta E, keep their colours too.
        sigma: standard deviation of the low pass, px.
        dtype: of the result; None for the rows' own.

    Yields:
        (y0, rows), bit for bit those that came where nothing differs.

    Raises:
        BadInput: a mask or reference of another size, or rows that are missing.
    """
    columns, lines = grid_size(frame)
    if changed is not None and changed.shape != (lines, columns):
        wanted = f"a frame of {frame.width}x{frame.height} px has {(lines, columns)}"
        raise BadInput(f"the changed cells are {changed.shape}; {wanted}")
    reach = int(np.ceil(3 * sigma / CELL))
    gap: FloatArray | None = None
    weight = np.zeros((lines, columns), np.float32)
    waiting: list[tuple[int, Array]] = []
    for y0, part in _steps(rows, frame):
        box = Box(0, y0, frame.width, y0 + len(part))
        cells, lack, say = _compare(part, box, frame, reference, changed, tone, limit)
        if gap is None:
            gap = np.zeros((lines, columns, part.shape[2]), np.float32)
        gap[cells.slices], weight[cells.slices] = lack, say
        waiting.append((y0, part))
        while waiting and ((waiting[0][0] + len(waiting[0][1])) // CELL + reach + 2 <= cells.y1 or cells.y1 == lines):
            yield _swapped(*waiting.pop(0), gap, weight, reach, sigma, dtype)


def _compare(
    part: Array, box: Box, frame: Box, reference: RowSource, changed: BoolArray | None, tone: Tone | None, limit: float
) -> tuple[Box, FloatArray, FloatArray]:
    """Cells of some rows: what each lacks, and whether that counts."""
    cells, found = cell_means(part, box, frame, light_of(part.dtype, False))
    original = reference_rows(reference, box.y0, box.y1, frame.width, part.shape[2])
    _, wanted = cell_means(original, box, frame, light_of(original.dtype, False))
    wanted = wanted if tone is None else tone(wanted)
    lack = wanted - found
    lack[np.abs(lack) <= NOTHING] = 0
    if not np.isfinite(lack).all():
        raise BadInput(f"rows {box.y0} to {box.y1} or their reference hold NaN or infinite pixels")
    counts = distance(wanted, found) <= limit
    if changed is not None:
        counts &= ~changed[cells.slices]
    return cells, lack, counts.astype(np.float32)


def _swapped(
    y0: int, part: Array, gap: FloatArray, weight: FloatArray, reach: int, sigma: float, dtype: npt.DTypeLike | None
) -> tuple[int, Array]:
    wanted = part.dtype if dtype is None else np.dtype(dtype)
    top = max(0, y0 // CELL - reach - 2)
    bottom = min(len(gap), -(-(y0 + len(part)) // CELL) + reach + 2)
    low = low_pass(gap[top:bottom], weight[top:bottom], sigma)
    if not low.any():
        return y0, to_dtype(part, wanted)
    at = Box(0, top, gap.shape[1], bottom)
    add = upsampled(low, at, Box(0, y0, part.shape[1], y0 + len(part)))
    add += to_dtype(part, np.dtype(np.float32))
    return y0, to_dtype(add, wanted)


def _steps(rows: Rows, frame: Box) -> Iterator[tuple[int, Array]]:
    """The same rows in pieces that begin and end on cells."""
    held: list[Array] = []
    y0 = count = 0
    for at, part in rows:
        if at != y0 + count or part.shape[1] != frame.width:
            raise BadInput(f"rows {y0 + count} were to come next, {frame.width} px wide; {part.shape} came at {at}")
        held.append(part)
        count += len(part)
        while count >= _STEP:
            whole = np.concatenate(held) if len(held) > 1 else held[0]
            yield y0, whole[:_STEP]
            held, y0, count = [whole[_STEP:]], y0 + _STEP, count - _STEP
    if count:
        yield y0, np.concatenate(held)
        y0 += count
    if y0 != frame.height:
        raise BadInput(f"{y0} rows came for a frame of {frame.height}")
