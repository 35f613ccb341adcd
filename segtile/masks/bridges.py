"""Parts and holes on one ring, for formats that know neither: cuts of no width lead from one to the next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from scipy.spatial import cKDTree
from shapely import MultiPolygon, Polygon

Doubles = npt.NDArray[np.float64]


def one_ring(geometry: MultiPolygon) -> Doubles:
    """All of a geometry's outline on one ring.

    Each hole is reached from its leftmost corner by a level cut to the line on its left, parts are tied together where
    their corners are nearest. Cuts are walked there and back, so by the even-odd and by the nonzero rule the ring fills
    what the geometry does; programs that draw the line itself also draw the cuts, one pixel wide.

    Args:
        geometry: valid polygons in px.

    Returns:
        (n, 2) float64 x, y; the first point is not repeated at the end. (0, 2) for an empty geometry.
    """
    parts = [_keyholed(part) for part in shapely.get_parts(geometry)]
    if not parts:
        return np.empty((0, 2))
    ring = parts[0]
    for part in parts[1:]:
        distance, nearest = (np.asarray(values) for values in cKDTree(ring).query(part))
        there = int(np.argmin(distance))
        here = int(nearest[there])
        ring = np.concatenate((ring[: here + 1], np.roll(part, -there, axis=0), part[there : there + 1], ring[here:]))
    return ring


def is_one_ring(geometry: MultiPolygon) -> bool:
    """True where a geometry is one part without holes, or empty."""
    parts = shapely.get_parts(geometry)
    return len(parts) < 2 and not shapely.get_num_interior_rings(parts).any()


def _keyholed(polygon: Polygon) -> Doubles:
    """A polygon's rings on one; holes from left to right, so that a cut never meets one that is not yet joined."""
    ring = shapely.get_coordinates(polygon.exterior)[:-1]
    holes = [shapely.get_coordinates(hole)[:-1] for hole in polygon.interiors]
    for hole in sorted(holes, key=lambda points: (points[:, 0].min(), points[:, 1].min())):
        start = int(np.lexsort((hole[:, 1], hole[:, 0]))[0])
        edge, x = _left_of(ring, hole[start])
        there = np.array([[x, hole[start, 1]]])
        ring = np.concatenate(
            (ring[: edge + 1], there, np.roll(hole, -start, axis=0), hole[start : start + 1], there, ring[edge + 1 :])
        )
    return ring


def _left_of(ring: Doubles, point: Doubles) -> tuple[int, float]:
    """The edge of a ring that a level line to the left of a point meets first, and the x where it does."""
    x, y = point
    (x0, y0), (x1, y1) = ring.T, np.roll(ring, -1, axis=0).T
    met = np.flatnonzero((np.minimum(y0, y1) <= y) & (np.maximum(y0, y1) >= y) & (np.minimum(x0, x1) <= x))
    x0, y0, x1, y1 = x0[met], y0[met], x1[met], y1[met]
    level = y0 == y1
    share = np.divide(y - y0, y1 - y0, out=np.zeros_like(x0), where=~level)
    at = np.where(level, np.minimum(np.maximum(x0, x1), x), x0 + share * (x1 - x0))
    at[at > x] = -np.inf
    best = int(np.argmax(at))
    return int(met[best]), float(at[best])
