import json

import numpy as np
import pytest
from PIL import Image

from segtile.metrics.seams import grid_borders, seam_grad, seam_ramp
from segtile.types import Box


@pytest.fixture
def stepped(tmp_path):
    """Noise with one brighter tile: a visible grid of 100 px."""
    picture = np.random.default_rng(0).integers(118, 123, (300, 400, 3))
    picture[100:200, 100:200] += 6
    path = tmp_path / "picture.png"
    Image.fromarray(picture.astype(np.uint8)).save(path)
    return path, picture.astype(np.uint8)


def test_seams_of_a_grid_as_json(run, stepped):
    path, picture = stepped
    code, out, err = run("eval", "seams", path, "--tile", "100", "--json")
    assert code == 0, err
    row = json.loads(out)
    borders = grid_borders(Box.frame(400, 300), 100, 0)
    assert row["size"] == [400, 300]
    assert row["borders"] == len(borders) == 5
    assert row["border_px"] == 3 * 300 + 2 * 400
    assert row["seam_grad"]["ratio"] == pytest.approx(seam_grad(picture, borders).ratio)
    assert row["seam_grad"]["ratio"] > 1.2
    assert row["seam_ramp"]["ratio"] == pytest.approx(seam_ramp(picture, borders).ratio)
    assert row["seam_ramp"]["ratio"] > 1.5
    assert row["seam_grad_solar"]["ratio"] == pytest.approx(seam_grad(picture, borders, "solar6").ratio)
    # a grid elsewhere sees nothing: its control lines are no quieter
    row = json.loads(run("eval", "seams", path, "--tile", "100", "--origin", "-30,-30", "--json")[1])
    assert row["seam_grad"]["ratio"] == pytest.approx(1, abs=0.1)


def test_seams_of_a_plan_and_for_people(run, stepped, tmp_path):
    path, _ = stepped
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"cores": [[0, 100, 100, 200], [100, 100, 200, 200], [200, 100, 400, 200]]}))
    code, out, _ = run("eval", "seams", path, "--plan", plan)
    assert code == 0
    assert "2 borders, 200 px" in out
    for name in ("seam_grad ", "seam_ramp ", "seam_grad_solar", "seam_ramp_solar"):
        assert name in out
    levels = float(next(line for line in out.splitlines() if line.startswith("seam_grad ")).split()[2])
    assert levels == pytest.approx(6, abs=0.5)


def test_the_alpha_has_seams_of_its_own(run, tmp_path):
    alpha = np.full((60, 80), 200, np.uint8)
    alpha[:, 40:] = 210
    Image.fromarray(np.dstack([np.full((60, 80, 3), 90, np.uint8), alpha])).save(tmp_path / "cut.png")
    row = json.loads(run("eval", "seams", tmp_path / "cut.png", "--tile", "40", "--alpha", "--json")[1])
    assert row["seam_grad"]["border"] > 0
    assert row["seam_grad"]["control"] == 0
    assert row["seam_grad"]["ratio"] is None
    row = json.loads(run("eval", "seams", tmp_path / "cut.png", "--tile", "40", "--json")[1])
    assert row["seam_grad"]["border"] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "either --tile"),
        (("--tile", "100", "--plan", "plan.json"), "either --tile"),
        (("--tile", "100", "--overlap", "100"), "cannot overlap"),
        (("--tile", "100", "--origin", "5,0"), "starts at 5,0"),
        (("--tile", "100", "--origin", "left"), "two whole numbers"),
        (("--tile", "1000"), "no border"),
        (("--tile", "100", "--curve", "solar9"), "no solar curve"),
        (("--plan", "nowhere.json"), "cannot be read"),
        (("--plan", "plan.json"), "is no core"),
        (("--plan", "text.json"), "no JSON"),
        (("--plan", "list.json"), "holds no plan"),
        (("--plan", "outside.json"), "outside the picture"),
        (("--plan", "one.json"), "no border"),
    ],
)
def test_wrong_use_is_one_sentence(run, stepped, tmp_path, monkeypatch, arguments, sentence):
    (tmp_path / "plan.json").write_text('{"cores": [[0, 0, 100, true]]}')
    (tmp_path / "text.json").write_text("[" * 100000)
    (tmp_path / "list.json").write_text("[[0, 0, 10, 10]]")
    (tmp_path / "outside.json").write_text('{"cores": [[0, 0, 100, 100], [100, 0, 900, 100]]}')
    (tmp_path / "one.json").write_text('{"cores": [[0, 0, 100, 100]]}')
    monkeypatch.chdir(tmp_path)
    code, out, err = run("eval", "seams", stepped[0], *arguments)
    assert code in (1, 2)
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err
