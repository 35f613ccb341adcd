"""Objects in pieces and objects as one, on squares whose answer is plain."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from coco_scenes import found, masked, rle, square, truth_of

from segtile.errors import BadInput
from segtile.metrics.coco import FragmentRules, fragments

LEFT = [10.0, 10.0, 20.0, 40.0]
RIGHT = [30.0, 10.0, 20.0, 40.0]
WHOLE = [10.0, 10.0, 40.0, 40.0]
FAR = [70.0, 70.0, 20.0, 20.0]


def counts(report):
    return report.truths, report.whole, report.in_pieces, report.merged, report.missed


def with_masks(results):
    return [r | {"segmentation": square(*map(int, r["bbox"]))} for r in results]


@pytest.fixture(params=["bbox", "segm"])
def count(request):
    """Count by boxes, and by masks that fill the boxes: the answers are the same."""

    def call(truth, results, **rules):
        if request.param == "segm":
            truth, results = masked(truth), with_masks(results)
        report = fragments(truth, results, iou_type=request.param, rules=FragmentRules(**rules))
        json.dumps(report.to_json(), allow_nan=False)
        return report

    return call


def test_an_object_cut_in_two(count):
    report = count(truth_of(WHOLE, FAR), found((RIGHT, 0.7), (LEFT, 0.9), (FAR, 0.8)))
    assert counts(report) == (2, 1, 1, 0, 0)
    (case,) = report.pieces
    assert (case.image, case.category, case.truth, case.results) == (1, 1, 1, (1, 0)), "best score first"
    assert case.covered == pytest.approx(1)
    assert "image 1, truth 1: in 2 pieces, results 1, 0, 100 % covered" in report.to_markdown()


def test_two_objects_as_one(count):
    report = count(truth_of(LEFT, RIGHT, FAR), found((WHOLE, 0.9)))
    assert counts(report) == (3, 0, 0, 2, 1)
    (case,) = report.merges
    assert (case.image, case.category, case.result, case.truths) == (1, 1, 0, (1, 2))
    assert "image 1, result 0: 2 truths as one, 1, 2" in report.to_markdown()


def test_what_is_neither(count):
    # found whole, and doubles of it, and a piece of it beside
    assert counts(count(truth_of(WHOLE), found((WHOLE, 0.9), (WHOLE, 0.8), (LEFT, 0.7)))) == (1, 1, 0, 0, 0)
    # the same half twice is one piece
    assert counts(count(truth_of(WHOLE), found((LEFT, 0.9), (LEFT, 0.8)))) == (1, 0, 0, 0, 1)
    # two crumbs do not cover half of it
    crumbs = found(([10, 10, 10, 10], 0.9), ([30, 30, 10, 10], 0.9))
    assert counts(count(truth_of(WHOLE), crumbs)) == (1, 0, 0, 0, 1)
    assert counts(count(truth_of(WHOLE), crumbs, covered=0.1)) == (1, 0, 1, 0, 0)
    # a result over both of which one is found whole by another
    assert counts(count(truth_of(LEFT, RIGHT), found((WHOLE, 0.9), (LEFT, 0.9)))) == (2, 1, 0, 0, 1)
    # a small object in a large one that is found
    assert counts(count(truth_of(WHOLE, [12, 12, 4, 4]), found((WHOLE, 0.9)))) == (2, 1, 0, 0, 1)
    # another class is another matter
    other = found((LEFT, 0.9)) + found((RIGHT, 0.9), category=2)
    assert counts(count(truth_of(WHOLE, FAR, categories=[1, 2]), other)) == (2, 0, 0, 0, 2)


def test_crowds_and_low_scores_are_left_out(count):
    truth = truth_of(WHOLE)
    halves = found((LEFT, 0.9), (RIGHT, 0.2))
    assert counts(count(truth, halves)) == (1, 0, 0, 0, 1)
    assert counts(count(truth, halves, score=0.1)) == (1, 0, 1, 0, 0)
    truth["annotations"][0]["iscrowd"] = 1
    assert counts(count(truth, halves, score=0.1)) == (0, 0, 0, 0, 0)
    assert counts(count(truth_of(), [])) == (0, 0, 0, 0, 0)


def test_overlapping_pieces_are_counted_once():
    thirds = found(([10, 10, 18, 40], 0.9), ([22, 10, 18, 40], 0.8), ([34, 10, 16, 40], 0.7))
    (case,) = fragments(truth_of(WHOLE), thirds).pieces
    assert case.covered == pytest.approx(1)
    (case,) = fragments(truth_of(WHOLE), thirds[:2]).pieces
    assert case.covered == pytest.approx(30 / 40)


def test_masks_see_what_boxes_cannot():
    """Two L shapes whose boxes are nearly the object's own, and which together are the object."""
    mask = np.zeros((100, 100), np.uint8)
    mask[10:50, 10:50] = 1
    upper = np.triu(np.ones((100, 100), np.uint8)) * mask
    truth = masked(truth_of(WHOLE))
    results = [
        {"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": rle(part)} for part in (upper, mask - upper)
    ]
    assert counts(fragments(truth, results, iou_type="segm")) == (1, 0, 1, 0, 0)
    assert counts(fragments(truth, results, iou_type="bbox")) == (1, 1, 0, 0, 0)


def test_the_counts_add_up_on_a_disturbed_set(small_set):
    truth, results = small_set
    split = copy.deepcopy(truth)
    report = fragments(split, results, iou_type="segm", rules=FragmentRules(score=0))
    assert report.truths == sum(not a["iscrowd"] for a in truth["annotations"])
    assert report.whole + report.in_pieces + report.merged + report.missed == report.truths
    assert report.whole > 0.5 * report.truths
    assert report.in_pieces == len({p.truth for p in report.pieces})


def test_rules_are_checked():
    for wrong in ({"whole": 0}, {"inside": 1.2}, {"piece": -1}, {"score": float("nan")}):
        with pytest.raises(BadInput):
            FragmentRules(**wrong)
    with pytest.raises(BadInput, match="bbox or by segm"):
        fragments(truth_of(WHOLE), [], iou_type="boundary")
