"""How far an alpha is from the true one: MAE, MSE, SAD, Gradient and Connectivity, whole or in a region only.

All take `(pred, truth, region=None)`: two alphas of one size, uint8, uint16, bool or float in [0, 1], and the pixels to
which the figure is restricted. Lower is better, 0 on equal inputs. A mean over a region without pixels is NaN, a sum 0.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from segtile.errors import BadInput
from segtile.metrics.connected import STEPS, connected_levels
from segtile.metrics.pair import Alpha, Mask, Pair, PairFunction, Region, bounds, checked, full_scale, tiles, unit
from segtile.types import Array, Box, FloatArray

#: How far (px, chessboard) the unknown band of the `_band` figures reaches beyond the truth's soft pixels.
BAND_RADIUS = 8

_SIGMA = 1.4
_HALF = 4  # Rhemann's half size of the filter: where the Gaussian falls below 0.01
_TILE = 1024
_THETA = 0.15


def unknown_band(truth: Array, radius: int = BAND_RADIUS) -> Region:
    """The truth's soft pixels (0 < alpha < 1) and what lies within `radius` px of one, by chessboard distance.

    A truth without soft pixels has an empty band: means over it are NaN.

    Raises:
        BadInput: the truth is no alpha, or a negative radius.
    """
    if radius < 0:
        raise BadInput(f"the radius of the unknown band is {radius}: it cannot be negative")
    truth = checked(truth, "the truth")
    return _band(truth, bounds(truth), radius)


def _band(truth: Alpha, box: Box, radius: int) -> Region:
    frame = Box.frame(truth.shape[1], truth.shape[0])
    if box.empty:
        return Region(np.zeros((1, 1), np.uint8), Box(0, 0, 1, 1))
    box = box.expand(radius, frame)
    part = truth[box.slices]
    soft = ((part > 0) & (part < full_scale(part.dtype))).view(np.uint8)
    return Region(cv2.dilate(soft, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)), box)


def band_of(pair: Pair) -> Region:
    """The unknown band of a pair's truth at BAND_RADIUS, made once for all figures."""
    return pair.once("band", lambda p: _band(p.truth, p.box, BAND_RADIUS))


def _difference(pair: Pair, region: Region | None, power: int) -> float:
    """Sum of abs difference to the power 1 or 2, in alpha; exact in the box because both are 0 outside."""
    total = 0.0
    for part in tiles(pair.box, _TILE):
        a, b = pair.windows(part)
        mask = None if region is None else region.window(part)
        if a.dtype.kind == "u":  # a whole number, which the norm's own square root must not spoil
            total += round(cv2.norm(a, b, cv2.NORM_L1 if power == 1 else cv2.NORM_L2SQR, mask))
        else:
            total += _sum(np.abs(a - b) ** power, mask)
    return total / full_scale(pair.windows(Box(0, 0, 1, 1))[0].dtype) ** power


def _sum(values: FloatArray, mask: Mask | None) -> float:
    """Sum in float64; OpenCV's norms of float32 depend on where the array lies in memory."""
    return float(values.sum(dtype=np.float64) if mask is None else values[mask != 0].sum(dtype=np.float64))


def _pixels(pair: Pair, region: Region | None) -> int:
    return pair.frame.area if region is None else region.count


@PairFunction
def mae(pair: Pair, region: Region | None = None) -> float:
    """Mean absolute error x 1000, over all pixels of the frame or of the region."""
    count = _pixels(pair, region)
    return 1000 * _difference(pair, region, 1) / count if count else math.nan


@PairFunction
def mse(pair: Pair, region: Region | None = None) -> float:
    """Mean squared error x 1000, over all pixels of the frame or of the region."""
    count = _pixels(pair, region)
    return 1000 * _difference(pair, region, 2) / count if count else math.nan


@PairFunction
def sad(pair: Pair, region: Region | None = None) -> float:
    """Sum of absolute differences / 1000, the matting convention."""
    return _difference(pair, region, 1) / 1000


def _kernels() -> tuple[FloatArray, FloatArray]:
    """The Gaussian and its first derivative, each of unit L2 norm, so that their product is Rhemann's 2-D filter."""
    x = np.arange(-_HALF, _HALF + 1, dtype=np.float64)
    gauss = np.exp(-(x**2) / (2 * _SIGMA**2)) / (_SIGMA * math.sqrt(2 * math.pi))
    slope = -x * gauss / _SIGMA**2
    unit_norm = [k / np.linalg.norm(k) for k in (gauss, slope)]
    return unit_norm[0].astype(np.float32), unit_norm[1].astype(np.float32)


def _magnitude(block: Alpha, kernels: tuple[FloatArray, FloatArray]) -> FloatArray:
    gauss, slope = kernels
    alpha = unit(block)
    gx = cv2.sepFilter2D(alpha, cv2.CV_32F, slope, gauss, borderType=cv2.BORDER_REPLICATE)
    gy = cv2.sepFilter2D(alpha, cv2.CV_32F, gauss, slope, borderType=cv2.BORDER_REPLICATE)
    return np.sqrt(gx * gx + gy * gy)  # cv2.magnitude rounds differently from call to call


@PairFunction
def grad_gauss(pair: Pair, region: Region | None = None) -> float:
    """Gradient error: sum of the squared difference of gradient magnitudes / 1000.

    Gradients are first-order Gaussian derivatives, sigma 1.4, 9 x 9 px, each filter of unit L2 norm, border pixels
    repeated. The alphas are taken as they are; Rhemann's code stretches each to 0..1 first, which changes nothing
    where an alpha reaches both.

    Source: C. Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR 2009
    (doi 10.1109/CVPR.2009.5206503), and the benchmark's published code.
    """
    kernels = _kernels()
    total = 0.0
    # both gradients are 0 farther than the filter's half size from the box
    for core in tiles(pair.box.expand(_HALF, pair.frame), _TILE):
        read = core.expand(_HALF, pair.frame)
        a, b = pair.windows(read)
        if np.array_equal(a, b):
            continue
        inner = core.within(read).slices
        mask = None if region is None else region.window(core)
        total += _sum((_magnitude(a, kernels) - _magnitude(b, kernels))[inner] ** 2, mask)
    return total / 1000


def _connected(pair: Pair) -> Mask:
    a, b = pair.windows(pair.box)
    return connected_levels(np.minimum(a, b))


@PairFunction
def conn(pair: Pair, region: Region | None = None) -> float:
    """Connectivity error / 1000: sum of abs(phi(pred) - phi(truth)).

    phi = 1 - d where d = alpha - l is at least theta = 0.15, else 1. l is the last threshold (0.1, 0.2 .. 1) up to
    which the pixel belongs, without a break, to the source: at each threshold the largest 4-connected component of the
    pixels where both alphas reach it. Pixels that are 0 in both have l = 0 and add nothing, so the box is exact.

    Source: C. Rhemann et al., CVPR 2009 (doi 10.1109/CVPR.2009.5206503), and the benchmark's published code, whose
    source region changes with the threshold, unlike the paper's.
    """
    level = pair.once("connected levels", _connected)
    total = 0.0
    for part in tiles(pair.box, _TILE):
        a, b = pair.windows(part)
        if np.array_equal(a, b):
            continue
        last = level[part.within(pair.box).slices] / float(STEPS)
        phi = []
        for block in (a, b):
            d = block.astype(np.float64) / full_scale(block.dtype) - last
            phi.append(np.where(d >= _THETA, 1 - d, 1.0))
        difference = np.abs(phi[0] - phi[1])
        if region is not None:
            difference[region.window(part) == 0] = 0
        total += float(difference.sum())
    return total / 1000
