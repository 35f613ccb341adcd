"""The adapter for ultralytics where the package is not installed; the real one runs in tests/heavy."""

import sys
import types
import zipfile

import numpy as np
import pytest

from segtile.backends.detectors import open_detector
from segtile.backends.ultralytics import UltralyticsDetector, is_ultralytics_model
from segtile.errors import BackendMissing, BadInput, ModelError


class Tensor(np.ndarray):
    """As much of a torch tensor as results are read with."""

    def cpu(self):
        return self

    def numpy(self):
        return np.asarray(self)


def tensor(values, dtype=np.float32):
    return np.asarray(values, dtype).view(Tensor)


class Model:
    """Stands for ultralytics' own: finds what is red in a picture of blue, green, red."""

    __module__ = "ultralytics.engine.model"

    def __init__(self, task="segment", imgsz=640):
        self.task, self.names, self.overrides, self.calls = task, {0: "red", 1: "other"}, {"imgsz": imgsz}, []

    def predict(self, source, **settings):
        self.calls.append(([image.shape for image in source], settings))
        return [self._result(image[..., 2] > 127) for image in source]

    def _result(self, bits):
        found = bool(bits.any())
        ys, xs = np.nonzero(bits) if found else ([0], [0])
        box = [[min(xs), min(ys), max(xs) + 1, max(ys) + 1]][: int(found)]
        boxes = types.SimpleNamespace(
            xyxy=tensor(box).reshape(-1, 4), conf=tensor([0.5] * found), cls=tensor([0] * found)
        )
        masks = types.SimpleNamespace(data=tensor([bits], np.uint8)) if found and self.task == "segment" else None
        return types.SimpleNamespace(boxes=boxes, masks=masks)


def red_ring(shape=(100, 150)):
    yy, xx = np.mgrid[: shape[0], : shape[1]] + 0.5
    r = np.hypot(xx - 60, yy - 50)
    tile = np.zeros((*shape, 3), np.uint8)
    tile[(r < 30) & (r > 15)] = (255, 0, 40)
    return tile


def test_a_loaded_model_is_known_and_run():
    model = Model()
    assert is_ultralytics_model(model)
    found = open_detector(model, confidence=0.1, device="cpu")
    assert (found.names, found.masks, found.input_size, found.digest) == (("red", "other"), True, (640, 640), None)
    blank = np.zeros((100, 150, 3), np.uint8)
    tiles = [red_ring(), red_ring((120, 150)), blank, red_ring()]
    answers = found.detect(tiles)
    assert [len(one) for one in answers] == [1, 1, 0, 1]
    # windows of one shape go together: the padding they get depends on that
    assert [shapes for shapes, _ in model.calls] == [[(100, 150, 3)] * 3, [(120, 150, 3)]]
    settings = model.calls[0][1]
    assert (settings["conf"], settings["device"], settings["retina_masks"]) == (0.1, "cpu", True)
    assert answers[2].masks == ()
    (mask,) = answers[1].masks
    full = np.zeros((120, 150), bool)
    full[mask.box.slices] = mask.bits
    assert np.array_equal(full, red_ring((120, 150))[..., 0] == 255)


def test_boxes_alone():
    found = UltralyticsDetector(Model("detect", [320, 640]))
    assert not found.masks
    assert found.input_size == (640, 320)
    assert found.detect([red_ring()])[0].masks is None


def test_other_tasks_and_failures():
    with pytest.raises(ModelError, match="'pose'"):
        UltralyticsDetector(Model("pose"))
    with pytest.raises(BadInput, match=r"0\.\.1"):
        UltralyticsDetector(Model(), confidence=2)
    model = Model()
    model.predict = None
    with pytest.raises(ModelError, match="ultralytics-Model failed"):
        UltralyticsDetector(model).detect([red_ring()])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"cos\nsystem\n(S'true'\ntR.", b"\x80\x04."])
def test_a_pickle_of_anything_is_never_opened(tmp_path, content):
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"weights\.pt is no file of PyTorch"):
        open_detector(path)


def test_the_extra_is_named(tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendMissing, match=r"segtile\[torch\]"):
        open_detector(path)
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(BackendMissing, match=r"segtile\[torch\]"):
        open_detector(path)
