"""Every figure that compares one alpha with its truth, by name; one call measures as many as are wanted.

from segtile.metrics.matte import fit, measure

pred, resized = fit(pred, truth.shape)
figures = measure(pred, truth, ("mae", "biou2", "holes"))
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2

from segtile.errors import BadInput
from segtile.metrics import alpha, edges, offset, saliency, topology
from segtile.metrics.pair import Alpha, Pair, Region, checked, unit
from segtile.types import Array

__all__ = ["DEFAULT", "METRICS", "Alpha", "Metric", "fit", "measure"]

Better = Literal["lower", "higher", "zero"]


@dataclass(frozen=True)
class Metric:
    """One figure: its name, which way is better, its unit ("" for a plain number) and a sentence for a table's legend.

    `on_pair` computes it from a checked pair, `function` from two arrays.
    """

    name: str
    better: Better
    unit: str
    summary: str
    on_pair: Callable[[Pair], float]

    def function(self, pred: Array, truth: Array) -> float:
        """The figure of two alphas, (h, w) uint8, uint16, bool or float in [0, 1], of one size.

        Raises:
            BadInput: one of them is no alpha, or their sizes differ.
        """
        return self.on_pair(Pair.of(pred, truth))


def _in_band(figure: Callable[[Pair, Region], float]) -> Callable[[Pair], float]:
    def on_pair(pair: Pair) -> float:
        return figure(pair, alpha.band_of(pair)) if alpha.band_of(pair).count else math.nan

    return on_pair


_BAND = f"in the unknown band: {alpha.BAND_RADIUS} px around the truth's soft pixels"

_ALL: tuple[tuple[str, Better, str, str, Callable[[Pair], float]], ...] = (
    ("mae", "lower", "x1000", "mean absolute error x 1000", alpha.mae.on_pair),
    ("mse", "lower", "x1000", "mean squared error x 1000", alpha.mse.on_pair),
    ("sad", "lower", "/1000", "sum of absolute differences / 1000", alpha.sad.on_pair),
    ("grad", "lower", "/1000", "gradient error (Rhemann 2009, sigma 1.4) / 1000", alpha.grad_gauss.on_pair),
    ("conn", "lower", "/1000", "connectivity error (Rhemann 2009, step 0.1) / 1000", alpha.conn.on_pair),
    ("mae_band", "lower", "x1000", f"mean absolute error x 1000 {_BAND}", _in_band(alpha.mae.on_pair)),
    ("mse_band", "lower", "x1000", f"mean squared error x 1000 {_BAND}", _in_band(alpha.mse.on_pair)),
    ("sad_band", "lower", "/1000", f"sum of absolute differences / 1000 {_BAND}", _in_band(alpha.sad.on_pair)),
    ("grad_band", "lower", "/1000", f"gradient error / 1000 {_BAND}", _in_band(alpha.grad_gauss.on_pair)),
    ("conn_band", "lower", "/1000", f"connectivity error / 1000 {_BAND}", _in_band(alpha.conn.on_pair)),
    ("iou", "higher", "", "intersection over union at alpha 0.5", edges.iou.on_pair),
    ("biou2", "higher", "", "boundary IoU, band of exactly 2 px", lambda p: edges.biou_px.on_pair(p, 2)),
    ("biou4", "higher", "", "boundary IoU, band of exactly 4 px", lambda p: edges.biou_px.on_pair(p, 4)),
    ("biou8", "higher", "", "boundary IoU, band of exactly 8 px", lambda p: edges.biou_px.on_pair(p, 8)),
    ("biou", "higher", "", "boundary IoU, band of 2 % of the diagonal", edges.biou_diag.on_pair),
    ("mba", "higher", "", "mean boundary accuracy (CascadePSP), 5 radii", edges.mba.on_pair),
    (
        "offset_median",
        "zero",
        "px",
        "median signed edge offset, + too large, - too small",
        offset.offset_median.on_pair,
    ),
    ("offset_p95", "lower", "px", "95th percentile of the edge offset's size", offset.offset_p95.on_pair),
    ("holes", "lower", "", "difference in holes of 12 px and more, share of the true number", topology.holes.on_pair),
    ("betti_components", "lower", "", "difference in 8-connected components", topology.betti_components.on_pair),
    ("betti_holes", "lower", "", "difference in 4-connected holes of any size", topology.betti_holes.on_pair),
    ("s_measure", "higher", "", "structure measure, as PySODMetrics", saliency.s_measure.on_pair),
    ("e_max", "higher", "", "largest E-measure over thresholds, as PySODMetrics", saliency.e_max.on_pair),
    ("e_mean", "higher", "", "mean E-measure over thresholds, as PySODMetrics", saliency.e_mean.on_pair),
    ("e_adaptive", "higher", "", "E-measure at twice the mean, as PySODMetrics", saliency.e_adaptive.on_pair),
    ("f_weighted", "higher", "", "weighted F-measure, as PySODMetrics", saliency.f_weighted.on_pair),
    ("f_max", "higher", "", "largest F-measure over thresholds, as PySODMetrics", saliency.f_max.on_pair),
)

#: Every figure by name.
METRICS: dict[str, Metric] = {row[0]: Metric(*row) for row in _ALL}

#: What is measured where nothing else is asked for.
DEFAULT: tuple[str, ...] = (
    "mae",
    "mse",
    "sad",
    "grad",
    "conn",
    "iou",
    "biou2",
    "biou",
    "mba",
    "offset_median",
    "offset_p95",
    "holes",
)


def measure(pred: Array, truth: Array, names: Sequence[str] = DEFAULT) -> dict[str, float]:
    """Measure a prediction against its truth; checks, bands and labels that figures share are made once.

    Args:
        pred: (h, w) uint8, uint16, bool or float in [0, 1].
        truth: the same kinds, of the same size (see `fit`); the dtypes may differ.
        names: keys of METRICS.

    Returns:
        The figures in the order of `names`. NaN where one is not defined: `offset_*` where either alpha has no edge at
        0.5 (or is one pixel wide), `mba` where the truth has no object or no background, `*_band` where the truth has
        no soft pixel.

    Raises:
        BadInput: an unknown name, something that is no alpha, or two sizes.
    """
    check_names(names)
    pair = Pair.of(pred, truth)
    return {name: METRICS[name].on_pair(pair) for name in names}


def check_names(names: Sequence[str]) -> None:
    """Refuse names that are no figures.

    Raises:
        BadInput: one is unknown, or there is none.
    """
    unknown = [name for name in names if name not in METRICS]
    if unknown or not names:
        raise BadInput(f"no metric {', '.join(map(repr, unknown)) or 'is named'}: there are {', '.join(METRICS)}")


def fit(pred: Array, shape: tuple[int, ...]) -> tuple[Alpha, bool]:
    """Bring a prediction to the truth's size.

    Args:
        pred: (h, w) uint8, uint16, bool or float in [0, 1].
        shape: (h, w) of the truth.

    Returns:
        The prediction, untouched and False where the size is right; else (h, w) float32, resized bilinearly (each pixel
        from its 4 nearest, so much larger predictions alias), and True. Whoever calls reports that.

    Raises:
        BadInput: the prediction is no alpha, or the shape no size.
    """
    pred = checked(pred, "the prediction")
    if len(shape) != 2 or min(shape) < 1:
        raise BadInput(f"{shape} is no size of a truth: give (height, width)")
    if pred.shape == tuple(shape):
        return pred, False
    resized = cv2.resize(unit(pred), (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return resized.clip(0, 1), True
