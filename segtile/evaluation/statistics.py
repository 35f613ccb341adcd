"""How sure a mean is, and whether a difference is more than noise. Pictures are the sample; everything is seeded.

Two rules stand before all numbers. A failed picture counts with the figures of an empty answer (`Row.stand_in`), so
that failing on hard pictures never pays off. A figure that is not defined for a picture (NaN) is left out of its mean,
and the count beside the mean says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.evaluation.results import Row

Better = Literal["lower", "higher", "zero"]
Floats = npt.NDArray[np.float64]
_EXACT = 14  # pictures up to which every one of the 2^n sign flips is tried
_CHUNK = 4_000_000  # numbers held at once while resampling


@dataclass(frozen=True)
class Settings:
    """Resamples, the intervals' level, the generator's seed."""

    samples: int = 2000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Interval:
    """A mean with its interval over `n` pictures; `low` and `high` are NaN where n < 2, all is where n = 0."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Paired:
    """The difference b - a on the pictures both did, and what it means for b.

    `difference` is of the figures (of their sizes without sign where the better is "zero"). `p` is the chance of a mean
    difference at least as large if the systems' names meant nothing. `verdict` is "better" or "worse" where the
    interval leaves out 0 and p is under 1 - level; else "noise", or "same" where the figures are equal on every
    picture.
    """

    difference: Interval
    p: float
    verdict: Literal["better", "worse", "noise", "same"]


def value_of(row: Row, metric: str) -> float:
    """The figure a row counts with: its own, or that of an empty answer where it failed; NaN where there is none."""
    return (row.metrics if row.error is None else row.stand_in).get(metric, math.nan)


def values_of(rows: Iterable[Row], metric: str) -> Floats:
    """The figures of rows, (n,), those defined."""
    values = np.array([value_of(row, metric) for row in rows], np.float64)
    return values[np.isfinite(values)]


def bootstrap_mean(values: Sequence[float] | Floats, settings: Settings) -> Interval:
    """The mean of a sample and its expanded-percentile bootstrap interval.

    A plain percentile interval is too narrow for few pictures (it misses a factor of sqrt(n / (n - 1)) and Student's
    tails), so the percentiles are taken further out. The order of the values does not matter.

    Args:
        values: one a picture; those that are not finite are left out.
        settings: see there.

    Raises:
        BadInput: fewer than 1 resample, or a level outside 0..1.

    Source: T. Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69(4), 2015,
    section 4.3 (doi 10.1080/00031305.2015.1089789).
    """
    from scipy import stats

    if settings.samples < 1 or not 0 < settings.level < 1:
        raise BadInput(f"a bootstrap needs resamples and a level in 0..1, not {settings.samples} and {settings.level}")
    sample = np.sort(np.asarray(values, np.float64))
    sample = sample[np.isfinite(sample)]
    n = sample.size
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(sample) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    if sample[0] == sample[-1]:
        return Interval(float(sample[0]), float(sample[0]), float(sample[0]), n)
    rng = np.random.default_rng(settings.seed)
    means = np.concatenate(
        [sample[rng.integers(n, size=(count, n))].mean(axis=1) for count in _chunks(settings.samples, n)]
    )
    tail = (1 - settings.level) / 2
    expanded = float(stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf(tail, n - 1)))
    low, high = np.quantile(means, [expanded, 1 - expanded])
    # few resamples of few pictures may all lie on one side of their mean
    return Interval(mean, min(float(low), mean), max(float(high), mean), n)


def _chunks(samples: int, n: int) -> Iterable[int]:
    most = max(1, _CHUNK // n)
    while samples > 0:
        yield min(samples, most)
        samples -= most


def sign_flip_p(differences: Sequence[float] | Floats, settings: Settings) -> float:
    """Two-sided p of a mean difference under random signs: exact up to 14 differences, else by seeded resamples.

    1 where all are 0, NaN where there is none.

    Source: R. A. Fisher, The Design of Experiments, 1935, section 21; the count with the observed one added as in
    B. Phipson and G. K. Smyth, Permutation P-values Should Never Be Zero, 2010 (doi 10.2202/1544-6115.1585).
    """
    given = np.sort(np.asarray(differences, np.float64))
    given = given[np.isfinite(given)]
    n = given.size
    if n == 0:
        return math.nan
    if not given.any():
        return 1.0
    # sums that are equal but for rounding count as equal
    observed = abs(math.fsum(given)) - 1e-12 * float(np.abs(given).sum())
    if n <= _EXACT:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(signs @ given) >= observed))
    rng = np.random.default_rng(settings.seed)
    reached = 0
    for count in _chunks(settings.samples, n):
        signs = rng.integers(2, size=(count, n), dtype=np.int8) * 2 - 1
        reached += int(np.count_nonzero(np.abs(signs @ given) >= observed))
    return (reached + 1) / (settings.samples + 1)


def compare_values(a: Sequence[float], b: Sequence[float], better: Better, settings: Settings) -> Paired:
    """The paired difference b - a; pairs in which one figure is not defined are left out.

    Args:
        a: figures, one a picture.
        b: the other's figures on the same pictures, in the same order.
        better: which direction is; for "zero" the sizes without sign are compared.
        settings: of the bootstrap and the permutations.

    Raises:
        BadInput: the two have different lengths.
    """
    if len(a) != len(b):
        raise BadInput(f"a paired comparison needs as many figures on both sides, not {len(a)} and {len(b)}")
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if better == "zero":
        first, second = np.abs(first), np.abs(second)
    differences = second - first
    differences = differences[np.isfinite(differences)]
    interval = bootstrap_mean(differences, settings)
    p = sign_flip_p(differences, settings)
    if differences.size and not differences.any():
        return Paired(interval, p, "same")
    sure = interval.n > 1 and p < 1 - settings.level and (interval.low > 0 or interval.high < 0)
    if not sure:
        return Paired(interval, p, "noise")
    return Paired(interval, p, "better" if (interval.mean > 0) == (better == "higher") else "worse")


def pair_rows(a: Iterable[Row], b: Iterable[Row]) -> list[tuple[Row, Row]]:
    """Rows of the same data set and picture, in the order of `a`."""
    others = {(row.dataset, row.picture): row for row in b}
    return [(row, others[row.dataset, row.picture]) for row in a if (row.dataset, row.picture) in others]


def paired(a: Iterable[Row], b: Iterable[Row], metric: str, better: Better, settings: Settings) -> Paired:
    """The paired difference of a figure, b - a, on the pictures both have a row for."""
    pairs = pair_rows(a, b)
    return compare_values(
        [value_of(x, metric) for x, _ in pairs], [value_of(y, metric) for _, y in pairs], better, settings
    )
