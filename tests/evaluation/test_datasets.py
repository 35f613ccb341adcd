from __future__ import annotations

import json

import pytest
from eval_scenes import make_data

from segtile.errors import BadInput, ReadError
from segtile.evaluation.config import parse_config
from segtile.evaluation.datasets import items_of


def items(tmp_path, data, task="matte"):
    system = {"name": "s", "kind": "command", "argv": ["x", "{input}", "{output}"]}
    config = parse_config({"task": task, "datasets": [{"name": "d", **data}], "systems": [system]}, tmp_path / "c.yaml")
    return items_of(config, tmp_path / "cache")


def test_a_folder_takes_either_spelling_of_the_truth(tmp_path):
    make_data(tmp_path / "p", ("b", "a"))
    found = items(tmp_path, {"kind": "folder", "pictures": "p", "truth": "p"})
    assert [(i.picture, i.truth.name) for i in found] == [("a", "a_alpha.png"), ("b", "b_alpha.png")]
    (tmp_path / "t").mkdir()
    (tmp_path / "p" / "a_alpha.png").rename(tmp_path / "t" / "a.png")
    (tmp_path / "p" / "b_alpha.png").rename(tmp_path / "t" / "b-matte.png")
    (a,) = items(tmp_path, {"kind": "folder", "pictures": "p", "truth": "t", "only": ["a"]})
    assert a.truth == tmp_path / "t" / "a.png"
    named = {"kind": "folder", "pictures": "p", "truth": "t", "pattern": "{stem}-matte.png", "only": ["b"]}
    assert items(tmp_path, named)[0].truth.name == "b-matte.png"


def test_missing_and_double_pictures_are_named(tmp_path):
    make_data(tmp_path / "p", ("a", "b"))
    data = {"kind": "folder", "pictures": "p", "truth": "p"}
    (tmp_path / "p" / "b_alpha.png").unlink()
    with pytest.raises(ReadError, match=r"b_alpha\.png"):
        items(tmp_path, data)
    (tmp_path / "p" / "b.png").rename(tmp_path / "p" / "a.jpg")
    with pytest.raises(BadInput, match="two pictures named a"):
        items(tmp_path, data)
    (tmp_path / "p" / "a.jpg").unlink()
    with pytest.raises(ReadError, match="none"):
        items(tmp_path, {**data, "pictures": "none"})
    with pytest.raises(BadInput, match="zz"):
        items(tmp_path, {**data, "only": ["zz"]})


def test_an_empty_folder_is_no_data_set(tmp_path):
    (tmp_path / "p").mkdir()
    with pytest.raises(BadInput, match="holds no picture"):
        items(tmp_path, {"kind": "folder", "pictures": "p", "truth": "p"})


@pytest.mark.parametrize("name", ["../a.png", "/etc/passwd", "x/../../a.png", "C:/a.png", "..\\a.png", "", None, 4])
def test_tables_cannot_lead_out_of_their_folder(tmp_path, name):
    make_data(tmp_path / "p", ("a",))
    (tmp_path / "a.png").touch()
    (tmp_path / "p" / "s.json").write_text(json.dumps([{"file": name, "alpha": "a_alpha.png"}]))
    with pytest.raises((BadInput, ReadError)):
        items(tmp_path, {"kind": "samples", "table": "p/s.json"})


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[" * 5000])
def test_tables_that_are_none(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(ReadError, match=r"s\.json"):
        items(tmp_path, {"kind": "samples", "table": "s.json"})


def test_the_samples_of_the_repository(repo, tmp_path):
    found = items(tmp_path, {"kind": "samples", "table": str(repo / "data_samples" / "samples.json")})
    assert {"ring", "necklace_6000"} <= {item.picture for item in found}
    assert all(item.truth.name == f"{item.picture}_alpha.png" for item in found)


def test_pairs_are_groups_and_those_that_nobody_can_see_are_left_out(tmp_path):
    for group in ("white", "wow"):
        make_data(tmp_path / "pairs" / group, ("a", "b"))
    pairs = {f"{g}/{n}": {"edge_visible": v} for g in ("white", "wow") for n, v in (("a", 0.9), ("b", 0.2))}
    (tmp_path / "pairs" / "pairs.json").write_text(json.dumps({"pairs": pairs}))
    data = {"kind": "pairs", "folder": "pairs", "groups": ["wow", "white"], "least_visible": 0.5}
    assert [(i.picture, i.groups) for i in items(tmp_path, data)] == [("wow-a", ("wow",)), ("white-a", ("white",))]
    assert len(items(tmp_path, {**data, "least_visible": 0})) == 4
    with pytest.raises(BadInput, match="offwhite"):
        items(tmp_path, {"kind": "pairs", "folder": "pairs"})


def test_coco_pictures_carry_their_image_id(tmp_path):
    make_data(tmp_path / "p" / "sub", ("a",))
    coco = {"images": [{"id": 7, "file_name": "sub/a.png"}], "annotations": [], "categories": []}
    (tmp_path / "c.json").write_text(json.dumps(coco))
    (item,) = items(tmp_path, {"kind": "coco", "annotations": "c.json", "pictures": "p"}, task="detect")
    assert (item.picture, item.image_id) == ("sub-a", 7)
    (tmp_path / "c.json").write_text(json.dumps({**coco, "images": [{"id": "7", "file_name": "sub/a.png"}]}))
    with pytest.raises(ReadError, match="id"):
        items(tmp_path, {"kind": "coco", "annotations": "c.json", "pictures": "p"}, task="detect")
