"""S-measure, E-measure, weighted F and max F as PySODMetrics computes them, for published salient-object tables.

All take `(pred, truth)`: two alphas of one size, uint8, uint16, bool or float in [0, 1]. Higher is better. Two
conventions of that tool differ from the rest of segtile.metrics and are kept here: the prediction is stretched so that
its smallest value is 0 and its largest 1 (unless it is constant), and the truth is the mask of alpha > 128 / 255.

The figures are sums over few classes of pixels, so one pass over strips of the box gathers all of them; pixels outside
the box are known (0 in both) and only counted. Agreement with PySODMetrics 1.6.2 is tested to 1e-9 on 8 bits, but for
three cases: a picture of one pixel (its E-measure divides by nearly 0; here by 1); a quadrant of the S-measure over
which prediction and truth are both constant, where its rounding decides between alike and not (here they are alike);
and pixels at exactly twice the mean, where the rounding of the mean decides (here the E-measure takes them).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segtile.metrics.pair import Alpha, Pair, PairFunction, full_scale, tiles
from segtile.types import BoolArray, Box

Floats = npt.NDArray[np.float64]

_EPS = float(np.spacing(1))
_TIE = 1e-12  # of the adaptive threshold: more than a mean's rounding, much less than a level of 16 bits
_TILE = 1024
_BETA2 = 0.3  # of max F
_REACH = 3  # of weighted F's 7 x 7 window
_FAR = 270  # px beyond which weighted F's importance is 2 to the last bit: 2 - 0.5 ** (270 / 5)


def _stretched(block: Alpha, low: float, high: float) -> Floats:
    """A block as float64, `low` and `high` (alpha) sent to 0 and 1; constant predictions stay."""
    alpha = block.astype(np.float64) / full_scale(block.dtype)
    return alpha if high == low else (alpha - low) / (high - low)


def _truth(block: Alpha) -> BoolArray:
    if block.dtype.kind == "f":
        return block > np.float32(128 / 255)
    return block > (128 if block.dtype == np.uint8 else 128 * 257)


def _range(pair: Pair) -> tuple[float, float]:
    """The smallest and largest alpha of the whole prediction."""
    part = pair.pred[pair.box.slices]
    scale = full_scale(part.dtype)
    low = 0.0 if pair.box != pair.frame else float(part.min()) / scale
    return low, float(part.max()) / scale


def _levels(stretched: Floats, exact: bool) -> npt.NDArray[np.uint8]:
    """Whole levels of 255, rounded down; a float that stands for a level may lie a rounding below it."""
    return (stretched * 255 + (0.0 if exact else 1e-4)).astype(np.uint8)


@dataclass(frozen=True)
class _Sums:
    """What the figures are made of.

    First axes: the quadrant (top left, top right, bottom left, bottom right), then the truth's class (0 background,
    1 object).
    """

    count: Floats  # (4, 2)
    total: Floats  # (4, 2) of the stretched prediction
    square: Floats  # (4, 2)
    histogram: Floats  # (2, 256) by truth's class and level

    @property
    def objects(self) -> int:
        return int(self.count[:, 1].sum())

    @property
    def pixels(self) -> int:
        return int(self.count.sum())


def _centre(pair: Pair) -> tuple[int, int]:
    """PySODMetrics' (row, column) of the split: the object's rounded centroid plus one; the middle without object."""
    n = sum_y = sum_x = 0
    for part in tiles(pair.box, 4 * _TILE):
        truth = _truth(pair.truth[part.slices])
        rows, cols = truth.sum(axis=1, dtype=np.int64), truth.sum(axis=0, dtype=np.int64)
        n += int(rows.sum())
        sum_y += int(rows @ np.arange(part.y0, part.y1))
        sum_x += int(cols @ np.arange(part.x0, part.x1))
    if not n:
        return round(pair.frame.height / 2) + 1, round(pair.frame.width / 2) + 1
    return round(sum_y / n) + 1, round(sum_x / n) + 1


def _gather(pair: Pair) -> _Sums:
    low, high = _range(pair)
    exact = pair.pred.dtype.kind == "u"
    cy, cx = _centre(pair)
    w, h = pair.frame.width, pair.frame.height
    quadrants = [Box(0, 0, cx, cy), Box(cx, 0, w, cy), Box(0, cy, cx, h), Box(cx, cy, w, h)]
    count, total, square = np.zeros((4, 2)), np.zeros((4, 2)), np.zeros((4, 2))
    histogram = np.zeros((2, 256))
    for k, quadrant in enumerate(quadrants):
        quadrant = quadrant & pair.frame
        count[k, 0] = quadrant.area  # all of it; the object's pixels are moved below
        inside = quadrant & pair.box
        for part in tiles(inside, _TILE):
            values = _stretched(pair.pred[part.slices], low, high)
            truth = _truth(pair.truth[part.slices])
            levels = _levels(values, exact)
            for kind, chosen in enumerate((~truth, truth)):
                some = values[chosen]
                total[k, kind] += some.sum()
                square[k, kind] += some @ some
                histogram[kind] += np.bincount(levels[chosen], minlength=256)
            on = int(np.count_nonzero(truth))
            count[k] += (-on, on)
    histogram[0, 0] += pair.frame.area - pair.box.area
    return _Sums(count, total, square, histogram)


def _sums(pair: Pair) -> _Sums:
    return pair.once("saliency sums", _gather)


def _object_score(n: float, total: float, square: float) -> float:
    mean = total / n
    spread = np.sqrt(max(0.0, square - n * mean**2) / (n - 1)) if n > 1 else 0.0
    return float(2 * mean / (mean**2 + 1 + spread + _EPS))


def _ssim(count: Floats, total: Floats, square: Floats) -> float:
    """Similarity of one quadrant; count, total and square are (2,), by the truth's class."""
    n = float(count.sum())
    if not n:
        return 0.0  # its weight is 0
    x, y = float(total.sum()) / n, float(count[1]) / n
    spread_x = _minus(float(square.sum()), n * x * x) / (n - 1 + _EPS)
    spread_y = n * y * (1 - y) / (n - 1 + _EPS)
    common = _minus(float(total[1]), n * x * y) / (n - 1 + _EPS)
    a, b = 4 * x * y * common, (x * x + y * y) * (spread_x + spread_y)
    if a:
        return a / (b + _EPS)
    return 0.0 if b else 1.0


