"""Seam gradient, seam ramp, disagreement of overlaps: by hand, by property, and what each can and cannot see."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.grid.uniform import plan_uniform
from segtile.metrics.seams import (
    RAMP_ACROSS,
    RAMP_ALONG,
    Border,
    SeamFigure,
    core_borders,
    grid_borders,
    overlap,
    seam_grad,
    seam_ramp,
)
from segtile.solar import fold
from segtile.types import Box, Tile


def literal_ramp(picture, border):
    """Low-pass the whole picture, then take the first difference across the line; (border, control) means."""
    tone = picture.astype(np.float64)
    tone = tone if border.vertical else tone.T
    # mean over 16 px across: columns x - 8 .. x + 7; over 257 px along, centred; border pixels repeated
    half = RAMP_ACROSS // 2
    wide = np.pad(tone, ((RAMP_ALONG // 2, RAMP_ALONG // 2), (half + 1, half)), mode="edge")
    across = np.stack([wide[:, k + 1 : k + 1 + RAMP_ACROSS].mean(axis=1) for k in range(-1, tone.shape[1])], axis=1)
    low = np.stack([across[y : y + RAMP_ALONG].mean(axis=0) for y in range(tone.shape[0])])
    step = np.abs(np.diff(low, axis=1))  # column k: the step onto line k
    rows = slice(border.lo, border.hi)
    return step[rows, border.line].mean(), np.mean([step[rows, c] for c in border.controls])


def test_gradient_by_hand():
    # columns 0 1 2 3 4 5 6 7, tiles of 4: the border before column 4, controls before columns 2 and 6
    row = np.array([0, 0, 1, 1, 5, 5, 8, 8]) / 10
    picture = np.tile(row, (8, 1))
    borders = grid_borders(Box.frame(8, 8), 4, 0)
    assert borders == (
        Border(True, 4, 0, 8, (2, 6)),
        Border(False, 4, 0, 8, (2, 6)),
    )
    # The vertical line steps by 0.4, the horizontal by 0; together 0.2. Controls: 0.1 and 0.3, then 0 and 0: 0.1.
    found = seam_grad(picture, borders)
    assert found.border == pytest.approx(0.2)
    assert found.control == pytest.approx(0.1)
    assert found.ratio == pytest.approx(2.0)
    assert seam_grad(picture, borders[:1]).ratio == pytest.approx(0.4 / 0.2)
    # in colour the channels' differences are averaged
    colour = np.dstack([picture, picture * 0, picture * 0])
    assert seam_grad(colour, borders).border == pytest.approx(0.2 / 3)


def test_gradient_on_the_fold_by_hand():
    picture = np.full((10, 8), 0.5)
    picture[:, 4:] += 2 / 255
    border = Border(True, 4, 0, 10, (2, 6))
    # solar6 rises by 255 in 36 to 37 levels around the middle, so two levels become fourteen
    plain, folded = seam_grad(picture, [border]), seam_grad(picture, [border], "solar6")
    assert plain.border == pytest.approx(2 / 255)
    assert folded.border == pytest.approx(abs(np.diff(fold("solar6", picture[0]))).max(), rel=1e-5)
    assert folded.border > 6 * plain.border
    assert plain.control == folded.control == 0
    assert plain.ratio == math.inf
    assert math.isnan(SeamFigure(0.0, 0.0).ratio)


def test_ramp_by_hand():
    # A step of 0.4 at the border, averaged over 16 px, rises by 0.4 / 16 a pixel there; at the controls, 50 px away,
    # a step of 0.1 each gives 0.1 / 16
    row = np.zeros(200)
    row[50:], row[100:], row[150:] = 0.1, 0.5, 0.6
    picture = np.tile(row, (300, 1))
    found = seam_ramp(picture, [Border(True, 100, 0, 300, (50, 150))])
    assert found.border == pytest.approx(0.4 / 16)
    assert found.control == pytest.approx(0.1 / 16)
    assert found.ratio == pytest.approx(4)


@given(st.integers(0, 999), st.booleans(), st.integers(20, 60), st.integers(30, 90))
@settings(max_examples=25, deadline=None)
def test_ramp_is_the_difference_of_the_low_passed_picture(seed, vertical, h, w):
    rng = np.random.default_rng(seed)
    picture = rng.random((h, w))
    length, across = (w, h) if vertical else (h, w)
    line = int(rng.integers(1, length))
    lo = int(rng.integers(0, across - 1))
    border = Border(vertical, line, lo, int(rng.integers(lo + 1, across + 1)), (int(rng.integers(1, length)),))
    want = literal_ramp(picture, border)
    found = seam_ramp(picture, [border])
    assert (found.border, found.control) == pytest.approx(want, rel=1e-9)


def test_a_feathered_step_is_seen_by_the_ramp_only():
    rng = np.random.default_rng(1)
    base = 0.5 + rng.normal(0, 0.01, (400, 600))
    x = np.arange(600)
    hard = base + 0.03 * (x >= 300)
    soft = base + 0.03 * np.clip((x - 284) / 32, 0, 1)  # the same step, spread over 32 px
    borders = [Border(True, 300, 0, 400, (200, 400))]
    plain = [f(base, borders).ratio for f in (seam_grad, seam_ramp)]
    assert seam_grad(hard, borders).ratio > 1.5
    assert seam_grad(soft, borders).ratio == pytest.approx(plain[0], abs=0.1)
    assert seam_ramp(soft, borders).ratio > plain[1] + 3


def test_a_higher_step_is_a_higher_figure():
    base = np.random.default_rng(2).integers(90, 110, (300, 300))
    borders = grid_borders(Box.frame(300, 300), 100, 0)
    for figure in (seam_grad, seam_ramp):
        row = []
        for step in range(0, 60, 12):
            picture = base.copy()
            picture[100:200, 100:200] += step
            row.append(figure(picture.astype(np.uint8), borders).ratio)
        assert row == sorted(row)
        assert row[-1] > row[0] + 1


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_dtype_gain_and_turning_do_not_matter(seed):
    picture = np.random.default_rng(seed).integers(0, 256, (70, 90)).astype(np.uint8)
    borders = grid_borders(Box.frame(90, 70), 30, 4)
    turned = grid_borders(Box.frame(70, 90), 30, 4)
    for figure in (seam_grad, seam_ramp):
        want = figure(picture, borders)
        assert figure(picture.astype(np.uint16) * 257, borders).border == pytest.approx(want.border)
        assert figure(picture / 255, borders).control == pytest.approx(want.control)
        assert figure(picture / 510, borders).ratio == pytest.approx(want.ratio)
        assert figure(picture.T, turned).ratio == pytest.approx(want.ratio)


@pytest.mark.parametrize(("tile", "halo"), [(64, 8), (100, 20), (300, 16)])
def test_a_grids_borders_are_those_of_its_plan(tile, halo):
    frame = Box.frame(333, 251)
    lines = {(b.vertical, b.line) for b in core_borders(plan_uniform(frame, tile, halo).tiles)}
    found = grid_borders(frame, tile, 2 * halo)
    assert {(b.vertical, b.line) for b in found} == lines
    assert sum(b.hi - b.lo for b in found) == sum(
        b.hi - b.lo for b in core_borders(plan_uniform(frame, tile, halo).tiles)
    )


def test_lines_of_a_grid():
    def lines(length, tile, shared, start=0, shifted=True):
        found = grid_borders(Box.frame(length, 10), tile, shared, (start, 0), shifted=shifted)
        return [b.line for b in found if b.vertical]

    assert lines(30, 10, 0) == [10, 20]
    assert lines(30, 10, 4) == [8, 14, 20, 24]  # starts 0, 6, 12, 18 and 20, shifted from 24
    assert lines(30, 10, 4, shifted=False) == [8, 14, 20, 26]
    assert lines(30, 10, 0, start=-3) == [7, 17, 23]  # the last starts at 20
    assert lines(30, 10, 0, start=-3, shifted=False) == [7, 17, 27]
    assert lines(10, 10, 4) == []
    with pytest.raises(BadInput, match="cannot overlap"):
        lines(30, 10, 10)
    for start in (1, -10):
        with pytest.raises(BadInput, match="starts at"):
            lines(30, 10, 0, start=start)


def test_borders_between_cores_of_different_size():
    cores = [Box(0, 0, 10, 20), Box(10, 0, 30, 8), Box(10, 8, 30, 20), Box(40, 0, 50, 20)]
    found = core_borders([Tile(k, core, core) for k, core in enumerate(cores)])
    assert set(found) == {
        Border(True, 10, 0, 8, (5, 20)),
        Border(True, 10, 8, 20, (5, 20)),
        Border(False, 8, 10, 30, (4, 14)),
    }


def test_what_cannot_be_measured_is_refused():
    picture = np.zeros((20, 30))
    inside = Border(True, 10, 0, 20, (5,))
    for bad in (Border(True, 30, 0, 20, (5,)), Border(True, 10, 0, 21, (5,)), Border(True, 10, 0, 20, (0,))):
        with pytest.raises(BadInput, match="outside a picture of 30x20"):
            seam_grad(picture, [bad])
    with pytest.raises(BadInput, match="no solar curve"):
        seam_grad(picture, [inside], "solar5")
    with pytest.raises(BadInput, match="int64"):
        seam_ramp(np.zeros((20, 30), np.int64), [inside])
    with pytest.raises(BadInput, match="channels"):
        seam_ramp(np.zeros(20), [inside])
    broken = picture.copy()
    broken[3, 10] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        seam_grad(broken, [inside])
    assert math.isnan(seam_grad(picture, []).ratio)


def test_overlaps_by_hand():
    left, right = Box(0, 0, 6, 2), Box(4, 0, 10, 2)  # they share columns 4 and 5: 4 px
    a, b = np.full((2, 6), 0.5), np.full((2, 6), 0.5)
    a[:, 4:] = [[0.5, 0.6], [0.7, 0.9]]
    found = overlap([(left, a), (right, b)])
    # differences 0, 0.1, 0.2, 0.4: mean 0.175; the 99th percentile between the largest two: 0.2 + 0.97 * 0.2
    assert found.pairs == 1
    assert found.mean == pytest.approx(0.175)
    assert found.p99 == pytest.approx(0.394)
    assert found.bias == pytest.approx((0.175, -0.175))
    alone = overlap([(left, a), (Box(20, 0, 26, 2), b)])
    assert alone.pairs == 0
    assert math.isnan(alone.mean)
    assert all(math.isnan(v) for v in alone.bias)
    with pytest.raises(BadInput, match="was given for a box"):
        overlap([(left, a[:, :3])])


@given(st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_tiles_of_one_picture_agree(seed):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
    tiles = plan_uniform(Box.frame(50, 40), 20, 3).tiles
    answers = [(t.read, picture[t.read.slices]) for t in tiles]
    found = overlap(answers)
    assert found.pairs > len(tiles)
    assert found.mean == found.p99 == 0
    # one tile that is brighter by 3 differs by 3 from all its neighbours, whatever the order
    wrong = int(rng.integers(0, len(tiles)))
    answers[wrong] = (answers[wrong][0], answers[wrong][1].astype(np.float32) + 3)
    found = overlap(answers)
    assert found.bias[wrong] == pytest.approx(3)
    assert max(abs(v) for k, v in enumerate(found.bias) if k != wrong) <= 3
    back = overlap(answers[::-1])
    assert back.mean == pytest.approx(found.mean)
    assert back.bias[::-1] == pytest.approx(found.bias)
