"""Regions of interest: the parts of a picture that somebody wants looked at, as boxes and polygons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from segtile.errors import BadInput
from segtile.types import Box

Polygon: TypeAlias = Sequence[tuple[float, float]]
Corners: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True)
class Regions:
    """The union of boxes and polygons within a frame; `bounds` is the whole-pixel box around it."""

    shape: Any  # a shapely geometry, prepared
    bounds: Box

    def meets(self, box: Box | Corners) -> bool:
        """True where a box and the regions share more than a border."""
        from shapely import box as rectangle

        x0, y0, x1, y1 = (box.x0, box.y0, box.x1, box.y1) if isinstance(box, Box) else box
        other = rectangle(x0, y0, x1, y1)
        return bool(self.shape.intersects(other) and not self.shape.touches(other))


def regions_of(given: Sequence[Box | Polygon], frame: Box) -> Regions:
    """Boxes and polygons as one region, clipped to the frame.

    Args:
        given: boxes, and polygons as at least 3 (x, y) points in frame px; at least one.
        frame: the picture.

    Raises:
        BadInput: none given, one of them is neither, or one lies outside the frame.
    """
    import shapely

    if not given:
        raise BadInput("no region of interest: give a box or a polygon, or leave them out to look everywhere")
    whole = shapely.box(frame.x0, frame.y0, frame.x1, frame.y1)
    shapes = []
    for one in given:
        inside = shapely.intersection(_shape(one), whole)
        if not inside.area > 0:
            raise BadInput(f"the region of interest {one} lies outside the frame of {frame.width} x {frame.height} px")
        shapes.append(inside)
    union = shapely.union_all(shapes)
    shapely.prepare(union)
    x0, y0, x1, y1 = union.bounds
    return Regions(union, Box(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)))


def _shape(one: Box | Polygon) -> Any:
    import shapely

    if isinstance(one, Box):
        return shapely.box(one.x0, one.y0, one.x1, one.y1) if not one.empty else shapely.Polygon()
    try:
        points = [(float(x), float(y)) for x, y in one]
    except (TypeError, ValueError):
        raise BadInput(f"a region of interest is a box or a list of (x, y) points, not {one!r}") from None
    if len(points) < 3 or not all(math.isfinite(v) for point in points for v in point):
        raise BadInput(f"a region of interest needs at least 3 points with finite coordinates, not {one!r}")
    return shapely.make_valid(shapely.Polygon(points))
