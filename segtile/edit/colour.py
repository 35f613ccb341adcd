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
from scipy import sparse
from scipy.sparse.linalg import spsolve

from segtile.edit.cells import CELL, Cells, TileCells, pairs, reference_cells, tile_cells
from segtile.edit.drift import where_changed
from segtile.edit.perceptual import distance
from segtile.edit.tiles import RowSource, Tiles
from segtile.edit.tone import NOTHING, Tone, doubt, fit_tone, no_tone
from segtile.errors import BadInput
from segtile.types import Array, BoolArray, Box, FloatArray, Progress, Tile, no_progress

Floats = npt.NDArray[np.float64]

# How far models drift, as standard deviations of a tile's gain, offset and tilt (8-bit levels / 255): what ties the
# corrections down where nothing else does. Their ratio decides how a difference is shared out between the three.
_GAIN, _MIX, _OFFSET, _TILT = 0.05, 0.02, 5 / 255, 3 / 255
# The noise of a cell mean in an overlap and against the original.
_OVERLAP, _REFERENCE = 0.5 / 255, 1.0 / 255
# Delta E at which a cell's say falls to a quarter, from round to round. Once the overlaps have been evened out, drift
# is small and a change on purpose stands out; tiles that do not overlap have to start from as far as drift goes.
_FIRST, _LAST, _ROUNDS, _FALL = 5.0, 0.8, 6, 0.65
_WIDE = (12.0, 7.0)
_OVER = 2.5  # overlaps hold what both tiles see: only where they draw different things are they doubted
_LEAST, _MOST = 0.8, 1.25  # a gain beyond these is no drift


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
    limit: float = 12.0,
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
        limit: the most that a tile's mean may be moved, delta E; a larger change is taken for wanted, and is scaled
            down to this.
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
    terms = _Terms(cells, [t.read for t in tiles.tiles], wanted, tilt, mix)
    found = terms.solve()
    matrix, offset, tilts = terms.parts(found)
    notes = _limited(cells, matrix, offset, tilts, limit)
    changed = None
    if wanted is not None:
        corrected = [_apply(t.mean, matrix[k], offset[k], tilts[k], terms.at[k]) for k, t in enumerate(cells.tiles)]
        changed = _changed(cells, wanted, corrected)
    shift = max(_shift(t.mean, matrix[k], offset[k]) for k, t in enumerate(cells.tiles))
    return Corrections(matrix, offset, tilts, tone, changed, shift, notes)


def corrected(tiles: Tiles, corrections: Corrections, *, dtype: npt.DTypeLike = None) -> Tiles:
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
        at = _places(tile.read, box.y0 + np.arange(box.height) + 0.5, box.x0 + np.arange(box.width) + 0.5)
        moved = _apply(values, c.matrix[place], c.offset[place], c.tilt[place], at)
        return to_dtype(moved, self.dtype)


def to_dtype(pixels: Array, dtype: np.dtype[np.generic]) -> Array:
    """Pixels at another depth, full scale kept: integers rounded to nearest and clipped, float32 is 0..1."""
    if pixels.dtype == dtype:
        return pixels
    if pixels.dtype.kind != "f":
        if dtype == np.uint16:
            return pixels.astype(np.uint16) * np.uint16(257)
        top = np.iinfo(pixels.dtype).max
        values = np.multiply(pixels, np.float32(1 / top), dtype=np.float32)
        if dtype.kind == "f":
            return values
        pixels = values
    top = np.iinfo(dtype).max  # type: ignore[type-var]
    return np.clip(np.rint(pixels * np.float32(top)), 0, top).astype(dtype)


def _apply(values: FloatArray, matrix: Floats, offset: Floats, tilt: Floats, at: tuple[Floats, Floats]) -> FloatArray:
    diagonal = np.diag(matrix)
    if (matrix == np.diag(diagonal)).all():
        moved = values * diagonal.astype(np.float32)
    else:
        moved = values @ matrix.astype(np.float32)
    moved += offset.astype(np.float32)
    if tilt.any():
        moved += np.multiply.outer(at[0], tilt[0])[:, None].astype(np.float32)
        moved += np.multiply.outer(at[1], tilt[1])[None].astype(np.float32)
    return np.asarray(moved, np.float32)


