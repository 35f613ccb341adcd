from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.solar import CURVES, Curve, apply_table, evaluate, fold, table, zigzag

READINGS = ("linear", "spline")
names = st.sampled_from(sorted(CURVES))


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("reading", READINGS)
def test_a_curve_goes_through_its_points(name, reading):
    points = np.array(CURVES[name].points) / 255
    assert evaluate(CURVES[name], points[:, 0], reading) == pytest.approx(points[:, 1], abs=1e-6)


def test_the_published_points():
    assert CURVES["solar4"].points == ((0, 0), (51, 255), (101, 0), (152, 255), (203, 0), (255, 255))
    assert CURVES["solar6"].points[1:4] == ((36, 255), (72, 0), (109, 255))
    assert CURVES["solar1"].points == ((0, 0), (128, 255), (255, 0))


@given(names, st.floats(0, 1))
def test_a_fold_stays_in_range_and_is_steep_everywhere(name, tone):
    value = float(fold(name, tone))
    assert 0 <= value <= 1
    step = 1e-4 if tone < 0.5 else -1e-4
    slope = abs(float(fold(name, tone + step)) - value) / 1e-4
    points = CURVES[name].points
    crosses_fold = any(min(tone, tone + step) <= p / 255 <= max(tone, tone + step) for p, _ in points)
    assert crosses_fold or slope > 0.9 * (len(points) - 1) - 0.1


def test_the_spline_bulges_where_the_line_is_straight():
    at = np.array([101 + 12.75, 126.5, 152 - 12.75]) / 255  # a quarter, a half and three quarters up the middle segment
    linear, spline = (evaluate(CURVES["solar4"], at, r) for r in READINGS)
    assert linear == pytest.approx([0.25, 0.5, 0.75], abs=0.01)
    assert spline == pytest.approx([0.16, 0.5, 0.84], abs=0.03)


def test_outside_its_points_a_curve_holds_its_ends():
    curve = Curve("short", ((50, 10), (60, 90), (200, 240)))
    for reading in READINGS:
        assert evaluate(curve, [0, 0.1, 0.9, 1], reading) == pytest.approx(np.array([10, 10, 240, 240]) / 255, abs=1e-6)


@given(names, st.sampled_from(READINGS), st.sampled_from([np.uint8, np.uint16]))
def test_tables_are_the_float_function_rounded(name, reading, dtype):
    top = np.iinfo(dtype).max
    codes = np.arange(top + 1)
    exact = evaluate(CURVES[name], codes / top, reading).astype(np.float64) * top
    lut = table(CURVES[name], dtype, reading)
    assert lut.dtype == dtype
    assert lut.shape == (top + 1,)
    np.testing.assert_array_equal(lut, np.rint(exact))


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("reading", READINGS)
def test_tables_of_16_bit_are_monotone_between_folds(name, reading):
    lut = table(CURVES[name], np.uint16, reading).astype(np.int64)
    places = np.array([p for p, _ in CURVES[name].points]) / 255 * 65535
    for k, (start, stop) in enumerate(pairwise(places)):
        segment = np.diff(lut[int(np.ceil(start)) : int(np.floor(stop)) + 1])
        rising = CURVES[name].points[k + 1][1] > CURVES[name].points[k][1]
        assert (segment >= 0).all() if rising else (segment <= 0).all()
        assert np.abs(segment).sum() > 60000, "a segment spans the range"


@pytest.mark.parametrize("folds", [0, 1, 2, 4, 6, 13, 62])
def test_a_zigzag_has_as_many_folds_as_asked_for(folds):
    tones = np.linspace(0, 1, 20011)
    turns = np.diff(np.sign(np.diff(evaluate(zigzag(folds), tones).astype(np.float64))))
    places = np.flatnonzero(turns)
    assert np.count_nonzero(np.diff(places, prepend=-9) > 2) == folds


@given(st.integers(0, 20), st.floats(-3, 3))
def test_phase_moves_the_wave_along(folds, phase):
    tones = np.linspace(0, 1, 301)
    moved = evaluate(zigzag(folds, phase), tones)
    u = tones * (folds + 1) + 2 * (phase % 1)
    np.testing.assert_allclose(moved, np.abs((u + 1) % 2 - 1), atol=1e-5)
    np.testing.assert_allclose(evaluate(zigzag(folds, phase + 1), tones), moved, atol=1e-5)


def test_named_curves_are_zigzags_but_for_rounding():
    tones = np.linspace(0, 1, 999)
    for folds, name in ((4, "solar4"), (6, "solar6")):
        assert np.abs(evaluate(zigzag(folds), tones) - fold(name, tones)).max() < 0.04


@given(names, st.sampled_from([np.uint8, np.uint16]), st.integers(0, 5), st.integers(0, 7))
def test_applying_is_looking_up(name, dtype, h, w):
    pixels = np.random.default_rng(h * 8 + w).integers(0, np.iinfo(dtype).max + 1, (h, w, 3)).astype(dtype)
    lut = table(CURVES[name], dtype)
    np.testing.assert_array_equal(apply_table(pixels, lut), lut[pixels])


@pytest.mark.parametrize("shape", [(700, 1000, 3), (1049, 1001), (3, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_large_pictures_are_looked_up_the_same(shape, dtype):
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    lut = table(CURVES["solar6"], dtype, "spline")
    np.testing.assert_array_equal(apply_table(pixels, lut), lut[pixels])
    np.testing.assert_array_equal(apply_table(pixels[:, ::2], lut), lut[pixels[:, ::2]])


def test_refusals():
    with pytest.raises(BadInput, match="solar9"):
        fold("solar9", 0.5)
    for points in (((0, 0),), ((0, 0), (0, 255)), ((9, 0), (3, 255)), ((0, 0), (256, 0)), ((0, 0), (float("nan"), 1))):
        with pytest.raises(BadInput):
            Curve("bad", points)
    for folds, phase in ((-1, 0.0), (63, 0.0), (3, float("inf"))):
        with pytest.raises(BadInput):
            zigzag(folds, phase)
    with pytest.raises(BadInput, match="float32"):
        table(CURVES["solar1"], np.float32)
    with pytest.raises(BadInput, match="uint16"):
        apply_table(np.zeros(3, np.uint16), table(CURVES["solar1"], np.uint8))
