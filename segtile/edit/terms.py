"""The least-squares problem behind colour drift: all tiles at once, from overlaps, the original and a prior."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import spsolve

from segtile.edit.cells import CELL, Cells, TileCells, pairs
from segtile.edit.perceptual import distance
from segtile.edit.tone import NOTHING, doubt
from segtile.types import Box, FloatArray

Floats = npt.NDArray[np.float64]
#: Where in its tile each row and each column lies, -0.5 to 0.5.
Places = tuple[Floats, Floats]

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


def apply(values: FloatArray, matrix: Floats, offset: Floats, tilt: Floats, at: Places) -> FloatArray:
    """(h, w, bands) float32 in 0..1 through one tile's correction; may leave 0..1."""
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


def places(read: Box, rows: npt.NDArray[np.floating], columns: npt.NDArray[np.floating]) -> Places:
    """Rows and columns (px, as centres) as places within a read box."""
    return (rows - read.y0) / read.height - 0.5, (columns - read.x0) / read.width - 0.5


class Terms:
    """The least-squares problem of all tiles; unknown are deviations from the identity, output band by output band."""

    def __init__(self, cells: Cells, reads: list[Box], wanted: FloatArray | None, tilt: bool, mix: bool) -> None:
        self.cells, self.wanted, self.tilt, self.mix = cells, wanted, tilt, mix
        self.bands = cells.tiles[0].mean.shape[2]
        self.pairs = pairs(cells)
        self.at: list[Places] = []
        for tile, read in zip(cells.tiles, reads, strict=True):
            rows, columns = (
                (np.arange(a, b) + 0.5) * CELL for a, b in ((tile.box.y0, tile.box.y1), (tile.box.x0, tile.box.x1))
            )
            self.at.append(places(read, rows, columns))
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
            now = [apply(t.mean, matrix[k], offset[k], tilts[k], self.at[k]) for k, t in enumerate(self.cells.tiles)]
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

    def _features(self, place: int, box: Box, values: npt.NDArray[np.floating], band: int) -> Floats:
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
