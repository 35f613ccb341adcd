"""Slow drift of tone or colour against a reference: what is left at low frequency after one affine for all pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.types import Array

Floats = npt.NDArray[np.float64]

#: Side (px) of the cells whose means are compared: what averages out within one is no drift.
CELL = 64

# Linear sRGB to XYZ relative to the white point D65 (IEC 61966-2-1): each row adds up to 1.
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_TO_XYZ = _XYZ / _XYZ.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Drift:
    """Mean, 99th percentile and largest residual over the cells, in 8-bit levels or delta E; 0 is best."""

    mean: float
    p99: float
    largest: float


def drift_levels(picture: Array, reference: Array, cell: int = CELL) -> Drift:
    """Drift in levels of 0..255, the mean of the channels' absolute residuals in each cell.

    Both pictures are averaged over cells of `cell` px (those at the right and bottom may be smaller). One affine map,
    channels x channels and an offset, is fitted by least squares over all cells and takes the reference to the picture:
    a change of exposure, contrast or colour that is the same everywhere is no drift. The rest is.

    Args:
        picture: (h, w) or (h, w, channels), uint8, uint16 or float in [0, 1].
        reference: of the same shape; its dtype may differ.
        cell: px, at least 1.

    Raises:
        BadInput: two shapes, other dtypes, NaN, or too few cells for the fit to leave anything.
    """
    found, wanted = _fitted(picture, reference, cell)
    return _figures(255 * np.abs(found - wanted).mean(axis=1))


def drift_delta_e(picture: Array, reference: Array, cell: int = CELL) -> Drift:
    """Drift in delta E (CIE 1976, sRGB under D65) between each cell and the reference's after the affine.

    Arguments, fit and errors as `drift_levels`; the pictures have three channels, R, G, B. The means are taken on
    encoded values.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise BadInput(f"delta E needs pictures of (height, width, 3), not {picture.shape}")
    found, wanted = _fitted(picture, reference, cell)
    return _figures(np.linalg.norm(_lab(found) - _lab(wanted), axis=1))


def _figures(residual: Floats) -> Drift:
    return Drift(float(residual.mean()), float(np.percentile(residual, 99)), float(residual.max()))


def _fitted(picture: Array, reference: Array, cell: int) -> tuple[Floats, Floats]:
    """Cell means of the picture, and of the reference after the affine, both (cells, channels)."""
    if picture.shape != reference.shape:
        raise BadInput(f"drift compares pictures of one shape, not {picture.shape} and {reference.shape}")
    if cell < 1:
        raise BadInput(f"a cell of {cell} px holds nothing: its side is at least 1 px")
    found, given = _cells(picture, cell), _cells(reference, cell)
    if len(found) <= found.shape[1] + 1:
        raise BadInput(f"{len(found)} cells of {cell} px are too few for an affine of {found.shape[1]} channels")
    with_offset = np.hstack([given, np.ones((len(given), 1))])
    affine, *_ = np.linalg.lstsq(with_offset, found, rcond=None)
    return found, with_offset @ affine


def _cells(picture: Array, cell: int) -> Floats:
    """Means over cells, row by row of cells: (cells, channels) in 0..1."""
    if picture.ndim not in (2, 3) or not picture.size:
        raise BadInput(f"drift is measured on (height, width) or (height, width, channels), not {picture.shape}")
    if picture.dtype not in (np.uint8, np.uint16) and picture.dtype.kind != "f":
        raise BadInput(f"drift is measured on uint8, uint16 or float pixels, not {picture.dtype}")
    h, w = picture.shape[:2]
    lefts = np.arange(0, w, cell)
    widths = np.diff([*lefts, w])[:, None]
    rows = []
    for y in range(0, h, cell):
        band = picture[y : y + cell].reshape(min(cell, h - y), w, -1)
        columns = band.sum(axis=0, dtype=np.float64)
        rows.append(np.add.reduceat(columns, lefts, axis=0) / (widths * len(band)))
    means = np.concatenate(rows) / (1 if picture.dtype.kind == "f" else np.iinfo(picture.dtype).max)
    if not np.isfinite(means).all():
        raise BadInput("the picture holds NaN or infinite pixels: drift cannot be measured")
    return np.asarray(means, np.float64)


def _lab(encoded: Floats) -> Floats:
    """CIELAB of sRGB values; those outside 0..1, which an affine may give, are continued as odd functions."""
    size = np.abs(encoded)
    linear = np.sign(encoded) * np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
