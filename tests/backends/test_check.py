"""What leaves the check is sound, whatever went in, and nothing is lost uncounted."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segtile.backends.check import Faults, checked
from segtile.detected import CropMask, Detections
from segtile.errors import ModelError
from segtile.types import Box

WINDOW = (100, 150)
FRAME = Box.frame(150, 100)
NAMES = ("ring", "chain")


def made(boxes, scores=None, labels=None, masks=None):
    n = len(boxes)
    return Detections(
        np.asarray(boxes, np.float32).reshape(n, 4),
        np.full(n, 0.5, np.float32) if scores is None else np.asarray(scores, np.float32),
        np.zeros(n, np.int32) if labels is None else np.asarray(labels, np.int32),
        np.zeros(n, np.int32),
        masks,
    )


SQUARE = Box(10, 10, 20, 20)


def square(box=SQUARE, frame=FRAME):
    return CropMask.from_bits(np.ones((box.height, box.width), bool), box, frame)


GOOD = [10, 10, 20, 20]
NUMBERS = st.one_of(st.floats(width=32), st.floats(-50, 250, width=32), st.sampled_from([0.0, 100.0, 150.0]))


@given(st.integers(0, 12), st.data())
def test_what_comes_out_is_sound_and_all_is_counted(count, data):
    boxes = data.draw(hnp.arrays(np.float32, (count, 4), elements=NUMBERS))
    scores = data.draw(hnp.arrays(np.float32, count, elements=st.one_of(NUMBERS, st.floats(0, 1, width=32))))
    labels = data.draw(hnp.arrays(np.int32, count, elements=st.integers(-1, 3)))
    found, faults = checked(made(boxes, scores, labels), WINDOW, NAMES)
    assert len(found) + faults.dropped == count
    assert np.isfinite(found.boxes).all()
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [150, 100, 150, 100]).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert np.isin(found.labels, [0, 1]).all()
    assert checked(found, WINDOW, NAMES)[1] == Faults()


@pytest.mark.parametrize(
    ("box", "score", "label", "fault"),
    [
        ([10, np.nan, 20, 20], 0.5, 0, "not_numbers"),
        ([10, 10, np.inf, 20], 0.5, 0, "not_numbers"),
        (GOOD, np.nan, 0, "not_numbers"),
        (GOOD, 1.5, 0, "bad_scores"),
        (GOOD, -0.1, 0, "bad_scores"),
        (GOOD, 0.5, 2, "unknown_class"),
        (GOOD, 0.5, -1, "unknown_class"),
        ([20, 10, 10, 20], 0.5, 0, "empty_boxes"),
        ([10, 10, 10, 20], 0.5, 0, "empty_boxes"),
        ([-30, 10, 0, 20], 0.5, 0, "outside"),
        ([10, 100, 20, 120], 0.5, 0, "outside"),
        ([10, 10, 20, 102], 0.5, 0, "clipped"),
    ],
)
def test_each_fault_has_a_name_and_costs_no_other_detection(box, score, label, fault):
    found, faults = checked(made([GOOD, box, GOOD], [0.5, score, 0.9], [0, label, 1]), WINDOW, NAMES)
    assert dataclasses.asdict(faults) == {**dataclasses.asdict(Faults()), fault: 1}
    assert len(found) == (3 if fault == "clipped" else 2)
    assert found.scores[-1] == pytest.approx(0.9)
    (sentence,) = faults.sentences()
    assert sentence.startswith("1 detection ")


def test_rounding_is_no_fault():
    found, faults = checked(made([[-0.5, 10, 20, 100.5]], [1.0005]), WINDOW, NAMES)
    assert faults == Faults()
    assert found.boxes.tolist() == [[0, 10, 20, 100]]
    assert found.scores.tolist() == [1]


def test_without_names_every_class_is_good():
    found, faults = checked(made([GOOD, GOOD], labels=[7000, -1]), WINDOW, ())
    assert found.labels.tolist() == [7000]
    assert faults.unknown_class == 1


BAD_MASKS = {
    "other frame": square(frame=Box.frame(100, 150)),
    "box outside": square(Box(145, 10, 155, 20)),
    "no pixel": CropMask.from_bits(np.zeros((10, 10), bool), SQUARE, FRAME),
    "empty box": CropMask.from_bits(np.zeros((0, 0), bool), Box(10, 10, 10, 10), FRAME),
    "too few rows": CropMask(SQUARE, np.full((9, 2), 128, np.uint8), FRAME),
    "type": CropMask(SQUARE, np.ones((10, 2)), FRAME),
    "spare bits": CropMask(SQUARE, np.full((10, 2), 255, np.uint8), FRAME),
    "soft size": CropMask(SQUARE, square().packed, FRAME, np.zeros((9, 10), np.uint8)),
    "no mask": np.ones((10, 10), bool),
}


@pytest.mark.parametrize("case", BAD_MASKS)
def test_masks_that_do_not_fit(case):
    found, faults = checked(made([GOOD] * 3, masks=(square(), BAD_MASKS[case], square())), WINDOW, NAMES)
    assert len(found) == len(found.masks) == 2
    assert faults == Faults(bad_masks=1)


def test_an_answer_of_wrong_layout_is_an_error():
    good = made([GOOD, GOOD], masks=(square(), square()))
    for change in (
        {"boxes": good.boxes[:1]},
        {"boxes": good.boxes[:, :3]},
        {"scores": good.scores[:, None]},
        {"labels": good.labels[:1]},
        {"masks": (square(),)},
        {"labels": np.array(["a", "b"])},
        {"labels": good.labels + 0.5},
        {"boxes": good.boxes.astype(object)},
    ):
        with pytest.raises(ModelError, match="a detector gave"):
            checked(dataclasses.replace(good, **change), WINDOW, NAMES)
    with pytest.raises(ModelError, match="a list"):
        checked([], WINDOW, NAMES)


def test_faults_add_up():
    total = Faults(not_numbers=1, clipped=2) + Faults(not_numbers=2, outside=1)
    assert total == Faults(not_numbers=3, clipped=2, outside=1)
    assert total.dropped == 4
    assert total.sentences()[0] == "3 detections had a box or score that is no number and were dropped"
    assert len(total.sentences()) == 3
