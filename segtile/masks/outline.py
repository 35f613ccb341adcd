"""The exact outline of a mask along its pixels' edges, and the bits of a geometry: each undoes the other.

Connectivity, decided once: object and background are both 4-connected. Two pixels that touch in a corner only are two
polygons that share a point, and a gap that is closed by corners only is a hole. It is the one form of a pixel outline
that is valid by the OGC's rules (no ring touches itself, the inside of each polygon is in one piece), and it is only a
way of writing: the bits come back the same, whatever their connectivity means to the caller.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order
from shapely import MultiPolygon
from shapely.geometry.base import BaseGeometry

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.types import BoolArray, Box

Longs = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Geometries = npt.NDArray[np.object_]

#: Pixels that are unpacked at a time: enough to be quick, few enough to stay in the processor's cache.
_AT_A_TIME = 1 << 19


def outline(mask: CropMask) -> MultiPolygon:
    """The boundary of the union of a mask's pixel squares, with holes.

    Args:
        mask: any mask; an empty one gives an empty geometry.

    Returns:
        A valid multipolygon in frame px with corners only where the outline turns: one polygon per 4-connected part,
        top to bottom, one interior ring per 4-connected hole. Shells run counter-clockwise by the numbers, which is
        clockwise to the eye, because y grows down; holes run the other way (the winding of RFC 7946).
        `rasterise` gives the mask's bits back.
    """
    x, y, starts = _rings(mask)
    if not len(starts):
        return MultiPolygon()
    lengths = np.diff(np.append(starts, len(x)))
    points = np.column_stack((x + mask.box.x0, y + mask.box.y0)).astype(np.float64)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(starts)), lengths))
    last = starts + lengths - 1
    following = np.append(np.arange(1, len(x)), 0)
    following[last] = starts
    twice_area = np.add.reduceat(x * y[following] - x[following] * y, starts)
    shells, holes = np.flatnonzero(twice_area > 0), np.flatnonzero(twice_area < 0)
    if not len(holes):
        return shapely.multipolygons(shapely.polygons(rings[shells]))
    owner = np.zeros(len(holes), np.int64)
    if len(shells) > 1:
        # A ring begins at its topmost corner and, of these, the leftmost: left of a hole's lies a pixel of its object.
        first = points[starts[holes]] + np.array([-0.5, 0.5])
        owner = _owners(shapely.polygons(rings[shells]), twice_area[shells], first)
    order = np.argsort(np.concatenate((np.arange(len(shells)), owner)), kind="stable")
    index = np.concatenate((np.arange(len(shells)), owner))[order]
    return shapely.multipolygons(shapely.polygons(rings[np.concatenate((shells, holes))[order]], indices=index))


def rasterise(geometry: BaseGeometry, box: Box) -> BoolArray:
    """The pixels of `box` whose centres lie in a geometry.

    Args:
        geometry: polygons of any kind, in frame px; points and lines in a collection have no area and count for
            nothing. Where parts overlap, the even-odd rule decides, so overlapping ones are united first.
        box: the window, in frame px.

    Returns:
        (box.height, box.width) bool. A centre exactly on an edge belongs to the shape on its right (or below), so
        shapes that share an edge share no pixel and leave none out.

    Raises:
        BadInput: a coordinate is not finite.
    """
    h, w = box.height, box.width
    points, ring = shapely.get_coordinates(shapely.get_rings(polygons_in(geometry)), return_index=True)
    if not np.isfinite(points).all():
        raise BadInput("a geometry to rasterise has coordinates that are not finite numbers; leave them out first")
    edge = np.flatnonzero(ring[1:] == ring[:-1])
    if not h or not w or not len(edge):
        return np.zeros((h, w), np.bool_)
    # Always downwards, so that an edge is rounded alike for the shapes on both of its sides.
    down = points[edge, 1] <= points[edge + 1, 1]
    (x0, y0), (x1, y1) = points[np.where(down, edge, edge + 1)].T, points[np.where(down, edge + 1, edge)].T
    # Half-open in y, so that a corner exactly at a row's centre counts once.
    first = _clipped(np.ceil(y0 - 0.5), box.y0, box.y1)
    count = _clipped(np.ceil(y1 - 0.5), box.y0, box.y1) - first
    which = np.repeat(np.arange(len(edge)), count)
    row = np.arange(len(which)) - np.repeat(np.cumsum(count) - count - first, count)
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y0 != y1)
    crossing = x0[which] + (row + 0.5 - y0[which]) * slope[which]
    column = _clipped(np.ceil(crossing - 0.5), box.x0, box.x1) - box.x0
    change, times = np.unique((row - box.y0) * w + column, return_counts=True)
    # A ring crosses every row an even number of times, so a crossing at a row's end is undone at the next one's start.
    lengths = np.diff(change[times % 2 == 1], prepend=0, append=h * w)
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(h, w)


def mask_of(geometry: BaseGeometry, frame: Box) -> CropMask:
    """The crop mask of a geometry in frame px by the pixel-centre rule; what lies outside of the frame is cut off.

    Raises:
        BadInput: a coordinate is not finite.
    """
    box = cover(geometry, frame)
    return CropMask.from_bits(rasterise(geometry, box), box, frame)


def cover(geometry: BaseGeometry, frame: Box) -> Box:
    """The smallest whole-pixel box within `frame` that covers a geometry; Box(0, 0, 0, 0) where it is outside.

    Raises:
        BadInput: a coordinate is not finite.
    """
    if geometry.is_empty:
        return Box(0, 0, 0, 0)
    bounds = np.array(geometry.bounds)
    if not np.isfinite(bounds).all():
        raise BadInput(f"a geometry reaches from {tuple(bounds[:2])} to {tuple(bounds[2:])}: that is no place in px")
    low = _clipped(np.floor(bounds[:2]), -1, max(frame.x1, frame.y1)).tolist()
    high = _clipped(np.ceil(bounds[2:]), -1, max(frame.x1, frame.y1)).tolist()
    box = Box(low[0], low[1], high[0], high[1]) & frame
    return Box(0, 0, 0, 0) if box.empty else box


def polygons_in(geometry: BaseGeometry) -> Geometries:
    """The polygons of a geometry that are not empty; collections within collections are opened."""
    parts = shapely.get_parts(geometry)
    while (shapely.get_type_id(parts) > 3).any():
        parts = shapely.get_parts(parts)
    return parts[(shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)]


def _clipped(values: Doubles, low: int, high: int) -> Longs:
    """Whole numbers within low .. high; clipped first, since numbers beyond 64 bits have no whole counterpart."""
    return np.clip(values, low, high).astype(np.int64)


def _owners(shells: Geometries, areas: Longs, points: Doubles) -> Longs:
    """For each point the smallest shell around it: an object within another's hole lies inside both shells."""
    around, inside = shapely.STRtree(shapely.points(points)).query(shells, predicate="contains")
    order = np.lexsort((areas[around], inside))
    _, smallest = np.unique(inside[order], return_index=True)
    return around[order][smallest]


