"""The numbers: equal to pycocotools on the seeded set, equal to hand-made values on tiny ones, sane when disturbed."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import sys

import numpy as np
import pytest
from coco_scenes import found, masked, pycocotools_stats, square, truth_of

from eval.coco_set import make_set, with_boxes
from segtile.errors import BackendMissing, BadInput
from segtile.metrics.coco import AREAS_FRAME, Areas, evaluate

NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
A = [10.0, 10.0, 10.0, 10.0]
B = [50.0, 50.0, 10.0, 10.0]


def ap(truth, results, **settings) -> float:
    # COCO's precision is tp / (tp + fp + 2.2e-16), so its 1 is a hair below
    return round(evaluate(truth, results, **settings).stats["AP"], 12)


def rounded(report) -> dict[str, float]:
    return {name: round(value, 12) for name, value in report.stats.items()}


def test_the_seeded_set_is_what_it_says(full_set):
    truth, results = full_set
    assert (len(truth["images"]), len(truth["annotations"])) == (200, 3000)
    crowd = sum(a["iscrowd"] for a in truth["annotations"])
    assert 60 < crowd < 120
    assert len({r["score"] for r in results}) <= 21 < len(results)
    kinds = {type(a["segmentation"]).__name__ for a in truth["annotations"]}
    assert kinds == {"list", "dict"}
    assert {
        type(a["segmentation"]["counts"]) for a in truth["annotations"] if not isinstance(a["segmentation"], list)
    } == {str, list}
    assert make_set(3, 20) == make_set(3, 20)
    assert make_set(3, 20) != make_set(3, 20, seed=5)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_all_12_numbers_are_pycocotools_own(full_set, kind):
    truth, results = full_set
    results = with_boxes(results) if kind == "bbox" else results
    before = copy.deepcopy((truth, results))
    report = evaluate(truth, results, iou_type=kind)
    assert list(report.stats) == NAMES
    assert np.array_equal(report.coco_stats, pycocotools_stats(truth, results, kind))
    assert (truth, results) == before, "loaded data stays as the caller gave it"
    assert 0.3 < report.stats["AP"] < 0.9, "a set on which errors would show"


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_fast_engine_agrees(full_set, kind):
    pytest.importorskip("ultrafast_pycocotools", reason="the extra fastcoco is not installed")
    truth, results = full_set
    results = with_boxes(results) if kind == "bbox" else results
    slow, fast = (evaluate(truth, results, iou_type=kind, engine=e) for e in ("pycocotools", "fast"))
    assert np.allclose(fast.coco_stats, slow.coco_stats, rtol=0, atol=1e-6)
    assert np.allclose(fast.curves.precision, slow.curves.precision, rtol=0, atol=1e-6)
    for a, b in zip(fast.per_class, slow.per_class, strict=True):
        assert (a.id, a.name, a.truths, a.crowds, a.results) == (b.id, b.name, b.truths, b.crowds, b.results)
        assert (a.ap, a.ap50, a.ap75, a.ar) == pytest.approx((b.ap, b.ap50, b.ap75, b.ar), abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_fast_engine_agrees_in_odd_corners(seed):
    """Few pictures, so classes without truth, without results, crowds alone, limits that bite, ranges of one's own."""
    pytest.importorskip("ultrafast_pycocotools", reason="the extra fastcoco is not installed")
    truth, results = make_set(2 + seed, 5 + 12 * seed, 200, seed=seed)
    rng = random.Random(seed)
    for row in truth["annotations"]:
        row["iscrowd"] = int(rng.random() < 0.3)
        row["id"] -= 1
    truth["categories"].append({"id": 40, "name": "absent"})
    for settings in (
        {"iou_type": "segm", "max_dets": (1, 3), "areas": AREAS_FRAME},
        {"iou_type": "bbox", "max_dets": (2,), "areas": Areas("px", (("tiny", 0, 50), ("rest", 50, 1e10)))},
        {"iou_type": "segm", "classes": [1, 40]},
        {"iou_type": "segm", "classes": [40]},
    ):
        slow, fast = (evaluate(truth, results, engine=e, **settings) for e in ("pycocotools", "fast"))
        assert fast.stats == pytest.approx(slow.stats, abs=1e-6, nan_ok=True)
        assert np.allclose(fast.curves.precision, slow.curves.precision, rtol=0, atol=1e-6, equal_nan=True)
    assert evaluate(truth, [], engine="fast").stats == pytest.approx(evaluate(truth, []).stats, nan_ok=True)
    empty = truth | {"annotations": []}
    assert evaluate(empty, results, engine="fast").stats == pytest.approx(evaluate(empty, results).stats, nan_ok=True)


