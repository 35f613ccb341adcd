"""What all figures have in common: refusals, odd sizes, the box against the whole frame, dtypes, sharing."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_cases import pairs, scene

from segtile.errors import BadInput
from segtile.metrics.alpha import mae
from segtile.metrics.matte import DEFAULT, METRICS, fit, measure
from segtile.metrics.pair import Pair, Region, bounds, checked, mask_of, tiles
from segtile.types import Box

ALL = tuple(METRICS)
#: The value on equal inputs that are masks (0 and 255 only), where it is defined.
PERFECT = {name: 0.0 if METRICS[name].better in ("lower", "zero") else 1.0 for name in ALL}


def same(a: dict[str, float], b: dict[str, float], rel: float, abs_: float = 1e-9) -> None:
    for name in a:
        assert a[name] == pytest.approx(b[name], rel=rel, abs=abs_, nan_ok=True), name


@given(pairs())
@settings(max_examples=150, deadline=None)
def test_the_box_gives_what_the_whole_frame_gives(pair):
    pred, truth = pair
    cut = Pair.of(pred, truth)
    whole = Pair(cut.pred, cut.truth, cut.frame)
    same(
        {name: METRICS[name].on_pair(cut) for name in ALL},
        {name: METRICS[name].on_pair(whole) for name in ALL},
        rel=1e-6,
    )


def _on_a_level(pred):
    """Whether stretching puts a value between the extremes on a whole level: rounding then decides which one it has.

    The saliency figures do as PySODMetrics there, whose float64 comes out below the level at times; float32 cannot.
    """
    low, high = int(pred.min()), int(pred.max())
    if (low, high) == (0, 255) or low == high:
        return False
    between = pred[(pred > low) & (pred < high)].astype(int)
    return bool(((between - low) * 255 % (high - low) == 0).any())


@given(pairs(), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_the_dtype_does_not_matter(pair, mixed):
    pred, truth = pair
    assume(not _on_a_level(pred))
    kinds = [lambda a: a.astype(np.uint16) * 257, lambda a: a / np.float32(255), lambda a: a / 255.0, lambda a: a]
    found = measure(kinds[mixed](pred), kinds[(mixed + 1) % 4](truth), ALL)
    # float32 rounds the alphas, and a small gradient is the difference of large ones
    same(found, measure(pred, truth, ALL), rel=2e-4, abs_=1e-5)


@given(st.integers(0, 9999), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_bool_is_a_hard_alpha(seed, h, w):
    a, b = scene(seed, h, w, "hard"), scene(seed + 1, h, w, "hard")
    same(measure(a > 0, b > 0, ALL), measure(a, b, ALL), rel=1e-12)


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_equal_masks_are_perfect(pair):
    mask = np.where(pair[1] >= 128, 255, 0).astype(np.uint8)
    n, on = mask.size, np.count_nonzero(mask)
    top = n / max(1, n - 1)  # E-measure divides by n - 1
    # At threshold 0 all is taken as object: right where all is object, wrong where nothing is, else a quarter.
    last = 1 if on == n else 0 if on == 0 else 1 / 4
    # the adaptive threshold of an empty prediction is 0 too
    own = {"e_max": top, "e_mean": top * (255 + last) / 256, "e_adaptive": top if on else 0}
    if not on:
        own |= {"f_max": 0, "f_weighted": 0}
    for name, value in measure(mask, mask, ALL).items():
        assert math.isnan(value) or value == pytest.approx(own.get(name, PERFECT[name]), abs=1e-6), name


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_equal_alphas_have_no_error(pair):
    truth = pair[1]
    names = [name for name in ALL if METRICS[name].better != "higher" or name in ("iou", "biou", "biou2", "mba")]
    for name, value in measure(truth, truth.copy(), names).items():
        assert math.isnan(value) or value == pytest.approx(PERFECT[name], abs=1e-9), name


SYMMETRIC = ("mae", "mse", "sad", "grad", "conn", "iou", "biou2", "biou", "betti_components", "betti_holes")


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_symmetric_where_it_should_be(pair):
    pred, truth = pair
    same(measure(pred, truth, SYMMETRIC), measure(truth, pred, SYMMETRIC), rel=1e-9)


FRAMELESS = ("sad", "grad", "conn", "sad_band", "mae_band", "grad_band", "conn_band", "iou", "biou2", "biou4", "holes")
FRAMELESS += ("betti_components", "betti_holes", "offset_median", "offset_p95")


@given(pairs(), st.tuples(*[st.integers(0, 40)] * 4))
@settings(max_examples=60, deadline=None)
def test_empty_margins_change_nothing(pair, margins):
    # gradients reach 4 px beyond an alpha, the band 8 px and 4 more for its gradients
    pred, truth = (np.pad(a, 12) for a in pair)
    wide = [np.pad(a, (margins[:2], margins[2:])) for a in (pred, truth)]
    same(measure(*wide, FRAMELESS), measure(pred, truth, FRAMELESS), rel=1e-6)


def _float32_slack(error, pixels):
    """How far a gradient error may be off: float32 sums nine products in another order, so that each of two magnitudes
    is off by some units in the last place of 1; the error is the sum of their differences' squares / 1000."""
    off = 4 * float(np.finfo(np.float32).eps)
    return (2 * off * math.sqrt(pixels * 1000 * max(error, 0.0)) + pixels * off**2) / 1000 + 1e-9