def _rings(mask: CropMask) -> tuple[Longs, Longs, Longs]:
    """Corners of all rings, one ring after the other: (x, y, where each ring starts), in px of the crop.

    A corner is a lattice point whose four pixels hold an odd number of the object, or two on a diagonal; the latter is
    two corners in one place. Along each row of the lattice the corners pair up by horizontal edges, along each column
    by vertical ones, which makes rings. Every corner is followed by the one that keeps the object on the right.
    """
    x, y, code = _corners(mask)
    diagonal = (code == 0b1001) | (code == 0b0110)
    count = len(x) + int(diagonal.sum())
    if not count:
        return x, y, x
    source = np.repeat(np.arange(len(x)), 1 + diagonal)
    second = np.zeros(count, np.bool_)  # the corner with the eastern edge, of the two in one place
    second[1:] = source[1:] == source[:-1]
    x, y, code = x[source], y[source], code[source]
    nw, ne, sw, se = ((code >> bit) & 1 == 1 for bit in range(4))
    twofold = np.repeat(diagonal, 1 + diagonal)
    east = np.where(twofold, second, ne != se)
    south = np.where(twofold, np.where(nw, second, ~second), sw != se)
    across = np.arange(count) ^ 1
    by_column = np.lexsort((south, y, x))
    along = np.empty(count, np.int64)
    along[by_column] = by_column.reshape(-1, 2)[:, ::-1].ravel()
    following = np.where(np.where(east, se, nw), across, along)
    label = _cycles(following)
    # Both corners in one place on one ring: it touches itself there. Led straight on instead, it falls into two.
    touching = np.flatnonzero(second)
    touching = touching[label[touching] == label[touching - 1]]
    if len(touching):
        following[touching], following[touching - 1] = following[touching - 1], following[touching]
        label = _cycles(following)
    order, starts = _in_order(following, label)
    return x[order], y[order], starts


