"""The parts of the aligned planner, each against something slower or a case worked out by hand."""

from functools import cache

import numpy as np
import pytest

from segtile.grid.band import WEIGHT_UNIT, index_band
from segtile.grid.guillotine import Lattice, Prices, Room
from segtile.grid.polish import plan_cost, polish

PRICES = Prices(run=0.2, cell=0.01)


def runs_of(line):
    return int(line[0]) + int(np.count_nonzero(line[1:] & ~line[:-1])) if line.size else 0


def random_band(scene, seed, shape, share=0.35):
    cells = np.random.default_rng(seed).random(shape) < share
    cells[3, 2:4] = True
    return scene.coarse_of(cells)


def nothing_kept(coarse):
    return np.zeros(coarse.unsure.shape, bool)


@pytest.mark.parametrize("seed", range(3))
def test_cuts_are_weighed_and_counted_as_by_looking(scene, seed):
    coarse = random_band(scene, seed, (23, 31), 0.6)
    band = index_band(coarse, 8, nothing_kept(coarse), 0)
    kept = index_band(coarse, 8, coarse.unsure, 7)
    rng = np.random.default_rng(seed)
    for sums, more, cells in (
        (band.across_x, kept.across_x, coarse.unsure),
        (band.across_y, kept.across_y, coarse.unsure.T),
    ):
        height, width = cells.shape
        for _ in range(200):
            line = int(rng.integers(0, width + 1))
            lo, hi = sorted(rng.integers(0, height + 1, 2).tolist())
            cut = cells[lo:hi, line - 1] & cells[lo:hi, line] if 0 < line < width else np.zeros(hi - lo, bool)
            weight, runs = sums.at(line, lo, hi)
            assert runs == runs_of(cut)
            assert weight >= cut.sum() * WEIGHT_UNIT
            assert (weight > 0) == cut.any()
            assert more.at(line, lo, hi)[0] - weight == cut.sum() * 7 * WEIGHT_UNIT


@pytest.mark.parametrize("seed", range(4))
def test_boxes_shrink_to_their_band(scene, seed):
    coarse = random_band(scene, seed, (19, 27), 0.02)
    band = index_band(coarse, 8, nothing_kept(coarse), 0)
    rng = np.random.default_rng(seed)
    for _ in range(100):
        x0, x1 = sorted(rng.choice(28, 2, replace=False).tolist())
        y0, y1 = sorted(rng.choice(20, 2, replace=False).tolist())
        ys, xs = np.nonzero(coarse.unsure[y0:y1, x0:x1])
        expected = (x0 + xs.min(), y0 + ys.min(), x0 + xs.max() + 1, y0 + ys.max() + 1) if xs.size else None
        assert band.shrink(x0, y0, x1, y1) == expected


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.03, 0.3])
def test_the_lattice_finds_the_cheapest_of_all_cuttings(scene, seed, share):
    coarse = random_band(scene, seed, (9, 12), share)
    band = index_band(coarse, 4, nothing_kept(coarse), 0)
    room = Room(6, 1, 12, 9)

    @cache
    def cheapest(x0, y0, x1, y1):
        shrunk = band.shrink(x0, y0, x1, y1)
        if shrunk is None:
            return 0.0
        if room.fits(band.to_pixels(*shrunk)):
            return 1.0
        found = [np.inf]
        for x in range(x0 + 1, x1):
            price = PRICES.of(*band.across_x.at(x, y0, y1))
            found.append(cheapest(x0, y0, x, y1) + cheapest(x, y0, x1, y1) + price)
        for y in range(y0 + 1, y1):
            price = PRICES.of(*band.across_y.at(y, x0, x1))
            found.append(cheapest(x0, y0, x1, y) + cheapest(x0, y, x1, y1) + price)
        return float(min(found))

    node = Lattice(band, np.arange(13), np.arange(10), room, PRICES).solve()
    assert node is not None
    assert node.cost == pytest.approx(cheapest(0, 0, 12, 9), abs=1e-4)
    assert all(room.fits(band.to_pixels(*core)) for core in node.cores())


def test_polishing_joins_what_fits_one_tile(scene):
    coarse = scene.outline(scene.discs(60, 60, (30, 30, 12)))
    band = index_band(coarse, 40, nothing_kept(coarse), 0)
    x0, y0, x1, y1 = band.shrink(0, 0, 60, 60)
    halves = [(x0, y0, 25, y1), (25, y0, x1, y1)]
    assert polish(halves, band, Room(48, 4, 60, 60), PRICES, 5, 10) == [(x0, y0, x1, y1)]


def test_polishing_slides_a_border_to_a_better_place(scene):
    image = np.zeros((40, 100), bool)
    image[10:30, 5:95] = True
    image[10:18, 50:54] = image[22:30, 50:54] = False  # a waist
    coarse = scene.coarse_of(image)
    band = index_band(coarse, 56, nothing_kept(coarse), 0)
    before = [(5, 10, 46, 30), (46, 10, 95, 30)]
    after = polish(before, band, Room(64, 4, 100, 40), PRICES, 5, 10)
    assert plan_cost(after, band, PRICES) < plan_cost(before, band, PRICES)
    assert len(after) == 2
    assert 50 < sorted(after)[1][0] < 54


@pytest.mark.parametrize("seed", range(3))
def test_polishing_never_makes_a_plan_dearer(scene, seed):
    coarse = scene.outline(scene.ring(120, 100, 60, 50, 30 + seed * 5, 5 + seed))
    band = index_band(coarse, 24, nothing_kept(coarse), 0)
    room = Room(32, 4, 120, 100)
    cells = band.shrink(0, 0, 120, 100)
    lines = [np.unique([*range(lo, hi, 12), hi]) for lo, hi in ((cells[0], cells[2]), (cells[1], cells[3]))]
    before = Lattice(band, *lines, room, PRICES).solve().cores()
    after = polish(before, band, room, PRICES, 12, 40)
    assert plan_cost(after, band, PRICES) <= plan_cost(before, band, PRICES)
    painted = np.zeros(coarse.unsure.shape, int)
    for x0, y0, x1, y1 in after:
        painted[y0:y1, x0:x1] += 1
    assert painted.max() == 1
    assert painted[coarse.unsure].all()
