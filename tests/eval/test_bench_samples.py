"""The samples' table runs, and the band covers the soft edge of the samples that are quick to look at."""

import numpy as np
import pytest

from eval.bench_samples import main, read_alpha, share_covered, true_edge_crossings
from segtile.coarse import look
from segtile.grid import compare, plan_aligned, plan_uniform
from segtile.raster import open_raster
from segtile.types import Box, Grid, Tile


@pytest.mark.parametrize("name", ["ring.jpg", "filigree.jpg", "flatlay.jpg", "earrings.png", "necklace_6000.jpg"])
def test_the_band_covers_every_soft_pixel(data_samples, name):
    with open_raster(data_samples / name) as raster:
        coarse = look(raster.preview(2048), raster.info.frame, "studio")
    exact = read_alpha(data_samples / (name.rsplit(".", 1)[0] + "_alpha.png"))
    assert share_covered(coarse, exact) == 1.0
    assert coarse.unsure.mean() < 0.4, "a band that is everywhere covers everything"


def test_what_is_missed_is_counted(ring_scene):
    picture, alpha = ring_scene
    with open_raster(picture) as raster:
        coarse = look(raster.preview(2048), raster.info.frame, "studio")
    exact = np.rint(alpha * 65535).astype(np.uint16)
    assert share_covered(coarse, exact) == 1.0
    assert share_covered(coarse, np.roll(exact, 120, axis=1)) < 0.9


def test_the_table_has_a_row_a_combination(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench", "--only", "pearls_white", "--refine", "none"])
    main()
    head, rule, row = capsys.readouterr().out.splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert "pearls_white.tif" in row


def test_a_strand_across_a_border_is_two_crossings_of_its_edge():
    frame = Box.frame(40, 30)
    cores = (Box(0, 0, 20, 30), Box(20, 0, 40, 30))
    grid = Grid("uniform", frame, tuple(Tile(i, core, frame) for i, core in enumerate(cores)), 40, 0, (0, 1), 0, "")
    exact = np.zeros((30, 40), np.uint16)
    exact[3:9] = 65535  # across the border: in and out
    exact[12:20, :20] = 65535  # ends at the border: the line's value is one half, which is inside
    exact[22:25, 26:] = 65535  # does not reach it
    assert true_edge_crossings(grid, exact) == 4


def test_an_object_larger_than_a_tile_is_cut_in_a_third_of_the_places(data_samples):
    with open_raster(data_samples / "necklace_6000.jpg") as raster:
        coarse = look(raster.preview(2048), raster.info.frame, "studio")
    exact = read_alpha(data_samples / "necklace_6000_alpha.png")
    plan, uniform = plan_aligned(coarse, 1536, 64), plan_uniform(coarse.frame, 1536, 64, coarse)
    stats = compare(plan, uniform, coarse)
    assert 2 * stats.tiles <= stats.tiles_uniform
    assert 3 * true_edge_crossings(plan, exact) <= true_edge_crossings(uniform, exact)
    assert 3 * stats.edge_crossings <= stats.edge_crossings_uniform
    assert 3 * stats.crossing_px <= stats.crossing_px_uniform
