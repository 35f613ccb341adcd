"""A detection result converts to what people already use, and stays as it is."""

import dataclasses
import io
import json
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segtile.backends import supervision_results
from segtile.detected import CropMask, Instance
from segtile.detection import DetectionResult, DetectionRow
from segtile.errors import BackendMissing, BadInput, OverLimit
from segtile.types import Box, ImageInfo, Tile

FRAME = Box.frame(90, 70)
NAMES = ("ring", "кольцо ß")


def ring_mask() -> CropMask:
    y, x = np.mgrid[:41, :41] + 0.5
    r = np.hypot(x - 20.5, y - 20.5)
    return CropMask.from_bits((r < 20) & (r > 12), Box(30, 9, 71, 50), FRAME)


def noise_mask(seed: int, share: float = 0.5) -> CropMask:
    rng = np.random.default_rng(seed)
    h, w = rng.integers(1, 20, 2)
    x, y = int(rng.integers(0, FRAME.width - w + 1)), int(rng.integers(0, FRAME.height - h + 1))
    return CropMask.from_bits(rng.random((h, w)) < share, Box(x, y, x + int(w), y + int(h)), FRAME)


def result(*masks: CropMask | None, path=None, frame: Box = FRAME) -> DetectionResult:
    instances = []
    for k, mask in enumerate(masks):
        b = mask.box if mask else Box(5, 6, 25, 46)
        box = (b.x0 + 0.25, b.y0 + 0.5, b.x1 - 0.25, b.y1 - 0.125)
        instances.append(Instance(k + 1, k % 2, NAMES[k % 2], 0.875 - k / 16, box, mask, (0,), (k,)))
    row = DetectionRow("a", None, frame.width, frame.height, "m", "strip", 1, 1, 1, 1, len(masks), {}, {}, None, None)
    info = ImageInfo(frame.width, frame.height, 3, "uint8", path=path)
    return DetectionResult(info, tuple(instances), NAMES, (Tile(0, frame, frame),), row)


def whole(mask: CropMask) -> np.ndarray:
    full = np.zeros((mask.frame.height, mask.frame.width), bool)
    full[mask.box.slices] = mask.bits
    return full


def boxes_of(found: DetectionResult) -> np.ndarray:
    return np.array([i.box for i in found.instances])


@pytest.mark.parametrize("compact", [True, False])
def test_supervision_holds_the_same_boxes_and_masks(compact):
    sv = pytest.importorskip("supervision")
    if compact and not hasattr(sv, "CompactMask"):
        pytest.skip("this supervision has no CompactMask")
    found = result(ring_mask(), noise_mask(1), noise_mask(2, 1.0))
    made = found.to_supervision(compact=compact)
    assert isinstance(made, sv.Detections)
    assert (made.xyxy == boxes_of(found)).all()
    assert made.class_id.tolist() == [0, 1, 0]
    assert made.data["class_name"].tolist() == [i.name for i in found.instances]
    assert made.data["instance_id"].tolist() == [1, 2, 3]
    assert made.confidence.tolist() == [i.score for i in found.instances]
    assert isinstance(made.mask, np.ndarray) != compact
    for k, instance in enumerate(found.instances):
        assert (np.asarray(made.mask[k]) == whole(instance.mask)).all()
    assert np.asarray(made.area).tolist() == [i.mask.area for i in found.instances]
    assert len(made[made.confidence > 0.85]) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_any_mask_goes_to_supervision_and_to_sahi_and_back(seed, share):
    mask = noise_mask(seed, share)
    found = result(mask)
    assert (np.asarray(found.to_supervision().mask[0]) == whole(mask)).all()
    (made,) = found.to_sahi().object_prediction_list
    assert (made.mask.bool_mask == whole(mask)).all() if mask.area else made.mask is None


def test_supervision_without_masks_with_some_and_with_nothing():
    pytest.importorskip("supervision")
    assert result(None, None).to_supervision().mask is None
    nothing = CropMask.from_bits(np.zeros((0, 0), bool), Box(90, 70, 90, 70), FRAME)
    some = result(ring_mask(), None, nothing).to_supervision()
    assert np.asarray(some.area).tolist()[0] == ring_mask().area
    assert [int(np.asarray(some.mask[k]).sum()) for k in (1, 2)] == [0, 0]
    empty = result().to_supervision()
    assert len(empty) == 0
    assert empty.xyxy.shape == (0, 4)
    assert len(type(empty).merge([empty, some])) == 3


