"""A smooth surface over a free form that meets given values at its border."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from segtile.types import BoolArray, FloatArray

# Unknowns that a direct solve does in about a second; a larger form is solved on a coarser grid: it is smooth.
_UNKNOWNS = 60_000


def harmonic(inside: BoolArray, border: FloatArray) -> FloatArray:
    """Fill a form with the surface that has no source in it (Laplace), fixed outside; the frame's own border is free.

    Args:
        inside: (h, w) bool, where the surface is wanted.
        border: (h, w, bands) float32: the values next to it; only those within one cell of `inside` count.

    Returns:
        (h, w, bands) float32: the surface inside, `border` outside. A form without any cell outside gives 0.

    Source: P. Perez et al., Poisson Image Editing, SIGGRAPH 2003: a clone is its source plus this membrane.
    """
    if not inside.any():
        return border.copy()
    if inside.all():
        return np.zeros_like(border)
    factor = 1
    while inside.sum() / factor**2 > _UNKNOWNS:
        factor *= 2
    if factor > 1:
        return _coarser(inside, border, factor)
    h, w = inside.shape
    number = np.full((h, w), -1, np.int64)
    number[inside] = np.arange(inside.sum())
    rows, columns, degree = [], [], np.zeros(int(inside.sum()))
    right = np.zeros((len(degree), border.shape[2]))
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        y, x = np.nonzero(inside)
        ny, nx = y + dy, x + dx
        there = (ny >= 0) & (ny < h) & (nx >= 0) & (nx < w)
        me, ny, nx = number[y, x][there], ny[there], nx[there]
        other = number[ny, nx]
        np.add.at(degree, me, 1.0)
        rows.append(me[other >= 0])
        columns.append(other[other >= 0])
        fixed = other < 0
        np.add.at(right, me[fixed], border[ny[fixed], nx[fixed]].astype(np.float64))
    r, c = np.concatenate(rows), np.concatenate(columns)
    n = len(degree)
    # a hint of pull to 0 keeps a part that touches nothing outside solvable
    system = sparse.csc_matrix((-np.ones(len(r)), (r, c)), shape=(n, n)) + sparse.diags(degree + 1e-9).tocsc()
    found = border.copy()
    found[inside] = splu(sparse.csc_matrix(system)).solve(right).astype(np.float32)
    return found


def _coarser(inside: BoolArray, border: FloatArray, factor: int) -> FloatArray:
    """The same on cells of `factor`: a coarse cell is inside where most of its own are."""
    h, w = inside.shape
    pads = (0, -h % factor, 0, -w % factor)
    size = -(-w // factor), -(-h // factor)
    outside = cv2.copyMakeBorder((~inside).astype(np.float32), *pads, cv2.BORDER_REPLICATE)
    values = cv2.copyMakeBorder(border, *pads, cv2.BORDER_REPLICATE).reshape(*outside.shape, -1) * outside[..., None]
    weight = cv2.resize(outside, size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(values, size, interpolation=cv2.INTER_AREA).reshape(*weight.shape, -1)
    mean = mean / np.maximum(weight, 1e-6)[..., None]
    small = harmonic(weight < 0.5, np.asarray(mean, np.float32))
    big = cv2.resize(small, (size[0] * factor, size[1] * factor), interpolation=cv2.INTER_LINEAR)
    return np.where(inside[..., None], big.reshape(*outside.shape, -1)[:h, :w], border).astype(np.float32)