def test_boxes_and_masks_together_take_the_boxs_area_as_pycocotools_does(small_set):
    truth, results = small_set
    both = [r | b for r, b in zip(results, with_boxes(results), strict=True)]
    report = evaluate(truth, both, iou_type="segm")
    assert np.array_equal(report.coco_stats, pycocotools_stats(truth, both, "segm"))
    assert report.stats["APs"] != evaluate(truth, results, iou_type="segm").stats["APs"]
    assert any("area is the box's" in note for note in report.notes)


def test_one_object_found_is_1():
    report = evaluate(truth_of(A), found((A, 0.9)))
    # 10 x 10 px is small: the other ranges have nothing to find
    expected = {n: math.nan if n[-1] in "ml" else 1.0 for n in NAMES}
    assert report.stats == pytest.approx(expected, nan_ok=True)
    assert tuple(round(v, 12) for v in report.coco_stats) == tuple(-1.0 if n[-1] in "ml" else 1.0 for n in NAMES)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([([10, 10, 10, 6], 0.9)], 3 / 10, id="IoU 0.6 passes 0.5, 0.55 and 0.6"),
        pytest.param([([10, 10, 10, 9.7], 0.9)], 1.0, id="IoU 0.97 passes all"),
        pytest.param([([10, 10, 10, 4], 0.9)], 0.0, id="IoU 0.4 passes none"),
        pytest.param([(A, 0.9), (A, 0.8)], 1.0, id="a double after full recall costs nothing"),
        pytest.param([([70, 70, 5, 5], 0.9), (A, 0.8)], 0.5, id="something invented before it halves precision"),
        pytest.param([], 0.0, id="nothing found"),
    ],
)
def test_one_object_by_hand(boxes, expected):
    assert ap(truth_of(A), found(*boxes)) == pytest.approx(expected, abs=1e-9)


def test_two_objects_by_hand():
    # one of two found: precision 1 at the recalls 0, 0.01 ... 0.50, 0 beyond
    assert ap(truth_of(A, B), found((A, 0.9))) == pytest.approx(51 / 101)
    # hit, invented, hit: precision 1 up to 0.5, then 2/3
    results = found((A, 0.9), ([80, 80, 5, 5], 0.8), (B, 0.7))
    assert ap(truth_of(A, B), results) == pytest.approx((51 + 50 * 2 / 3) / 101)
    # a double between them is as bad as something invented
    results = found((A, 0.9), (A, 0.8), (B, 0.7))
    assert ap(truth_of(A, B), results) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_wrong_class_is_a_miss_and_an_invention():
    truth = truth_of(A, B, categories=[1, 2])
    report = evaluate(truth, found((A, 0.9)) + found((B, 0.9), category=1))
    # class 1: found first, as the file has it, so what is invented costs nothing; class 2 has an object and no result
    assert report.stats["AP"] == pytest.approx(0.5)
    assert [(c.name, round(c.ap, 12), c.truths, c.results) for c in report.per_class] == [
        ("class 1", 1, 1, 2),
        ("class 2", 0, 1, 0),
    ]


