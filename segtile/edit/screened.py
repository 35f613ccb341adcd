"""The equation behind gradient-domain merging, solved by cosine transforms over a rectangle."""

from __future__ import annotations

import numpy as np
from scipy import fft

from segtile.types import FloatArray

_ROWS = 256


def solve_screened(right: FloatArray, pull: float, workers: int = 2) -> FloatArray:
    """Solve (laplacian - pull) u = right on a rectangle that nothing flows out of (Neumann).

    Args:
        right: (h, w) float32, overwritten.
        pull: 0 or more, per px squared; at 0 `right` must sum to 0 and the solution's mean is 0.
        workers: threads.

    Returns:
        (h, w) float32, in `right`'s own memory where scipy can: a 12000 px plane needs little more than itself.

    Source: A. Agrawal, R. Raskar, R. Chellappa, ECCV 2006 (cosine transform); P. Bhat et al., Fourier Analysis of the
    2D Screened Poisson Equation for Gradient Domain Problems, ECCV 2008.
    """
    height, width = right.shape
    spectrum = fft.dctn(right, type=2, overwrite_x=True, workers=workers)
    down, across = (2 * np.cos(np.pi * np.arange(n) / n) - 2 for n in (height, width))
    for y0 in range(0, height, _ROWS):
        divisor = down[y0 : y0 + _ROWS, None] + across[None, :] - pull
        if y0 == 0 and pull == 0:
            divisor[0, 0] = np.inf
        spectrum[y0 : y0 + _ROWS] /= divisor.astype(np.float32)
    return np.asarray(fft.idctn(spectrum, type=2, overwrite_x=True, workers=workers), np.float32)


def add_edges(right: FloatArray, share: FloatArray, apart: FloatArray, y0: int, x0: int) -> None:
    """Add to the right side what one tile's fading weight must not be allowed to draw.

    The blend is sum(share * tile); its gradient has the wanted part sum(share * grad tile) and the unwanted one
    sum(tile * grad share). The membrane is to take the second away, so its gradient along an edge between two px is
    -(difference of share) * (mean of apart); where only one of the two px is the tile's, apart is that one's.

    Args:
        right: (H, W) float32, changed in place: the divergence.
        share: (h, w) float32, the tile's share; 0 outside its box.
        apart: (h, w) float32, the tile minus the pixel's owner.
        y0: row of `share` in `right`.
        x0: column of `share` in `right`.
    """
    height, width = right.shape
    h, w = share.shape
    left, above = int(x0 > 0), int(y0 > 0)
    pads = ((above, int(y0 + h < height)), (left, int(x0 + w < width)))
    weight = np.pad(share, pads)
    value = np.pad(apart, pads, mode="edge")
    gx = (weight[:, :-1] - weight[:, 1:]) * (value[:, :-1] + value[:, 1:]) / 2
    gy = (weight[:-1] - weight[1:]) * (value[:-1] + value[1:]) / 2
    x1, y1 = x0 - left, y0 - above
    part = right[y0 : y0 + h, x1 : x1 + gx.shape[1] + 1]
    inner = gx[above : above + h]
    part[:, :-1] += inner
    part[:, 1:] -= inner
    part = right[y1 : y1 + gy.shape[0] + 1, x0 : x0 + w]
    inner = gy[:, left : left + w]
    part[:-1] += inner
    part[1:] -= inner
