"""One ring fills what many did, by rasterisers that know nothing of bridges."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from mask_shapes import SHAPES, crop, masks, ring
from shapely import MultiPolygon, Polygon
from skimage.draw import polygon2mask

from segtile.masks.bridges import is_one_ring, one_ring
from segtile.masks.outline import outline, rasterise
from segtile.masks.polygons import simplified


@given(masks())
def test_the_ring_fills_the_same_pixels(mask):
    points = one_ring(outline(mask))
    if not len(points):
        assert not mask.area
        return
    assert (rasterise(Polygon(points), mask.box) == mask.bits).all()


@given(masks())
def test_also_after_simplification(mask):
    geometry = simplified(mask, 0.8).geometry
    points = one_ring(geometry)
    if len(points):
        assert (rasterise(Polygon(points), mask.frame) == rasterise(geometry, mask.frame)).all()


@pytest.mark.parametrize("name", [n for n in SHAPES if n != "nothing"])
def test_another_rasteriser_agrees(name):
    bits = SHAPES[name]
    points = one_ring(outline(crop(bits, 0, 0)))
    # its pixels are points at whole numbers
    assert (polygon2mask(bits.shape, points[:, ::-1] - 0.5) == bits).all()


def test_no_cut_crosses_the_outline():
    """A ring with many holes: each cut runs inside of the object, so what it encloses stays the object's area."""
    holes = [shapely.box(x, y, x + 3, y + 3).exterior for x in range(5, 90, 10) for y in range(5, 90, 9)]
    shape = Polygon(shapely.box(0, 0, 100, 100).exterior, holes)
    points = one_ring(MultiPolygon([shape]))
    steps = shapely.linestrings(np.stack((points, np.roll(points, -1, axis=0)), axis=1))
    assert shapely.covers(shape, steps).all()


def test_what_needs_no_bridge():
    assert is_one_ring(MultiPolygon())
    assert is_one_ring(outline(crop(np.ones((3, 3), bool))))
    assert not is_one_ring(outline(ring()))
    assert not is_one_ring(outline(crop(np.eye(2, dtype=bool))))
    assert one_ring(MultiPolygon()).shape == (0, 2)
    assert len(one_ring(outline(crop(np.ones((3, 3), bool))))) == 4