def test_crowd_is_neither_right_nor_wrong():
    truth = truth_of(A, [40, 40, 50, 50])
    truth["annotations"][1]["iscrowd"] = 1
    inside = ([45, 45, 10, 10], 0.95)
    assert ap(truth, found(inside, inside, (A, 0.5))) == 1
    truth["annotations"][1]["iscrowd"] = 0
    assert ap(truth, found(inside, inside, (A, 0.5))) < 0.3
    report = evaluate(truth | {"annotations": [truth["annotations"][0] | {"iscrowd": 1}]}, found((A, 1)))
    assert math.isnan(report.stats["AP"])
    assert any("no figure is defined" in note for note in report.notes)


def test_ap_does_not_vanish_without_a_limit_of_100():
    report = evaluate(truth_of(A, B), found((A, 0.9), (B, 0.8)), max_dets=(5, 1))
    assert list(report.stats) == ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR5", "ARs", "ARm", "ARl"]
    assert [rounded(report)[name] for name in ("AP", "AR1", "AR5")] == [1, 0.5, 1]


def test_an_id_of_0_counts_like_any_other():
    truth = truth_of(A)
    truth["annotations"][0]["id"] = 0
    assert pycocotools_stats(truth, found((A, 0.9)), "bbox")[0] == 0, "the trap: pycocotools takes 0 for no match"
    assert ap(truth, found((A, 0.9))) == 1


def test_empty_results_and_empty_pictures():
    truth = truth_of(A, images=3)
    report = evaluate(truth, [])
    assert (report.stats["AP"], report.stats["AR100"]) == (0, 0)
    assert "The results are empty." in report.notes
    assert ap(truth, found((A, 0.9))) == 1
    assert ap(truth, [r | {"image_id": 3, "score": 0.1} for r in found((A, 0.9))] + found((A, 0.9))) == 1
    nothing = evaluate(truth | {"annotations": []}, [])
    assert all(math.isnan(v) for v in nothing.stats.values())
    assert json.dumps(nothing.to_json(), allow_nan=False)


def test_curves_are_what_ap_is_made_of(small_set):
    report = evaluate(*small_set, iou_type="segm")
    c = report.curves
    assert c.precision.shape == c.scores.shape == (10, 101, 5)
    assert np.nanmean(c.precision) == pytest.approx(report.stats["AP"])
    assert np.nanmean(c.precision[0]) == pytest.approx(report.stats["AP50"])
    assert (np.diff(c.precision, axis=1) <= 0).all()
    for k, row in enumerate(report.per_class):
        assert c.precision[:, :, k].mean() == pytest.approx(row.ap)
    assert sum(row.truths + row.crowds for row in report.per_class) == 3000
    assert np.mean([row.ap for row in report.per_class]) == pytest.approx(report.stats["AP"])


def distinct(results):
    """Scores without ties: with ties the order of the file decides, as in COCO."""
    rng = random.Random(1)
    return [r | {"score": r["score"] + rng.random() * 1e-3} for r in results]


def test_neither_order_nor_ids_matter():
    truth, results = make_set(20, 300, 250)
    results = distinct(results)
    expected = evaluate(truth, results, iou_type="segm").coco_stats
    rng = random.Random(2)
    mixed = copy.deepcopy((truth, results))
    for rows in (mixed[0]["annotations"], mixed[0]["images"], mixed[0]["categories"], mixed[1]):
        rng.shuffle(rows)
    assert evaluate(*mixed, iou_type="segm").coco_stats == pytest.approx(expected)
    images = {i: f"picture-{(7 * i) % 101}" for i in range(1, 21)}
    for row in mixed[0]["images"]:
        row["id"] = images[row["id"]]
    for row in (*mixed[0]["annotations"], *mixed[1]):
        row["image_id"] = images[row["image_id"]]
        row["category_id"] = 90 - row["category_id"]
    for row in mixed[0]["categories"]:
        row["id"] = 90 - row["id"]
    for row in mixed[0]["annotations"]:
        row["id"] = 10**12 - row["id"]
    assert evaluate(*mixed, iou_type="segm").coco_stats == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_inventions_never_raise_ap(seed):
    truth, results = make_set(10, 60, 250, seed=seed)
    boxes = with_boxes(results)
    rng = random.Random(seed)
    last = evaluate(truth, boxes).stats
    for _ in range(3):
        lowest = min(r["score"] for r in boxes) - 0.01
        boxes = boxes + [
            rng.choice(boxes) | {"bbox": [rng.uniform(0, 200), rng.uniform(0, 200), 9.5, 3.5], "score": lowest}
            for _ in range(20)
        ]
        now = evaluate(truth, boxes).stats
        assert now["AP"] <= last["AP"] + 1e-12
        last = now


