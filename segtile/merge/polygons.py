"""One geometry from the polygons that several tiles gave of one object, without what the tiles' borders left in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely import MultiPolygon
from shapely.geometry.base import BaseGeometry

from segtile.errors import BadInput
from segtile.masks.outline import polygons_in
from segtile.types import Tile

#: Corners that would reach further than this many distances are cut: thin wedges would grow spikes.
_MITRE = 5.0
#: What is as wide as a sliver is none; buffers are not exact enough to tell such widths apart by less than this.
_UNDER = 0.95
#: Work is done this many slivers' widths around the borders, so that what crosses a border is seen to go on.
_SIGHT = 4.0


@dataclass(frozen=True)
class Joined:
    """Pieces made one: `geometry` in frame px, valid; `removed` and `filled` are the px² of slivers and gaps."""

    geometry: MultiPolygon
    removed: float
    filled: float


def join_pieces(pieces: Sequence[BaseGeometry], tiles: Sequence[Tile], sliver: float = 1.0) -> Joined:
    """The union of one object's pieces, rid of slivers and gaps that lie along the tiles' borders.

    A gap is background thinner than `sliver` (by a twentieth at least) between what two tiles gave, a sliver is object
    as thin as that; both only where they lie wholly within `sliver` px of a border of a tile's core or read box. A thin
    wire that crosses a border goes on beyond, and stays. A sliver that hangs on the object is taken off only if it is
    at least twice as long as `sliver`, so that sharp corners keep their tips.

    Args:
        pieces: polygons, multipolygons or collections, in frame px; invalid ones are made valid, lines and points
            have no area and count for nothing. Which pieces are one object is the caller's business.
        tiles: the tiles that the pieces come from.
        sliver: width in px; 0 leaves everything as the union has it.

    Raises:
        BadInput: `sliver` is negative or not finite, or a coordinate is not finite.
    """
    if not (math.isfinite(sliver) and sliver >= 0):
        raise BadInput(f"a sliver's width is 0 px or more, not {sliver}")
    if not all(np.isfinite(shapely.get_coordinates(piece)).all() for piece in pieces):
        raise BadInput("a piece to join has coordinates that are not finite numbers; leave it out first")
    whole = _areas(shapely.union_all([_areas(shapely.make_valid(piece)) for piece in pieces]))
    zone = _zone(tiles, whole, sliver) if sliver else MultiPolygon()
    if zone.is_empty:
        return Joined(whole, 0.0, 0.0)
    sight = zone.buffer(_SIGHT * sliver, join_style="mitre")
    near = shapely.intersection(whole, sight)
    gaps = [gap for gap in _along(shapely.difference(_closed(near, sliver), near), zone) if _between(gap, near)]
    filled = _areas(shapely.union_all([whole, *gaps]))
    near = shapely.intersection(filled, sight)
    body = _opened(near, sliver)
    slivers = [part for part in _along(shapely.difference(near, body), zone) if _hangs(part, body, sliver)]
    if not slivers:
        return Joined(filled, 0.0, float(sum(gap.area for gap in gaps)))
    # a hair's breadth more is taken away, or rounding would leave a film of no width between sliver and body
    cut = shapely.union_all([shapely.difference(part.buffer(1e-6, join_style="mitre"), body) for part in slivers])
    kept = _areas(shapely.make_valid(shapely.difference(filled, cut)))
    return Joined(kept, float(sum(part.area for part in slivers)), float(sum(gap.area for gap in gaps)))


def _areas(geometry: BaseGeometry) -> MultiPolygon:
    """The polygons of a geometry as one multipolygon."""
    return shapely.multipolygons(polygons_in(geometry))


def _zone(tiles: Sequence[Tile], geometry: BaseGeometry, sliver: float) -> BaseGeometry:
    """Everything within `sliver` px of a tile's border, where the geometry is near."""
    if geometry.is_empty or not tiles:
        return MultiPolygon()
    sides: npt.NDArray[np.float64] = np.array(
        [side for tile in tiles for box in (tile.core, tile.read) for side in _sides(box.x0, box.y0, box.x1, box.y1)],
        np.float64,
    )
    x0, y0, x1, y1 = geometry.bounds
    sides = np.unique(sides, axis=0) + np.array([-sliver, -sliver, sliver, sliver])
    close = (sides[:, 0] <= x1) & (sides[:, 2] >= x0) & (sides[:, 1] <= y1) & (sides[:, 3] >= y0)
    return shapely.union_all(shapely.box(*sides[close].T))


def _sides(x0: int, y0: int, x1: int, y1: int) -> tuple[tuple[int, int, int, int], ...]:
    return (x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)


def _closed(geometry: BaseGeometry, width: float) -> BaseGeometry:
    half = width / 2 * _UNDER
    return _grown(_grown(geometry, half), -half)


def _opened(geometry: BaseGeometry, width: float) -> BaseGeometry:
    half = width / 2 * _UNDER
    return _grown(_grown(geometry, -half), half)


def _grown(geometry: BaseGeometry, by: float) -> BaseGeometry:
    return geometry.buffer(by, join_style="mitre", mitre_limit=_MITRE)


def _along(geometry: BaseGeometry, zone: BaseGeometry) -> list[BaseGeometry]:
    """The parts of what opening or closing changed that lie wholly along a border."""
    parts = shapely.get_parts(_areas(geometry))
    return list(parts[shapely.covers(zone, parts)])


def _between(gap: BaseGeometry, geometry: BaseGeometry) -> bool:
    """True where there is object on both sides; buffers also leave films on one side of slanted lines."""
    outline = gap.boundary
    return float(shapely.intersection(outline, geometry.buffer(1e-6)).length) >= 0.75 * float(outline.length)


def _hangs(part: BaseGeometry, body: BaseGeometry, sliver: float) -> bool:
    """True for a sliver on its own, and for one on the body that is neither its corner nor such a film."""
    length = _length(part)
    return float(part.distance(body)) > 0 or (length >= 2 * sliver and float(part.area) >= 0.02 * sliver * length)


def _length(geometry: BaseGeometry) -> float:
    x0, y0, x1, y1 = geometry.bounds
    return float(max(x1 - x0, y1 - y0))