def test_dense_masks_are_refused_where_they_would_fill_the_memory():
    pytest.importorskip("supervision")
    frame = Box.frame(40000, 40000)
    mask = CropMask.from_bits(np.ones((2, 2), bool), Box(0, 0, 2, 2), frame)
    found = result(mask, frame=frame)
    with pytest.raises(OverLimit, match="40000x40000"):
        found.to_supervision(compact=False)


def test_an_older_supervision_gets_dense_masks(monkeypatch):
    sv = pytest.importorskip("supervision")

    class Older:
        __version__ = "0.27.0"
        Detections = sv.Detections

    monkeypatch.setattr(supervision_results, "_supervision", lambda: Older)
    assert isinstance(result(ring_mask()).to_supervision().mask, np.ndarray)
    with pytest.raises(BadInput, match=r"0\.27\.0"):
        result(ring_mask()).to_supervision(compact=True)


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(BackendMissing, match="pip install supervision"):
        result().to_supervision()
    monkeypatch.setitem(sys.modules, "sahi", None)
    monkeypatch.setitem(sys.modules, "sahi.prediction", None)
    with pytest.raises(BackendMissing, match="sahi"):
        result().to_sahi()


def test_sahi_holds_the_same_boxes_and_masks():
    found = result(ring_mask(), None, noise_mask(4))
    before = pickle.dumps(found)
    made = found.to_sahi()
    assert (made.image_width, made.image_height) == (90, 70)
    for instance, prediction in zip(found.instances, made.object_prediction_list, strict=True):
        assert prediction.bbox.to_xyxy() == list(instance.box)
        assert prediction.category.name == instance.name
        assert prediction.category.id == instance.label
        assert prediction.score.value == instance.score
        assert (prediction.mask is None) == (instance.mask is None)
        if instance.mask is not None:
            assert (prediction.mask.bool_mask == whole(instance.mask)).all()
    assert len(made.to_coco_predictions(image_id=3)) == 3
    assert pickle.dumps(found) == before
    assert result().to_sahi().object_prediction_list == []


def test_sahi_gets_the_file_or_the_picture_that_is_given(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((70, 90, 3), 77, np.uint8)).save(path)
    assert np.array(result(ring_mask(), path=path).to_sahi().image).max() == 77
    assert np.array(result(path=tmp_path / "gone.png").to_sahi().image).min() == 255
    assert np.array(result().to_sahi(np.zeros((70, 90, 3), np.uint8)).image).max() == 0


def test_the_file_formats_are_those_of_the_writers():
    found = result(ring_mask(), noise_mask(1))
    assert len(found) == 2
    coco = json.loads(json.dumps(found.to_coco(image_id=4)))
    assert [row["image_id"] for row in coco["annotations"]] == [4, 4]
    assert [row["name"] for row in coco["categories"]] == list(NAMES)
    assert "segmentation" in found.to_coco_results(4)[0]
    assert "bbox" in found.to_coco_results(4, kind="bbox")[0]
    assert len(found.to_geojson()["features"]) == 2
    assert len(found.to_yolo().lines) == 2
    assert found.to_labelme()["imageHeight"] == 70


def test_nothing_found_converts_to_nothing():
    found = result()
    assert len(found) == 0
    assert found.to_coco()["annotations"] == []
    assert found.to_coco_results(1) == []
    assert found.to_geojson()["features"] == []
    assert found.to_yolo().lines == ()
    assert found.to_labelme()["shapes"] == []


def test_a_notebook_shows_the_picture_with_the_instances(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.full((70, 90, 3), 40, np.uint8)).save(path)
    for file, corner in ((path, 40), (tmp_path / "gone.png", 255), (None, 255)):
        shown = np.array(Image.open(io.BytesIO(result(ring_mask(), path=file)._repr_png_())))
        assert shown.shape == (70, 90, 3)
        assert abs(shown[-1, 0].astype(int) - corner).max() <= 1
        assert (shown != shown[-1, 0]).any()


def test_a_row_is_plain_json():
    row = dataclasses.asdict(result(ring_mask()).row)
    assert json.loads(json.dumps(row)) == {**row, "warnings": []}
