"""Suppression by the library against its plain definition, and its bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segtile.backends.yolo_decode import IOU, MOST_KEPT, decode_raw, decode_rows, suppress


def overlap(one, other):
    corner = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    both = corner.clip(0).prod()
    return both / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - both)


def plain(boxes, scores, labels):
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if all(labels[i] != labels[j] or overlap(boxes[i], boxes[j]) <= IOU for j in kept):
            kept.append(int(i))
    return kept


@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_suppression_is_greedy_and_within_a_class(count, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (count, 2))
    boxes = np.c_[corner, corner + rng.uniform(20, 60, (count, 2))]
    scores = rng.permutation(np.linspace(0.1, 0.9, count)).astype(np.float32)
    labels = rng.integers(0, 3, count).astype(np.int32)
    got = suppress(boxes.astype(np.float32), scores, labels)
    assert got.tolist() == plain(boxes, scores, labels)


def test_classes_far_apart_do_not_touch_even_outside_the_window():
    boxes = np.array([[-9000, -9000, 9000, 9000]] * 3, np.float32)
    assert len(suppress(boxes, np.array([0.3, 0.2, 0.1], np.float32), np.array([0, 79, 4000], np.int32))) == 3


def test_at_most_300_are_kept_and_they_are_the_best():
    count = 2000
    output = np.zeros((6, count))
    output[0], output[2:4] = np.arange(count) * 20, 10
    output[4] = np.random.default_rng(1).permutation(np.linspace(0.3, 0.9, count))
    found = decode_raw(output, 2, 0.25)
    assert len(found.scores) == MOST_KEPT
    assert found.scores.min() > np.sort(output[4])[-MOST_KEPT] - 1e-6
    assert (np.diff(found.scores) <= 0).all()
    rows = np.c_[np.zeros((count, 4)), np.full(count, 0.9), np.zeros(count)]
    assert len(decode_rows(rows, 0.25).scores) == MOST_KEPT


def test_nothing_found():
    found = decode_raw(np.zeros((6 + 32, 100)), 2, 0.25)
    assert found.boxes.shape == (0, 4)
    assert found.coefficients.shape == (0, 32)
    assert decode_rows(np.zeros((0, 6)), 0.25).boxes.shape == (0, 4)


def test_a_class_that_is_no_whole_number_is_none():
    rows = np.c_[np.zeros((6, 4)), np.full(6, 0.9), [0, 1.5, -1, np.nan, np.inf, 1e30]]
    assert decode_rows(rows, 0.25).labels.tolist() == [0, -1, -1, -1, -1, -1]
