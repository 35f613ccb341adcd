import numpy as np
import pytest

from eval.drift_model import ArrayTiles, cut_tiles, hard_rows
from segtile.edit.poisson import poisson_rows
from segtile.edit.seam_check import heat_map, seam_check
from segtile.errors import BadInput
from segtile.export import write_picture
from segtile.merge.mosaic import merge, mosaic_plan


def stepped(picture, by, overlap=96):
    """Every second tile a little brighter."""
    tiles = cut_tiles(picture, 320, overlap)
    pixels = tuple(p + np.uint8(by * (k % 2)) for k, p in enumerate(tiles.pixels))
    return ArrayTiles(tiles.tiles, tiles.frame, pixels)


@pytest.fixture(scope="module")
def calm(photo):
    return (photo // 2 + 60).astype(np.uint8)


def test_an_undisturbed_picture_is_left_alone(calm):
    check = seam_check(cut_tiles(calm, 320, 96), calm, lambda y0, y1: calm[y0:y1])
    assert check.warning is None
    assert check.ratios == pytest.approx(check.undisturbed)
    assert check.overlap_mean == check.drift == 0
    assert check.worst is None


def test_a_hard_step_shows_in_the_gradient(calm):
    tiles = stepped(calm, 6)
    check = seam_check(tiles, hard_rows(tiles))
    assert check.grad.ratio > check.undisturbed[0] + 0.3
    assert "step across tile borders" in check.warning
    assert check.overlap_p99 == pytest.approx(6, abs=0.1)
    assert check.worst is not None


def test_a_feathered_step_shows_in_the_ramp_and_not_in_the_gradient(calm):
    tiles = stepped(calm, 20, overlap=48)
    plan = mosaic_plan(800, 600, 320, 48)
    feathered = merge(zip(plan.boxes(), tiles.pixels, strict=True), plan)
    check = seam_check(tiles, feathered)
    assert abs(check.grad.ratio - check.undisturbed[0]) < 0.1
    assert check.ramp.ratio > check.undisturbed[1] + 0.1
    assert "slow ramp" in check.warning


def test_a_good_merge_of_bad_tiles_is_left_alone_and_drift_is_told(calm):
    tiles = stepped(calm, 6)
    assert seam_check(tiles, poisson_rows(tiles)).warning is None
    cold = ArrayTiles(tiles.tiles, tiles.frame, tuple(p.copy() for p in tiles.pixels))
    for p in cold.pixels:
        slope = np.linspace(0, 14, p.shape[0]).astype(np.uint8)[:, None]
        p[..., 0] += slope
        p[..., 2] -= slope
    assert "drift from the original" in seam_check(cold, hard_rows(cold), lambda y0, y1: calm[y0:y1]).warning


def test_reads_files_and_refuses_others(calm, tmp_path):
    tiles = cut_tiles(calm, 320, 96)
    path = tmp_path / "out.png"
    write_picture(calm, path)
    assert seam_check(tiles, path).ratios == seam_check(tiles, calm).ratios
    with pytest.raises(BadInput, match="the tiles' frame"):
        seam_check(tiles, calm[:300])
    with pytest.raises(BadInput, match="300 rows came"):
        seam_check(tiles, iter([(0, calm[:300])]))


def test_the_map_is_hot_where_tiles_disagree(calm):
    tiles = stepped(calm, 12)
    drawn = heat_map(tiles, hard_rows(tiles), long_side=400)
    assert drawn.shape == (300, 400, 3)
    assert drawn.dtype == np.uint8
    red = drawn[..., 0].astype(int) - drawn[..., 2]
    line = tiles.tiles[0].core.x1 // 2
    assert red[20:80, line - 15 : line - 3].mean() > 60
    assert abs(red[20:80, 40:80]).mean() < 20
