"""One door: whatever a user may call a detector."""

import numpy as np
import pytest

from segtile.backends.callables import CallableDetector
from segtile.backends.detectors import digest_of, notes_of, open_detector
from segtile.backends.sahi_models import SahiDetector
from segtile.errors import BadInput, ModelError, ReadError

TILE = np.zeros((100, 150, 3), np.uint8)


class Mine:
    """A detector of the user's own."""

    name, names, input_size, batch, masks = "mine", ("a",), None, 4, False

    def detect(self, windows):
        return []


def test_a_detector_is_taken_as_it_is():
    mine = Mine()
    assert open_detector(mine) is mine
    assert digest_of(mine) is None
    assert notes_of(mine) == ()


def test_a_function():
    found = open_detector(lambda tile: [[1, 2, 3, 4, 0.5, 0]])
    assert isinstance(found, CallableDetector)
    assert len(found.detect([TILE])[0]) == 1


def test_a_model_of_sahi():
    from sahi.models.base import DetectionModel

    found = open_detector(DetectionModel(load_at_init=False, category_mapping={"0": "a"}))
    assert isinstance(found, SahiDetector)
    assert found.names == ("a",)


def test_a_path(make_yolo):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    said = np.zeros((6, 40))
    said[:5, 0] = [100, 100, 40, 40, 0.4]
    path = make_yolo(said)
    for given in (path, str(path)):
        found = open_detector(given, device="cpu", threads=1)
        assert len(found.detect([TILE])[0]) == 1
    assert len(open_detector(path, device="cpu", confidence=0.5).detect([TILE])[0]) == 0
    assert len(digest_of(found)) == 64
    assert len(notes_of(found)) == 1


@pytest.mark.parametrize(
    ("model", "error", "match"),
    [
        ("nowhere/model.onnx", ReadError, r"no model file nowhere.model\.onnx"),
        ("model.PT", ReadError, "no model file"),
        ("no-such-name", ModelError, "neither a file nor a detector of the catalogue.*catalogue"),
        ("u2netp", ModelError, "catalogue"),  # it is in the catalogue, but finds no objects
        ("", ModelError, "possible are"),
        (None, BadInput, "NoneType is no detector; possible are"),
        (3.5, BadInput, "float is no detector"),
        (Mine, BadInput, "Mine is a class"),
    ],
)
def test_what_is_none_says_what_is_possible(model, error, match):
    with pytest.raises(error, match=match):
        open_detector(model)


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "model.engine"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"a file of the kind '\.engine'"):
        open_detector(path)


def test_half_a_detector_is_told_what_it_lacks():
    class Half:
        name, names, detect = "half", (), None

    with pytest.raises(BadInput, match="lacks input_size, batch, masks"):
        open_detector(Half())
