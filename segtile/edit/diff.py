"""Only what an edit changed, laid back on the original; every other pixel stays as it was, bit for bit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from segtile.edit.change import AREA, CELL, SEED, CellSums, Change, change_of, find_change
from segtile.edit.light import to_dtype
from segtile.edit.membrane import harmonic
from segtile.edit.registration import Registration, register
from segtile.edit.tiles import Rows
from segtile.edit.tone import Tone, fit_tone
from segtile.errors import BadInput
from segtile.raster.open import PictureSource, open_raster
from segtile.types import Array, Box, FloatArray, Progress, Raster, no_progress

#: How a change is laid on: with the surface that takes it to its surroundings, or faded out at its border.
BLENDS = ("poisson", "feather")
_ROWS = 512
_MUCH = 0.6
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

    def picture(self) -> Array:
        """The whole merged picture, (h, w, bands); for pictures that fit in memory."""
        return np.concatenate([part for _, part in self.rows()])

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


def diff_merge(
    original: PictureSource,
    edited: PictureSource,
    *,
    blend: str = "poisson",
    align: bool = False,
    threshold: float = SEED,
    area: int = AREA,
    on_progress: Progress = no_progress,
) -> DiffMerge:
    """Find what an edit changed in a picture, and merge that and nothing else.

    What the edit did to the whole picture (a cast, another exposure or contrast) is no change: it is measured, and
    taken off what is merged. Holes in a change stay holes.

    Args:
        original: the picture; its depth, colours, profile and everything else is kept.
        edited: the same picture after an edit, of the same size and kind of colours; 8 or 16 bits.
        blend: "poisson" (the change keeps its own gradients and meets its surroundings) or "feather".
        align: move an edit that lies beside the original back; without it such an edit is refused.
        threshold: delta E of a change in an otherwise equal picture; raised by itself where the pictures differ
            everywhere, from compression or noise.
        area: px of the smallest change.
        on_progress: called with the stage "compare".

    Returns:
        The change and the rows of the merged picture.

    Raises:
        BadInput: pictures of two sizes or kinds, an edit that is shifted (without `align`), scaled or warped, or a
            setting out of range.
        ReadError: a picture cannot be read.
    """
    if blend not in BLENDS:
        raise BadInput(f"a change is merged by {' or '.join(BLENDS)}, not {blend!r}")
    if not threshold > 0 or area < 1:
        raise BadInput(f"a change is at least {threshold} delta E over {area} px: give numbers above 0")
    before, after = open_raster(original), open_raster(edited)
    warnings = _fitting(before, after)
    found = register(before, after)
    if found.warped:
        raise BadInput(
            f"{_name(after)} does not lie on {_name(before)}: only {found.agree} of {found.windows} places moved "
            "alike. It was scaled, turned or drawn anew; merge an edit that keeps the picture in place"
        )
    if found.shifted and not align:
        raise BadInput(
            f"{_name(after)} is shifted against {_name(before)} by {found.dx:.1f} px to the right and {found.dy:.1f} "
            "px down, so that every edge would count as changed: ask for it to be aligned (--align), or shift it back"
        )
    aligned = align and found.shifted
    change = _compare(before, after, (found.dx, found.dy) if aligned else (0.0, 0.0), threshold, area, on_progress)
    if not found.windows:
        warnings += ("the pictures have no structure in common by which to check that one lies on the other.",)
    if change.share > _MUCH:
        warnings += (
            f"{100 * change.share:.0f} % of {_name(after)} differs from the original: little of that is left to "
            "merge into, and its global change of tone cannot be told",
        )
    return DiffMerge(
        before,
        after,
        change.found,
        found,
        _boxes(change.found, before.info.frame),
        change.membrane() if blend == "poisson" else None,
        aligned,
        warnings,
    )


@dataclass(frozen=True)
class _Compared:
    """A change with the cell means of both pictures."""

    found: Change
    sums: CellSums

    @property
    def share(self) -> float:
        return self.found.share

    def membrane(self) -> FloatArray:
        """What takes the change to its surroundings: the original minus the edit around it, carried through it."""
        back = np.linalg.inv(self.found.tone.matrix).astype(np.float32)
        gap = (self.sums.before - self.sums.after) @ back
        return harmonic(self.found.reach, np.asarray(gap, np.float32))


def _compare(
    before: Raster, after: Raster, move: tuple[float, float], threshold: float, area: int, on_progress: Progress
) -> _Compared:
    info = before.info

    def gathered(tone: Tone | None) -> CellSums:
        sums = CellSums(info.width, info.height, info.bands, tone)
        for y0 in range(0, info.height, _ROWS):
            on_progress(y0, info.height, "compare")
            y1 = min(y0 + _ROWS, info.height)
            sums.add(y0, before.strip(y0, y1), read_moved(after, Box(0, y0, info.width, y1), move))
        on_progress(info.height, info.height, "compare")
        return sums

    sums = gathered(None)
    tone = fit_tone(sums.before, sums.after)
    if not tone.identity:
        sums = gathered(tone)
    found = find_change(sums, seed=threshold, area=area)
    if any(move):  # what came in from beyond the edit's border says nothing
        dx, dy = (-math.copysign(math.ceil(abs(v)), v) for v in move)
        seen = info.frame.shift(int(dx), int(dy)) & info.frame
        inside = np.zeros_like(found.core)
        inner = Box(-(-seen.x0 // CELL) + 2, -(-seen.y0 // CELL) + 2, seen.x1 // CELL - 2, seen.y1 // CELL - 2)
        inside[max(inner.y0, 0) : max(inner.y1, 0), max(inner.x0, 0) : max(inner.x1, 0)] = True
        found = change_of(found.core & inside, found.tone, found.threshold)
    return _Compared(found, sums)


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


def _boxes(change: Change, frame: Box) -> tuple[Box, ...]:
    """The parts of a change as boxes of px, largest first."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(change.core.astype(np.uint8), connectivity=8)
    order = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable") + 1
    found = []
    for x, y, w, h in (stats[k, :4] for k in order):
        found.append(Box(int(x) * CELL, int(y) * CELL, int(x + w) * CELL, int(y + h) * CELL) & frame)
    return tuple(found)


def _fitting(before: Raster, after: Raster) -> tuple[str, ...]:
    """Warnings; refuses what cannot be compared pixel by pixel."""
    a, b = before.info, after.info
    if (a.width, a.height) != (b.width, b.height):
        raise BadInput(
            f"{_name(after)} is {b.width}x{b.height} px and {_name(before)} {a.width}x{a.height}: an edit is "
            "merged at the original's size; scale it by the program that made it"
        )
    if a.space != b.space:
        raise BadInput(f"{_name(after)} is {b.space} and {_name(before)} {a.space}: save the edit in its colours")
    warnings = (*before.warnings, *after.warnings)
    if a.bits > b.bits:
        warnings += (f"{_name(after)} has {b.bits} bits: what it changed has no more in the {a.bits}-bit result.",)
    if a.icc != b.icc:
        warnings += (
            f"{_name(after)} has another colour profile than the original; its values are taken as they are, and what "
            "that changes everywhere is taken off again.",
        )
    return warnings


def _name(raster: Raster) -> str:
    return str(raster.info.path) if raster.info.path is not None else "the array"