def _corners(mask: CropMask) -> tuple[Longs, Longs, Longs]:
    """(x, y, pixels around it) of every lattice point where the outline turns, row by row.

    The pixels are bits: 1 north-west, 2 north-east, 4 south-west, 8 south-east.
    """
    h, w = mask.box.height, mask.box.width
    found: list[tuple[Longs, Longs, Longs]] = []
    step = max(1, _AT_A_TIME // (w + 2))
    for top in range(0, h + 1, step):  # lattice rows top .. bottom - 1 lie between the pixel rows top - 1 .. bottom - 1
        bottom = min(top + step, h + 1)
        rows = np.zeros((bottom - top + 1, w + 2), np.uint8)
        y0, y1 = max(top - 1, 0), min(bottom, h)
        rows[y0 - top + 1 : y1 - top + 1, 1:-1] = np.unpackbits(mask.packed[y0:y1], axis=1, count=w)
        edge = rows[:-1] ^ rows[1:]
        turn = edge[:, :-1] ^ edge[:, 1:]
        turn |= edge[:, :-1] & edge[:, 1:] & (rows[:-1, :-1] ^ rows[:-1, 1:])
        y, x = np.divmod(np.flatnonzero(turn.view(np.bool_)), w + 1)
        code = rows[y, x] | rows[y, x + 1] << 1 | rows[y + 1, x] << 2 | rows[y + 1, x + 1] << 3
        found.append((x, y + top, code.astype(np.int64)))
    x, y, code = (np.concatenate(part) for part in zip(*found, strict=True))
    return x, y, code


def _graph(following: Longs) -> csr_array:
    count = len(following)
    return csr_array((np.ones(count, np.int8), following, np.arange(count + 1)), shape=(count, count))


def _cycles(following: Longs) -> Longs:
    """Number of the cycle each corner lies on."""
    return connected_components(_graph(following), directed=False)[1].astype(np.int64)


def _in_order(following: Longs, label: Longs) -> tuple[Longs, Longs]:
    """(corners in the order of their rings, where each ring starts): each from its first corner, first come first.

    The cycles are cut open and tied into one long chain, which compiled code follows; a Python loop would take as many
    steps as there are corners.
    """
    heads = np.unique(label, return_index=True)[1]
    rank = np.argsort(heads)
    heads, lengths = heads[rank], np.bincount(label)[rank]
    before = np.empty_like(following)
    before[following] = np.arange(len(following))
    chain = following.copy()
    chain[before[heads[:-1]]] = heads[1:]
    chain[before[heads[-1]]] = heads[0]
    order = depth_first_order(_graph(chain), heads[0], return_predecessors=False).astype(np.int64)
    return order, np.cumsum(lengths) - lengths