def _minus(a: float, b: float) -> float:
    """The difference of two sums; 0 where only rounding is left of it: a constant quadrant is a case of its own."""
    return 0.0 if abs(a - b) <= 1e-12 * max(abs(a), abs(b)) else a - b


@PairFunction
def s_measure(pair: Pair) -> float:
    """Structure measure: half object-aware and half region-aware similarity; 1 on an equal mask.

    A truth without object gives 1 minus the prediction's mean, a truth that is all object the mean.

    Source: D.-P. Fan et al., Structure-measure, ICCV 2017 (doi 10.1109/ICCV.2017.487).
    """
    s = _sums(pair)
    share = s.objects / s.pixels
    mean = float(s.total.sum()) / s.pixels
    if share in (0.0, 1.0):
        return 1 - mean if share == 0 else mean
    n, total, square = s.count.sum(axis=0), s.total.sum(axis=0), s.square.sum(axis=0)
    # the background is scored on 1 - prediction
    inverse = _object_score(n[0], n[0] - total[0], n[0] - 2 * total[0] + square[0])
    by_object = share * _object_score(n[1], total[1], square[1]) + (1 - share) * inverse
    weights = s.count.sum(axis=1) / s.pixels
    by_region = sum(w * _ssim(s.count[k], s.total[k], s.square[k]) for k, w in enumerate(weights))
    return max(0.0, 0.5 * by_object + 0.5 * float(by_region))


def _e_values(pair: Pair, hit: Floats, wrong: Floats) -> Floats:
    """E-measure where `hit` object and `wrong` background pixels are taken as object; arrays of one shape."""
    s = _sums(pair)
    size, on = s.pixels, s.objects
    taken = hit + wrong
    if on in (0, size):
        total = np.asarray(size - taken if on == 0 else taken)
    else:
        mean_p, mean_g = taken / size, on / size
        parts = (
            (hit, 1 - mean_p, 1 - mean_g),
            (wrong, 1 - mean_p, -mean_g),
            (on - hit, -mean_p, 1 - mean_g),
            (size - taken - (on - hit), -mean_p, -mean_g),
        )
        terms = [n * (2 * p * g / (p**2 + g**2 + _EPS) + 1) ** 2 / 4 for n, p, g in parts]
        total = np.sum(terms, axis=0)
    return total / max(1.0, size - 1 + _EPS)


def _by_threshold(pair: Pair) -> tuple[Floats, Floats]:
    """Object and background pixels at or above each level from 255 down to 0, (256,) each."""
    histogram = _sums(pair).histogram
    return np.cumsum(histogram[1, ::-1]), np.cumsum(histogram[0, ::-1])