@given(pairs())
@settings(max_examples=30, deadline=None)
def test_turning_both_changes_nothing(pair):
    names = tuple(n for n in ALL if n not in ("s_measure", "f_weighted", "conn", "conn_band"))  # centroid, ties
    turned = [np.ascontiguousarray(np.rot90(a)) for a in pair]
    found, wanted = measure(*turned, names), measure(*pair, names)
    slopes = tuple(n for n in names if n.startswith("grad"))
    for n in slopes:
        assert found[n] == pytest.approx(
            wanted[n], rel=1e-6, abs=_float32_slack(wanted[n], pair[0].size), nan_ok=True
        ), n
    same({n: v for n, v in found.items() if n not in slopes}, wanted, rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (3, 40)])
@pytest.mark.parametrize("pred", [0, 255])
@pytest.mark.parametrize("truth", [0, 255])
def test_constant_alphas_of_every_size(shape, pred, truth):
    found = measure(np.full(shape, pred, np.uint8), np.full(shape, truth, np.uint8), ALL)
    n = shape[0] * shape[1]
    wrong = float(pred != truth)
    assert found["mae"] == found["mse"] == pytest.approx(1000 * wrong)
    assert found["sad"] == pytest.approx(wrong * n / 1000)
    assert found["grad"] == pytest.approx(0, abs=1e-9)
    # conn: nothing is in the source, so l = 0 and phi is 0 against 1
    assert found["conn"] == pytest.approx(wrong * n / 1000)
    assert found["iou"] == found["biou2"] == found["biou"] == 1 - wrong
    assert found["holes"] == found["betti_holes"] == 0
    assert found["betti_components"] == wrong
    assert found["s_measure"] == 1 - wrong
    for name in ("mba", "offset_median", "offset_p95", "mae_band", "sad_band", "grad_band"):
        assert math.isnan(found[name]), name
    if truth == 0:
        assert found["f_weighted"] == found["f_max"] == 0


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_one_pixel_wide_alphas(shape):
    truth = np.array([0, 0, 255, 255, 255, 255, 0, 0, 0], np.uint8).reshape(shape)
    pred = np.array([0, 0, 0, 255, 255, 255, 255, 0, 0], np.uint8).reshape(shape)
    found = measure(pred, truth, ALL)
    assert found["mae"] == pytest.approx(1000 * 2 / 9)
    assert found["iou"] == found["biou2"] == 3 / 5  # every pixel lies at the picture's border
    assert found["mba"] == pytest.approx(2 / 4)  # 4 px lie within 1 px of the two edges, 2 of them are right
    assert math.isnan(found["offset_median"]), "a contour needs two rows and two columns"


def test_nan_infinity_and_values_out_of_range_are_refused():
    good = np.zeros((2000, 3), np.float32)
    for value, word in ((np.nan, "NaN"), (1.001, "1.001"), (-0.5, "-0.5"), (np.inf, "inf")):
        bad = good.copy()
        bad[1999, 2] = value
        with pytest.raises(BadInput, match=f"prediction.*{word}"):
            mae(bad, good)
        with pytest.raises(BadInput, match=f"truth.*{word}"):
            measure(good, bad)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4, 1), np.uint8), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8), np.zeros((4, 4), np.int64)],
    ids=["three axes", "one axis", "no pixel", "int64"],
)
def test_what_is_no_alpha_is_refused(bad):
    with pytest.raises(BadInput, match="the prediction"):
        measure(bad, np.zeros((4, 4), np.uint8))
    with pytest.raises(BadInput, match="the prediction"):
        fit(bad, (4, 4))


