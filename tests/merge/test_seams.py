import numpy as np
import pytest
from merge_plans import all_band, coarse_map, make_grid

from segtile.merge.seams import SeamMeter


def levels(tile, alpha):
    return np.full((tile.read.height, tile.read.width), round(alpha * 65535), np.uint16)


def test_agreement_reports_nothing():
    grid = make_grid([0, 50, 100], [0, 40], 8)
    meter = SeamMeter(grid, all_band(grid.frame))
    for tile in grid.tiles:
        meter.add(tile, levels(tile, 0.7))
    report = meter.report()
    assert (report.pairs, report.mean, report.p99, report.worst_value, report.warning) == (1, 0.0, 0.0, 0.0, None)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_known_disagreement_is_measured_and_placed(order):
    grid = make_grid([0, 50, 100, 150], [0, 40], 8)
    meter = SeamMeter(grid, all_band(grid.frame))
    for k in order:
        meter.add(grid.tiles[k], levels(grid.tiles[k], (0.5, 0.5, 0.75)[k]))
    report = meter.report()
    assert report.pairs == 2
    assert report.worst == grid.tiles[1].read & grid.tiles[2].read
    assert report.worst_value == pytest.approx(0.25, abs=1e-4)
    assert report.mean == pytest.approx(0.125, abs=1e-4)
    assert report.p99 == pytest.approx(0.25, abs=1e-4)
    assert report.warning is not None
    assert "92,0" in report.warning


def test_only_the_band_counts():
    grid = make_grid([0, 50, 100], [0, 40], 10)
    unsure = np.zeros((40, 100), bool)
    unsure[:, 52:55] = True
    meter = SeamMeter(grid, coarse_map(grid.frame, np.zeros((40, 100)), unsure))
    left, right = grid.tiles
    wrong = levels(left, 1.0)
    wrong[:, 52:55] = levels(right, 0.25)[:, :3]
    meter.add(left, wrong)
    meter.add(right, levels(right, 0.25))
    assert meter.report().mean == 0.0


def test_nothing_compared_is_no_disagreement():
    grid = make_grid([0, 50, 100], [0, 40], 0)
    meter = SeamMeter(grid, all_band(grid.frame))
    for tile in grid.tiles:
        meter.add(tile, levels(tile, 0.5))
    assert meter.report().pairs == 0
    assert meter.report().worst is None


def test_held_pixels_are_let_go():
    grid = make_grid([0, 50, 100], [0, 40], 8)
    meter = SeamMeter(grid, all_band(grid.frame))
    for tile in grid.tiles:
        meter.add(tile, levels(tile, 0.5))
    assert not meter._pairs
