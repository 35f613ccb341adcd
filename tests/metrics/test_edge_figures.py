"""IoU, boundary IoU and mean boundary accuracy: by hand, against the published procedures, and by property."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import disc, pairs, scene

from segtile.errors import BadInput
from segtile.metrics.edges import band_px, biou_diag, biou_px, inner_band, iou, mba, mba_radii


def eroded_band(mask, d):
    """The boundary IoU code's published behaviour: pad by one row of zeros, erode d times by 3x3, subtract."""
    padded = np.pad(mask, 1)
    for _ in range(d):
        padded = cv2.erode(padded, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask - padded[1:-1, 1:-1]


def literal_biou(p, g, d):
    a, b = eroded_band(p, d), eroded_band(g, d)
    either = (a | b).sum()
    return (a & b).sum() / either if either else 1.0


def literal_mba(p, g, kernel):
    """CascadePSP's procedure with any disc."""
    h, w = g.shape
    shares = []
    for i in range(5):
        radius = 1 + int((max(1, (w + h) / 300) - 1) / 5 * i)
        near = cv2.morphologyEx(g, cv2.MORPH_GRADIENT, kernel(radius)) > 0
        shares.append((p[near] == g[near]).mean() if near.any() else np.nan)
    return float(np.mean(shares))


def euclidean_disc(radius):
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)


def opencv_ellipse(radius):
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))


def test_iou_by_hand():
    truth, pred = np.zeros((4, 4)), np.zeros((4, 4))
    truth[:, :2], pred[:2, :] = 1, 1  # 8 px each, 4 in both, 12 in either
    assert iou(pred, truth) == 4 / 12
    pred[0, 0] = 0.5  # still inside
    assert iou(pred, truth) == 4 / 12
    pred[0, 0] = 0.49
    assert iou(pred, truth) == 3 / 12


def test_boundary_iou_by_hand():
    truth = np.zeros((20, 20))
    truth[5:15, 5:15] = 1  # 10 x 10; its band of 2 px is 100 - 6 * 6 = 64 px
    pred = np.zeros((20, 20))
    pred[5:15, 6:16] = 1  # the same, 1 px to the right
    # Bands share: rows 5, 6, 13, 14 over columns 6..14: 4 * 9 = 36. In rows 7..12 the truth's columns are 5, 6, 13, 14
    # and the prediction's 6, 7, 14, 15: columns 6 and 14, 6 * 2 = 12. Together 48; either 64 + 64 - 48 = 80.
    assert biou_px(pred, truth, 2) == 48 / 80
    # a band of 5 px is all of the square: the mask IoU, 90 / 110
    assert biou_px(pred, truth, 5) == biou_px(pred, truth, 60) == iou(pred, truth) == 90 / 110


def test_the_picture_border_is_outside():
    full = np.ones((10, 10))
    assert inner_band(full.astype(np.uint8), 2).sum() == 100 - 36
    hole = full.copy()
    hole[4:6, 4:6] = 0
    # the truth's band: the 2 px frame, 64 px; the prediction's: the frame and 2 px around the hole (6 * 6 - 4 = 32
    # px, none in the frame): 96. Common 64, either 96.
    assert biou_px(hole, full, 2) == 64 / 96


@given(pairs(), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_bands_are_the_repeated_erosion_to_the_bit(pair, d):
    p, g = ((a >= 128).astype(np.uint8) for a in pair)
    np.testing.assert_array_equal(inner_band(g, d), eroded_band(g, d))
    assert biou_px(*pair, d) == literal_biou(p, g, d)


@pytest.mark.parametrize("d", [1, 2, 5, 24, 25, 40])
@pytest.mark.parametrize("style", ["hard", "soft"])
def test_both_ways_to_a_band_agree(d, style):
    mask = (scene(d, 300, 260, style) >= 128).astype(np.uint8)
    np.testing.assert_array_equal(inner_band(mask, d), eroded_band(mask, d))


def test_the_share_of_the_diagonal():
    # 300 x 400: diagonal 500, 2 % are 10 px; 0.5 % of 100 px are half a pixel, and a band has at least 1
    assert band_px(300, 400) == 10
    assert band_px(60, 80, 0.005) == 1
    assert band_px(12000, 12000) == 339
    p, g = scene(5, 300, 400, "soft"), scene(6, 300, 400, "soft")
    assert biou_diag(p, g) == biou_px(p, g, 10)
    assert biou_diag(p, g, 0.008) == biou_px(p, g, 4)


def test_bands_without_width_are_refused():
    alpha = scene(5, 30, 40, "soft")
    with pytest.raises(BadInput, match="at least 1"):
        biou_px(alpha, alpha, 0)
    for ratio in (0, -1, math.nan, math.inf):
        with pytest.raises(BadInput, match="diagonal"):
            biou_diag(alpha, alpha, ratio)


def test_radii_of_mean_boundary_accuracy():
    assert mba_radii(900, 900) == (1, 2, 3, 4, 5)  # towards 6, a fifth of the way at a time
    assert mba_radii(12000, 12000) == (1, 16, 32, 48, 64)
    assert mba_radii(100, 100) == (1, 1, 1, 1, 1)


def test_mean_boundary_accuracy_by_hand():
    truth, pred = np.zeros((10, 10)), np.zeros((10, 10))
    truth[:, 5:], pred[:, 6:] = 1, 1
    # small frame: radius 1 five times; near are columns 4 and 5, of which column 5 is wrong
    assert mba(pred, truth) == 0.5
    assert mba(truth, truth) == 1
    assert mba(1 - truth, truth) == 0


@pytest.mark.parametrize("seed", range(4))
def test_mean_boundary_accuracy_is_the_published_procedure(seed, monkeypatch):
    monkeypatch.setattr("segtile.metrics.edges._TILE", 211)
    truth = scene(seed, 700, 900, "hard")
    pred = np.roll(truth, 3, axis=0)
    p, g = ((a >= 128).astype(np.uint8) for a in (pred, truth))
    assert mba(pred, truth) == pytest.approx(literal_mba(p, g, euclidean_disc), rel=1e-12)
    # OpenCV's ellipse is a little wider in some rows
    assert mba(pred, truth) == pytest.approx(literal_mba(p, g, opencv_ellipse), abs=0.02)


@given(pairs(least=2))
@settings(max_examples=60, deadline=None)
def test_mean_boundary_accuracy_of_anything(pair):
    p, g = ((a >= 128).astype(np.uint8) for a in pair)
    assert mba(*pair) == pytest.approx(literal_mba(p, g, euclidean_disc), nan_ok=True)


def test_a_wider_disc_agrees_less():
    truth = disc(90, 24)
    for figure in (iou, biou_px, biou_diag, mba):
        row = [figure(disc(90, 24 + k), truth) for k in range(0, 6)]
        assert row[0] == 1
        assert row == sorted(row, reverse=True)
        assert row[-1] < row[0]
