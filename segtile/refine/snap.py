"""Edges drawn from a belief to the sharpest line near by, on the picture and on its solar channels together.

A white object on white paper has an edge that is hardly there in the picture and steep on the adaptive solar curve.
Within the doubtful strip a random walker decides which side a pixel belongs to: walking costs much across an edge.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse

from segtile.refine.system import solve
from segtile.types import Array, BoolArray, FloatArray

_SIGMA = 0.8  # px
# Change per px at which walking costs e times as much. The curve's straight part spans at least six sigmas of noise to
# either side, so that noise, smoothed, stays below the second.
_PICTURE, _SOLAR = 0.03, 0.08
_LEAST = 1e-4  # conductance across the sharpest edge; more than 0, so that every pixel has an answer
_BELIEF = 2e-3  # how much a pixel's own belief counts beside its neighbours'


def snap(rgb: FloatArray, phases: FloatArray, belief: FloatArray, strip: BoolArray) -> FloatArray:
    """The belief with its edge drawn to the sharpest line of the strip.

    Args:
        rgb: (h, w, 3) float32 sRGB-encoded in [0, 1].
        phases: (h, w, k) float32, `segtile.solar.channels.EDGE_CHANNELS`: an edge is there in all of them, the lines at
            which a curve folds lie elsewhere in each.
        belief: (h, w) float32 in [0, 1], what a network says.
        strip: (h, w) bool, where it is in doubt; elsewhere it stands.

    Returns:
        (h, w) float32 in [0, 1].

    Source: Grady: Random Walks for Image Segmentation, PAMI 2006, with the priors of Grady, CVPR 2005.
    """
    if not strip.any():
        return belief
    strength = edge_strength(rgb, phases)
    number = np.full(strip.shape, -1, np.int32)
    count = int(np.count_nonzero(strip))
    number[strip] = np.arange(count, dtype=np.int32)
    fixed = (belief >= 0.5).astype(np.float64)
    diagonal = np.full(count, _BELIEF)
    rhs = _BELIEF * belief[strip].astype(np.float64)
    entries: list[tuple[Array, Array, Array]] = []
    for first, second in _neighbours():
        conductance = np.exp(-np.square(np.maximum(strength[first], strength[second]))) + _LEAST
        a, b = number[first], number[second]
        for one, other, known in ((a, b, fixed[second]), (b, a, fixed[first])):
            here = one >= 0
            np.add.at(diagonal, one[here], conductance[here])
            edge = here & (other < 0)
            np.add.at(rhs, one[edge], conductance[edge] * known[edge])
            both = here & (other >= 0)
            entries.append((one[both], other[both], -conductance[both]))
    entries.append((np.arange(count), np.arange(count), diagonal))
    rows, columns, values = (np.concatenate(part) for part in zip(*entries, strict=True))
    matrix = sparse.csr_matrix((values, (rows, columns)), (count, count))
    found, _ = solve(matrix, rhs, belief[strip].astype(np.float64))
    result = belief.copy()
    result[strip] = np.clip(found, 0.0, 1.0)
    return result


def edge_strength(rgb: FloatArray, phases: FloatArray) -> FloatArray:
    """How sharp the picture is at each pixel, (h, w) float32: its own slope and the least of its solar channels'."""
    own = np.maximum.reduce([_slope(rgb[..., k]) for k in range(3)])
    solar = np.minimum.reduce([_slope(phases[..., k]) for k in range(phases.shape[-1])])
    return np.asarray(own / _PICTURE + solar / _SOLAR, np.float32)


def _slope(plane: FloatArray) -> FloatArray:
    soft = cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), _SIGMA)
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return np.asarray(np.hypot(across, down), np.float32)


def _neighbours() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Each pixel and the one to its right; each and the one below."""
    every, first, last = slice(None), slice(None, -1), slice(1, None)
    return [((every, first), (every, last)), ((first, every), (last, every))]