def test_two_sizes_are_refused_with_the_way_out():
    with pytest.raises(BadInput, match=r"4x3 and the truth 5x6.*fit"):
        measure(np.zeros((3, 4), np.uint8), np.zeros((6, 5), np.uint8))


def test_unknown_names_are_refused():
    alpha = np.zeros((3, 3), np.uint8)
    with pytest.raises(BadInput, match="no metric 'psnr': there are mae, mse"):
        measure(alpha, alpha, ("mae", "psnr"))
    with pytest.raises(BadInput, match="no metric"):
        measure(alpha, alpha, ())


def test_fit_leaves_the_right_size_alone_and_resizes_the_rest():
    alpha = scene(3, 8, 6, "soft")
    assert fit(alpha, (8, 6)) == (alpha, False)
    # halving by bilinear interpolation at the centres is the mean of 2 x 2
    half, resized = fit(alpha, (4, 3))
    assert resized
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, alpha.reshape(4, 2, 3, 2).mean((1, 3)) / 255, atol=1e-6)
    with pytest.raises(BadInput, match="size of a truth"):
        fit(alpha, (4, 3, 1))


def test_measure_answers_in_the_order_asked_and_by_default():
    alpha = scene(3, 20, 20, "soft")
    assert list(measure(alpha, alpha)) == list(DEFAULT)
    assert list(measure(alpha, alpha, ("holes", "mae"))) == ["holes", "mae"]
    assert set(DEFAULT) <= set(METRICS)
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.better in ("lower", "higher", "zero")
        assert metric.summary


def test_functions_take_arrays_and_share_pairs():
    truth, pred = scene(3, 20, 20, "soft"), scene(4, 20, 20, "soft")
    assert METRICS["mae"].function(pred, truth) == mae(pred, truth) == mae.on_pair(Pair.of(pred, truth))
    assert "Mean absolute error" in (mae.__doc__ or "")


def test_big_endian_and_strided_alphas_are_read_right():
    truth, pred = scene(3, 20, 31, "soft"), scene(4, 20, 31, "soft")
    wide = pred.astype(np.uint16) * 257
    want = measure(wide, truth, ALL)
    assert measure(wide.astype(">u2"), truth, ALL) == pytest.approx(want, nan_ok=True)
    holder = np.zeros((40, 62), np.uint16)
    holder[::2, ::2] = wide
    assert measure(holder[::2, ::2], truth, ALL) == pytest.approx(want, nan_ok=True)
    assert measure(np.asfortranarray(wide), truth, ALL) == pytest.approx(want, nan_ok=True)


@given(pairs(), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_bounds_and_tiles(pair, side):
    alpha = checked(pair[0], "it")
    box = bounds(alpha)
    ys, xs = np.nonzero(alpha)
    assert box == (Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if ys.size else Box(0, 0, 0, 0))
    assert bounds(alpha / 255) == box
    count = np.zeros(alpha.shape, int)
    for tile in tiles(box, side):
        count[tile.slices] += 1
    inside = np.zeros(alpha.shape, int)
    inside[box.slices] = 1
    np.testing.assert_array_equal(count, inside)


def test_half_is_inside():
    assert mask_of(np.array([[127, 128]], np.uint8)).tolist() == [[0, 1]]
    assert mask_of(np.array([[32767, 32768]], np.uint16)).tolist() == [[0, 1]]
    assert mask_of(np.array([[0.49999, 0.5]], np.float32)).tolist() == [[0, 1]]


def test_regions_are_windows_of_a_mask():
    chosen = np.zeros((6, 7), bool)
    chosen[2:4, 3:5] = True
    region = Region.of(chosen)
    assert region.count == 4
    np.testing.assert_array_equal(region.window(Box(2, 1, 5, 4)), chosen[1:4, 2:5])
    part = Region(chosen[2:4, 3:5].view(np.uint8), Box(3, 2, 5, 4))
    np.testing.assert_array_equal(part.window(Box(0, 0, 7, 6)), chosen)
    with pytest.raises(BadInput, match="region"):
        Region.of(np.zeros((3, 3), np.float32))
