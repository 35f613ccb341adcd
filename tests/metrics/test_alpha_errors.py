"""MAE, MSE, SAD, Gradient, Connectivity: by hand, against slow literal references, and by property."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import disc, pairs, scene
from scipy import ndimage

from segtile.errors import BadInput
from segtile.metrics.alpha import conn, grad_gauss, mae, mse, sad, unknown_band
from segtile.metrics.connected import _by_graph, _by_labels, _steps, connected_levels
from segtile.metrics.matte import measure
from segtile.metrics.pair import Region
from segtile.types import Box


def literal_gradient(alpha, sigma=1.4):
    """Rhemann's gradient magnitude, pixel by pixel from the 2-D filter's formula."""
    # the half size is where the Gaussian falls below 0.01
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    assert half == 4
    gauss = lambda t: math.exp(-(t**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))  # noqa: E731
    slope = lambda t: -t * gauss(t) / sigma**2  # noqa: E731
    steps = range(-half, half + 1)
    hx = np.array([[gauss(i) * slope(j) for j in steps] for i in steps])
    hx /= math.sqrt((hx**2).sum())
    padded = np.pad(alpha.astype(np.float64), half, mode="edge")
    gx, gy = np.zeros(alpha.shape), np.zeros(alpha.shape)
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            window = padded[y : y + 2 * half + 1, x : x + 2 * half + 1]
            gx[y, x], gy[y, x] = (window * hx).sum(), (window * hx.T).sum()
    return np.hypot(gx, gy)


def literal_connectivity(pred, truth, region=None, step=0.1, theta=0.15):
    """The benchmark's connectivity error with scipy's labels and whole-frame floats."""
    level = np.full(pred.shape, -1.0)
    for k in range(1, 11):
        both = (pred >= np.float32(k * step)) & (truth >= np.float32(k * step))
        labels, n = ndimage.label(both)  # its default is 4-connected
        sizes = [(labels == i + 1).sum() for i in range(n)]
        source = labels == int(np.argmax(sizes)) + 1 if n else np.zeros(pred.shape, bool)
        level[(level == -1) & ~source] = (k - 1) / 10
    level[level == -1] = 1
    phi = []
    for alpha in (pred, truth):
        d = alpha.astype(np.float64) - level
        phi.append(1 - d * (d >= theta))
    difference = np.abs(phi[0] - phi[1])
    return (difference if region is None else difference[region]).sum() / 1000


def test_means_and_sums_by_hand():
    truth = np.array([[0.0, 0.5], [1.0, 1.0]])
    pred = np.array([[0.25, 0.5], [1.0, 0.5]])
    # differences 1/4, 0, 0, 1/2: sum 3/4, mean 3/16; squares 1/16 + 1/4 = 5/16, mean 5/64
    assert mae(pred, truth) == 1000 * 3 / 16
    assert mse(pred, truth) == 1000 * 5 / 64
    assert sad(pred, truth) == 0.75 / 1000
    chosen = Region.of(np.array([[True, True], [False, False]]))
    assert mae(pred, truth, chosen) == 1000 * 1 / 8
    assert mse(pred, truth, chosen) == 1000 * 1 / 32
    assert sad(pred, truth, chosen) == 0.25 / 1000
    nowhere = Region.of(np.zeros((2, 2), bool))
    assert math.isnan(mae(pred, truth, nowhere))
    assert sad(pred, truth, nowhere) == 0


@given(pairs(), st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=40, deadline=None)
def test_sums_are_numpys_and_exact_on_levels(pair, dtype):
    scale = 1 if dtype == np.uint8 else 257
    p, t = (a.astype(np.int64) * scale for a in pair)
    p = np.minimum(p + (scale > 1) * 3 * (p > 0), 255 * scale)  # not only multiples of 257
    full = 255 * scale
    a, b = p.astype(dtype), t.astype(dtype)
    assert sad(a, b) == np.abs(p - t).sum() / full / 1000
    assert mse(a, b) == pytest.approx(1000 * int(((p - t) ** 2).sum()) / full**2 / p.size, rel=1e-14)
    chosen = np.random.default_rng(p.size).random(p.shape) < 0.4
    if chosen.any():
        assert mae(a, b, Region.of(chosen)) == pytest.approx(1000 * np.abs(p - t)[chosen].mean() / full, rel=1e-12)


def test_gradient_of_a_step_by_hand():
    # A vertical step from 0 to 1 far from borders, against nothing. The filter is g(y) g'(x) over the root of the sum
    # of its squares, so along y it adds to sum(g) / norm(g), and at a distance of k px from the step the part of g'
    # beyond it counts: its running sum.
    t = np.arange(-4, 5)
    g = np.exp(-(t**2) / (2 * 1.4**2))
    d = -t * g
    along = g.sum() / np.sqrt((g**2).sum())
    profile = along * np.cumsum(d)[:-1] / np.sqrt((d**2).sum())  # 8 columns see the step
    truth = np.zeros((40, 60))
    truth[:, 30:] = 1
    assert grad_gauss(np.zeros((40, 60)), truth) == pytest.approx(40 * (profile**2).sum() / 1000, rel=1e-5)


@given(pairs(most=16))
@settings(max_examples=25, deadline=None)
def test_gradient_is_the_literal_formula(pair):
    p, t = (a / 255 for a in pair)
    squared = (literal_gradient(p) - literal_gradient(t)) ** 2
    assert grad_gauss(*pair) == pytest.approx(squared.sum() / 1000, rel=1e-4, abs=1e-9)
    chosen = np.random.default_rng(p.size).random(p.shape) < 0.5
    assert grad_gauss(*pair, Region.of(chosen)) == pytest.approx(squared[chosen].sum() / 1000, rel=1e-4, abs=1e-9)


def test_gradient_over_many_tiles_is_that_of_one(monkeypatch):
    pred, truth = scene(1, 150, 170, "soft"), scene(2, 150, 170, "soft")
    whole = [f(pred, truth) for f in (grad_gauss, conn, mae, mse)]
    monkeypatch.setattr("segtile.metrics.alpha._TILE", 37)
    assert [f(pred, truth) for f in (grad_gauss, conn, mae, mse)] == pytest.approx(whole, rel=1e-6)


def test_connectivity_by_hand():
    # One row. Both are 1 in columns 0..2: the source at every threshold. Column 4 is an island of 0.6 in the
    # prediction only: l = 0, d = 0.6, phi = 0.4 against 1: error 0.6. Column 6 holds 0.1 in the prediction: d = 0.1 is
    # under theta, phi = 1 in both. Column 8 is 0.9 and 0.5 and not joined: l = 0, phi 0.1 and 0.5, error 0.4.
    truth = np.array([[1, 1, 1, 0, 0, 0, 0, 0, 0.5]])
    pred = np.array([[1, 1, 1, 0, 0.6, 0, 0.1, 0, 0.9]])
    assert conn(pred, truth) == pytest.approx((0.6 + 0.4) / 1000, rel=1e-6)
    # Joined to the source a 0.6 against 0.9 is in it up to 0.6: d = 0 and 0.3, phi 1 and 0.7.
    assert conn(np.array([[1, 1, 0.9]]), np.array([[1, 1, 0.6]])) == pytest.approx(0.3 / 1000, rel=1e-6)
    # corners do not join: the pixel at the lower right is no part of the source
    assert conn(np.array([[1, 0], [0, 1.0]]), np.array([[1, 0], [0, 0.5]])) == pytest.approx(0.5 / 1000, rel=1e-6)


@given(pairs())
@settings(max_examples=80, deadline=None)
def test_connectivity_is_the_literal_procedure(pair):
    p, t = (a / np.float32(255) for a in pair)
    assert conn(*pair) == pytest.approx(literal_connectivity(p, t), rel=1e-6, abs=1e-9)
    chosen = np.random.default_rng(p.size).random(p.shape) < 0.5
    want = literal_connectivity(p, t, chosen)
    assert conn(*pair, Region.of(chosen)) == pytest.approx(want, rel=1e-6, abs=1e-9)


@given(pairs())
@settings(max_examples=100, deadline=None)
def test_both_ways_to_connected_levels_agree(pair):
    steps = _steps(np.minimum(*pair))
    np.testing.assert_array_equal(_by_graph(steps), _by_labels(steps))


@pytest.mark.parametrize("seed", range(6))
def test_mostly_hard_alphas_take_the_graph_and_agree(seed):
    steps = _steps(cv2.GaussianBlur(scene(seed, 300, 310, "hard"), (0, 0), 0.5))
    soft = np.count_nonzero((steps > 0) & (steps < 10))
    assert 0 < soft < 0.08 * steps.size
    levels = connected_levels(scene(seed, 300, 310, "hard"))
    np.testing.assert_array_equal(_by_graph(steps), _by_labels(steps))
    assert set(np.unique(levels)) == {0, 10}


def test_of_equal_sources_the_first_one_counts():
    truth = np.array([[1, 1, 0, 1, 1.0]])
    # both pieces have 2 px; the left one is the source, so the right one has l = 0: phi(1) = 0, phi(0.5) = 0.5
    assert conn(np.array([[1, 1, 0, 1, 1]]) * 1.0, truth) == 0
    pred = np.array([[1, 1, 0, 1, 0.5]])
    # at thresholds up to 0.5 the pieces tie and the left one counts; above, only it has 2 px
    assert conn(pred, truth) == pytest.approx(0.5 / 1000)
    assert conn(pred[:, ::-1], truth[:, ::-1]) == pytest.approx((0.5 + 0) / 1000)


@given(pairs(), st.integers(0, 10))
@settings(max_examples=40, deadline=None)
def test_the_unknown_band_is_the_soft_pixels_dilated(pair, radius):
    truth = pair[1]
    soft = ((truth > 0) & (truth < 255)).astype(np.uint8)
    want = soft
    for _ in range(radius):
        want = cv2.dilate(want, np.ones((3, 3), np.uint8))
    band = unknown_band(truth, radius)
    h, w = truth.shape
    np.testing.assert_array_equal(band.window(Box(0, 0, w, h)), want.reshape(h, w))
    assert band.count == want.sum()


def test_band_figures_are_those_in_the_band():
    truth = disc(60, 18)
    pred = np.clip(truth + np.random.default_rng(0).normal(0, 0.05, truth.shape), 0, 1)
    band = unknown_band(truth)
    found = measure(pred, truth, ("mae_band", "mse_band", "sad_band", "grad_band", "conn_band"))
    want = [f(pred, truth, band) for f in (mae, mse, sad, grad_gauss, conn)]
    assert list(found.values()) == pytest.approx(want)
    assert 0 < band.count < truth.size
    # an error that lies outside the band is not in it
    far = truth.copy()
    far[:4, :4] = 1
    assert sad(far, truth) == 16 / 1000
    assert measure(far, truth, ("sad_band",))["sad_band"] == 0


def test_a_hard_truth_has_no_band():
    hard = np.zeros((9, 9), np.uint8)
    hard[3:6, 3:6] = 255
    assert unknown_band(hard).count == 0
    found = measure(hard, hard, ("mae_band", "mse_band", "sad_band", "grad_band", "conn_band"))
    assert all(math.isnan(v) for v in found.values())
    with pytest.raises(BadInput, match="radius"):
        unknown_band(hard, -1)


@given(st.integers(0, 999), st.lists(st.floats(0.01, 1), min_size=2, max_size=2, unique=True))
@settings(max_examples=30, deadline=None)
def test_more_noise_is_more_error(seed, amounts):
    truth = disc(40, 11) * 0.8 + 0.1
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, truth.shape)
    less, more = (truth + noise * amount for amount in sorted(amounts))
    for figure in (mae, mse, sad, grad_gauss):
        assert figure(less, truth) <= figure(more, truth) * (1 + 1e-5), figure.__doc__


def test_a_wider_disc_is_more_error():
    truth = disc(80, 20)
    errors = [[f(disc(80, 20 + k), truth) for k in range(0, 12, 2)] for f in (mae, mse, sad, conn)]
    for row in errors:
        assert row[0] == 0
        assert row == sorted(row)
        assert len(set(row)) == len(row)
