"""Signed edge offset: by hand on straight edges, on discs by area coverage, and against brute force."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_cases import disc, pairs, scene
from scipy import ndimage

from segtile.metrics.offset import contour, distance_to, edge_offsets, offset_median, offset_p95
from segtile.metrics.pair import Pair
from segtile.types import Box


def half_plane(edge, size=20):
    """Object right of x = edge by area coverage; pixel centres at whole numbers, so pixel x covers x - .5 .. x + .5."""
    return np.clip(np.arange(size) + 0.5 - edge, 0, 1)[None].repeat(size, 0).astype(np.float32)


def test_straight_edges_by_hand():
    # 0.5 is reached exactly where the edge lies: the values on both sides of it are linear in its place
    truth = half_plane(10.0)  # pixel 10 holds 0.5
    assert offset_median(half_plane(10.0), truth) == 0
    # an edge farther left is a larger object: positive
    for moved in (0.25, 1.0, 1.5, 3.0):
        assert offset_median(half_plane(10 - moved), truth) == pytest.approx(moved, abs=0.2)
        assert offset_median(half_plane(10 + moved), truth) == pytest.approx(-moved, abs=0.2)
    assert offset_median(half_plane(9.0), truth) == pytest.approx(1.0)
    assert offset_p95(half_plane(9.0), truth) == pytest.approx(1.0)
    # hard masks: the edge lies midway between two centres
    assert offset_median(np.arange(20)[None].repeat(20, 0) >= 7, np.arange(20)[None].repeat(20, 0) >= 10) == 3


def test_a_ramp_gives_its_place_in_fractions_of_a_pixel():
    x = np.arange(40, dtype=np.float64)
    ramp = lambda edge: np.clip(0.5 + (x - edge) / 8, 0, 1)[None].repeat(30, 0)  # noqa: E731
    for moved in (0.1, 0.37, -0.81, 2.2):
        assert offset_median(ramp(20 - moved), ramp(20)) == pytest.approx(moved, abs=1e-6)
        assert offset_p95(ramp(20 - moved), ramp(20)) == pytest.approx(abs(moved), abs=1e-6)


def test_a_slanted_edge_is_measured_across_it():
    y, x = np.mgrid[:50, :50].astype(np.float64)
    slanted = lambda c: np.clip(0.5 + (0.8 * x + 0.6 * y - c) / 6, 0, 1)  # noqa: E731
    found = edge_offsets(Pair.of(slanted(30.0), slanted(31.5)))
    inner = np.sort(np.abs(found))[: int(0.9 * found.size)]  # where the edge ends at the border the nearest is aside
    np.testing.assert_allclose(inner, 1.5, atol=1e-6)
    assert (found > 0).all()


@pytest.mark.parametrize("growth", [-2.0, -0.6, -0.2, 0.2, 0.5, 1.3])
def test_a_grown_disc_has_its_growth_as_offset(growth):
    truth = disc(90, 30)
    pred = disc(90, 30 + growth)
    assert offset_median(pred, truth) == pytest.approx(growth, abs=0.05)
    assert offset_p95(pred, truth) == pytest.approx(abs(growth), abs=0.15)  # coverage is not linear in the place


def test_one_sided_by_definition():
    truth = np.zeros((60, 60))
    truth[10:20, 10:20] = truth[40:50, 40:50] = 1
    pred = truth.copy()
    pred[40:50, 40:50] = 0  # an object that is missing is not seen
    assert offset_p95(pred, truth) == pytest.approx(0, abs=1e-9)
    assert offset_p95(truth, pred) > 20  # one that is too many is


def test_without_an_edge_there_is_no_offset():
    some = disc(20, 5)
    for empty in (np.zeros((20, 20)), np.ones((20, 20))):
        assert math.isnan(offset_median(some, empty))
        assert math.isnan(offset_median(empty, some))
        assert math.isnan(offset_p95(empty, empty))


def test_a_wider_disc_is_farther_away():
    truth = disc(90, 24)
    row = [offset_median(disc(90, 24 + k), truth) for k in range(-4, 5)]
    assert row == sorted(row)
    assert row[0] < -3 < 3 < row[-1]


@given(st.integers(0, 9999), st.integers(1, 60), st.integers(1, 200), st.floats(0.1, 30))
@settings(max_examples=50, deadline=None)
def test_the_nearest_segment_is_found(seed, n, m, length):
    rng = np.random.default_rng(seed)
    # long neighbourless segments next to crowds of short ones, as far as a square of pixel centres lets them be
    a = rng.uniform(0, length, (m, 2))
    turn, reach = rng.uniform(0, 7, m), rng.uniform(0, math.sqrt(2), m)
    segments = np.stack([a, a + np.stack([np.cos(turn), np.sin(turn)], 1) * reach[:, None]], axis=1)
    points = rng.uniform(-5, length + 5, (n, 2))
    t = np.linspace(0, 1, 400)[:, None, None]
    dense = segments[:, 0] * (1 - t) + segments[:, 1] * t  # (400, m, 2)
    want = np.min(np.linalg.norm(points[None, None] - dense[:, :, None], axis=-1), axis=(0, 1))
    found = distance_to(points, segments)
    assert (found <= want + 1e-9).all()
    np.testing.assert_allclose(found, want, atol=2e-3)


def test_the_contour_of_a_square_and_of_saddles():
    alpha = np.zeros((6, 6), np.uint8)
    alpha[2:4, 2:4] = 255
    found = contour(alpha)
    # its edge runs midway between centres, at 1.5 and 3.5, corners cut: 4 sides of 1 px, 4 corners of sqrt(1/2)
    lengths = np.linalg.norm(found[:, 0] - found[:, 1], axis=1)
    assert lengths.sum() == pytest.approx(4 + 4 * math.sqrt(0.5), abs=0.05)
    ends, counts = np.unique(np.round(found.reshape(-1, 2), 6), axis=0, return_counts=True)
    assert (counts == 2).all(), "a closed line"
    assert len(ends) == len(found)
    # two pixels that meet at a corner: apart where the middle is under 0.5, joined where it is over
    low, high = np.array([[1, 0.4], [0.4, 0.6]]), np.array([[1, 0.45], [0.45, 0.6]])
    for alpha, joined in ((low, True), (high, True), (np.array([[0.6, 0.1], [0.1, 0.6]]), False)):
        segments = contour(alpha)
        assert len(segments) == 2
        middle = segments.mean(axis=1)
        # where joined, the segments cut off the corners at the upper right and lower left
        assert all((m[0] > m[1]) == (m[0] > 0.5) for m in middle) if joined else True
        off_diagonal = np.abs(middle[:, 0] - middle[:, 1]).max()
        assert (off_diagonal > 0.3) == joined


@given(pairs(least=2))
@settings(max_examples=60, deadline=None)
def test_every_line_is_closed_or_ends_at_the_border(pair):
    alpha = pair[0]
    h, w = alpha.shape
    ends, counts = np.unique(np.round(contour(alpha).reshape(-1, 2), 7), axis=0, return_counts=True)
    for (x, y), count in zip(ends, counts, strict=True):
        border = x in (0, w - 1) or y in (0, h - 1)
        assert count % 2 == 0 or border


@pytest.mark.parametrize("strip", [1, 7, 64])
def test_strips_do_not_show(strip, monkeypatch):
    pair = Pair.of(scene(5, 90, 70, "soft"), scene(6, 90, 70, "soft"))
    whole = np.sort(edge_offsets(pair))
    monkeypatch.setattr("segtile.metrics.offset._STRIP", strip)
    np.testing.assert_allclose(np.sort(edge_offsets(pair)), whole, atol=1e-9)
    inner = Box(10, 10, 60, 80)
    assert 0 < len(contour(pair.truth, inner)) < len(contour(pair.truth))


@given(st.integers(0, 9999))
@settings(max_examples=30, deadline=None)
def test_hard_masks_against_a_distance_transform(seed):
    truth, pred = scene(seed, 40, 40, "hard"), scene(seed + 1, 40, 40, "hard")
    assume(0 < truth.mean() < 255)
    assume(0 < pred.mean() < 255)
    found = edge_offsets(Pair.of(pred, truth))
    # between pixel centres, and the nearest centre of the other class lies within 0.71 px of the true edge
    inside = truth >= 128
    field = ndimage.distance_transform_edt(~inside) - ndimage.distance_transform_edt(inside)
    p = pred >= 128
    at = [field[:, :-1][p[:, :-1] != p[:, 1:]], field[:-1][p[:-1] != p[1:]]]
    assert found.size == sum(a.size for a in at)
    assert np.abs(np.sort(np.abs(found)) - np.sort(np.abs(np.concatenate(at)))).max() < 1.5
