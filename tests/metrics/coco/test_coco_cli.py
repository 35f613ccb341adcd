"""`segtile eval coco` as people run it: tables, files, exit codes; made data and real truths."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest
from coco_scenes import found, masked, pycocotools_stats, square, truth_of

from eval.coco_set import make_set

A = [10.0, 10.0, 30.0, 40.0]
PIECES = [[60.0, 10.0, 10.0, 30.0], [70.0, 10.0, 10.0, 30.0], [80.0, 10.0, 10.0, 30.0]]


@pytest.fixture
def files(tmp_path):
    """A truth of two objects, of which one is found whole and one in three pieces."""
    truth = masked(truth_of(A, [60.0, 10.0, 30.0, 30.0]))
    results = found((A, 0.9), *((piece, 0.8) for piece in PIECES))
    results = [r | {"segmentation": square(*map(int, r["bbox"]))} for r in results]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    return tmp_path / "truth.json", tmp_path / "results.json"


def test_a_table_for_people(run, files):
    code, out, err = run("eval", "coco", *files)
    assert (code, err) == (0, "")
    assert "| | bbox |" in out
    assert f"| AP | {51 / 101:.4f} |" in out
    assert "Running per image" not in out, "pycocotools' own talk"


def test_all_types_at_once_with_classes_and_fragments(run, files):
    code, out, err = run("eval", "coco", *files, "--type", "bbox,segm,boundary", "--per-class", "--fragments")
    assert (code, err) == (0, "")
    assert "| | bbox | segm | boundary (2 px) |" in out
    assert out.count("| class 1 |") == 3
    assert out.count("image 1, truth 2: in 3 pieces, results 1, 2, 3, 100 % covered") == 2, "by boxes and by masks"


def test_json_lines(run, files):
    code, out, err = run("eval", "coco", *files, "--type", "segm,boundary", "--band", "0.02", "--fragments", "--json")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["settings"]["iou_type"] for r in rows] == ["segm", "boundary"]
    assert rows[1]["settings"]["band"] == "0.02 of the diagonal"
    assert rows[0]["stats"]["AP"] == pytest.approx(51 / 101)
    assert rows[0]["stats"]["APl"] is None
    assert rows[0]["fragments"]["in_pieces"] == 1


def test_files_of_three_kinds(run, files, tmp_path):
    for ending in ("md", "csv", "json"):
        target = tmp_path / "new" / f"report.{ending}"
        code, out, err = run("eval", "coco", *files, "--type", "bbox,segm", "--fragments", "-o", target)
        assert (code, err) == (0, "")
        assert "| AP |" in out
        assert target.is_file()
        code, _, err = run("eval", "coco", *files, "-o", target)
        assert code == 2
        assert "exists already" in err
        assert run("eval", "coco", *files, "-o", target, "--overwrite")[0] == 0
        assert run("eval", "coco", *files, "--type", "bbox,segm", "--fragments", "-o", target, "--overwrite")[0] == 0
    folder = tmp_path / "new"
    assert sorted(p.name for p in folder.iterdir()) == ["report.csv", "report.json", "report.md"]
    rows = list(csv.DictReader((folder / "report.csv").open()))
    values = {(r["iou_type"], r["class"], r["metric"]): r["value"] for r in rows}
    assert float(values["segm", "", "AP"]) == pytest.approx(51 / 101)
    assert values["segm", "", "APl"] == ""
    assert values["bbox", "class 1", "results"] == "4"
    assert values["bbox", "", "in_pieces"] == "1"
    body = json.loads((folder / "report.json").read_text())
    assert [len(r["curves"]["precision"][0][0]) for r in body["reports"]] == [101, 101]
    assert [f["iou_type"] for f in body["fragments"]] == ["bbox", "segm"]
    assert "By class, segm:" in (folder / "report.md").read_text()


def test_the_numbers_are_pycocotools(run, tmp_path):
    truth, results = make_set(20, 200, 250)
    (tmp_path / "t.json").write_text(json.dumps(truth))
    (tmp_path / "r.json").write_text(json.dumps(results))
    _, out, _ = run("eval", "coco", tmp_path / "t.json", tmp_path / "r.json", "--type", "segm", "--json")
    stats = [-1.0 if v is None else v for v in json.loads(out)["stats"].values()]
    assert np.array_equal(stats, pycocotools_stats(truth, results, "segm"))


def test_the_fast_engine_and_boundaries(run, files, monkeypatch):
    monkeypatch.setitem(sys.modules, "ultrafast_pycocotools", None)
    code, out, err = run("eval", "coco", *files, "--engine", "fast")
    assert (code, out) == (1, "")
    assert "segtile[fastcoco]" in err
    code, out, err = run("eval", "coco", *files, "--engine", "fast", "--type", "boundary", "--json")
    assert code == 0
    assert "boundary runs in pycocotools" in err
    assert json.loads(out)["settings"]["engine"] == "pycocotools"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--type", "mask"], "--type is a list of bbox, segm, boundary"),
        (["--type", ","], "--type is a list of"),
        (["--band", "2"], "as 2px, or as a share of the diagonal"),
        (["--min-score", "nan", "--fragments"], "lowest score must be a number"),
        (["-o", "report.txt"], ".md, .csv or .json"),
        (["--engine", "gpu"], "gpu"),
    ],
)
def test_wrong_use(run, files, tmp_path, arguments, sentence):
    code, out, err = run("eval", "coco", *files, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_a_broken_file_leaves_no_report(run, files, tmp_path):
    text = files[1].read_text()
    files[1].write_text(text[: len(text) // 2])
    code, out, err = run("eval", "coco", *files, "-o", tmp_path / "out" / "report.md")
    assert (code, out) == (1, "")
    assert "results.json is not valid JSON" in err.replace(": is", " is")
    assert not list((tmp_path / "out").iterdir())
    code, _, err = run("eval", "coco", tmp_path / "none.json", files[1])
    assert code == 1
    assert "none.json: cannot be read" in err


def as_results(truth, shift: float):
    """Results from a truth: every other box moved, scores falling."""
    rows = truth["annotations"]
    return [
        {
            "image_id": r["image_id"],
            "category_id": r["category_id"],
            "score": 1 - i / len(rows),
            "bbox": [r["bbox"][0] + shift * (i % 2), *r["bbox"][1:]],
        }
        for i, r in enumerate(rows)
    ]


@pytest.mark.parametrize("name", ["deepforest/annotations_coco", "terrain/terrain1_coco", "terrain/terrain2_coco"])
def test_real_truths(run, shared, tmp_path, name):
    path = shared / "samples" / "detection" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no detection samples under {shared}")
    truth = json.loads(path.read_text())
    results = as_results(truth, 4.0)
    (tmp_path / "r.json").write_text(json.dumps(results))
    code, out, err = run("eval", "coco", path, tmp_path / "r.json", "--json")
    assert (code, err) == (0, "")
    row = json.loads(out)
    stats = [-1.0 if v is None else v for v in row["stats"].values()]
    assert np.array_equal(stats, pycocotools_stats(truth, results, "bbox"))
    # terrain's `area` is the whole picture's at its source
    assert any("area larger than their box" in n for n in row["notes"]) == name.startswith("terrain")
    if name.startswith("terrain"):
        _, out, _ = run("eval", "coco", path, tmp_path / "r.json", "--json", "--recompute-area")
        again = json.loads(out)
        assert again["stats"]["APm"] != row["stats"]["APm"]
        assert not any("area larger" in n for n in again["notes"])
