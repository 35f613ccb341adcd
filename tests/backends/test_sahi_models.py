"""SAHI's models as detectors, on models that subclass SAHI's own base."""

import os

import cv2
import numpy as np
import pytest
from sahi.models.base import DetectionModel
from sahi.prediction import ObjectPrediction
from sahi.utils.compatibility import fix_full_shape_list, fix_shift_amount_list
from sahi.utils.cv import get_coco_segmentation_from_bool_mask

from segtile.backends.check import checked
from segtile.backends.process_state import kept_state
from segtile.backends.sahi_models import SahiDetector, load_sahi_model
from segtile.backends.window_masks import fill_rings
from segtile.errors import BadInput, ModelError
from segtile.types import Box

TILE = np.zeros((100, 150, 3), np.uint8)


class Bright(DetectionModel):
    """Finds what is brighter than half, as one object, with its mask; remembers how it was called."""

    polygons = True

    def load_model(self):
        self.category_mapping = {"0": "dark", "2": "bright"}
        self.calls = []

    def perform_inference(self, image):
        self.calls.append(1)
        self._original_predictions = [image]

    def _create_object_prediction_list_from_original_predictions(self, shift_amount_list=None, full_shape_list=None):
        shifts, shapes = fix_shift_amount_list(shift_amount_list), fix_full_shape_list(full_shape_list)
        self._object_prediction_list_per_image = [
            self._look(image, shifts[i], shapes[i]) for i, image in enumerate(self._original_predictions)
        ]

    def _look(self, image, shift, shape):
        bits = image[..., 0] > 127
        if not bits.any():
            return []
        rings = get_coco_segmentation_from_bool_mask(bits) if self.polygons else None
        x, y, w, h = cv2.boundingRect(bits.astype(np.uint8))
        box = [x + 0.25, y, x + w, y + h]
        return [ObjectPrediction(box, 2, "bright", rings, 0.75, shift, shape)]


class InBatches(Bright):
    def perform_batch_inference(self, images):
        self.calls.append(len(images))
        self._original_predictions = images


def ring_tile(x=60, y=50):
    yy, xx = np.mgrid[:100, :150] + 0.5
    r = np.hypot(xx - x, yy - y)
    return np.repeat((((r < 30) & (r > 15)) * 255).astype(np.uint8)[..., None], 3, axis=2)


def whole(mask):
    full = np.zeros((mask.frame.height, mask.frame.width), bool)
    full[mask.box.slices] = mask.bits
    return full


def test_rings_keep_their_holes():
    detector = SahiDetector(Bright())
    tile = ring_tile()
    (found,) = detector.detect([tile])
    assert detector.names == ("dark", "1", "bright")
    assert (detector.name, detector.batch, detector.masks, detector.digest) == ("sahi-Bright", 1, True, None)
    assert np.array_equal(whole(found.masks[0]), tile[..., 0] > 127)
    assert found.labels.tolist() == [2]
    assert found.scores.tolist() == [0.75]
    good, faults = checked(found, tile.shape[:2], detector.names)
    assert len(good) == 1
    assert not faults.sentences()


def test_boxes_stay_float():
    model = Bright()
    model.polygons = False
    (found,) = SahiDetector(model).detect([ring_tile()])
    assert found.boxes.tolist() == [[30.25, 20, 90, 80]]
    assert found.masks is None


@pytest.mark.parametrize(("kind", "calls"), [(Bright, [1] * 10), (InBatches, [8, 2])])
def test_windows_go_in_batches_where_the_model_has_them(kind, calls):
    model = kind()
    model.perform_batch_inference_seen = 0
    tiles = [ring_tile(40 + 5 * i) if i % 3 else TILE for i in range(10)]
    found = SahiDetector(model).detect(tiles)
    assert [len(one) for one in found] == [1 if i % 3 else 0 for i in range(10)]
    assert found[4].boxes[0, 0] - found[1].boxes[0, 0] == 15
    assert model.calls == calls
    assert SahiDetector(model).detect([]) == []


def test_a_model_that_fails():
    class Broken(Bright):
        def perform_inference(self, image):
            raise ValueError("no weights")

    with pytest.raises(ModelError, match="sahi-Broken failed: ValueError: no weights"):
        SahiDetector(Broken()).detect([TILE])


def test_a_broken_polygon_costs_its_detection_alone():
    class Odd(Bright):
        def _look(self, image, shift, shape):
            good, bad = super()._look(image, shift, shape) + super()._look(image, shift, shape)
            bad.mask.segmentation = [[1.0, float("nan"), 2.0]]
            return [good, bad]

    detector = SahiDetector(Odd())
    (found,) = detector.detect([ring_tile()])
    good, faults = checked(found, TILE.shape[:2], detector.names)
    assert len(good) == 1
    assert faults.bad_masks == 1


def test_what_is_no_model_of_sahi():
    with pytest.raises(BadInput, match="no sahi"):
        SahiDetector(object())
    with pytest.raises(ModelError, match="'nothing'"):
        load_sahi_model("nothing", "weights")


def test_polygons_far_outside_do_not_cost_memory():
    mask = fill_rings([[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9], [1, 2]], Box.frame(150, 100))
    assert mask.box == Box.frame(150, 100)
    assert mask.bits.all()
    assert fill_rings([], Box.frame(150, 100)).area == 0


def test_loading_leaves_the_process_as_it_was(monkeypatch):
    """With torch installed SAHI blinds the whole process to the card; what it does is done here by a stand-in."""
    from PIL import Image
    from sahi.auto_model import AutoDetectionModel

    def build(model_type, model_path=None, **settings):
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["SEEN"] = "1"
        cv2.setNumThreads(1)
        Image.MAX_IMAGE_PIXELS = None
        return Bright()

    monkeypatch.setattr(AutoDetectionModel, "from_pretrained", build)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    threads = cv2.getNumThreads()
    detector = load_sahi_model("any")
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert "SEEN" not in os.environ
    assert cv2.getNumThreads() == threads
    assert Image.MAX_IMAGE_PIXELS == 1000
    assert detector.notes == ()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    load_sahi_model("any")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


def test_a_model_that_has_blinded_the_process_says_so(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "CUDA_VISIBLE_DEVICES" in SahiDetector(Bright()).notes[0]


def test_the_process_is_put_back_after_an_error_and_the_users_own_settings_win(monkeypatch):
    monkeypatch.setenv("MINE", "1")
    monkeypatch.delenv("OTHER", raising=False)
    read = cv2.imread

    def vendor():
        with kept_state(MINE="2", OTHER="3"):
            assert (os.environ["MINE"], os.environ["OTHER"]) == ("1", "3")
            del os.environ["MINE"]
            cv2.imread = None
            raise RuntimeError

    with pytest.raises(RuntimeError):
        vendor()
    assert os.environ["MINE"] == "1"
    assert "OTHER" not in os.environ
    assert cv2.imread is read