def _places(read: Box, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    return (rows - read.y0) / read.height - 0.5, (columns - read.x0) / read.width - 0.5


class _Terms:
    """The least-squares problem of all tiles; unknown are deviations from the identity, output band by output band."""

    def __init__(
        self, cells: Cells, reads: list[Box], wanted: FloatArray | None, tilt: bool, mix: bool
    ) -> None:
        self.cells, self.wanted, self.tilt, self.mix = cells, wanted, tilt, mix
        self.bands = cells.tiles[0].mean.shape[2]
        self.pairs = pairs(cells)
        self.at = []
        for tile, read in zip(cells.tiles, reads, strict=True):
            rows, columns = ((np.arange(a, b) + 0.5) * CELL for a, b in ((tile.box.y0, tile.box.y1), (tile.box.x0, tile.box.x1)))
            self.at.append(_places(read, rows, columns))
        self.shift = np.zeros(self.bands, np.float32)
        self.unknowns = (self.bands if mix else 1) + 1 + 2 * tilt

    def solve(self) -> Floats:
        """(bands, n, unknowns) deviations."""
        n = len(self.cells.tiles)
        found = np.zeros((self.bands, n, self.unknowns))
        if self._agree():
            return found
        rounds: list[float | None] = [None] if self.pairs else list(_WIDE)  # None: the overlaps alone
        for k in range(len(rounds) + (_ROUNDS if self.wanted is not None else 2)):
            matrix, offset, tilts = self.parts(found)
            now = [_apply(t.mean, matrix[k], offset[k], tilts[k], self.at[k]) for k, t in enumerate(self.cells.tiles)]
            if k >= len(rounds):
                rounds.append(self._first_scale(now) if k == 1 else max(_LAST, _FALL * (rounds[-1] or _FIRST)))
            blocks = self._weights(now, rounds[k])
            for band in range(self.bands):
                found[band] = self._solve_band(band, matrix, *blocks)
        return found

    def parts(self, found: Floats) -> tuple[Floats, Floats, Floats]:
        """matrix, offset and tilt of `Corrections`."""
        n, bands = found.shape[1], self.bands
        matrix, tilts = np.tile(np.eye(bands), (n, 1, 1)), np.zeros((n, 2, bands))
        for band in range(bands):
            use = list(range(bands)) if self.mix else [band]
            matrix[:, use, band] += found[band][:, : len(use)]
            if self.tilt:
                tilts[:, :, band] = found[band][:, -2:]
        return matrix, found[:, :, bands if self.mix else 1].T.copy(), tilts

    def _agree(self) -> bool:
        """True where no two tiles, and no tile and the reference, differ by more than rounding."""
        tiles = self.cells.tiles
        gaps = [_part(tiles[i], box) - _part(tiles[j], box) for i, j, box in self.pairs]
        if self.wanted is not None:
            gaps += [tile.mean - self.wanted[tile.box.slices] for tile in tiles]
        return all(bool((np.abs(gap) <= NOTHING).all()) for gap in gaps)

    def _first_scale(self, now: list[FloatArray]) -> float:
        """How far a cell may be off at first: well beyond the usual distance, once the mean shift is taken away."""
        if self.wanted is None:
            return _FIRST
        found, target = self._all(now)
        self.shift = np.median(target - found, axis=0).astype(np.float32)
        usual = float(np.median(distance(found + self.shift, target)))
        return float(np.clip(3 * usual, _LAST, _FIRST))

    def _all(self, now: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Every cell of every tile and what the reference has there, (n, bands) each."""
        assert self.wanted is not None
        targets = [self.wanted[tile.box.slices].reshape(-1, self.bands) for tile in self.cells.tiles]
        return np.concatenate([v.reshape(-1, self.bands) for v in now]), np.concatenate(targets)

    def _weights(self, now: list[FloatArray], scale: float | None) -> tuple[list[Floats], list[Floats] | None]:
        tiles = self.cells.tiles
        over = []
        for i, j, box in self.pairs:
            a, b = (now[k][box.within(tiles[k].box).slices] for k in (i, j))
            wide = _WIDE[0] if scale is None else max(scale, _OVER)
            over.append(doubt(distance(a, b), wide) * _unclipped(_part(tiles[i], box), _part(tiles[j], box)))
        if self.wanted is None or scale is None:
            return over, None
        held = []
        for tile, values in zip(tiles, now, strict=True):
            target = self.wanted[tile.box.slices]
            held.append(doubt(distance(values + self.shift, target), scale) * _unclipped(tile.mean, target))
        self.shift = np.zeros(self.bands, np.float32)  # from here on the fit has taken it away
        return over, held

    def _features(self, place: int, box: Box, values: FloatArray, band: int) -> Floats:
        """(cells, unknowns) of a tile over a box of cells, of which `values` are the means."""
        tile = self.cells.tiles[place]
        y, x = box.within(tile.box).slices
        flat = values.reshape(box.area, -1).astype(np.float64)
        columns = [flat if self.mix else flat[:, band : band + 1], np.ones((box.area, 1))]
        if self.tilt:
            rows, across = self.at[place]
            grid = np.meshgrid(rows[y], across[x], indexing="ij")
            columns += [part.reshape(-1, 1) for part in grid]
        return np.hstack(columns)

    def _solve_band(self, band: int, matrix: Floats, over: list[Floats], held: list[Floats] | None) -> Floats:
        tiles, p = self.cells.tiles, self.unknowns
        n = len(tiles)
        gains = [1 / _MIX**2] * self.bands if self.mix else [1 / _GAIN**2]
        if self.mix:
            gains[band] = 1 / _GAIN**2
        own = np.tile(np.diag(gains + [1 / _OFFSET**2] + [1 / _TILT**2] * (2 * self.tilt)), (n, 1, 1))
        right = np.zeros((n, p))
        rows, columns, blocks = [], [], []
        for (i, j, box), weight in zip(self.pairs, over, strict=True):
            w = weight.reshape(-1, 1) / _OVERLAP**2
            # Both tiles' gains act on the mean of the two, or a common loss of contrast would lower every difference.
            a, b = _part(tiles[i], box), _part(tiles[j], box)
            middle, apart = (a + b) / 2, (b - a).reshape(box.area, -1).astype(np.float64)
            fi, fj = (self._features(k, box, middle, band) for k in (i, j))
            gap = apart @ (matrix[i] + matrix[j])[:, band : band + 1] / 2
            own[i] += fi.T @ (fi * w)
            own[j] += fj.T @ (fj * w)
            cross = -(fi.T @ (fj * w))
            right[i] += (fi.T @ (w * gap))[:, 0]
            right[j] -= (fj.T @ (w * gap))[:, 0]
            rows += [i, j]
            columns += [j, i]
            blocks += [cross, cross.T]
        if held is not None and self.wanted is not None:
            for k, (tile, weight) in enumerate(zip(tiles, held, strict=True)):
                w = weight.reshape(-1, 1) / _REFERENCE**2
                f = self._features(k, tile.box, tile.mean, band)
                gap = (self.wanted[tile.box.slices] - tile.mean)[..., band].reshape(-1, 1).astype(np.float64)
                own[k] += f.T @ (f * w)
                right[k] += (f.T @ (w * gap))[:, 0]
        rows, columns, blocks = rows + list(range(n)), columns + list(range(n)), blocks + list(own)
        return np.asarray(spsolve(_block_matrix(rows, columns, blocks, n, p), right.ravel()), np.float64).reshape(n, p)


def _block_matrix(rows: list[int], columns: list[int], blocks: list[Floats], n: int, p: int) -> sparse.csc_matrix:
    inside_r, inside_c = (m.ravel() for m in np.mgrid[:p, :p])
    r = (np.array(rows)[:, None] * p + inside_r).ravel()
    c = (np.array(columns)[:, None] * p + inside_c).ravel()
    return sparse.csc_matrix((np.concatenate([b.ravel() for b in blocks]), (r, c)), shape=(n * p, n * p))


def _part(tile: TileCells, box: Box) -> FloatArray:
    return tile.mean[box.within(tile.box).slices]


def _unclipped(a: FloatArray, b: FloatArray) -> Floats:
    """Little say for cells where either is at the end of its range: what lies beyond was cut off."""
    room = np.minimum(np.minimum(a, 1 - a), np.minimum(b, 1 - b)).min(axis=-1)
    return np.clip(room * 100, 0.02, 1).astype(np.float64)


def _shift(mean: FloatArray, matrix: Floats, offset: Floats) -> float:
    middle = mean.reshape(-1, mean.shape[2]).mean(axis=0, keepdims=True)
    return float(distance(middle @ matrix + offset, middle)[0])


def _limited(cells: Cells, matrix: Floats, offset: Floats, tilts: Floats, limit: float) -> tuple[str, ...]:
    """Scale down, in place, what is more than drift can be; says so."""
    eye, many = np.eye(matrix.shape[1]), []
    for k, tile in enumerate(cells.tiles):
        shift = _shift(tile.mean, matrix[k], offset[k])
        gains = np.diag(matrix[k])
        share = min(1.0, limit / shift if shift else 1.0)
        if gains.max() > _MOST:
            share = min(share, (_MOST - 1) / (gains.max() - 1))
        if gains.min() < _LEAST:
            share = min(share, (1 - _LEAST) / (1 - gains.min()))
        if share < 1:
            many.append(tile.index)
            matrix[k] = eye + share * (matrix[k] - eye)
            offset[k] *= share
            tilts[k] *= share
    if not many:
        return ()
    return (
        f"{len(many)} of {len(cells.tiles)} tiles differ in colour by more than {limit:g} delta E or a quarter in "
        f"contrast (the first is tile {many[0]}); that is more than drift, and only part of it was corrected",
    )


def _everywhere(cells: Cells, given: FloatArray) -> bool:
    """Whether tiles differ from the original by a common shift rather than each by its own: three standard errors."""
    shifts = np.array([np.median((t.mean - given[t.box.slices]).reshape(-1, given.shape[2]), 0) for t in cells.tiles])
    n = len(shifts)
    error = shifts.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(given.shape[2])
    return bool((np.abs(shifts.mean(axis=0)) > 3 * error + 0.1 / 255).any())


def _changed(cells: Cells, wanted: FloatArray, corrected: list[FloatArray]) -> BoolArray:
    """Cells where the corrected, blended picture still lies far from the original."""
    tiles = tuple(
        TileCells(tile.index, tile.box, mean, tile.reach, tile.share)
        for tile, mean in zip(cells.tiles, corrected, strict=True)
    )
    picture, known = Cells(cells.frame, cells.size, tiles).picture()
    return np.asarray(where_changed(wanted, picture, _noise_limit(wanted, picture, known)) | ~known, np.bool_)


def _noise_limit(wanted: FloatArray, picture: FloatArray, known: BoolArray) -> float:
    """Delta E that the edit's own detail does not reach: at least 1.5, five times the usual difference, at most 4."""
    usual = float(np.median(distance(wanted[known], picture[known])))
    return float(np.clip(5 * usual, 1.5, 4.0))
