from __future__ import annotations

import json
import math

import pytest

from segtile.errors import ReadError
from segtile.evaluation.results import (
    RESULTS,
    Row,
    append_line,
    mend,
    read_lines,
    read_results,
    read_run,
)

ROW = Row(
    digest="d1",
    dataset="samples",
    picture="ring",
    system="ours",
    metrics={"mae": 3.25, "mba": math.nan},
    slices=("thin",),
    seconds=8.1,
    peak_rss_mb=640.0,
    size=(2000, 1500),
    photo="/p/ring.jpg",
    truth="/p/ring_alpha.png",
    alpha="alphas/ours/samples/ring.png",
)


def test_a_row_comes_back_as_it_went(tmp_path):
    append_line(tmp_path / RESULTS, ROW.to_json())
    (back,), torn = read_results(tmp_path)
    assert torn is None
    assert math.isnan(back.metrics["mba"])
    assert back.to_json() == ROW.to_json()
    assert json.loads((tmp_path / RESULTS).read_text())["metrics"]["mba"] is None


def test_the_newest_row_of_a_picture_counts(tmp_path):
    for digest in ("old", "new"):
        append_line(tmp_path / RESULTS, {**ROW.to_json(), "digest": digest})
    rows, _ = read_results(tmp_path)
    assert [row.digest for row in rows] == ["new"]


@pytest.mark.parametrize("keep", [1, 20, 200])
def test_a_torn_last_line_is_dropped_and_said_and_mended(tmp_path, keep):
    path = tmp_path / RESULTS
    append_line(path, ROW.to_json())
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:keep])
    assert "torn" in read_results(tmp_path)[1]
    assert "torn" in mend(path)
    assert path.read_bytes() == whole
    append_line(path, {**ROW.to_json(), "picture": "cup"})
    rows, torn = read_results(tmp_path)
    assert torn is None
    assert [row.picture for row in rows] == ["ring", "cup"]


def test_a_whole_last_line_without_its_end_is_kept(tmp_path):
    path = tmp_path / RESULTS
    path.write_text(json.dumps(ROW.to_json()))
    assert mend(path) is None
    append_line(path, {**ROW.to_json(), "picture": "cup"})
    assert len(read_lines(path)[0]) == 2


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path):
    path = tmp_path / RESULTS
    append_line(path, ROW.to_json())
    with path.open("a") as file:
        file.write("{broken\n")
    append_line(path, ROW.to_json())
    with pytest.raises(ReadError, match="line 2"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": 5},
        {"picture": None},
        {"metrics": [1]},
        {"metrics": {"mae": "x"}},
        {"metrics": {"mae": True}},
        {"seconds": "fast"},
        {"error": 1},
        {"slices": "thin"},
        {"warnings": [1]},
        {"size": [1]},
    ],
)
def test_rows_of_wrong_types_are_refused(tmp_path, change):
    append_line(tmp_path / RESULTS, {**ROW.to_json(), **change})
    with pytest.raises(ReadError, match="line 1"):
        read_results(tmp_path)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(ReadError, match="no evaluation run"):
        read_results(tmp_path)
    good = {"metrics": {"mae": {"better": "lower"}}, "slices": {"thin": "t"}, "systems": ["a"], "datasets": ["d"]}
    (tmp_path / "run.json").write_text(json.dumps(good))
    assert read_run(tmp_path) == good
    broken = [
        {"metrics": []},
        {"metrics": {"mae": 3}},
        {"metrics": {"mae": {"better": "bigger"}}},
        {"metrics": {"mae": {"better": "lower", "unit": 1}}},
        {"systems": [1]},
        {"datasets": "d"},
        {"slices": {"thin": 1}},
    ]
    for text in ("", "[]", "{" * 5000, *(json.dumps({**good, **change}) for change in broken)):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ReadError):
            read_run(tmp_path)
