"""A smooth background surface, fitted robustly to the cells that belong to it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segtile.types import BoolArray, FloatArray

#: The longer side of the grid on which the surface is fitted.
FIT_SIDE = 160


@dataclass(frozen=True)
class Surface:
    """A fitted background: `tone` (h, w, 3) float32, in the space of what it was fitted to, smooth over the whole map.

    `spread` (3,) float32 is the robust standard deviation of the block means around the surface: what the model does
    not explain. `used` (gh, gw) bool are the cells of the fitting grid that it rests on.
    """

    tone: FloatArray
    spread: FloatArray
    used: BoolArray


def fit_surface(opp: FloatArray, allowed: BoolArray, start: BoolArray) -> Surface | None:
    """Fit a smooth surface to the background cells of a map.

    A polynomial of order 1, then 2, then 3 by iteratively reweighted least squares (Tukey's biweight), beginning with
    the `start` cells and taking in what agrees; then what is left over is followed by a wide masked average, so that
    lighting that is no polynomial is still met.

    Args:
        opp: (h, w, 3) float32 map values.
        allowed: (h, w) bool, cells that may be background at all (no edges, not enclosed by edges).
        start: (h, w) bool, the part of `allowed` that is trusted first.

    Returns:
        The surface, or None where too few cells are allowed to rest one on.

    Source: Beaton and Tukey (1974), the biweight; Knutsson and Westin (1993), normalised convolution.
    """
    h, w = opp.shape[:2]
    size = _grid_size(w, h)
    values = cv2.resize(opp, size, interpolation=cv2.INTER_AREA)
    free = cv2.resize(allowed.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    trusted = free & (cv2.resize(start.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999)
    margin = trusted & _margin(size)
    trusted = next((cells for cells in (margin, trusted) if cells.sum() >= 24), free)
    if free.sum() < 4:
        return None
    flat = values.reshape(-1, 3).astype(np.float64)
    # The median stands up to a start of which nearly half is object; least squares from there on.
    fitted = np.broadcast_to(np.median(values[trusted], axis=0), values.shape).astype(np.float64)
    weights = _biweight(values - fitted, free, trusted) * trusted
    for order in (1, 2, 3):
        basis = _basis(size, order)
        if free.sum() < 4 * basis.shape[1]:
            break
        for _ in range(6):
            fitted = _least_squares(basis, flat, weights.ravel()).reshape(values.shape)
            # The scale is the trusted margin's own: a pale object that is let in must not make room for more of it.
            weights = _biweight(values - fitted, free, trusted)
    residual = values - fitted.astype(np.float32)
    residual = _follow(residual, weights.astype(np.float32), 0.06 * max(size))
    surface = fitted.astype(np.float32) + residual
    used = weights > 0.2
    spread = _robust_std((values - surface)[used])
    tone = cv2.resize(surface, (w, h), interpolation=cv2.INTER_CUBIC)
    return Surface(np.ascontiguousarray(tone, np.float32), spread, used)


def _grid_size(w: int, h: int) -> tuple[int, int]:
    factor = min(1.0, FIT_SIDE / max(w, h))
    return max(1, round(w * factor)), max(1, round(h * factor))


def _margin(size: tuple[int, int]) -> BoolArray:
    """The outer eighth of the fitting grid on every side."""
    w, h = size
    deep = max(2, min(w, h) // 8)
    margin = np.ones((h, w), bool)
    margin[deep : h - deep, deep : w - deep] = False
    return margin


def _basis(size: tuple[int, int], order: int) -> npt.NDArray[np.float64]:
    """Monomials up to `order` at every grid cell, (cells, terms), in coordinates of [-1, 1]."""
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    terms = [x**i * y**j for i in range(order + 1) for j in range(order + 1 - i)]
    return np.stack([t.ravel() for t in terms], axis=1)


def _least_squares(
    basis: npt.NDArray[np.float64], values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Values of the weighted fit at every cell; a trace of ridge keeps cells without support from running away."""
    normal = basis.T @ (basis * weights[:, None])
    normal[np.diag_indices_from(normal)] += 1e-6 * max(float(weights.sum()), 1.0)
    return np.asarray(basis @ np.linalg.solve(normal, basis.T @ (values * weights[:, None])))


def _biweight(residual: npt.NDArray[np.float64], free: BoolArray, trusted: BoolArray) -> npt.NDArray[np.float64]:
    """Tukey weights of every free cell, scaled by how well the trusted cells are met."""
    near = residual[trusted & free]
    # Around zero, not around their own median: a fit that misses its cells must look further, not drop them all.
    scale = np.maximum(1.4826 * np.median(np.abs(near), axis=0) if len(near) else np.zeros(3), 0.25)
    distance = np.sqrt(((residual / scale) ** 2).sum(axis=2))
    weights = np.clip(1 - (distance / 7.0) ** 2, 0, None) ** 2
    return np.asarray(np.where(free, weights, 0.0))


def _follow(residual: FloatArray, weights: FloatArray, sigma: float) -> FloatArray:
    """Wide weighted average of the residual, fading to 0 where no weighted cell is near."""
    mass = cv2.GaussianBlur(weights, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    total = cv2.GaussianBlur(residual * weights[..., None], (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(total / (mass + 0.02)[..., None], np.float32)


def _robust_std(values: npt.NDArray[np.floating]) -> FloatArray:
    """1.48 times the median absolute deviation, column by column."""
    if len(values) == 0:
        return np.zeros(3, np.float32)
    centre = np.median(values, axis=0)
    return np.asarray(1.4826 * np.median(np.abs(values - centre), axis=0), np.float32)
