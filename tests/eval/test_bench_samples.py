"""The samples' table runs, and the band covers the soft edge of the samples that are quick to look at."""

import numpy as np
import pytest

from eval.bench_samples import main, read_alpha, share_covered
from segtile.coarse import look
from segtile.raster import open_raster


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
