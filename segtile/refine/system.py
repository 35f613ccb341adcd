"""The matting Laplacian of a narrow band: only the windows that touch an unknown pixel are ever built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import linalg

from segtile.backends.pymatting import load_kernel
from segtile.types import BoolArray, FloatArray

_STRIP = 250_000  # unknown pixels solved at once, at some 800 bytes each
_MARGIN = 24  # rows solved beyond a strip and thrown away; influence falls off within them
_BLOCK = 128  # px; the kernel writes 400 bytes a pixel of what it is given, 7 MB for one block


def solve_band(
    rgb: FloatArray, unknown: BoolArray, alpha: FloatArray, guess: FloatArray, weight: FloatArray, epsilon: float
) -> tuple[FloatArray, bool]:
    """Alpha of the unknown pixels: as the matting Laplacian wants it, pulled towards a guess by a weight per pixel.

    A tile with very many unknown pixels is solved in strips of rows that overlap, so that memory stays bounded.

    Args:
        rgb: (h, w, 3) float32, any scale that `epsilon` fits.
        unknown: (h, w) bool.
        alpha: (h, w) float32, read where `unknown` is False.
        guess: (h, w) float32.
        weight: (h, w) float32 > 0.
        epsilon: regularisation of the colour covariance in each 3 x 3 window.

    Returns:
        (h, w) float32, `alpha` where it was known, and whether every strip converged.
    """
    result = alpha.copy()
    settled = True
    for y0, y1 in _strips(unknown):
        top, bottom = max(0, y0 - _MARGIN), min(unknown.shape[0], y1 + _MARGIN)
        rows = slice(top, bottom)
        asked = unknown[rows].copy()
        # beyond the margin the guess stands in for the neighbour strip's answer
        known = np.where(unknown[rows], guess[rows], alpha[rows])
        if top > 0:
            asked[0] = False
        if bottom < unknown.shape[0]:
            asked[-1] = False
        if not asked.any():
            continue
        system = matting_system(rgb[rows], asked, known, epsilon)
        pull = weight[rows][asked].astype(np.float64)
        start = guess[rows][asked].astype(np.float64)
        matrix = system.matrix + sparse.diags_array(pull, format="csr")
        solution, converged = solve(matrix, system.rhs + pull * start, start)
        settled &= converged
        part = known
        part[asked] = solution
        result[y0:y1] = np.where(unknown[y0:y1], part[y0 - top : y1 - top], alpha[y0:y1])
    return result, settled


@dataclass(frozen=True)
class BandSystem:
    """A linear system for the n unknown pixels: `matrix` (n, n) CSR symmetric, `rhs` (n,), float64, raster order."""

    matrix: Any
    rhs: npt.NDArray[np.float64]


def matting_system(rgb: FloatArray, unknown: BoolArray, alpha: FloatArray, epsilon: float) -> BandSystem:
    """The closed-form matting Laplacian over the unknown pixels, known neighbours moved to the right-hand side.

    Args:
        rgb: (h, w, 3) float32, any scale that `epsilon` fits.
        unknown: (h, w) bool.
        alpha: (h, w) float32, read where `unknown` is False.
        epsilon: regularisation of the colour covariance in each 3 x 3 window.

    Returns:
        The system; its matrix is singular where an unknown piece touches no known pixel.

    Source: Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting, PAMI 2008.
    """
    stencil = _stencil(rgb, unknown, epsilon)
    h, w = unknown.shape
    number = np.full((h + 4, w + 4), -1, np.int32)
    number[2:-2, 2:-2][unknown] = np.arange(stencil.shape[0], dtype=np.int32)
    known = np.zeros((h + 4, w + 4), np.float64)
    known[2:-2, 2:-2] = np.where(unknown, 0.0, alpha)
    ys, xs = np.nonzero(unknown)
    rhs = np.zeros(stencil.shape[0])
    columns = np.empty(stencil.shape, np.int32)
    for k in range(25):
        at = (ys + k // 5, xs + k % 5)
        columns[:, k] = number[at]
        rhs -= stencil[:, k] * known[at]
    keep = (columns >= 0) & (stencil != 0.0)
    pointers = np.zeros(stencil.shape[0] + 1, np.int32)
    np.cumsum(keep.sum(axis=1), out=pointers[1:])
    matrix = sparse.csr_matrix((stencil[keep], columns[keep], pointers), (rhs.size, rhs.size))
    return BandSystem(matrix, rhs)


def _stencil(rgb: FloatArray, unknown: BoolArray, epsilon: float) -> npt.NDArray[np.float64]:
    """For each unknown pixel in raster order the Laplacian's 5 x 5 neighbourhood: (n, 25)."""
    laplacian = load_kernel("laplacian/cf_laplacian.py").cf_laplacian
    h, w = unknown.shape
    number = np.full((h, w), -1, np.int32)
    number[unknown] = np.arange(np.count_nonzero(unknown), dtype=np.int32)
    stencil = np.zeros((int(number.max()) + 1, 25))
    centres = ndimage.binary_dilation(unknown, np.ones((3, 3), bool))
    for y0 in range(1, h - 1, _BLOCK):
        for x0 in range(1, w - 1, _BLOCK):
            y1, x1 = min(y0 + _BLOCK, h - 1), min(x0 + _BLOCK, w - 1)
            if not centres[y0:y1, x0:x1].any():
                continue
            crop = slice(y0 - 1, y1 + 1), slice(x0 - 1, x1 + 1)
            part = laplacian(rgb[crop].astype(np.float64), epsilon, 1, ~unknown[crop])
            rows = number[crop].ravel()
            mine = rows >= 0
            stencil[rows[mine]] += part.data.reshape(-1, 25)[mine]
    return stencil


def solve(
    matrix: Any, rhs: npt.NDArray[np.float64], start: npt.NDArray[np.float64], limit: int = 500
) -> tuple[npt.NDArray[np.float64], bool]:
    """Solve a symmetric positive definite system by conjugate gradients, preconditioned by its diagonal.

    Args:
        matrix: (n, n) CSR.
        rhs: (n,).
        start: (n,) first guess, and the answer where the iteration breaks down.
        limit: iterations.

    Returns:
        The solution, or the best that was reached, and whether it converged to a relative residual of 1e-4.
    """
    diagonal = np.maximum(matrix.diagonal(), 1e-12)
    precondition = linalg.LinearOperator(matrix.shape, lambda residual: residual / diagonal, dtype=np.float64)
    with np.errstate(all="ignore"):
        solution, failed = linalg.cg(matrix, rhs, x0=start, rtol=1e-4, maxiter=limit, M=precondition)
    finite = bool(np.isfinite(solution).all())
    return (solution if finite else start), finite and failed == 0


def _strips(unknown: BoolArray) -> list[tuple[int, int]]:
    """Row ranges that together hold all rows, each with at most `_STRIP` unknown pixels (or one row)."""
    counts = np.cumsum(unknown.sum(axis=1))
    strips, start = [], 0
    while start < unknown.shape[0]:
        before = int(counts[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(counts, before + _STRIP, side="right")))
        strips.append((start, stop))
        start = stop
    return strips
