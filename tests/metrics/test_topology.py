"""Holes and Betti errors: by hand, against scipy's labels, and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from metric_cases import pairs, scene
from scipy import ndimage

from segtile.metrics.pair import mask_of
from segtile.metrics.topology import betti_components, betti_holes, hole_areas, holes


def plate(*openings):
    """A 30 x 30 picture with a plate of 26 x 26 and rectangular openings (y0, y1, x0, x1)."""
    alpha = np.zeros((30, 30), np.uint8)
    alpha[2:28, 2:28] = 255
    for y0, y1, x0, x1 in openings:
        alpha[y0:y1, x0:x1] = 0
    return alpha


def literal_holes(mask):
    labels, n = ndimage.label(mask == 0)
    border = set(labels[[0, -1]].ravel()) | set(labels[:, [0, -1]].ravel())
    return sorted(int((labels == k).sum()) for k in range(1, n + 1) if k not in border)


def test_holes_by_hand():
    two = plate((5, 9, 5, 9), (15, 20, 15, 20))  # 16 px and 25 px
    assert holes(two, two) == 0
    assert holes(plate(), two) == 2 / 2
    assert holes(plate((5, 9, 5, 9)), two) == 1 / 2
    assert holes(two, plate()) == 2 / 1  # none is right: the denominator is 1
    assert holes(plate((5, 9, 5, 9), (15, 20, 15, 20), (5, 9, 15, 19)), two) == 1 / 2


def test_a_hole_has_at_least_12_px():
    twelve, eleven = plate((5, 9, 5, 8)), plate((5, 9, 5, 8))
    eleven[5, 5] = 255
    assert holes(twelve, plate()) == 1
    assert holes(eleven, plate()) == 0
    assert betti_holes(eleven, plate()) == 1


def test_holes_are_joined_by_sides_only():
    corner = plate((5, 9, 5, 9), (9, 13, 9, 13))  # two openings that meet at a corner are two
    assert hole_areas(mask_of(corner)).tolist() == [16, 16]
    assert betti_holes(corner, plate()) == 2
    side = plate((5, 9, 5, 9), (8, 13, 9, 13))
    assert betti_holes(side, plate()) == 1


def test_what_touches_the_border_is_no_hole():
    frame = np.full((30, 30), 255, np.uint8)
    frame[:, 10:15] = 0  # from border to border
    assert holes(frame, np.full((30, 30), 255, np.uint8)) == 0
    bay = plate((0, 9, 5, 9))
    assert betti_holes(bay, plate()) == 0
    # a plate that ends at the border of the picture still holds its openings
    edge = plate((5, 9, 5, 9))[2:28, 2:28]
    assert betti_holes(edge, np.full((26, 26), 255, np.uint8)) == 1


def test_components_by_hand():
    one = plate()
    two = plate((2, 28, 10, 12))
    assert betti_components(two, one) == 1
    assert betti_components(one, two) == 1
    assert betti_components(np.zeros_like(one), two) == 2
    diagonal = np.eye(6)  # joined at corners: one component, and no hole
    assert betti_components(diagonal, one[:6, :6] * 0) == 1
    ring = np.zeros((5, 5))
    ring[[0, 1, 1, 2], [1, 0, 2, 1]] = 1  # a diamond joined at its corners encloses one pixel
    assert betti_components(ring, ring * 0) == 1
    assert betti_holes(ring, ring * 0) == 1


@given(pairs())
@settings(max_examples=120, deadline=None)
def test_areas_and_numbers_are_scipys(pair):
    p, g = (mask_of(a) for a in pair)
    assert sorted(hole_areas(g)) == literal_holes(g)
    assert betti_holes(*pair) == abs(len(literal_holes(p)) - len(literal_holes(g)))
    eight = np.ones((3, 3))
    assert betti_components(*pair) == abs(ndimage.label(p, eight)[1] - ndimage.label(g, eight)[1])
    big = [sum(a >= 12 for a in literal_holes(m)) for m in (p, g)]
    assert holes(*pair) == abs(big[0] - big[1]) / max(1, big[1])


@pytest.mark.parametrize("seed", range(3))
def test_euler_number_of_larger_masks(seed):
    from skimage.measure import euler_number

    mask = mask_of(scene(seed, 200, 300, "noise"))
    nothing = np.zeros_like(mask)
    found = betti_components(mask == 1, nothing) - betti_holes(mask == 1, nothing)
    assert found == euler_number(mask, connectivity=2)


def test_more_lost_openings_are_more_error():
    spots = [(4 + 6 * i, 8 + 6 * i, 4 + 6 * j, 8 + 6 * j) for i in range(4) for j in range(4)]
    truth = plate(*spots)
    row = [holes(plate(*spots[:k]), truth) for k in range(16, -1, -2)]
    assert row == [k / 16 for k in range(0, 17, 2)]
