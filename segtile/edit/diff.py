"""Only what an edit changed, laid back on the original; every other pixel stays as it was, bit for bit."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass

import cv2
import numpy as np

from segtile.edit.change import AREA, CELL, SEED, CellSums, Change, change_of, find_change
from segtile.edit.membrane import harmonic
from segtile.edit.merged import DiffMerge, read_moved
from segtile.edit.registration import register
from segtile.edit.tone import Tone, fit_tone
from segtile.errors import BadInput
from segtile.raster.open import PictureSource, open_raster
from segtile.types import Box, FloatArray, Progress, Raster, no_progress

#: How a change is laid on: with the surface that takes it to its surroundings, or faded out at its border.
BLENDS = ("poisson", "feather")
_ROWS = 512
_MUCH = 0.6


def diffmerge(
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
        The change and the merged picture: `.array`, `.save(path)`, `.rows()`, `.boxes`. Close it, or use it in a with
        statement: it holds both pictures open.

    Raises:
        BadInput: pictures of two sizes or kinds, an edit that is shifted (without `align`), scaled or warped, or a
            setting out of range.
        ReadError: a picture cannot be read.
    """
    if blend not in BLENDS:
        raise BadInput(f"a change is merged by {' or '.join(BLENDS)}, not {blend!r}")
    if not threshold > 0 or area < 1:
        raise BadInput(f"a change is at least {threshold} delta E over {area} px: give numbers above 0")
    with ExitStack() as opened:
        before = open_raster(original)
        if before is not original:
            opened.callback(before.close)
        after = open_raster(edited)
        if after is not edited:
            opened.callback(after.close)
        found = _found(before, after, blend, align, threshold, area, on_progress)
        opened.pop_all()  # the result reads them
    return found


def _found(
    before: Raster, after: Raster, blend: str, align: bool, threshold: float, area: int, on_progress: Progress
) -> DiffMerge:
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
    membrane = change.membrane() if blend == "poisson" else None
    boxes = _boxes(change.found, before.info.frame)
    return DiffMerge(before, after, change.found, found, boxes, membrane, aligned, warnings)


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
