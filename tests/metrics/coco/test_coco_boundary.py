"""Boundary AP against the published method written out slowly, pixel for pixel and number for number."""

from __future__ import annotations

import contextlib
import copy
import io
import math

import cv2
import numpy as np
import pytest
from coco_scenes import rle, square, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segtile.errors import BadInput
from segtile.metrics.coco import BandDiagonal, BandPx, band_of, evaluate
from segtile.metrics.coco.boundary import Boundary, boundary_iou, boundary_of, intersection


def slow_boundary(mask: np.ndarray, d: int) -> np.ndarray:
    """The paper's: the frame padded by one px of outside, eroded d times by 3 x 3, and what that took away."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    for _ in range(d):
        padded = cv2.erode(padded, np.ones((3, 3), np.uint8))
    return mask - padded[1:-1, 1:-1]


def slow_boundary_ap(truth, results, ratio: float) -> np.ndarray:
    """All 12 numbers by whole-frame boundaries in COCOeval: the smaller of both IoUs, mask IoU for crowds."""

    class Slow(COCOeval):
        def computeIoU(self, imgId, catId):
            gt, dt = self._gts[imgId, catId], self._dts[imgId, catId]
            if not gt and not dt:
                return []
            dt = [dt[i] for i in np.argsort([-d["score"] for d in dt], kind="mergesort")[: self.params.maxDets[-1]]]
            crowd = [a["iscrowd"] for a in gt]
            masks = coco_mask.iou([a["segmentation"] for a in dt], [a["segmentation"] for a in gt], crowd)
            if not gt or not dt:
                return masks
            edges = coco_mask.iou([edge(a["segmentation"]) for a in dt], [edge(a["segmentation"]) for a in gt], crowd)
            return np.where(np.array(crowd) == 1, masks, np.minimum(masks, edges))

    def edge(coded):
        mask = coco_mask.decode([coded])[:, :, 0]
        d = max(1, round(ratio * math.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
        return coco_mask.encode(np.asfortranarray(slow_boundary(mask, d)))

    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(truth)
        gt.createIndex()
        evaluator = Slow(gt, gt.loadRes(copy.deepcopy(results)), "segm")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats


@pytest.mark.parametrize("ratio", [0.02, 0.008])
def test_all_12_numbers_are_the_papers(small_set, ratio):
    truth, results = small_set
    report = evaluate(truth, results, iou_type="boundary", band=ratio)
    assert np.array_equal(report.coco_stats, slow_boundary_ap(truth, results, ratio))
    plain = evaluate(truth, results, iou_type="segm").stats
    assert report.stats["AP"] < plain["AP"] - 0.01, "the boundary decides something"
    assert report.settings["band"] == f"{ratio:g} of the diagonal"


def test_the_numbers_are_faster_coco_evals(small_set, tmp_path):
    faster = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    truth, results = small_set
    with contextlib.redirect_stdout(io.StringIO()):
        gt = faster.COCO(copy.deepcopy(truth))
        found = gt.loadRes(copy.deepcopy(results))
        evaluator = faster.COCOeval_faster(gt, found, "boundary", boundary_dilation_ratio=0.02, print_function=print)
        evaluator.run()
    ours = evaluate(truth, results, iou_type="boundary", band=0.02).coco_stats
    assert np.allclose(list(evaluator.stats)[:12], ours, rtol=0, atol=1e-9)


def pixels(boundary: Boundary, height: int, width: int) -> np.ndarray:
    flat = np.zeros(height * width, np.uint8)
    for first, end in zip(boundary.first, boundary.end, strict=True):
        assert not flat[first:end].any(), "runs do not overlap"
        flat[first:end] = 1
    return flat.reshape(width, height).T


def coded(mask: np.ndarray) -> bytes:
    return coco_mask.encode(np.asfortranarray(mask))["counts"]


@settings(max_examples=150, deadline=None)
@given(
    mask=hnp.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30)), elements=st.integers(0, 1)),
    grow=st.integers(0, 4),
    d=st.integers(1, 8),
)
def test_boundaries_are_the_papers_to_the_pixel(mask, grow, d):
    mask = cv2.dilate(mask, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8))
    height, width = mask.shape
    found = boundary_of(coded(mask), height, width, BandPx(d))
    assert np.array_equal(pixels(found, height, width), slow_boundary(mask, d))
    assert found.area == slow_boundary(mask, d).sum()


@pytest.mark.parametrize("d", [1, 2, 7, 40])
def test_large_shapes_with_holes_at_every_border(d):
    mask = np.zeros((300, 420), np.uint8)
    mask[:200, :] = 1
    cv2.circle(mask, (210, 100), 30, 0, -1)
    mask[40:50, 300:] = 0
    cv2.circle(mask, (60, 299), 50, 1, -1)
    found = boundary_of(coded(mask), 300, 420, BandPx(d))
    assert np.array_equal(pixels(found, 300, 420), slow_boundary(mask, d))
    full = np.ones((300, 420), np.uint8)
    assert np.array_equal(pixels(boundary_of(coded(full), 300, 420, BandPx(d)), 300, 420), slow_boundary(full, d))


@pytest.mark.parametrize("crop", [1, 4000, 20000])
@pytest.mark.parametrize("d", [1, 3, 20])
def test_large_masks_are_worked_on_in_pieces(monkeypatch, crop, d):
    monkeypatch.setattr("segtile.metrics.coco.boundary._CROP", crop)
    mask = np.zeros((130, 200), np.uint8)
    cv2.ellipse(mask, (90, 60), (110, 50), 10, 0, 360, 1, -1)
    cv2.circle(mask, (80, 60), 15, 0, -1)
    found = boundary_of(coded(mask), 130, 200, BandPx(d))
    assert np.array_equal(pixels(found, 130, 200), slow_boundary(mask, d))


def test_runs_that_touch_are_one_run():
    """Encoders that stop and go on write empty runs of zeros; a crop must not see an edge there."""
    counts = coco_mask.frPyObjects({"size": [20, 20], "counts": [42, 3, 0, 5, 12, 8, 12, 8, 310]}, 20, 20)["counts"]
    mask = coco_mask.decode([{"size": [20, 20], "counts": counts}])[:, :, 0]
    assert mask.sum() == 24
    assert np.array_equal(pixels(boundary_of(counts, 20, 20, BandPx(1)), 20, 20), slow_boundary(mask, 1))


@settings(max_examples=100, deadline=None)
@given(masks=hnp.arrays(np.uint8, (2, 12, 9), elements=st.integers(0, 1)))
def test_intersections_by_runs_are_intersections_by_pixels(masks):
    a, b = (boundary_of(coded(m), 12, 9, BandPx(9)) for m in masks)
    assert intersection(a, b) == intersection(b, a) == np.count_nonzero(masks[0] & masks[1])
    expected = coco_mask.iou(
        [{"size": [12, 9], "counts": coded(masks[0])}], [{"size": [12, 9], "counts": coded(masks[1])}], [0]
    )
    assert boundary_iou(a, b) == expected[0, 0]


def boundary_truth(*squares, crowd: int = 0):
    truth = truth_of(*[list(map(float, s)) for s in squares], iscrowd=crowd)
    for row, s in zip(truth["annotations"], squares, strict=True):
        row["segmentation"] = square(*s)
    return truth


def one(x, y, w, h, score=0.9):
    return [{"image_id": 1, "category_id": 1, "score": score, "segmentation": square(x, y, w, h)}]


def test_by_hand():
    truth = boundary_truth((20, 20, 60, 60))
    assert evaluate(truth, one(20, 20, 60, 60), iou_type="boundary").stats["AP"] == pytest.approx(1)
    # 1 px to the right: two rings of 60 * 60 - 56 * 56 = 464 px share 4 * 59 px of their horizontal sides and 2 * 56 of
    # their upright ones: 348 / (2 * 464 - 348) = 0.6, which passes 0.5, 0.55 and 0.6
    off = one(21, 20, 60, 60)
    assert evaluate(truth, off, iou_type="boundary").stats["AP"] == pytest.approx(0.3)
    assert evaluate(truth, off, iou_type="segm").stats["AP"] == pytest.approx(1), "mask IoU is 0.967"
    # the trap: a band that swallows the object turns boundary IoU into mask IoU
    assert evaluate(truth, off, iou_type="boundary", band=BandPx(30)).stats["AP"] == pytest.approx(1)


def test_a_crowd_keeps_mask_iou():
    truth = boundary_truth((5, 5, 10, 10), (30, 30, 60, 60))
    truth["annotations"][1]["iscrowd"] = 1
    # inside of the crowd, far from its outline: were its boundary looked at, this would be an invention at rank 1
    results = one(50, 50, 12, 12, 0.99) + one(5, 5, 10, 10, 0.5)
    assert evaluate(truth, results, iou_type="boundary").stats["AP"] == pytest.approx(1)


def test_pictures_of_different_sizes_have_their_own_band():
    truth = boundary_truth((20, 20, 60, 60))
    large = np.zeros((600, 900), np.uint8)
    large[100:500, 100:700] = 1
    truth["images"].append({"id": 2, "width": 900, "height": 600})
    truth["annotations"].append(
        truth["annotations"][0] | {"id": 2, "image_id": 2, "area": 240000.0, "segmentation": rle(large)}
    )
    results = [
        *one(22, 21, 58, 58),
        {"image_id": 2, "category_id": 1, "score": 0.8, "segmentation": rle(np.roll(large, 9, axis=0))},
    ]
    for ratio in (0.02, 0.005):
        report = evaluate(truth, results, iou_type="boundary", band=ratio)
        assert np.array_equal(report.coco_stats, slow_boundary_ap(truth, results, ratio))


def test_bands():
    assert band_of("2px") == band_of(" 2 PX") == BandPx(2)
    assert band_of(0.02) == band_of("0.02") == BandDiagonal(0.02)
    assert (BandPx(4).px(10, 10), BandDiagonal(0.02).px(640, 480), BandDiagonal(0.02).px(6000, 6000)) == (4, 16, 170)
    assert BandDiagonal(0.001).px(10, 10) == 1
    for wrong in (
        "",
        "2",
        "px",
        "0px",
        "2.5px",
        "two",
        "-1px",
        "nan",
        "inf",
        "0",
        "0.0",
        "1.5",
        2,
        0.0,
        math.nan,
        True,
        None,
    ):
        with pytest.raises(BadInput):
            band_of(wrong)
    with pytest.raises(BadInput, match="widest is 8000 px"):
        BandDiagonal(1).px(12000, 12000)