def test_worse_boxes_never_help():
    values = [ap(truth_of(A), found(([10 + shift, 10, 10, 10], 0.9))) for shift in np.arange(0, 5, 0.25)]
    assert values[0] == 1
    assert values[-1] == 0
    assert all(b <= a for a, b in itertools.pairwise(values))


def test_ranges_by_the_frame_are_cocos_on_cocos_frame_and_follow_the_picture():
    truth = truth_of([0, 0, 30, 30], [40, 0, 50, 50])
    results = found(([0, 0, 30, 30], 0.9))
    coco = rounded(evaluate(truth, results))
    assert (coco["APs"], coco["APm"]) == (1, 0)
    truth["images"][0] |= {"width": 640, "height": 480}
    at_coco_size = rounded(evaluate(truth, results, areas=AREAS_FRAME))
    assert at_coco_size == pytest.approx(coco, nan_ok=True)
    truth["images"][0] |= {"width": 100, "height": 100}
    close = evaluate(truth, results, areas=AREAS_FRAME).stats
    assert (close["APl"], math.isnan(close["APs"]), math.isnan(close["APm"])) == (pytest.approx(51 / 101), True, True)
    own = Areas("frame", (("tiny", 0, 0.1), ("rest", 0.1, 1)))
    stats = rounded(evaluate(truth, results, areas=own))
    assert (stats["AP_tiny"], stats["AR_rest"]) == (1, 0)


def test_classes_by_id_or_name():
    truth = truth_of(A, B, categories=[1, 2])
    results = found((A, 0.9))
    assert ap(truth, results, classes=[1]) == ap(truth, results, classes=["class 1"]) == 1
    assert ap(truth, results, classes=["class 2"]) == 0
    assert ap(truth, results, classes=[1, "class 2"]) == 0.5
    with pytest.raises(BadInput, match="no class 'cat'"):
        evaluate(truth, results, classes=["class 1", "cat"])


def test_settings_are_checked():
    truth, results = masked(truth_of(A)), found((A, 1))
    for wrong in (
        {"iou_type": "keypoints"},
        {"engine": "gpu"},
        {"max_dets": ()},
        {"max_dets": (0, 10)},
        {"max_dets": (10, 10)},
        {"max_dets": 100},
        {"areas": "coco"},
        {"band": 2},
    ):
        with pytest.raises(BadInput):
            evaluate(truth, results, **wrong)
    with pytest.raises(BadInput, match="bbox and segm"):
        evaluate(truth, [results[0] | {"segmentation": square(0, 0, 5, 5)}], iou_type="boundary", engine="fast")


def test_the_missing_engine_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ultrafast_pycocotools", None)
    with pytest.raises(BackendMissing, match=r"segtile\[fastcoco\]"):
        evaluate(truth_of(A), found((A, 1)), engine="fast")


@pytest.mark.parametrize("engine", ["pycocotools", "fast"])
def test_nothing_is_printed(capfd, engine):
    if engine == "fast":
        pytest.importorskip("ultrafast_pycocotools", reason="the extra fastcoco is not installed")
    evaluate(truth_of(A), found((A, 1)), engine=engine)
    assert capfd.readouterr() == ("", "")
