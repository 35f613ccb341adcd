"""The outline of a mask and the bits of a geometry undo each other, whatever the mask looks like."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from mask_shapes import SHAPES, crop, drawn, masks, ring
from scipy import ndimage
from shapely import GeometryCollection, LineString, MultiPolygon, Polygon

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.masks import outline as module
from segtile.masks.outline import cover, mask_of, outline, rasterise
from segtile.types import Box


def holes_of(bits: np.ndarray) -> int:
    """Holes by flood filling: background, 4-connected, that one 4-connected part of the object encloses."""
    labels, count = ndimage.label(bits)
    return sum(ndimage.label(np.pad(labels != k, 1, constant_values=True))[1] - 1 for k in range(1, count + 1))


def check(mask: CropMask) -> MultiPolygon:
    geometry = outline(mask)
    assert geometry.is_valid, shapely.is_valid_reason(geometry)
    assert (rasterise(geometry, mask.box) == mask.bits).all()
    assert geometry.area == mask.area
    assert len(geometry.geoms) == ndimage.label(mask.bits)[1]
    assert sum(len(part.interiors) for part in geometry.geoms) == holes_of(mask.bits)
    return geometry


@given(masks())
def test_bits_come_back_and_the_outline_is_valid(mask):
    geometry = check(mask)
    for part in geometry.geoms:
        assert part.exterior.is_ccw
        assert not any(hole.is_ccw for hole in part.interiors)


@pytest.mark.parametrize("bits", SHAPES.values(), ids=SHAPES)
def test_awkward_shapes(bits):
    check(crop(bits))
    check(crop(bits, 0, 0, 0, 0))  # touching all four borders of the frame


def test_connectivity_is_as_stated():
    assert len(outline(crop(drawn("#.", ".#"))).geoms) == 2
    closed_by_a_corner = outline(crop(drawn(".##", "#.#", "###")))
    assert [len(part.interiors) for part in closed_by_a_corner.geoms] == [1]
    assert len(outline(crop(drawn("####", "#.##", "##.#", "####"))).geoms[0].interiors) == 2


def test_corners_only_where_the_outline_turns():
    geometry = outline(crop(np.ones((30, 40), bool), 3, 5))
    assert shapely.get_num_coordinates(geometry) == 5
    assert geometry.bounds == (3, 5, 43, 35)


def test_rows_are_taken_some_at_a_time(monkeypatch):
    """What is unpacked together must not show, whatever the number of rows."""
    mask = crop(np.random.default_rng(3).random((40, 31)) < 0.5)
    whole = outline(mask)
    for at_a_time in (1, 33, 100, 700):
        monkeypatch.setattr(module, "_AT_A_TIME", at_a_time)
        assert outline(mask).equals_exact(whole, 0)


def test_a_large_ring_keeps_its_hole():
    mask = ring(800, 390, 300)
    geometry = check(mask)
    assert [len(part.interiors) for part in geometry.geoms] == [1]


TRIANGLES = st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=3)


@given(TRIANGLES)
def test_pixels_are_those_whose_centres_lie_inside(corners):
    shape = Polygon(corners)
    box = Box(0, 2, 19, 18)
    y, x = np.mgrid[box.y0 : box.y1, box.x0 : box.x1] + 0.5
    near = shapely.intersects_xy(shape.exterior.buffer(1e-9), x, y)
    assert ((rasterise(shape, box) == shapely.contains_xy(shape, x, y)) | near).all()


@given(st.lists(st.integers(0, 40), min_size=2, max_size=2))
def test_shapes_that_share_an_edge_share_no_pixel(middle):
    """Corners on pixel centres are the hardest case: each of them lies exactly on an edge."""
    corners = np.array([[0, 0], [40, 0], [40, 40], [0, 40]]) / 2
    centre = np.array(middle) / 2
    box = Box(0, 0, 20, 20)
    quarters = [Polygon([corners[k], corners[(k + 1) % 4], centre]) for k in range(4)]
    assert (sum(rasterise(q, box).astype(int) for q in quarters) == 1).all()


def test_what_lies_outside_of_the_window_is_cut_off():
    shape = Polygon([(-1e12, -1e300), (1e12, -1e300), (1e12, 1e300), (-1e12, 1e300)])
    assert rasterise(shape, Box(5, 5, 8, 9)).all()
    assert not rasterise(shapely.box(20, 20, 30, 30), Box(5, 5, 8, 9)).any()
    frame = Box.frame(10, 6)
    mask = mask_of(shapely.box(-4, 3, 40, 50), frame)
    assert mask.box == Box(0, 3, 10, 6)
    assert mask.bits.all()
    assert mask_of(shapely.box(20, 20, 30, 30), frame).area == 0


def test_collections_are_opened_and_lines_have_no_area():
    parts = GeometryCollection([LineString([(0, 0), (9, 9)]), MultiPolygon([shapely.box(1, 1, 3, 3)])])
    assert rasterise(GeometryCollection([parts, shapely.box(5, 5, 6, 7)]), Box.frame(8, 8)).sum() == 6
    assert rasterise(MultiPolygon(), Box.frame(3, 2)).shape == (2, 3)
    assert cover(Polygon(), Box.frame(3, 2)).empty


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_places_that_are_none_are_refused(value):
    with np.errstate(invalid="ignore"):  # shapely takes it, with a murmur
        shape = Polygon([(0, 0), (value, 0), (4, 4)])
    with pytest.raises(BadInput, match=r"finite|no place"):
        rasterise(shape, Box.frame(5, 5))
    with pytest.raises(BadInput, match=r"finite|no place"):
        mask_of(shape, Box.frame(5, 5))
