import csv
import json

import numpy as np
import pytest
from PIL import Image

from segtile.metrics.matte import DEFAULT, METRICS, measure


def save(path, alpha):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(alpha).save(path)
    return path


@pytest.fixture
def alphas(ring_scene):
    """A truth of 16 bits and one of 8, and predictions that are a little wrong."""
    exact = ring_scene[1][100:400, 200:600]
    deep, flat = np.rint(exact * 65535).astype(np.uint16), np.rint(exact[:, ::-1] * 255).astype(np.uint8)
    return deep, flat, np.roll(deep, 1, axis=0), np.roll(flat, 2, axis=1)


@pytest.fixture
def folders(tmp_path, alphas):
    deep, flat, deep_pred, flat_pred = alphas
    save(tmp_path / "truth" / "ring_alpha.png", deep)
    save(tmp_path / "truth" / "ring.jpg", np.full((300, 400, 3), 90, np.uint8))  # the photograph beside it
    save(tmp_path / "truth" / "band.png", flat)
    save(tmp_path / "pred" / "ring.png", deep_pred)
    save(tmp_path / "pred" / "band.png", np.dstack([flat_pred // 2] * 3 + [flat_pred]))
    return tmp_path / "pred", tmp_path / "truth"


def test_two_files_of_any_kind(run, tmp_path, alphas):
    deep, flat, deep_pred, flat_pred = alphas
    truth, pred = save(tmp_path / "a.png", deep), save(tmp_path / "b.png", deep_pred)
    code, out, err = run("eval", "matte", pred, truth, "--json", "--metrics", "all")
    assert code == 0, err
    row = json.loads(out)
    assert row["input"], row["truth"] == (str(pred), str(truth))
    assert row["size"] == [400, 300]
    assert row["resized"] is False
    want = measure(deep_pred, deep, tuple(METRICS))
    assert {k: v for k, v in row["metrics"].items() if v is not None} == pytest.approx(
        {k: v for k, v in want.items() if not np.isnan(v)}
    )
    # an RGBA cut-out gives its alpha, a grey one in three bands its grey
    rgba = save(tmp_path / "c.png", np.dstack([flat] * 3 + [flat_pred]))
    grey = save(tmp_path / "d.png", np.dstack([flat_pred] * 3))
    truth = save(tmp_path / "e.png", flat)
    lines = [json.loads(run("eval", "matte", p, truth, "--json")[1]) for p in (rgba, grey)]
    assert lines[0]["metrics"] == lines[1]["metrics"]
    assert list(lines[0]["metrics"]) == list(DEFAULT)
    assert lines[0]["metrics"]["mae"] == pytest.approx(measure(flat_pred, flat)["mae"])


def test_two_folders_give_a_table_with_the_mean(run, folders, tmp_path, alphas):
    deep, flat, deep_pred, flat_pred = alphas
    pred, truth = folders
    code, out, err = run("eval", "matte", pred, truth, "--metrics", "mae,biou2,holes", "-o", tmp_path / "new" / "t.csv")
    assert code == 0, err
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in out.splitlines()]
    assert lines[0] == ["picture", "mae x1000", "biou2", "holes"]
    assert [line[0] for line in lines[2:]] == ["band", "ring", "mean of 2"]
    maes = [measure(flat_pred, flat, ("mae",))["mae"], measure(deep_pred, deep, ("mae",))["mae"]]
    assert [float(line[1]) for line in lines[2:]] == pytest.approx([*maes, sum(maes) / 2], rel=1e-3)
    rows = list(csv.DictReader((tmp_path / "new" / "t.csv").open()))
    assert [row["picture"] for row in rows] == ["band", "ring", "mean"]
    assert float(rows[2]["mae"]) == pytest.approx(sum(maes) / 2, rel=1e-12)
    assert rows[1]["truth"].endswith("ring_alpha.png")

    code, _, _ = run("eval", "matte", pred, truth, "--metrics", "mae,biou2,holes", "-o", tmp_path / "t.md")
    assert code == 0
    assert (tmp_path / "t.md").read_text() == out
    code, _, err = run("eval", "matte", pred, truth, "-o", tmp_path / "t.md")
    assert code == 2
    assert "--overwrite" in err
    assert (tmp_path / "t.md").read_text() == out
    assert run("eval", "matte", pred, truth, "--metrics", "sad", "-o", tmp_path / "t.md", "--overwrite")[0] == 0
    assert "sad" in (tmp_path / "t.md").read_text()
    code, _, err = run("eval", "matte", pred, truth, "-o", tmp_path / "t.xlsx")
    assert code == 2
    assert ".csv or .md" in err


def test_pictures_without_their_other_half_are_named(run, folders, alphas):
    pred, truth = folders
    save(pred / "lonely.png", alphas[1])
    save(truth / "missing_alpha.png", alphas[1])
    code, out, err = run("eval", "matte", pred, truth, "--metrics", "mae")
    assert code == 2
    assert out == ""
    assert "lonely.png" in err
    assert "missing_alpha.png" in err
    assert "--partial" in err
    code, out, err = run("eval", "matte", pred, truth, "--metrics", "mae", "--partial")
    assert code == 0
    assert "warning" in err
    assert "lonely.png" in err
    assert "mean of 2" in out
    (pred / "ring.png").unlink()
    (pred / "band.png").unlink()
    code, _, err = run("eval", "matte", pred, truth, "--partial")
    assert code == 2
    assert "lonely.png" in err


def test_a_resized_prediction_is_reported(run, tmp_path, alphas):
    truth, pred = save(tmp_path / "a.png", alphas[1]), save(tmp_path / "b.png", alphas[3][::2, ::2].copy())
    code, out, err = run("eval", "matte", pred, truth, "--metrics", "mae", "--json")
    assert code == 0
    assert "200x150 and was resized to 400x300" in err
    assert json.loads(out)["resized"] is True


def test_one_broken_picture_does_not_stop_the_others(run, folders, tmp_path):
    pred, truth = folders
    (pred / "ring.png").write_bytes(b"no picture at all")
    code, out, err = run("eval", "matte", pred, truth, "--metrics", "mae", "--json")
    assert code == 1
    rows = {row["input"].rsplit("/")[-1]: row for row in map(json.loads, out.splitlines())}
    assert rows["band.png"]["error"] is None
    assert "ring.png" in rows["ring.png"]["error"]
    assert "ring.png" in err
    assert "Traceback" not in err
    save(pred / "ring.png", np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8))
    code, _, err = run("eval", "matte", pred, truth, "--metrics", "mae", "-o", tmp_path / "t.md")
    assert code == 1
    assert "colour" in err
    assert "ring" not in (tmp_path / "t.md").read_text()


def test_figures_that_are_not_defined_stay_out_of_the_mean(run, tmp_path):
    disc = np.zeros((40, 40), np.uint8)
    disc[10:30, 10:30] = 255
    for name, alpha in (("full", disc), ("nothing", disc * 0)):
        save(tmp_path / "pred" / f"{name}.png", alpha)
        save(tmp_path / "truth" / f"{name}.png", alpha)
    code, out, _ = run("eval", "matte", tmp_path / "pred", tmp_path / "truth", "--metrics", "offset_median,mae_band")
    assert code == 0
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in out.splitlines()[2:]]
    assert cells == [["full", "0.000", "-"], ["nothing", "-", "-"], ["mean of 2", "0.000 (n 1)", "-"]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("pred", "truth/band.png"), "two files or two folders"),
        (("pred", "pred"), "against itself"),
        (("pred", "nowhere"), "no such file"),
        (("pred", "empty"), "holds no picture"),
        (("pred", "truth", "--metrics", "mae,psnr"), "no metric 'psnr'"),
        (("pred", "truth", "--metrics", ","), "no metric"),
    ],
)
def test_wrong_use_is_one_sentence(run, folders, tmp_path, monkeypatch, arguments, sentence):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    code, out, err = run("eval", "matte", *arguments)
    assert code in (1, 2)
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1


def test_two_files_for_one_stem_are_refused(run, folders, alphas):
    pred, truth = folders
    save(pred / "ring.tif", alphas[0])
    code, _, err = run("eval", "matte", pred, truth)
    assert code == 2
    assert "ring.png" in err
    assert "ring.tif" in err


def test_help_ends_with_examples(run):
    for verb in ("matte", "seams"):
        code, out, _ = run("eval", verb, "--help")
        assert code == 0
        assert f"segtile eval {verb} " in out
        assert len(out.splitlines()) <= 34
