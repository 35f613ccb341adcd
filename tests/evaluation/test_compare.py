from __future__ import annotations

import json
import math

import pytest

from segtile.cli.main import main
from segtile.errors import BadInput, ReadError
from segtile.evaluation.compare import compare_runs, to_text
from segtile.evaluation.results import Row, append_line

METRICS = {
    "mae": {"better": "lower", "unit": "x1000", "summary": "s"},
    "iou": {"better": "higher", "unit": "", "summary": "s"},
}


def make(folder, values, *, system="ours", metrics=METRICS, definitions="d1", photo="p1", dataset="d", **more):
    """A run of one system: {picture: (mae, iou)} or {picture: None} for a failed one."""
    folder.mkdir()
    run = {"systems": [system], "datasets": [dataset], "metrics": metrics, "slices": {}, "definitions": definitions}
    (folder / "run.json").write_text(json.dumps({**run, **more}))
    for picture, pair in values.items():
        common = {"photo_sha256": photo, "truth_sha256": "t"}
        if pair is None:
            row = Row("x", dataset, picture, system, error="broke", stand_in={"mae": 200.0, "iou": 0.0}, **common)
        else:
            row = Row("x", dataset, picture, system, metrics=dict(zip(METRICS, pair, strict=True)), **common)
        append_line(folder / "results.jsonl", row.to_json())
    return folder


def pictures(n, mae=1.0, iou=0.9):
    return {f"p{k}": (mae + k, iou - k / 1000) for k in range(n)}


def exit_code(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["eval", "compare", *map(str, arguments)])
    return left.value.code


def test_what_got_worse_and_what_stayed(tmp_path):
    before = make(tmp_path / "a", pictures(8))
    worse = {name: (mae + 0.5 + (name == "p3"), iou) for name, (mae, iou) in pictures(8).items()}
    after = make(tmp_path / "b", worse)
    found = compare_runs(before, after)
    mae, iou = found.changes
    assert (mae.paired.verdict, iou.paired.verdict) == ("worse", "same")
    assert mae.paired.difference.mean == pytest.approx(0.625)
    assert mae.movers[0].picture == "p3"
    assert found.worse == 1
    assert found.notes == ()
    text = to_text(found)
    assert "most: p3" in text
    assert "1 worse" in text


def test_the_exit_code(tmp_path, capsys):
    before = make(tmp_path / "a", pictures(8))
    after = make(tmp_path / "b", pictures(8, mae=2))
    assert exit_code(before, after) == 0
    assert exit_code(before, after, "--fail-on-worse") == 1
    assert exit_code(after, before, "--fail-on-worse") == 0
    capsys.readouterr()
    assert exit_code(before, before, "--json") == 0
    assert {c["verdict"] for c in json.loads(capsys.readouterr().out)["changes"]} == {"same"}


def test_scatter_is_noise(tmp_path):
    before = make(tmp_path / "a", pictures(8))
    scattered = {n: (mae + (-1) ** k * 0.4, iou) for k, (n, (mae, iou)) in enumerate(pictures(8).items())}
    assert compare_runs(before, make(tmp_path / "b", scattered)).changes[0].paired.verdict == "noise"


def test_failing_on_hard_pictures_does_not_pay_off(tmp_path):
    hard = {**pictures(8), "p7": (150.0, 0.1)}
    before = make(tmp_path / "a", hard)
    after = make(tmp_path / "b", {**hard, "p7": None})
    found = compare_runs(before, after)
    assert found.changes[0].paired.difference.mean == pytest.approx(50 / 8)
    assert any("0 in A, 1 in B" in note for note in found.notes)


def test_what_makes_runs_less_comparable_is_said(tmp_path):
    a = make(tmp_path / "a", {**pictures(4), "old": (1.0, 1.0)})
    more = {**METRICS, "sad": METRICS["mae"]}
    b = make(tmp_path / "b", pictures(5), definitions="d2", photo="p2", metrics=more)
    notes = " | ".join(compare_runs(a, b).notes)
    for words in (
        "definitions differ",
        "picture differs",
        "1 pictures are in A only",
        "1 pictures are in B only",
        "sad",
    ):
        assert words in notes
    assert "truth differs" not in notes


def test_single_systems_are_compared_whatever_their_names(tmp_path):
    a, b = make(tmp_path / "a", pictures(3)), make(tmp_path / "b", pictures(3), system="theirs")
    assert (compare_runs(a, b).changes[0].system, compare_runs(a, b).changes[0].other) == ("ours", "theirs")


def test_runs_with_nothing_in_common_are_refused(tmp_path):
    a = make(tmp_path / "a", pictures(3))
    with pytest.raises(BadInput, match="no picture"):
        compare_runs(a, make(tmp_path / "b", {"other": (1, 1)}))
    with pytest.raises(BadInput, match="no picture"):
        compare_runs(a, make(tmp_path / "c", pictures(3), dataset="elsewhere"))
    with pytest.raises(BadInput, match="no figure"):
        compare_runs(a, make(tmp_path / "d", pictures(3), metrics={"sad": METRICS["mae"]}))
    two = make(tmp_path / "e", pictures(3), system="theirs")
    run = json.loads((two / "run.json").read_text())
    (two / "run.json").write_text(json.dumps({**run, "systems": ["theirs", "others"]}))
    with pytest.raises(BadInput, match="no system"):
        compare_runs(a, two)
    with pytest.raises(ReadError):
        compare_runs(a, tmp_path)
    assert exit_code(a, tmp_path) == 1
    assert exit_code(a, tmp_path / "c") == 2


def test_undefined_figures_are_left_out(tmp_path):
    a = make(tmp_path / "a", {"p0": (1.0, math.nan), "p1": (2.0, 0.5)})
    b = make(tmp_path / "b", {"p0": (1.0, 0.7), "p1": (2.0, 0.6)})
    iou = compare_runs(a, b).changes[1]
    assert (iou.a.n, iou.b.n, iou.paired.difference.n) == (1, 2, 1)
