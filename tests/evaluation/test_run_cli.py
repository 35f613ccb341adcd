from __future__ import annotations

import json

import pytest
from eval_scenes import command, make_run

from segtile.cli.main import main


def call(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["eval", "run", *map(str, arguments)])
    return left.value.code


def test_json_lines_and_the_exit_code(tmp_path, capsys):
    path, out = make_run(tmp_path, ("a", "bad")), tmp_path / "run"
    assert call(path, "-o", out, "--json", "-q", "--no-report") == 1
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [(row["picture"], row["error"] is None) for row in rows] == [("a", True), ("bad", False)]
    assert said.err.startswith("segtile: error: mid, discs/bad: ")
    assert not (out / "report.html").exists()
    assert call(path, "-o", out, "--only", "mid", "--limit", 1, "-q", "--no-report") == 0
    said = capsys.readouterr()
    assert "### discs, all pictures" in said.out
    assert "0 pictures done" in said.out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"systems": [command("mid", 1)] * 2}, "named mid"),
        ({"metrics": ["beauty"]}, "no metric named beauty"),
        ({"surprise": 1}, "surprise is no key"),
    ],
)
def test_a_wrong_configuration_is_wrong_use(tmp_path, capsys, change, words):
    path = make_run(tmp_path, ("a",), **change)
    assert call(path, "-o", tmp_path / "run") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_configuration(tmp_path, capsys):
    assert call(tmp_path / "none.yaml", "-o", tmp_path / "run") == 1
    assert "none.yaml" in capsys.readouterr().err
