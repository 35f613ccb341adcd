from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as quick
from hypothesis import strategies as st
from scipy import stats

from segtile.errors import BadInput
from segtile.evaluation.results import Row
from segtile.evaluation.statistics import (
    Settings,
    bootstrap_mean,
    compare_values,
    paired,
    sign_flip_p,
    value_of,
    values_of,
)

FEW = Settings(samples=400)
numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def row(picture: str, value: float, **more) -> Row:
    return Row("x", "d", picture, "s", metrics={} if more.get("error") else {"m": value}, **more)


@given(numbers)
@quick(max_examples=60, deadline=None)
def test_the_interval_contains_the_mean_and_lies_within_the_sample(values):
    found = bootstrap_mean(values, FEW)
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
    if found.n > 1:
        assert found.low <= found.mean <= found.high
        slack = 1e-9 * (abs(min(values)) + abs(max(values)) + 1)
        assert min(values) - slack <= found.low
        assert found.high <= max(values) + slack


@given(numbers, st.randoms())
@quick(max_examples=30, deadline=None)
def test_the_order_of_the_pictures_does_not_matter(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert bootstrap_mean(values, FEW) == bootstrap_mean(shuffled, FEW) or len(values) == 1


def test_the_interval_shrinks_with_n_as_a_standard_error_does():
    rng = np.random.default_rng(5)
    widths = []
    for n in (16, 64, 256):
        found = bootstrap_mean(rng.normal(0, 1, n), Settings())
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]
    assert widths[2] == pytest.approx(2 * 1.96 / 16, rel=0.15)


def test_it_covers_the_truth_about_as_often_as_it_says():
    """300 samples of 8 from a normal: a plain percentile interval at 95 % covers about 88 %."""
    rng = np.random.default_rng(11)
    covered = 0
    for k in range(300):
        found = bootstrap_mean(rng.normal(0, 1, 8), Settings(samples=500, seed=k))
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 300 <= 0.99


def test_seeds_settle_everything_and_levels_nest():
    values = np.random.default_rng(1).gamma(2, 1, 20)
    assert bootstrap_mean(values, Settings(seed=3)) == bootstrap_mean(values, Settings(seed=3))
    assert bootstrap_mean(values, Settings(seed=3)) != bootstrap_mean(values, Settings(seed=4))
    inner, outer = (bootstrap_mean(values, Settings(level=level)) for level in (0.8, 0.99))
    assert outer.low < inner.low < inner.high < outer.high


def test_no_one_and_equal_pictures():
    nan = float("nan")
    assert bootstrap_mean([nan], FEW).n == 0
    assert math.isnan(bootstrap_mean([], FEW).mean)
    one = bootstrap_mean([4.0, nan], FEW)
    assert (one.mean, one.n) == (4.0, 1)
    assert math.isnan(one.low)
    assert bootstrap_mean([0.1] * 3, FEW) == bootstrap_mean([0.1, 0.1, 0.1, nan], FEW)
    with pytest.raises(BadInput):
        bootstrap_mean([1.0], Settings(samples=0))


def test_the_exact_test_is_the_count_of_all_signs():
    values = [1.0, 2.0, 3.0, -0.5]
    found = stats.permutation_test(
        (np.array(values), np.zeros(4)), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(values, FEW) == pytest.approx(found.pvalue)
    assert sign_flip_p([1.0] * 5, FEW) == pytest.approx(2 / 32)
    assert sign_flip_p([0.0, 0.0], FEW) == 1
    assert math.isnan(sign_flip_p([], FEW))


def test_the_sampled_test_agrees_with_students_and_is_never_0():
    values = np.random.default_rng(2).normal(0.3, 1, 40)
    assert sign_flip_p(values, Settings(samples=20_000)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert sign_flip_p(np.ones(40), Settings(samples=999)) == pytest.approx(1 / 1000)


def test_identical_systems_differ_by_nothing():
    values = list(np.random.default_rng(0).normal(size=12))
    found = compare_values(values, values, "lower", FEW)
    assert (found.difference.mean, found.difference.low, found.difference.high) == (0, 0, 0)
    assert (found.verdict, found.p) == ("same", 1)


def test_noise_is_called_noise():
    rng = np.random.default_rng(3)
    verdicts = []
    for k in range(100):
        a = rng.normal(size=12)
        verdicts.append(compare_values(a, a + rng.normal(0, 0.1, 12), "lower", Settings(400, 0.95, k)).verdict)
    assert verdicts.count("noise") >= 90


@pytest.mark.parametrize(("better", "verdict"), [("lower", "worse"), ("higher", "better"), ("zero", "worse")])
def test_a_shift_of_every_picture_is_no_noise(better, verdict):
    a = np.random.default_rng(4).normal(5, 3, 10) ** 2
    b = a + 1
    assert compare_values(a, b, better, FEW).verdict == verdict
    swapped = compare_values(b, a, better, FEW)
    assert swapped.verdict == {"worse": "better", "better": "worse"}[verdict]
    assert swapped.difference.mean == pytest.approx(-1)


def test_zero_is_better_from_both_sides():
    a, b = np.full(10, -2.0), np.full(10, 1.0)
    assert compare_values(a, b, "zero", FEW).verdict == "better"
    assert compare_values(a, b, "zero", FEW).difference.mean == -1


def test_five_pictures_cannot_be_sure():
    """Of 32 sign flips two reach any mean, so p is at least 1 / 16."""
    assert compare_values([1] * 5, [2.0, 2.1, 2.2, 2.3, 2.4], "lower", FEW).verdict == "noise"
    assert compare_values([1] * 6, [2.0, 2.1, 2.2, 2.3, 2.4, 2.5], "lower", FEW).verdict == "worse"


def test_pairs_with_an_undefined_figure_are_left_out():
    nan = math.nan
    found = compare_values([1, nan, 3, 4], [2, 2, nan, 5], "lower", FEW)
    assert (found.difference.n, found.difference.mean) == (2, 1)
    with pytest.raises(BadInput):
        compare_values([1], [1, 2], "lower", FEW)


def test_a_failed_picture_counts_as_an_empty_answer():
    failed = row("a", 0, error="too hard", stand_in={"m": 100.0})
    assert value_of(failed, "m") == 100
    assert list(values_of([failed, row("b", 1), row("c", math.nan)], "m")) == [100, 1]
    assert math.isnan(value_of(row("a", 0, error="no truth"), "m"))


def test_rows_are_paired_by_picture_not_by_place():
    a = [row("a", 1), row("b", 2), row("only-a", 50)]
    b = [row("only-b", 99), row("b", 4), row("a", 3)]
    found = paired(a, b, "m", "lower", FEW).difference
    assert (found.n, found.mean) == (2, 2)
