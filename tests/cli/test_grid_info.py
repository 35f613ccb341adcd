import json

import numpy as np
from PIL import Image

from segtile import __version__


def test_grid_draws_the_plan_and_counts(run, tmp_path, ring_scene):
    photo = tmp_path / "ring.png"
    Image.fromarray(ring_scene[0]).save(photo)
    code, out, err = run("grid", photo, "-o", tmp_path / "plan.png", "--tile", "256", "--halo", "32", "--json", "-q")
    assert code == 0, err
    row = json.loads(out)
    assert 0 < row["tiles"] <= row["tiles_uniform"]
    assert row["crossings"] <= row["crossings_uniform"]
    assert 0 < row["share_refined"] < 0.5
    drawing = np.asarray(Image.open(tmp_path / "plan.png"))
    assert drawing.shape == (700, 900, 3)
    assert np.abs(drawing.astype(int) - ring_scene[0]).mean() > 0.5, "something is drawn on the picture"

    code, _, err = run("grid", photo, "-o", tmp_path / "plan.png", "-q")
    assert code == 2
    assert "--overwrite" in err


def test_grid_speaks_to_people(run, tmp_path, ring_scene):
    photo = tmp_path / "ring.png"
    Image.fromarray(ring_scene[0]).save(photo)
    code, out, _ = run("grid", photo, "-o", tmp_path / "plan.png")
    assert code == 0
    for word in ("tiles", "uniform", "borders cross", "% of the pixels refined"):
        assert word in out


def test_info_says_what_is_here_and_what_is_missing(run):
    code, out, _ = run("info", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["segtile"] == __version__
    assert "numpy" in found["installed"]
    assert all("pip install segtile[" in how for how in found["missing"].values())
    assert not set(found["installed"]) & set(found["missing"])
    code, out, _ = run("info")
    assert code == 0
    assert f"segtile {__version__}" in out
