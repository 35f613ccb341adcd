"""A smooth field known in places and grown from there: planes fitted to the neighbourhood predict what comes next."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.refine.bands import each
from segtile.types import BoolArray, FloatArray

_CELL = 2  # px; the field is smooth, and the mean of four pixels halves their noise
_SIGMA = 4.0  # cells; the neighbourhood that a plane is fitted to
_STEP = 3  # cells that the front may advance before planes are fitted again


class PlaneField:
    """Grows a smooth field over cells of 2 x 2 px: `known` is where it was found, `tone` the field at every pixel."""

    def __init__(self, values: FloatArray, start: BoolArray, allowed: BoolArray) -> None:
        """Lay the cells.

        Args:
            values: (h, w, c) float32, the picture or its residual.
            start: (h, w) bool, where the values are the field for certain; at least one pixel.
            allowed: (h, w) bool, where growth may go.
        """
        self._shape = start.shape
        self._colour = cells(values)
        share = cells(start[..., None].astype(np.float32))[..., 0]
        mixed = cells(values * start[..., None]) / np.maximum(share, 0.25)[..., None]
        self._value = np.where((share > 0)[..., None], mixed, 0).astype(np.float32)
        self._weight = share
        self._allowed = cells(allowed[..., None].astype(np.float32))[..., 0] > 0.999
        self.known: BoolArray = share > 0
        self._plane = _fit(self._value, self._weight)

    @property
    def tone(self) -> FloatArray:
        """The field under every pixel, (h, w, c) float32: planes near the known cells, wide means far from them."""
        h, w = self._shape
        size = (self._plane.shape[1] * _CELL, self._plane.shape[0] * _CELL)
        return np.asarray(cv2.resize(self._plane, size, interpolation=cv2.INTER_LINEAR)[:h, :w], np.float32)

    def start_from(self, pixels: BoolArray) -> bool:
        """Take cells that lie wholly in `pixels` (h, w) as known; False where there were not enough to be worth it."""
        fresh = (cells(pixels[..., None].astype(np.float32))[..., 0] > 0.999) & self._allowed & ~self.known
        if np.count_nonzero(fresh) < 3:
            return False
        self._accept(fresh)
        return True

    def grow(self, tolerance: FloatArray) -> None:
        """Add neighbouring cells that lie on the planes, refit, and repeat until nothing is added.

        Args:
            tolerance: per cell and channel, how far a single pixel may lie from its plane; a cell's mean half of it.
        """
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _STEP + 1, 2 * _STEP + 1))
        for _ in range(max(self.known.shape)):
            front = cv2.dilate(self.known.astype(np.uint8), disc).astype(bool) & self._allowed & ~self.known
            close = each(np.abs(self._colour - self._plane) < tolerance / _CELL)
            # a cell of some texture may fit by chance; most of its neighbourhood does not
            company = cv2.blur((close | self.known).astype(np.float32), (3, 3)) > 0.7
            new = _joined(front & close & company, self.known)
            if np.count_nonzero(new) < 4:
                return
            self._accept(new)

    def _accept(self, new: BoolArray) -> None:
        self.known = self.known | new
        self._value = np.where(new[..., None], self._colour, self._value)
        self._weight = np.where(new, np.float32(1.0), self._weight)
        self._plane = _fit(self._value, self._weight)


def cells(values: FloatArray) -> FloatArray:
    """Means over 2 x 2 px of (h, w, c) float32; an odd last row or column counts twice."""
    h, w = values.shape[:2]
    padded = np.pad(values, ((0, h % _CELL), (0, w % _CELL), (0, 0)), mode="edge")
    size = ((w + 1) // _CELL, (h + 1) // _CELL)
    means = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32).reshape(size[1], size[0], -1)


def enlarge_mask(mask: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    """Every pixel of (h, w = shape) by its cell."""
    large = np.repeat(np.repeat(mask, _CELL, axis=0), _CELL, axis=1)
    return large[: shape[0], : shape[1]]


def _joined(new: BoolArray, known: BoolArray) -> BoolArray:
    """Those of the new cells that a 4-connected path of new cells joins to a known one."""
    _, labels = cv2.connectedComponents((new | known).astype(np.uint8), connectivity=4)
    touching = np.zeros(int(labels.max()) + 1, bool)
    touching[labels[known]] = True
    return new & touching[labels]


def _fit(values: FloatArray, weight: FloatArray) -> FloatArray:
    """At each cell, the value there of the plane that fits its neighbourhood: first-order normalised convolution.

    Source: Knutsson, Westin: Normalized and Differential Convolution, CVPR 1993.
    """
    radius = int(3 * _SIGMA)
    at = (np.arange(-radius, radius + 1) / _SIGMA).astype(np.float32)
    bell = np.exp(-0.5 * np.square(at))
    g = (bell / bell.sum()).astype(np.float32)
    g1 = g * at
    g2 = g1 * at
    pairs = ((g, g), (g1, g), (g, g1), (g2, g), (g1, g1), (g, g2))
    m, mx, my, mxx, mxy, myy = (_correlate(weight, kx, ky) for kx, ky in pairs)
    weighted = values * weight[..., None]
    v, vx, vy = (_correlate(weighted, kx, ky) for kx, ky in pairs[:3])
    # where all that is known lies to one side, slopes are held back a little
    held = np.float32(0.02) * m + np.float32(1e-9)
    mxx, myy = mxx + held, myy + held
    # the value at the centre, by Cramer's rule on the 3 x 3 moments
    c0, cx, cy = mxx * myy - mxy * mxy, mxy * my - mx * myy, mx * mxy - mxx * my
    determinant = np.maximum(m * c0 + mx * cx + my * cy, 1e-20)
    plane = (c0[..., None] * v + cx[..., None] * vx + cy[..., None] * vy) / determinant[..., None]
    far = m < 1e-4
    wide = _wide_mean(weighted, weight) if far.any() else np.float32(0.0)
    return np.where(far[..., None], wide, plane).astype(np.float32)


def _wide_mean(weighted: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted means over ever larger neighbourhoods, for cells far from all known ones."""
    h, w = weight.shape
    if min(h, w) <= 2 or bool((weight > 0).all()):
        total = max(float(weight.sum()), 1e-9)
        return np.broadcast_to((weighted.sum(axis=(0, 1)) / total).astype(np.float32), weighted.shape)
    half = (w // 2, h // 2)
    above = _wide_mean(
        cv2.resize(weighted, half, interpolation=cv2.INTER_AREA), cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    )
    above = cv2.resize(np.ascontiguousarray(above), (w, h), interpolation=cv2.INTER_LINEAR)
    share = np.minimum(weight, 1.0)[..., None]
    return share * weighted / np.maximum(weight, 1e-6)[..., None] + (1 - share) * above


def _correlate(values: FloatArray, kx: FloatArray, ky: FloatArray) -> FloatArray:
    return np.asarray(cv2.sepFilter2D(values, cv2.CV_32F, kx, ky, borderType=cv2.BORDER_CONSTANT), np.float32)
