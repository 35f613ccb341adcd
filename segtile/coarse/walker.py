"""Object or background over smooth areas: a random walker that pays for crossing sharp edges.

Where a cell's own tone decides nothing (soft shadow or a smooth dark object?), its surroundings do: a shadow passes
smoothly into the background and is cut off sharply from the object, an object's inside the other way round. The walker
weighs all boundaries at once, so a contour with a gap in it still holds.
"""

from __future__ import annotations

import cv2
import numpy as np

from segtile.types import FloatArray

#: The longer side of the walker's grid.
WALK_SIDE = 640

#: Conductance across the sharpest edge; more than 0, so that every cell has an answer.
WALL = 1e-4


def walk(resistance: FloatArray, for_object: FloatArray, for_background: FloatArray) -> FloatArray:
    """Probability of object on the walker's grid.

    Minimises sum c_ij (p_i - p_j)^2 + sum for_object (1 - p)^2 + sum for_background p^2 over a 4-connected grid, where
    c_ij falls steeply as the larger resistance of two neighbours passes 1.

    Args:
        resistance: (h, w) float32 >= 0, edge strength over its threshold.
        for_object: (h, w) float32 >= 0, weight of a cell's own evidence for the object.
        for_background: (h, w) float32 >= 0, the same for the background.

    Returns:
        (h, w) float32 in [0, 1].

    Source: Grady (2006), Random walks for image segmentation, with the priors of Grady (2005).
    """
    h, w = resistance.shape
    start: FloatArray | None = None
    if max(h, w) > 96:
        small = (max(1, (w + 1) // 2), max(1, (h + 1) // 2))
        coarse = walk(
            cv2.resize(cv2.dilate(resistance, np.ones((2, 2), np.uint8)), small, interpolation=cv2.INTER_NEAREST),
            4 * cv2.resize(for_object, small, interpolation=cv2.INTER_AREA),
            4 * cv2.resize(for_background, small, interpolation=cv2.INTER_AREA),
        )
        start = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_LINEAR)
    across = _conductance(np.maximum(resistance[:, 1:], resistance[:, :-1]))
    down = _conductance(np.maximum(resistance[1:], resistance[:-1]))
    prior = for_object + for_background + np.float32(1e-6)
    target = for_object + np.float32(0.5e-6)
    first = target / prior if start is None else start
    return np.clip(_solve(across, down, prior, target, first.astype(np.float32)), 0, 1)


def _conductance(resistance: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-4 * np.minimum(resistance, 2.0) ** 4) + WALL, np.float32)


def _solve(
    across: FloatArray, down: FloatArray, prior: FloatArray, target: FloatArray, start: FloatArray
) -> FloatArray:
    """Conjugate gradients with the diagonal as preconditioner; the iterations are bounded, so is the time."""
    diagonal = prior.copy()
    diagonal[:, 1:] += across
    diagonal[:, :-1] += across
    diagonal[1:] += down
    diagonal[:-1] += down

    def apply(p: FloatArray) -> FloatArray:
        out = diagonal * p
        out[:, 1:] -= across * p[:, :-1]
        out[:, :-1] -= across * p[:, 1:]
        out[1:] -= down * p[:-1]
        out[:-1] -= down * p[1:]
        return out

    p = start.copy()
    r = target - apply(p)
    z = r / diagonal
    d = z.copy()
    rz = _dot(r, z)
    goal = 1e-8 * max(_dot(target, target / diagonal), 1e-12)
    for _ in range(200):
        if rz <= goal:
            break
        q = apply(d)
        step = np.float32(rz / _dot(d, q))
        p += step * d
        r -= step * q
        z = r / diagonal
        fresh = _dot(r, z)
        d *= np.float32(fresh / rz)
        d += z
        rz = fresh
    return p


def _dot(a: FloatArray, b: FloatArray) -> float:
    # einsum without threads adds in one fixed order: the same answer on every machine with the same numpy.
    return float(np.einsum("ij,ij->", a, b, dtype=np.float64))
