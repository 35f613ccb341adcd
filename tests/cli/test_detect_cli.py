"""`segtile detect` and `segtile segment`: files, rows, exit codes, sentences."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest
from detect_fakes import NAMES, Fake, blobs, found_in
from PIL import Image
from pycocotools import mask as coco_mask

from segtile.errors import ModelError

PICTURE = blobs(500, 700, 4, count=14, ellipses=False)


@pytest.fixture
def model(monkeypatch):
    """Every model that is asked for is the fake, whose name the program is given."""
    opened = []

    def open_fake(name, *, confidence=0.25, device="auto", threads=0, soft=False):
        if not isinstance(name, str):
            return name
        if name != "fake":
            raise ModelError(f"there is no model {name}")
        opened.append(Fake())
        return opened[-1]

    for module in ("segtile.backends.detectors", "segtile.detect", "segtile.segment"):
        monkeypatch.setattr(importlib.import_module(module), "open_detector", open_fake)
    return opened


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "things.png"
    path.parent.mkdir()
    Image.fromarray(PICTURE).save(path)
    return path


def rows(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_detect_writes_coco_a_drawing_and_a_row(run, model, photo, tmp_path):
    out = tmp_path / "out"
    code, said, err = run("detect", photo, "-o", out, "--model", "fake", "--slice", "256", "--confidence", "0")
    assert (code, sorted(p.name for p in out.iterdir())) == (0, ["manifest.jsonl", "things.json", "things.overlay.png"])
    coco = json.loads((out / "things.json").read_text())
    x0, y0, x1, y1 = found_in(PICTURE).xyxy.T
    expected = sorted(np.column_stack([x0, y0, x1 - x0, y1 - y0]).tolist())
    assert sorted(a["bbox"] for a in coco["annotations"]) == expected
    assert [c["name"] for c in coco["categories"]] == list(NAMES)
    assert coco["images"] == [{"id": 1, "file_name": "things.png", "width": 700, "height": 500}]
    with Image.open(out / "things.overlay.png") as drawing:
        assert drawing.size == (700, 500)
        assert np.any(np.asarray(drawing) != PICTURE)
    (row,) = rows(out)
    assert (row["input"], row["output"], row["size"]) == (str(photo), str(out / "things.json"), [700, 500])
    assert row["tiles"] == {"planned": 12, "run": 12, "uniform": 12}
    assert row["found"] == len(expected) == sum(row["counts"].values())
    assert (row["model"], row["fusion"], row["warnings"], row["error"]) == ("fake", "strip", [], None)
    assert set(row["seconds"]) == {"coarse", "detect", "fuse", "write", "total"}
    assert said.startswith(f"{out / 'things.json'}: 700x500, {len(expected)} found (")
    assert "12/12 slices run/planned" in said
    assert "detect 12/12" in err


def test_segment_writes_masks_with_their_holes(run, model, photo, tmp_path):
    holed = PICTURE.copy()
    big = max(range(len(found_in(PICTURE))), key=lambda i: found_in(PICTURE).mask[i].sum())
    x0, y0, x1, y1 = found_in(PICTURE).xyxy[big].astype(int)
    holed[(y0 + y1) // 2 - 4 : (y0 + y1) // 2 + 4, (x0 + x1) // 2 - 5 : (x0 + x1) // 2 + 5] = 128
    Image.fromarray(holed).save(photo)
    out = tmp_path / "out"
    code, _, _ = run("segment", photo, "-o", out, "--model", "fake", "--slice", "256", "--confidence", "0", "-q")
    assert code == 0
    coco = json.loads((out / "things.json").read_text())
    truth = {tuple(box): mask for box, mask in zip(found_in(holed).xyxy.tolist(), found_in(holed).mask, strict=True)}
    for one in coco["annotations"]:
        x, y, w, h = one["bbox"]
        mask = coco_mask.decode(one["segmentation"]).astype(bool)
        assert np.array_equal(mask, truth.pop((x, y, x + w, y + h)))
        assert one["iscrowd"] == 0
    assert not truth


def test_every_format_stands_beside_the_others(run, model, photo, tmp_path):
    out = tmp_path / "out"
    arguments = ["-o", out, "--model", "fake", "--format", "geojson,yolo", "--format", "labelme", "--no-overlay"]
    code, _, _ = run("segment", photo, *arguments, "--confidence", "0")
    assert code == 0
    names = ["data.yaml", "manifest.jsonl", "things.geojson", "things.labelme.json", "things.txt"]
    assert sorted(p.name for p in out.iterdir()) == names
    found = rows(out)[0]["found"]
    assert rows(out)[0]["output"] == str(out / "things.geojson")
    assert len(json.loads((out / "things.geojson").read_text())["features"]) == found
    assert len((out / "things.txt").read_text().splitlines()) == found
    assert len(json.loads((out / "things.labelme.json").read_text())["shapes"]) >= found
    assert "2: blue" in (out / "data.yaml").read_text()


def test_json_is_the_row_and_nothing_else(run, model, photo, tmp_path):
    out = tmp_path / "out"
    code, said, err = run("detect", photo, "-o", out, "--model", "fake", "--json", "-q")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in said.splitlines()] == rows(out)


def test_regions_scales_and_fusion_reach_the_slices(run, model, photo, tmp_path):
    arguments = ["--model", "fake", "--slice", "200", "--scale", "1", "--scale", "0.5", "--scale", "full", "--json"]
    regions = ["--roi", "0,0,150,150", "--roi", "300,300,500.5,300,400,450"]
    more = ["--fusion", "greedy-nmm", "--metric", "IOU", "--threshold", "0.3", "--overlap", "0", "--class-agnostic"]
    code, said, _ = run("detect", photo, "-o", tmp_path / "out", *arguments, *regions, *more)
    row = json.loads(said)
    assert code == 0
    assert row["fusion"] == "greedy-nmm"
    assert row["tiles"]["planned"] < 12 + 4 + 1
    assert {shape[:2] for shape in model[0].shown} >= {(200, 200), (450, 501)}


def test_one_model_for_all_pictures_and_the_aligned_grid(run, model, photo, tmp_path):
    plain = np.full((500, 700, 3), 150, np.uint8)
    plain[200:260, 300:380] = (250, 40, 40)
    Image.fromarray(plain).save(photo.with_name("one.png"))
    out = tmp_path / "out"
    code, said, _ = run(
        "detect", photo.parent, "-o", out, "--model", "fake", "--slice", "200", "--grid", "aligned", "--json", "-q"
    )
    assert (code, len(model)) == (0, 1)
    one, things = (json.loads(line) for line in said.splitlines())
    assert one["tiles"]["planned"] == 1 < one["tiles"]["uniform"]
    assert one["found"] == 1
    assert things["found"] > 3


def test_a_picture_that_fails_costs_itself_alone(run, model, photo, tmp_path):
    photo.with_name("broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    out = tmp_path / "out"
    code, _, err = run("detect", photo.parent, "-o", out, "--model", "fake")
    assert code == 1
    assert "segtile: error: " in err
    assert "broken.jpg" in err
    assert [row["error"] is None for row in rows(out)] == [False, True]
    assert (out / "things.json").exists()


def test_targets_that_exist(run, model, photo, tmp_path):
    out = tmp_path / "out"
    (out).mkdir()
    (out / "things.overlay.png").write_bytes(b"mine")
    arguments = ["detect", photo, "-o", out, "--model", "fake"]
    code, _, err = run(*arguments)
    assert code == 2
    assert "things.overlay.png exists already" in err
    assert model == []  # nothing was loaded for it
    assert (out / "things.overlay.png").read_bytes() == b"mine"
    assert run(*arguments, "--overwrite")[0] == 0
    before = (out / "things.json").stat().st_mtime_ns
    assert run(*arguments, "--skip-existing")[0] == 0
    assert (out / "things.json").stat().st_mtime_ns == before
    assert len(model) == 1
    (out / "things.json").unlink()
    assert run(*arguments, "--skip-existing")[0] == 0
    assert (out / "things.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--scale", "half"], "--scale takes a number or full", 2),
        (["--scale", "3"], "never made larger", 2),
        (["--roi", "1,2,3"], "--roi takes", 2),
        (["--roi", "a,b,c,d"], "--roi takes", 2),
        (["--roi", "5000,5000,6000,6000"], "outside the frame", 1),
        (["--format", "xml"], "--format takes", 2),
        (["--overlap", "1"], "below 1", 2),
        (["--confidence", "7"], "confidence is a number", 2),
        (["--fusion", "wbf"], "wbf", 2),
        (["--slice", "0"], "--slice", 2),
        (["--overwrite", "--skip-existing"], "exclude each other", 2),
        (["--model", "no-such-model"], "no-such-model", 1),
    ],
)
def test_wrong_use_is_one_sentence(run, model, photo, tmp_path, arguments, words, code):
    got, said, err = run("detect", photo, "-o", tmp_path / "out", "-q", "--model", "fake", *arguments)
    assert got == code
    assert said == ""
    assert words in err
    assert err.startswith("segtile: error: ")
    assert err.count("\n") == 1


def test_a_model_that_is_not_there_is_named(run, photo, tmp_path):
    code, _, err = run("detect", photo, "-o", tmp_path / "out", "--model", "nothing-of-the-kind")
    assert code == 1
    assert "nothing-of-the-kind" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("verb", ["detect", "segment"])
def test_help_fits_a_screen_and_ends_with_examples(run, verb):
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert len(out.splitlines()) <= 45
    assert out.rstrip().splitlines()[-1].strip().startswith(f"segtile {verb}")
