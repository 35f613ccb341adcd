from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import yaml

from segtile.evaluation.runner import run

DETECTOR = """
import json, pathlib, sys
photo, target, mode = sys.argv[1:4]
here = pathlib.Path(__file__).parent
truth = json.loads((here / "truth.json").read_text())
name = pathlib.Path(photo).name
if mode == "half" and name == "b.png": sys.exit("no idea")
image = next(i for i in truth["images"] if i["file_name"] == name)
boxes = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
found = [{"image_id": 999, "category_id": a["category_id"], "bbox": a["bbox"], "score": 0.9} for a in boxes]
if mode == "rubbish": found = {"not": "a list"}
pathlib.Path(target).write_text(json.dumps(found))
"""


def make(folder, modes):
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for k, name in enumerate(("a", "b", "c"), 1):
        cv2.imwrite(str(folder / f"{name}.png"), rng.integers(0, 255, (60, 80, 3), np.uint8))
        images.append({"id": k, "file_name": f"{name}.png", "width": 80, "height": 60})
        for j in range(2 if name != "c" else 0):
            box = [5 + 30 * j, 10 + k, 20, 25]
            one = {"id": len(annotations) + 1, "image_id": k, "category_id": 1, "bbox": box, "area": 500, "iscrowd": 0}
            annotations.append(one)
    truth = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "tree"}]}
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "detector.py").write_text(DETECTOR)
    argv = ["{python}", "detector.py", "{input}", "{output}"]
    values = {
        "task": "detect",
        "datasets": [{"name": "trees", "kind": "coco", "annotations": "truth.json", "pictures": "."}],
        "systems": [{"name": mode, "kind": "command", "argv": [*argv, mode]} for mode in modes],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    return folder / "config.yaml"


def test_a_detector_run(tmp_path):
    out = tmp_path / "run"
    summary = run(make(tmp_path, ("exact", "half", "rubbish")), out, report=False)
    rows = {(row.system, row.picture): row for row in summary.rows}
    assert rows["exact", "a"].metrics["ap"] == pytest.approx(1)
    assert rows["exact", "a"].size == (80, 60)
    assert np.isnan(rows["exact", "c"].metrics["ap"])  # nothing to find there
    assert "no idea" in rows["half", "b"].error
    assert rows["half", "b"].stand_in["ap"] == 0
    assert "list" in rows["rubbish", "a"].error
    assert summary.failed == 4

    def stats(system):
        return json.loads((out / "coco" / system / "trees.json").read_text())

    assert stats("exact")["stats"]["AP"] == pytest.approx(1)
    assert stats("exact")["report"]["stats"]["AP50"] == pytest.approx(1)
    # one of two pictures with trees failed: recall ends at a half, whose share of 101 points is 51
    assert stats("half")["stats"]["AP"] == pytest.approx(51 / 101)
    assert (stats("half")["pictures"], stats("half")["failed"]) == (3, 1)
    text = (out / "tables" / "tables.md").read_text()
    assert "COCO over the whole data set (bbox)" in text
    assert "| half | 0.5050 |" in text
    again = run(tmp_path / "config.yaml", out, only=["exact"], report=False)
    assert again.done == 0
