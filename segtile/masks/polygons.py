"""Polygons with holes from masks, simplified within a tolerance, with what that lost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon
from shapely.geometry.base import BaseGeometry

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.masks.outline import cover, outline, rasterise

Doubles = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]

#: How often a tolerance that would change the topology is halved before the exact outline is given instead.
_HALVINGS = 6


@dataclass(frozen=True)
class Simplified:
    """A mask's outline with fewer corners, and the loss.

    `geometry` in frame px, valid, with as many parts and holes as the exact outline. `iou` is that of the mask and the
    pixels whose centres lie in the geometry: 1.0 says that the mask comes back bit by bit. `tolerance` in px is the one
    that was used: what was asked for, or less where that would have closed a hole or joined two parts; 0 is the exact
    outline.
    """

    geometry: MultiPolygon
    iou: float
    tolerance: float


def simplified(mask: CropMask, tolerance: float = 0.5) -> Simplified:
    """A mask as polygons with fewer corners; none of those left out is further than `tolerance` px from the new line.

    Pixel centres lie half a pixel from every pixel edge, so up to 0.5 px no pixel changes sides and `iou` is 1.0; the
    steps of slanted edges remain. From about 1 px on they are smoothed away.

    Raises:
        BadInput: `tolerance` is negative or not a finite number.

    Source:
        Douglas and Peucker 1973, in the topology-preserving form of JTS (`shapely.simplify`).
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise BadInput(f"a tolerance is 0 px or more, not {tolerance}")
    exact = outline(mask)
    if tolerance == 0 or exact.is_empty:
        return Simplified(exact, 1.0, 0.0)
    for halved in range(_HALVINGS):
        used = tolerance / 2**halved
        # all parts in one call, so that none is simplified into another; a single one comes back as a plain polygon
        made = shapely.multipolygons(shapely.get_parts(shapely.simplify(exact, used, preserve_topology=True)))
        if _same_topology(exact, made) and _deviation(exact, made) <= used * (1 + 1e-9):
            return Simplified(made, overlap(made, mask), used)
    return Simplified(exact, 1.0, 0.0)


def overlap(geometry: BaseGeometry, mask: CropMask) -> float:
    """Intersection over union of a mask and the pixels whose centres lie in a geometry; 1.0 where both are empty.

    Raises:
        BadInput: a coordinate is not finite.
    """
    box = cover(geometry, mask.frame)
    common = box & mask.box
    drawn = rasterise(geometry, box)
    area = mask.area
    both = 0
    if not common.empty:
        both = int(np.count_nonzero(drawn[common.within(box).slices] & mask.bits[common.within(mask.box).slices]))
    union = area + int(np.count_nonzero(drawn)) - both
    return both / union if union else 1.0


def _same_topology(exact: MultiPolygon, made: MultiPolygon) -> bool:
    """Valid, and every part there with as many holes as before."""
    holes = [shapely.get_num_interior_rings(shapely.get_parts(geometry)) for geometry in (exact, made)]
    return bool(np.array_equal(*holes) and shapely.is_valid(made))


def _deviation(exact: MultiPolygon, made: MultiPolygon) -> float:
    """How far, in px, a corner that was left out lies from the line in its place; inf where corners were moved.

    GEOS tries a ring's first corner again in the end and does not look at what it left out beside it before.
    """
    points, starts, keys = _corners(exact)
    left = _corners(made)[2]
    kept = np.isin(keys, left)
    if np.count_nonzero(kept) != len(left):
        return math.inf
    place = np.arange(len(points))
    ring = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(points)))
    before = np.maximum.accumulate(np.where(kept, place, -1))
    before = np.where(before < starts[ring], np.maximum.reduceat(np.where(kept, place, -1), starts)[ring], before)
    first = np.minimum.reduceat(np.where(kept, place, len(points)), starts)
    after = np.minimum.accumulate(np.where(kept, place, len(points))[::-1])[::-1]
    after = np.where(after >= np.append(starts[1:], len(points))[ring], first[ring], after)
    start, step, point = points[before], points[after] - points[before], points - points[before]
    length = np.maximum(np.square(step).sum(1), 1e-12)
    share = np.clip((point * step).sum(1) / length, 0, 1)
    return float(np.hypot(*(start + share[:, None] * step - points).T)[~kept].max(initial=0.0))


def _corners(geometry: MultiPolygon) -> tuple[Doubles, Longs, Longs]:
    """(points, where each ring starts, one number for each point of a ring) of all rings, none closed."""
    points, ring = shapely.get_coordinates(shapely.get_rings(shapely.get_parts(geometry)), return_index=True)
    inner = np.append(ring[1:] == ring[:-1], False)
    points, ring = points[inner], ring[inner].astype(np.int64)
    # every corner is a corner of pixels, and a frame is less than 2**21 px wide and high
    keys = (ring << 42) + (points[:, 1].astype(np.int64) << 21) + points[:, 0].astype(np.int64)
    return points, np.flatnonzero(np.diff(ring, prepend=-1)), keys
