from __future__ import annotations

from pathlib import Path

import pytest

from segtile.errors import BadInput, ReadError, SegtileError
from segtile.evaluation.config import load_config, parse_config

GOOD = {
    "datasets": [{"name": "d", "kind": "samples", "table": "s.json"}],
    "systems": [{"name": "s", "kind": "segtile", "recipe": {"refine": {"name": "none"}}}],
}


def bad(tmp_path: Path, **changes) -> str:
    with pytest.raises(BadInput) as caught:
        parse_config({**GOOD, **changes}, tmp_path / "c.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_small_configuration_takes_the_defaults(tmp_path):
    config = parse_config(GOOD, tmp_path / "c.yaml")
    assert config.task == "matte"
    assert config.datasets[0].table == tmp_path / "s.json"
    assert config.systems[0].recipe.refine.name == "none"
    assert config.slices == ("white_on_white", "thin", "holes", "large")
    assert config.metrics is None


def test_paths_are_relative_to_the_file_and_the_shared_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGTILE_SHARED", str(tmp_path / "elsewhere"))
    data = [{"name": "d", "kind": "folder", "pictures": "${SEGTILE_SHARED}/p", "truth": "../t"}]
    config = parse_config({**GOOD, "datasets": data}, tmp_path / "sub" / "c.yaml")
    assert config.datasets[0].pictures == tmp_path / "elsewhere" / "p"
    assert config.datasets[0].truth == tmp_path / "t"


def test_the_shared_folder_is_beside_the_repository_by_default(tmp_path, monkeypatch):
    monkeypatch.delenv("SEGTILE_SHARED", raising=False)
    (tmp_path / "repo" / "eval" / "configs").mkdir(parents=True)
    (tmp_path / "repo" / "pyproject.toml").touch()
    data = [{"name": "d", "kind": "pairs", "folder": "${SEGTILE_SHARED}/pairs"}]
    config = parse_config({**GOOD, "datasets": data}, tmp_path / "repo" / "eval" / "configs" / "c.yaml")
    assert config.datasets[0].folder == tmp_path / "shared" / "pairs"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": 1}, ["colour", "no key"]),
        ({"together": {"all": ["d", "e"]}}, ["together", "no data set named e"]),
        ({"together": {"d": ["d"]}}, ["together", "d has to name data sets"]),
        ({"datasets": []}, ["datasets"]),
        ({"systems": 3}, ["systems"]),
        ({"task": "matting"}, ["task", "matte"]),
        ({"datasets": [{"name": "d", "kind": "zip"}]}, ["datasets.0", "zip"]),
        ({"datasets": [{"name": "d", "kind": "samples"}]}, ["table", "missing"]),
        ({"datasets": [{"name": "../d", "kind": "samples", "table": "x"}]}, ["name", "../d"]),
        ({"datasets": [{"name": "d", "kind": "samples", "table": "${HOME}/x"}]}, ["${HOME}", "SEGTILE_SHARED"]),
        ({"datasets": [{"name": "d", "kind": "samples", "table": 5}]}, ["table", "path"]),
        ({"datasets": GOOD["datasets"] * 2}, ["two", "named d"]),
        ({"systems": [{"name": "s", "kind": "segtile", "recipe": {"refine": {"nam": "x"}}}]}, ["refine.nam"]),
        ({"systems": [{"name": "s", "kind": "segtile", "recipe": {"export": {"crop": 4}}}]}, ["export.crop"]),
        ({"systems": [{"name": "s", "kind": "command", "argv": ["x", "{input}"]}]}, ["argv", "{output}"]),
        ({"systems": [{"name": "s", "kind": "command", "argv": "x {input} {output}"}]}, ["argv"]),
        ({"systems": [{"name": "s", "kind": "command", "argv": ["{input}{output}"], "timeout": 0}]}, ["timeout"]),
        ({"systems": [{"name": "s", "kind": "command", "argv": ["{input}{output}\0"]}]}, ["argv", "zero byte"]),
        ({"datasets": [{"name": "d", "kind": "samples", "table": "a\0b"}]}, ["table", "path"]),
        ({"metrics": ["mae", "mae"]}, ["metric", "twice"]),
        ({"slices": ["tiny"]}, ["slices.0", "white_on_white"]),
        ({"bootstrap": {"level": 2}}, ["bootstrap.level"]),
        ({"task": "detect"}, ["d", "samples", "detect"]),
    ],
)
def test_each_mistake_is_one_sentence_that_names_the_key(tmp_path, changes, words):
    sentence = bad(tmp_path, **changes)
    assert all(word in sentence for word in words), sentence


def test_ours_cannot_detect(tmp_path):
    data = [{"name": "d", "kind": "coco", "annotations": "a.json", "pictures": "p"}]
    assert "boxes" in bad(tmp_path, task="detect", datasets=data)


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: [", "YAML"),
        ("a: !!python/object/apply:os.system ['true']", "YAML"),
        (BOMB, "aliases"),
        ("a: &a [*a]", "itself"),
        ("- 1", "keys"),
        ("", "keys"),
        ("task: matte\ntask: detect\n", "twice"),
        ("x: " + "[" * 3000 + "]" * 3000, "nested"),
        ("# " + "x" * 2**20, "not read"),
        ("? [a, b]\n: 1", ""),
        ("d: 2026-99-99", "YAML"),
    ],
)
def test_hostile_yaml_is_refused_in_a_sentence(tmp_path, text, words):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(SegtileError) as caught:
        load_config(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("c.yaml", "none.yaml"):
        with pytest.raises(ReadError, match=name):
            load_config(tmp_path / name)


def test_anchors_that_stay_small_are_welcome(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "datasets: [{name: d, kind: samples, table: t.json}]\n"
        "systems:\n"
        "  - {name: a, kind: segtile, recipe: &r {refine: {name: none}}}\n"
        "  - {name: b, kind: segtile, recipe: {<<: *r, grid: {kind: uniform}}}\n"
    )
    a, b = load_config(tmp_path / "c.yaml").systems
    assert a.recipe.refine == b.recipe.refine
    assert b.recipe.grid.kind == "uniform"


def test_every_configuration_of_the_repository_is_sound(repo):
    paths = sorted((repo / "eval" / "configs").glob("*.yaml"))
    assert {"samples.yaml", "seams.yaml", "speed.yaml", "smoke.yaml"} <= {path.name for path in paths}
    for path in paths:
        load_config(path)
