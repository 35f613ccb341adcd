import numpy as np
import pytest

from segtile.errors import BadInput
from segtile.grid import compare, draw_plan, plan_aligned, plan_uniform
from segtile.types import Box, Grid, Tile


def two_cores(coarse, line):
    frame = coarse.frame
    tiles = (Tile(0, Box(0, 0, line, frame.height), frame), Tile(1, Box(line, 0, frame.width, frame.height), frame))
    return Grid("uniform", frame, tiles, 64, 0, (0, 1), 0, "by hand")


def test_crossings_are_runs_of_band_along_a_common_border(scene):
    band = np.zeros((20, 30), bool)
    band[2:5, :] = True  # crosses the border
    band[8, 4:26] = True  # crosses it
    band[12:15, 15:] = True  # begins right of it
    band[17:19, :15] = True  # ends left of it
    coarse = scene.coarse_of(band)
    stats = compare(two_cores(coarse, 15), two_cores(coarse, 14), coarse)
    assert (stats.crossings, stats.crossing_px) == (2, 4)
    assert (stats.crossings_uniform, stats.crossing_px_uniform) == (3, 6)
    assert stats.share_refined == band.mean()
    assert stats.share_read == 2.0


def test_crossing_lengths_are_frame_pixels(scene):
    band = np.zeros((20, 30), bool)
    band[2:5, :] = True
    coarse = scene.coarse_of(band, size=(75, 50))
    stats = compare(two_cores(coarse, 31), two_cores(coarse, 31), coarse)  # the line runs through a column of cells
    assert stats.crossings == 1
    assert stats.crossing_px == np.count_nonzero(band[coarse.cells(coarse.frame)[0], 0])
    assert stats.share_refined == np.count_nonzero(band[coarse.cells(coarse.frame)[0], 0]) * 75 / (75 * 50)


def test_objects_are_counted_whole_or_cut(scene):
    coarse = scene.outline(scene.discs(400, 200, (60, 60, 20), (200, 100, 30)), grow=2)
    grid = plan_aligned(coarse, 100, 8)
    stats = compare(grid, plan_uniform(coarse.frame, 100, 8), coarse)
    assert (stats.objects_whole, stats.objects_cut) == (2, 0)
    assert stats.objects_cut_uniform >= 1
    assert stats.tiles == len(grid.tiles) == 2


def test_grids_over_other_frames_are_not_compared(scene):
    coarse = scene.coarse_of(np.ones((20, 20)))
    with pytest.raises(BadInput):
        compare(plan_aligned(coarse, 16, 2), plan_uniform(Box.frame(30, 20), 16, 2), coarse)


@pytest.mark.parametrize("size", [(300, 200), (77, 40), (1, 1)])
def test_the_picture_of_a_plan_shows_band_and_cores(scene, size):
    coarse = scene.outline(scene.discs(300, 200, (90, 100, 60), (230, 60, 18)), size=(900, 600))
    grid = plan_aligned(coarse, 256, 16)
    preview = np.full((size[1], size[0], 3), 0.8, np.float32)
    picture = draw_plan(preview, coarse, grid)
    assert picture.shape == preview.shape
    assert picture.dtype == np.uint8
    again = draw_plan(preview, coarse, grid)
    assert (picture == again).all()
    if size == (300, 200):
        red, green, blue = picture[110, 30].astype(int)  # in the band, at the left of the large disc
        assert red > green + 40
        plain = picture[190, 5]
        assert plain.max() - plain.min() == 0
        inner = grid.tiles[0].core
        red, green, blue = picture[inner.y0 // 3 + 20, inner.x0 // 3].astype(int)
        assert blue > red + 40


def test_only_colour_pictures_over_the_same_frame_are_drawn_on(scene):
    coarse = scene.coarse_of(np.ones((20, 20)))
    grid = plan_aligned(coarse, 16, 2)
    with pytest.raises(BadInput):
        draw_plan(np.zeros((20, 20), np.float32), coarse, grid)
    with pytest.raises(BadInput):
        draw_plan(np.zeros((20, 20, 3), np.float32), scene.coarse_of(np.ones((21, 20))), grid)
