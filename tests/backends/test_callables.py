"""Functions as detectors: the three kinds of answer, and answers that are none."""

import types

import numpy as np
import pytest

from segtile.backends.callables import CallableDetector
from segtile.backends.check import checked
from segtile.detected import CropMask, Detections
from segtile.errors import BadInput, ModelError
from segtile.types import Box

TILE = np.zeros((100, 150, 3), np.uint8)


def only(answer, **settings):
    (found,) = CallableDetector(lambda tile: answer, **settings).detect([TILE])
    return found


def ring_mask():
    y, x = np.mgrid[:100, :150] + 0.5
    r = np.hypot(x - 60, y - 50)
    return (r < 40) & (r > 20)


def whole(mask):
    full = np.zeros((mask.frame.height, mask.frame.width), bool)
    full[mask.box.slices] = mask.bits
    return full


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda rows: np.array(rows, np.float16)])
def test_rows(kind):
    found = only(kind([[1, 2, 30, 40, 0.5, 1], [5, 6, 7, 8, 0.25, 0]]))
    assert found.boxes.tolist() == [[1, 2, 30, 40], [5, 6, 7, 8]]
    assert found.scores.tolist() == [0.5, 0.25]
    assert found.labels.tolist() == [1, 0]
    assert found.boxes.dtype == np.float32
    assert found.masks is None


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 6)), np.zeros(0), ()])
def test_nothing_found(nothing):
    assert only(nothing).boxes.shape == (0, 4)


def test_our_own_detections_pass_through():
    mine = Detections(np.zeros((1, 4), "f4"), np.ones(1, "f4"), np.zeros(1, "i4"), np.zeros(1, "i4"))
    assert only(mine) is mine


@pytest.mark.parametrize("compact", [False, True])
def test_supervision(compact):
    supervision = pytest.importorskip("supervision", reason="supervision is not installed (extra 'dev')")
    if compact and not hasattr(supervision, "CompactMask"):
        pytest.skip("this supervision has no CompactMask")
    ring = ring_mask()
    corner = np.zeros_like(ring)
    corner[90:, 140:] = True
    boxes, masks = np.array([[20, 10, 100, 90], [140, 90, 150, 100]], np.float32), np.stack([ring, corner])
    if compact:
        masks = supervision.CompactMask.from_dense(masks, boxes, image_shape=ring.shape)
    answer = supervision.Detections(
        boxes, masks, np.array([0.9, 0.8]), np.array([2, 0]), data={"class_name": np.array(["ring", "stone"])}
    )
    detector = CallableDetector(lambda tile: answer)
    assert not detector.masks
    (found,) = detector.detect([TILE])
    assert detector.masks
    assert detector.names == ("stone", "1", "ring")
    assert found.boxes.tolist() == boxes.tolist()
    assert np.array_equal(whole(found.masks[0]), ring)
    assert np.array_equal(whole(found.masks[1]), corner)
    good, faults = checked(found, TILE.shape[:2], detector.names)
    assert len(good) == 2
    assert faults.dropped == 0
    # no array of the window per object
    assert found.masks[1].packed.nbytes < 100


def test_supervision_may_leave_out_scores_and_classes():
    answer = types.SimpleNamespace(xyxy=np.array([[1, 2, 3, 4]]), confidence=None, class_id=None, mask=None)
    found = only(answer)
    assert found.scores.tolist() == [1]
    assert found.labels.tolist() == [0]


def test_masks_of_another_size_are_counted_by_the_check():
    answer = types.SimpleNamespace(xyxy=np.array([[1, 2, 30, 40]]), mask=np.ones((1, 50, 50), bool))
    _, faults = checked(only(answer), TILE.shape[:2], ())
    assert faults.bad_masks == 1


def test_classes_that_are_no_numbers_are_counted_by_the_check():
    found = only([[1, 2, 30, 40, 0.5, np.nan], [1, 2, 30, 40, 0.5, 1.5], [1, 2, 30, 40, 0.5, 1e30]])
    assert checked(found, TILE.shape[:2], ())[1].unknown_class == 3


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (None, "a NoneType"),
        ("boxes", "a str"),
        (np.zeros((3, 5)), r"\(3, 5\)"),
        ([["a"] * 6], "no array of numbers"),
        ([[1, 2], [3]], "no array of numbers"),
        (types.SimpleNamespace(xyxy=np.zeros((2, 4)), confidence=np.zeros(3)), "disagree"),
        (types.SimpleNamespace(xyxy=np.zeros(5)), "disagree"),
        (types.SimpleNamespace(xyxy=np.zeros((2, 4)), mask=np.zeros((1, 9, 9))), r"\(1, 9, 9\) for 2"),
    ],
)
def test_answers_that_are_none(answer, match):
    with pytest.raises(ModelError, match=match):
        only(answer)


def test_a_function_that_fails_is_named():
    def my_model(tile):
        raise RuntimeError("out of luck")

    with pytest.raises(ModelError, match="my_model failed: RuntimeError: out of luck"):
        CallableDetector(my_model).detect([TILE])


def test_windows_are_checked_before_they_are_given_away():
    with pytest.raises(BadInput):
        CallableDetector(lambda tile: []).detect([TILE.astype(float)])


def test_given_names_stand():
    detector = CallableDetector(lambda tile: [[0, 0, 9, 9, 1, 1]], names=["a", "b"], name="mine")
    detector.detect([TILE, TILE])
    assert (detector.names, detector.name, detector.batch, detector.digest) == (("a", "b"), "mine", 1, None)
    assert detector.input_size is None


def test_crop_masks_have_the_frame_of_the_window():
    (mask,) = only(types.SimpleNamespace(xyxy=np.array([[0, 0, 9, 9]]), mask=ring_mask()[None])).masks
    assert isinstance(mask, CropMask)
    assert mask.frame == Box.frame(150, 100)
    assert mask.box == Box(20, 10, 100, 90)