@PairFunction
def e_max(pair: Pair) -> float:
    """Enhanced-alignment measure, the largest over the 256 thresholds; n / (n - 1) on an equal mask of n px.

    Source: D.-P. Fan et al., Enhanced-alignment Measure, IJCAI 2018 (doi 10.24963/ijcai.2018/97).
    """
    return float(_e_values(pair, *_by_threshold(pair)).max())


@PairFunction
def e_mean(pair: Pair) -> float:
    """Enhanced-alignment measure, mean over the 256 thresholds. Source: as `e_max`."""
    return float(_e_values(pair, *_by_threshold(pair)).mean())


@PairFunction
def e_adaptive(pair: Pair) -> float:
    """Enhanced-alignment measure at twice the stretched prediction's mean, at most 1. Source: as `e_max`."""
    s = _sums(pair)
    threshold = min(1.0, 2 * float(s.total.sum()) / s.pixels) * (1 - _TIE)
    low, high = _range(pair)
    hit = wrong = 0
    for part in tiles(pair.box, _TILE):
        taken = _stretched(pair.pred[part.slices], low, high) >= threshold
        both = int(np.count_nonzero(taken & _truth(pair.truth[part.slices])))
        hit, wrong = hit + both, wrong + int(np.count_nonzero(taken)) - both
    if threshold <= 0:
        wrong += pair.frame.area - pair.box.area
    return float(_e_values(pair, np.array(float(hit)), np.array(float(wrong))))


@PairFunction
def f_max(pair: Pair) -> float:
    """F-measure with beta squared 0.3, the largest over the 256 thresholds; 0 where the truth has no object.

    Source: R. Achanta et al., Frequency-tuned Salient Region Detection, CVPR 2009 (doi 10.1109/CVPR.2009.5206596).
    """
    hit, wrong = _by_threshold(pair)
    precision = hit / np.maximum(hit + wrong, 1)
    recall = hit / max(1, _sums(pair).objects)
    top = (1 + _BETA2) * precision * recall
    return float((top / np.where(top == 0, 1, _BETA2 * precision + recall)).max())


def _window() -> Floats:
    x = np.arange(-_REACH, _REACH + 1, dtype=np.float64)
    window = np.exp(-(x**2) / (2 * 5**2))
    return window / window.sum()


def _object_loss(pair: Pair, core: Box, low: float, high: float) -> float:
    """Sum over the object's pixels of the error, or of its neighbourhood's where that is smaller."""
    from scipy.ndimage import distance_transform_edt

    # the window reaches background 3 px away, whose nearest object pixel is at most sqrt(18) px from it
    read = core.expand(_REACH + 5, pair.frame)
    truth = _truth(pair.truth[read.slices])
    error = np.abs(_stretched(pair.pred[read.slices], low, high) - truth)
    inner = core.within(read).slices
    if not truth[inner].any() or not error[truth].any():
        return 0.0
    spread = error
    if not truth.all():
        index = distance_transform_edt(~truth, return_distances=False, return_indices=True)
        spread = error[index[0], index[1]]
    window = _window()
    around = cv2.sepFilter2D(spread, cv2.CV_64F, window, window, borderType=cv2.BORDER_CONSTANT)
    return float(np.minimum(error, around)[inner][truth[inner]].sum())


def _ground_loss(pair: Pair, core: Box, low: float, high: float) -> float:
    """Sum over the background of the error, weighted from 1 beside the object to 2 far away from it."""
    ground = ~_truth(pair.truth[core.slices])
    error = _stretched(pair.pred[core.slices], low, high) * ground
    if not error.any():
        return 0.0
    read = core.expand(_FAR, pair.frame)
    truth = _truth(pair.truth[read.slices])
    if not truth.any():
        return 2 * float(error.sum())
    away = (~truth).view(np.uint8)
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[core.within(read).slices]
    return float((error * (2 - 0.5 ** (distance.astype(np.float64) / 5))).sum())


@PairFunction
def f_weighted(pair: Pair) -> float:
    """Weighted F-measure with beta 1: errors inside are forgiven by their neighbours, those outside count by distance.

    0 where the truth has no object, 1 on an equal mask.

    Source: R. Margolin et al., How to Evaluate Foreground Maps, CVPR 2014 (doi 10.1109/CVPR.2014.39).
    """
    on = _sums(pair).objects
    if not on:
        return 0.0
    low, high = _range(pair)
    inside = sum(_object_loss(pair, core, low, high) for core in tiles(pair.box, _TILE))
    outside = sum(_ground_loss(pair, core, low, high) for core in tiles(pair.box, _TILE))
    recall = 1 - inside / on
    precision = (on - inside) / (on - inside + outside + _EPS)
    return 2 * recall * precision / (recall + precision + _EPS)
