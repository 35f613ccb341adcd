"""Simplification keeps parts and holes, stays within its tolerance, and states what it lost."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from mask_shapes import SHAPES, crop, masks, ring
from shapely import MultiPolygon, Polygon

from segtile.errors import BadInput
from segtile.masks.outline import outline, rasterise
from segtile.masks.polygons import overlap, simplified


def true_iou(geometry, mask):
    """On the whole frame, as slowly as can be."""
    found, given_ = rasterise(geometry, mask.frame), np.zeros((mask.frame.height, mask.frame.width), bool)
    given_[mask.box.slices] = mask.bits
    union = (found | given_).sum()
    return (found & given_).sum() / union if union else 1.0


@given(masks(), st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0, 2.0, 6.0]))
def test_topology_stays_and_the_loss_is_the_true_one(mask, tolerance):
    exact, made = outline(mask), simplified(mask, tolerance)
    assert made.geometry.is_valid
    assert [len(p.interiors) for p in made.geometry.geoms] == [len(p.interiors) for p in exact.geoms]
    assert made.iou == true_iou(made.geometry, mask)
    assert made.tolerance <= tolerance
    if not exact.is_empty:
        corners = shapely.points(shapely.get_coordinates(exact))
        assert shapely.distance(corners, made.geometry.boundary).max() <= made.tolerance + 1e-9


@given(masks())
def test_up_to_half_a_pixel_no_pixel_changes_sides(mask):
    assert simplified(mask, 0.5).iou == 1.0


@pytest.mark.parametrize("bits", SHAPES.values(), ids=SHAPES)
def test_awkward_shapes(bits):
    made = simplified(crop(bits), 3.0)
    assert made.geometry.is_valid
    assert made.iou == true_iou(made.geometry, crop(bits))


def test_more_tolerance_means_fewer_corners_and_less_of_the_ring():
    mask = ring()
    made = [simplified(mask, tolerance) for tolerance in (0, 0.5, 1, 3)]
    corners = [shapely.get_num_coordinates(one.geometry) for one in made]
    assert corners == sorted(corners, reverse=True)
    assert corners[2] < corners[0] / 5
    assert made[1].iou == 1.0
    assert 0.9 < made[3].iou < made[2].iou < 1.0


def test_a_tolerance_that_would_spoil_the_topology_is_made_smaller(monkeypatch):
    """GEOS has got this wrong before; what it gives is checked."""
    mask, true = ring(), shapely.simplify

    def filled(geometry, tolerance, **options):
        made = true(geometry, tolerance, **options)
        return MultiPolygon([Polygon(p.exterior) for p in shapely.get_parts(made)]) if tolerance > 0.6 else made

    monkeypatch.setattr(shapely, "simplify", filled)
    assert simplified(mask, 2.0).tolerance == 0.5
    monkeypatch.setattr(shapely, "simplify", lambda geometry, tolerance, **_: geometry.buffer(0).convex_hull)
    made = simplified(mask, 2.0)
    assert (made.tolerance, made.iou) == (0.0, 1.0)
    assert len(made.geometry.geoms[0].interiors) == 1


def test_overlap_of_any_geometry():
    mask = crop(np.ones((4, 6), bool), 10, 20)
    assert overlap(shapely.box(10, 20, 16, 24), mask) == 1.0
    assert overlap(shapely.box(10, 20, 13, 24), mask) == 0.5
    assert overlap(shapely.box(0, 0, 3, 3), mask) == 0.0
    assert overlap(MultiPolygon(), mask) == 0.0
    assert overlap(MultiPolygon(), crop(np.zeros((2, 2), bool))) == 1.0


@pytest.mark.parametrize("tolerance", [-0.1, np.nan, np.inf])
def test_tolerances_that_are_none(tolerance):
    with pytest.raises(BadInput, match="tolerance"):
        simplified(ring(), tolerance)
