"""Pieces of one object from several tiles become one shape, without what the borders left in it."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from merge_plans import make_grid
from shapely import GeometryCollection, LineString, MultiPolygon, Point, Polygon

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.masks.outline import outline, rasterise
from segtile.merge.polygons import join_pieces
from segtile.types import Box

TILES = make_grid([0, 50, 100], [0, 50, 100], 0).tiles


def test_a_ring_cut_into_four_is_one_ring_again():
    ring = Point(50, 50).buffer(40).difference(Point(50, 50).buffer(25))
    pieces = [ring.intersection(shapely.box(*_bounds(t.core))) for t in TILES]
    joined = join_pieces(pieces, TILES)
    assert len(joined.geometry.geoms) == 1
    assert len(joined.geometry.geoms[0].interiors) == 1
    assert joined.geometry.symmetric_difference(ring).area < 1e-6
    assert (joined.removed, joined.filled) == (0.0, 0.0)


def test_gaps_along_a_border_are_closed():
    pieces = [shapely.box(10, 20, 49.8, 80), shapely.box(50.1, 20, 90, 80)]
    joined = join_pieces(pieces, TILES)
    assert joined.geometry.equals(shapely.box(10, 20, 90, 80))
    assert joined.filled == pytest.approx(0.3 * 60)
    assert len(join_pieces(pieces, TILES, sliver=0.2).geometry.geoms) == 2
    assert len(join_pieces(pieces, TILES, sliver=0).geometry.geoms) == 2


def test_a_gap_elsewhere_stays():
    pieces = [shapely.box(10, 20, 29.8, 45), shapely.box(30.1, 20, 45, 45)]
    assert len(join_pieces(pieces, TILES).geometry.geoms) == 2


def test_slivers_along_a_border_are_removed_alone_and_attached():
    body = shapely.box(10, 10, 40, 40)
    alone, attached = shapely.box(49.7, 60, 50, 90), shapely.box(20, 49.6, 45, 50)
    large = shapely.box(20, 50, 30, 60)
    joined = join_pieces([body, alone, attached, large], TILES)
    # where the second lies on the large piece, it is no sliver but its edge
    assert joined.geometry.symmetric_difference(MultiPolygon([body, shapely.box(20, 49.6, 30, 60)])).area < 1e-4
    assert joined.removed == pytest.approx(0.3 * 30 + 0.4 * (25 - 10), abs=1e-3)


def test_thin_things_that_are_no_slivers_stay():
    crossing = shapely.box(20, 30, 80, 30.4)  # a wire over the border at x = 50
    elsewhere = shapely.box(70.2, 60, 70.6, 90)
    line = shapely.box(50, 55, 51, 95)  # along the border, but as wide as the limit
    tip = Polygon([(30, 45), (34, 50), (30, 55)])
    wanted = shapely.union_all([crossing, elsewhere, line, tip])
    joined = join_pieces([crossing, elsewhere, line, tip], TILES)
    assert joined.geometry.symmetric_difference(wanted).area < 1e-4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.7))
def test_pixel_outlines_of_tiles_add_up_to_the_whole(seed, share):
    noise = np.random.default_rng(seed).random((26, 24))
    bits = noise < share
    grid = make_grid([0, 9, 24], [0, 13, 26], 4)
    pieces = []
    for tile in grid.tiles:
        part = CropMask.from_bits(bits[tile.read.slices], tile.read, grid.frame)
        pieces.append(outline(part))
    joined = join_pieces(pieces, grid.tiles)
    assert joined.geometry.is_valid
    assert (rasterise(joined.geometry, grid.frame) == bits).all()
    assert max(joined.removed, joined.filled) < 1e-9


def test_invalid_pieces_are_made_valid_and_lines_count_for_nothing():
    bow = Polygon([(10, 10), (30, 30), (30, 10), (10, 30)])
    joined = join_pieces(
        [bow, GeometryCollection([LineString([(0, 0), (90, 90)]), shapely.box(60, 60, 70, 70)])], TILES
    )
    assert joined.geometry.is_valid
    assert joined.geometry.area == pytest.approx(200 + 100)
    assert join_pieces([], TILES).geometry.is_empty
    assert join_pieces([LineString([(0, 0), (9, 9)])], []).geometry.is_empty
    assert join_pieces([shapely.box(0, 0, 3, 3)], []).geometry.area == 9


def test_what_cannot_be_joined():
    with pytest.raises(BadInput, match="sliver"):
        join_pieces([shapely.box(0, 0, 1, 1)], TILES, sliver=-1)
    with np.errstate(invalid="ignore"):
        broken = Polygon([(0, 0), (np.inf, 0), (1, 1)])
    with pytest.raises(BadInput, match="finite"):
        join_pieces([broken], TILES)


def _bounds(box: Box) -> tuple[int, int, int, int]:
    return box.x0, box.y0, box.x1, box.y1
