"""Detections as COCO: what pycocotools reads is what was found."""

import contextlib
import dataclasses
import io
import json

import numpy as np
import pytest
from found_scenes import CORNERS, DISC, EMPTY, NAMES, RING, TWO_PARTS, iou, picture, whole
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segtile.errors import BadInput, WouldOverwrite, WriteError
from segtile.export.coco import coco_dataset, coco_results, write_coco
from segtile.metrics.coco import evaluate


def quietly(call, *arguments):
    with contextlib.redirect_stdout(io.StringIO()):
        return call(*arguments)


def test_a_ring_written_and_read_back_is_the_same_ring(tmp_path):
    found = picture(RING, DISC, TWO_PARTS, CORNERS)
    write_coco([found], NAMES, tmp_path / "a.json")
    read = quietly(COCO, str(tmp_path / "a.json"))
    for instance, row in zip(found.instances, read.loadAnns(read.getAnnIds()), strict=True):
        assert iou(read.annToMask(row).astype(bool), whole(instance.mask)) == 1.0
        assert row["area"] == instance.mask.area
        assert row["iscrowd"] == 0
        x0, y0, x1, y1 = instance.box
        assert row["bbox"] == [x0, y0, x1 - x0, y1 - y0]
        assert read.loadCats(row["category_id"])[0]["name"] == instance.name
    image = read.loadImgs(1)[0]
    assert (image["width"], image["height"], image["file_name"]) == (260, 200, "ring „weiß“.png")


def test_evaluated_against_itself_it_is_perfect(tmp_path):
    found = picture(RING, DISC, TWO_PARTS)
    truth = quietly(COCO)
    truth.dataset = coco_dataset(found, image_id=7)
    quietly(truth.createIndex)
    for kind in ("segm", "bbox"):
        results = quietly(truth.loadRes, coco_results(found, 7, kind=kind))
        done = COCOeval(truth, results, kind)
        for step in (done.evaluate, done.accumulate, done.summarize):
            quietly(step)
        assert done.stats[0] == pytest.approx(1.0)
    areas = [row["area"] for row in quietly(truth.loadRes, coco_results(found, 7)).dataset["annotations"]]
    assert areas == [i.mask.area for i in found.instances]
    assert evaluate(coco_dataset(found), coco_results(found, 1), iou_type="segm").stats["AP"] == pytest.approx(1.0)


def test_several_pictures_in_one_file_are_counted_through(tmp_path):
    pictures = [picture(RING, DISC), picture(), picture(None, TWO_PARTS)]
    assert write_coco(iter(pictures), NAMES, tmp_path / "a.json", first_image_id=5) == 4
    data = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in data["images"]] == [5, 6, 7]
    assert [(row["id"], row["image_id"]) for row in data["annotations"]] == [(1, 5), (2, 5), (3, 7), (4, 7)]
    write_coco(pictures, NAMES, tmp_path / "b.json", first_image_id=5)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    single = {**data, "images": data["images"][:1], "annotations": data["annotations"][:2]}
    assert single == coco_dataset(pictures[0], image_id=5)


def test_without_masks_and_without_instances(tmp_path):
    boxes = picture(None, EMPTY)
    rows = coco_dataset(boxes)["annotations"]
    assert rows[0]["segmentation"] == []
    assert rows[0]["area"] == rows[0]["bbox"][2] * rows[0]["bbox"][3]
    assert rows[1]["area"] == 0
    assert "bbox" in coco_results(boxes, 1)[0]
    assert "segmentation" not in coco_results(boxes, 1)[0]
    assert coco_results(picture(), 1) == []
    write_coco([picture()], NAMES, tmp_path / "none.json")
    assert quietly(COCO, str(tmp_path / "none.json")).getAnnIds() == []
    write_coco([], NAMES, tmp_path / "nothing.json")
    assert json.loads((tmp_path / "nothing.json").read_text(encoding="utf-8"))["images"] == []


def test_another_datasets_categories():
    found = picture(RING, DISC)
    assert [row["category_id"] for row in coco_results(found, 1, category_ids=[90, 3, 12])] == [90, 3]
    with pytest.raises(BadInput, match="3 classes and 1"):
        coco_results(found, 1, category_ids=[1])
    with pytest.raises(BadInput, match="1 of 1 instances"):
        coco_results(picture(None), 1, kind="segm")


def test_what_cannot_be_written(tmp_path):
    target = tmp_path / "a.json"
    broken = picture(RING, boxes=[(0, 0, np.nan, 4)])
    with pytest.raises(BadInput, match="instance 1 of image 1"):
        write_coco([broken], NAMES, target)
    with pytest.raises(BadInput, match="other classes"):
        write_coco([dataclasses.replace(picture(RING), names=("a",))], NAMES, target)
    assert not list(tmp_path.iterdir())
    target.write_text("mine")
    with pytest.raises(WouldOverwrite):
        write_coco([picture(RING)], NAMES, target)
    assert target.read_text() == "mine"
    with pytest.raises(WriteError):
        write_coco([picture(RING)], NAMES, tmp_path / "no" / "a.json")
