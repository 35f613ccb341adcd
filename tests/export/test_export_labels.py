"""Detections as YOLO lines and labelme shapes."""

import base64
import io
import json

import numpy as np
import pytest
import yaml
from found_scenes import CORNERS, DISC, EMPTY, NAMES, RING, TWO_PARTS, iou, picture, whole
from PIL import Image
from shapely import Polygon
from skimage.draw import polygon2mask

from segtile.errors import BadInput, WouldOverwrite
from segtile.export.labelme import labelme, write_labelme
from segtile.export.yolo import data_yaml, write_data_yaml, write_yolo, yolo_labels
from segtile.masks.outline import rasterise

MASKS = [RING, DISC, TWO_PARTS, CORNERS]


def parsed(line, width=260, height=200):
    label, *values = line.split()
    return int(label), np.array(values, float).reshape(-1, 2) * (width, height)


@pytest.mark.parametrize("mask", MASKS, ids=["ring", "disc", "parts", "corners"])
def test_yolo_lines_parse_back(tmp_path, mask):
    labels = write_yolo(picture(mask), tmp_path / "a.txt")
    (line,) = (tmp_path / "a.txt").read_text().splitlines()
    label, points = parsed(line)
    assert label == 0
    assert line == labels.lines[0]
    assert iou(rasterise(Polygon(points), mask.frame), whole(mask)) == 1.0
    assert iou(polygon2mask((200, 260), points[:, ::-1] - 0.5), whole(mask)) == 1.0
    assert [float(v) for v in line.split()[1:] if not 0 <= float(v) <= 1] == []
    assert bool(labels.warnings) == (mask is not DISC)


def test_yolo_refuses_what_it_cannot_hold():
    with pytest.raises(BadInput, match="instance 2"):
        yolo_labels(picture(DISC, RING), holes="refuse")
    with pytest.raises(BadInput, match="several parts"):
        yolo_labels(picture(CORNERS), holes="refuse")
    assert yolo_labels(picture(DISC), holes="refuse").warnings == ()
    with pytest.raises(BadInput, match="'fill'"):
        yolo_labels(picture(DISC), holes="fill")


def test_yolo_boxes():
    labels = yolo_labels(picture(None, None, boxes=[(26, 20, 52, 60), (-5, 190, 300, 230)]))
    assert labels.lines == ("0 0.15 0.2 0.1 0.2", "1 0.5 0.975 1 0.05")
    assert labels.warnings == ()
    with pytest.raises(BadInput, match="instance 1"):
        yolo_labels(picture(None, boxes=[(0, 0, np.nan, 1)]))


def test_yolo_mixed_and_empty():
    labels = yolo_labels(picture(DISC, None, EMPTY))
    assert len(labels.lines) == 2
    assert len(labels.lines[1].split()) == 9
    assert [w.split()[0] for w in labels.warnings] == ["1", "1"]
    assert yolo_labels(picture()).lines == ()


def test_class_names_in_the_yaml_file(tmp_path):
    names = (*NAMES, "yes", "1: {")
    write_data_yaml(names, tmp_path / "data.yaml")
    text = (tmp_path / "data.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["names"] == dict(enumerate(names))
    assert "кольцо" in text
    assert data_yaml(()) == "names: {}\n"
    with pytest.raises(WouldOverwrite):
        write_data_yaml(names, tmp_path / "data.yaml")


def from_labelme(shapes):
    """The pixels of shapes as labelme's own reader places them: a mask's points name its first and last pixel."""
    full = np.zeros((200, 260), bool)
    for shape in shapes:
        points = np.array(shape["points"])
        if shape["shape_type"] == "mask":
            (x0, y0), (x1, y1) = points.astype(int)
            full[y0 : y1 + 1, x0 : x1 + 1] |= np.array(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))) > 0
        else:
            full |= rasterise(Polygon(points), RING.frame)
    return full


@pytest.mark.parametrize("holes", ["mask", "bridge"])
def test_labelme_shapes_hold_the_pixels(tmp_path, holes):
    found = picture(*MASKS)
    write_labelme(found, tmp_path / "a.json", holes=holes)
    data = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert data == labelme(found, holes=holes)
    assert (data["imagePath"], data["imageData"]) == ("ring „weiß“.png", None)
    assert (data["imageHeight"], data["imageWidth"]) == (200, 260)
    for instance in found.instances:
        shapes = [s for s in data["shapes"] if s["group_id"] == instance.id]
        assert (from_labelme(shapes) == whole(instance.mask)).all()
        assert {s["label"] for s in shapes} == {instance.name}
        assert all(f"{instance.score:.4f}" in s["description"] for s in shapes)
    kinds = [s["shape_type"] for s in data["shapes"] if s["group_id"] == 1]
    assert kinds == (["mask"] if holes == "mask" else ["polygon"])


def test_labelme_boxes_parts_and_nothing(tmp_path):
    shapes = labelme(picture(None, CORNERS, EMPTY))["shapes"]
    assert [s["shape_type"] for s in shapes] == ["rectangle"] + ["polygon"] * 5
    assert {s["group_id"] for s in shapes[1:]} == {2}
    assert labelme(picture())["shapes"] == []
    write_labelme(picture(), tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == labelme(picture())
    with pytest.raises(BadInput, match="instance 1"):
        labelme(picture(RING), holes="refuse")
    with pytest.raises(BadInput, match="'fill'"):
        labelme(picture(RING), holes="fill")
    with pytest.raises(WouldOverwrite):
        write_labelme(picture(RING), tmp_path / "a.json")
    with pytest.raises(BadInput, match="instance 1"):
        write_labelme(picture(None, boxes=[(0, 0, np.nan, 1)]), tmp_path / "b.json")
