"""Colour that drifts from tile to tile: found against the original where there is one, over the overlaps in any case.

Every tile gets its own small correction, gain or matrix, offset and tilt. All of them are found together by weighted
least squares over cell means: where two tiles overlap their corrected values should agree; where the original shows the
same thing (after the edit's own global change of tone) they should be its; and a tile should rather be left alone.
Cells that fit badly lose their say step by step, so what was changed on purpose decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segtile.edit.cells import CELL, Cells, TileCells, reference_cells, tile_cells
from segtile.edit.drift import where_changed
from segtile.edit.light import to_dtype
from segtile.edit.perceptual import distance
from segtile.edit.terms import Terms, apply, places
from segtile.edit.tiles import RowSource, Tiles
from segtile.edit.tone import Tone, fit_tone, no_tone
from segtile.errors import BadInput
from segtile.types import Array, BoolArray, Box, FloatArray, Progress, Tile, no_progress

Floats = npt.NDArray[np.float64]

#: Delta E that drift may cut off at the ends of the range, where no correction brings it back.
CUT_OFF = 6.0
_CLIPPED = 252 / 255
_LEAST, _MOST = 0.8, 1.25  # a gain beyond these is no drift
# Delta E from which a tile that shares nothing with another is taken to lie inside a change: drift hardly goes as far.
_ALONE = 12.0


@dataclass(frozen=True)
class Corrections:
    """What is to be done to each tile, and what was found on the way.

    `matrix` (n, bands, bands), `offset` (n, bands) and `tilt` (n, 2, bands: down, across) float64 in units of 0..1: a
    tile becomes `values @ matrix + offset + y * tilt[0] + x * tilt[1]`, with y and x running from -0.5 to 0.5 over its
    read box. `tone` is the edit's change of the whole picture, which is kept. `changed` (rows, columns) bool on cells
    of `cell` px: what was changed on purpose, None without a reference. `shift` is the largest mean change of a tile in
    delta E. `notes` are sentences for the user.
    """

    matrix: Floats
    offset: Floats
    tilt: Floats
    tone: Tone
    changed: BoolArray | None
    shift: float
    notes: tuple[str, ...] = ()
    cell: int = CELL

    def touches(self, place: int) -> bool:
        """False where the tile at this place stays as it is."""
        same = (self.matrix[place] == np.eye(len(self.offset[place]))).all()
        return not (same and not self.offset[place].any() and not self.tilt[place].any())


def fit_drift(
    tiles: Tiles,
    reference: RowSource | None = None,
    *,
    tilt: bool = True,
    mix: bool = False,
    limit: float = 20.0,
    on_progress: Progress = no_progress,
) -> Corrections:
    """Find how each tile drifted in colour.

    Values are taken as they are encoded, which is about even to the eye; how far a cell is from where it should be is
    judged in delta E.

    Args:
        tiles: the tiles, each read once.
        reference: rows of the original at the tiles' size. Without one only differences between tiles are known, and
            the picture's mean may be a little off.
        tilt: let corrections run linearly over a tile.
        mix: let channels mix (3x3); else each has a gain of its own.
        limit: the most that a tile's mean may be moved, delta E; a larger correction is scaled down to this. One of
            more than 12 is dropped where no overlap speaks for it: then the tile may lie inside a wanted change.
        on_progress: called as on_progress(tiles, all tiles, "compare").

    Returns:
        The corrections; nothing at all for tiles that agree with each other and the reference.

    Raises:
        BadInput: tiles or a reference that do not fit each other, or a limit of 0 or less.

    Source: M. Brown, D. Lowe, Automatic Panoramic Image Stitching, IJCV 2007 (gain compensation with a prior); weights:
    S. Geman, D. McClure 1987.
    """
    if not limit > 0:
        raise BadInput(f"the limit of a colour correction is {limit} delta E; it must be more than 0")
    cells = tile_cells(tiles, on_progress=on_progress)
    tone, wanted = no_tone(tiles.bands), None
    if reference is not None:
        given = reference_cells(reference, tiles)
        picture, known = cells.picture()
        tone = fit_tone(given[known], picture[known])
        if not tone.identity and not _everywhere(cells, given):
            tone = no_tone(tiles.bands)
        wanted = tone(given)
    terms = Terms(cells, [t.read for t in tiles.tiles], wanted, tilt, mix)
    found = terms.solve()
    matrix, offset, tilts = terms.parts(found)
    held = {k for i, j, _ in terms.pairs for k in (i, j)}
    notes = _limited(cells, matrix, offset, tilts, limit, held)
    changed = None
    if wanted is not None:
        corrected = [apply(t.mean, matrix[k], offset[k], tilts[k], terms.at[k]) for k, t in enumerate(cells.tiles)]
        changed = _changed(cells, wanted, corrected)
    shift = max(_shift(t.mean, matrix[k], offset[k]) for k, t in enumerate(cells.tiles))
    return Corrections(matrix, offset, tilts, tone, changed, shift, notes)


def corrected(tiles: Tiles, corrections: Corrections, *, dtype: npt.DTypeLike | None = None) -> Tiles:
    """The tiles with their corrections, computed as they are read.

    Args:
        tiles: the tiles that the corrections were found for.
        corrections: from `fit_drift`.
        dtype: of the result; None for the tiles' own. float32 is 0..1, and nothing is rounded or clipped on the way.

    Raises:
        BadInput: corrections for another number of tiles, or a dtype that tiles cannot have.
    """
    if len(corrections.offset) != len(tiles.tiles):
        raise BadInput(f"{len(corrections.offset)} corrections do not fit {len(tiles.tiles)} tiles")
    wanted = tiles.dtype if dtype is None else np.dtype(dtype)
    if wanted not in (np.uint8, np.uint16, np.float32):
        raise BadInput(f"tiles cannot be {wanted}; they are uint8, uint16 or float32")
    return _Corrected(tiles, corrections, wanted)


@dataclass(frozen=True)
class _Corrected:
    source: Tiles
    corrections: Corrections
    dtype: np.dtype[np.generic]

    @property
    def tiles(self) -> Sequence[Tile]:
        return self.source.tiles

    @property
    def frame(self) -> Box:
        return self.source.frame

    @property
    def bands(self) -> int:
        return self.source.bands

    def read(self, index: int, box: Box | None = None) -> Array:
        place = next(k for k, tile in enumerate(self.tiles) if tile.index == index)
        tile = self.tiles[place]
        pixels = self.source.read(index, box)
        if not self.corrections.touches(place):
            return to_dtype(pixels, self.dtype)
        box = tile.read if box is None else box
        c = self.corrections
        values = to_dtype(pixels, np.dtype(np.float32))
        at = places(tile.read, box.y0 + np.arange(box.height) + 0.5, box.x0 + np.arange(box.width) + 0.5)
        moved = apply(values, c.matrix[place], c.offset[place], c.tilt[place], at)
        return to_dtype(moved, self.dtype)


def _shift(mean: FloatArray, matrix: Floats, offset: Floats) -> float:
    middle = mean.reshape(-1, mean.shape[2]).mean(axis=0, keepdims=True)
    return float(distance(middle @ matrix + offset, middle)[0])


def _limited(
    cells: Cells, matrix: Floats, offset: Floats, tilts: Floats, limit: float, held: set[int]
) -> tuple[str, ...]:
    """Scale down or drop, in place, what is more than drift can be; says so. `held` tiles overlap with others."""
    eye, many, left = np.eye(matrix.shape[1]), [], []
    for k, tile in enumerate(cells.tiles):
        shift = _shift(tile.mean, matrix[k], offset[k])
        gains = np.diag(matrix[k])
        share = min(1.0, limit / shift if shift else 1.0)
        if gains.max() > _MOST:
            share = min(share, (_MOST - 1) / (gains.max() - 1))
        if gains.min() < _LEAST:
            share = min(share, (1 - _LEAST) / (1 - gains.min()))
        if k not in held and shift > _ALONE:
            share = 0.0
            left.append(tile.index)
        elif share < 1:
            many.append(tile.index)
        if share < 1:
            matrix[k] = eye + share * (matrix[k] - eye)
            offset[k] *= share
            tilts[k] *= share
    notes: tuple[str, ...] = ()
    if many:
        notes += (
            f"{len(many)} of {len(cells.tiles)} tiles differ in colour by more than {limit:g} delta E or a quarter in "
            f"contrast (the first is tile {many[0]}); that is more than drift, and only part of it was corrected",
        )
    if left:
        notes += (
            f"{len(left)} of {len(cells.tiles)} tiles differ from the original by more than {_ALONE:g} delta E all "
            f"over (the first is tile {left[0]}): that was taken for wanted and left as it is",
        )
    return notes


def _everywhere(cells: Cells, given: FloatArray) -> bool:
    """Whether tiles differ from the original by a common shift rather than each by its own: 4.5 standard errors."""
    shifts = np.array([np.median((t.mean - given[t.box.slices]).reshape(-1, given.shape[2]), 0) for t in cells.tiles])
    n = len(shifts)
    error = shifts.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(given.shape[2])
    return bool((np.abs(shifts.mean(axis=0)) > 4.5 * error + 0.1 / 255).any())


def _changed(cells: Cells, wanted: FloatArray, corrected: list[FloatArray]) -> BoolArray:
    """Cells where the corrected, blended picture still lies far from the original."""
    tiles = tuple(
        TileCells(tile.index, tile.box, mean, tile.reach, tile.share)
        for tile, mean in zip(cells.tiles, corrected, strict=True)
    )
    picture, known = Cells(cells.frame, cells.size, tiles).picture()
    raw, _ = cells.picture()
    clipped = ((raw > _CLIPPED) | (raw < 1 - _CLIPPED)).any(axis=2)
    limit = np.full(clipped.shape, _noise_limit(wanted, picture, known), np.float32)
    limit[clipped] = CUT_OFF
    return np.asarray(where_changed(wanted, picture, limit) | ~known, np.bool_)


def _noise_limit(wanted: FloatArray, picture: FloatArray, known: BoolArray) -> float:
    """Delta E that the edit's own detail does not reach: at least 1.5, five times the usual difference, at most 4."""
    usual = float(np.median(distance(wanted[known], picture[known])))
    return float(np.clip(5 * usual, 1.5, 4.0))
