"""Hostile and sloppy COCO files: used with a note, or refused in one sentence that names the annotation."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
from coco_scenes import found, masked, pycocotools_stats, rle, square, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from segtile.errors import BadInput, ReadError
from segtile.metrics.coco import evaluate
from segtile.metrics.coco import rle as runs
from segtile.types import Box

A = [10.0, 10.0, 10.0, 10.0]
B = [50.0, 50.0, 20.0, 10.0]


def good():
    truth = masked(truth_of(A, B))
    return truth, [r | {"segmentation": square(*map(int, r["bbox"]))} for r in found((A, 0.9), (B, 0.8))]


def refused(truth, results, *words, kind="segm"):
    """The one sentence; a `BadInput` for loaded data."""
    with pytest.raises(BadInput) as caught:
        evaluate(truth, results, iou_type=kind)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence
    return sentence


def put(place, key, value):
    """A change to the truth's annotation 2 or to results[1]."""

    def change(truth, results):
        row = truth["annotations"][1] if place == "truth" else results[1]
        if value is KeyError:
            del row[key]
        else:
            row[key] = value

    return change


def segmentation(value):
    return put("truth", "segmentation", value)


HUGE = 10**400
BAD_MASKS = {
    "size of another picture": ({"size": [50, 100], "counts": "abc"}, "size of its run lengths"),
    "no size": ({"counts": "abc"}, "size of its run lengths"),
    "size of texts": ({"size": ["100", "100"], "counts": "abc"}, "size of its run lengths"),
    "counts missing": ({"size": [100, 100]}, "`counts` must be"),
    "counts a number": ({"size": [100, 100], "counts": 5}, "`counts` must be"),
    "counts empty": ({"size": [100, 100], "counts": ""}, "add up to 0 px"),
    "counts too short": ({"size": [100, 100], "counts": [10, 10]}, "add up to 20 px"),
    "counts overflow": ({"size": [100, 100], "counts": [9999, 2]}, "add up to 10001 px"),
    "a negative run": ({"size": [100, 100], "counts": [10010, -10]}, "negative"),
    "a run beyond 64 bits": ({"size": [100, 100], "counts": [HUGE]}, "run length"),
    "a run of 2**40": ({"size": [100, 100], "counts": [2**40]}, "longer than its picture"),
    "a run of half a pixel": ({"size": [100, 100], "counts": [9999.5, 0.5]}, "whole numbers"),
    "a run of null": ({"size": [100, 100], "counts": [None, 10000]}, "whole numbers"),
    "a list in a list": ({"size": [100, 100], "counts": [[1, 2], [3, 4]]}, "whole numbers"),
    "ragged lists": ({"size": [100, 100], "counts": [[1, 2], [3]]}, "whole numbers"),
    "letters of no RLE": ({"size": [100, 100], "counts": "a b\x01"}, "characters that run lengths do not have"),
    "not ASCII": ({"size": [100, 100], "counts": "ĀĀ"}, "characters that run lengths do not have"),
    "a zero byte": ({"size": [100, 100], "counts": "ab\x00ab"}, "characters that run lengths do not have"),
    "cut in a number": ({"size": [100, 100], "counts": square(50, 50, 20, 10)["counts"][:-1] + "o"}, "cut off"),
    "a number without end": ({"size": [100, 100], "counts": "o" * 1000}, "cut off"),
    "a number of 60 bits": ({"size": [100, 100], "counts": "oooooooooooo0"}, "negative or impossible"),
    "difference below 0": ({"size": [100, 100], "counts": "222L"}, "negative"),
    "a text": ("abc", "must be polygons or run lengths"),
    "a number": (7, "must be polygons or run lengths"),
    "empty": ([], "no segmentation"),
    "null": (None, "no segmentation"),
    "missing": (KeyError, "no segmentation"),
    "a flat polygon": ([1, 2, 3, 4, 5, 6], "polygon"),
    "two points": ([[1, 2, 3, 4]], "at least three points"),
    "odd numbers": ([[1, 2, 3, 4, 5, 6, 7]], "x, y, x, y"),
    "NaN": ([[1, 2, 3, math.nan, 5, 6]], "not finite"),
    "infinity": ([[1, 2, 3, math.inf, 5, 6]], "not finite"),
    "a point far out": ([[1, 2, 3, 1e9, 5, 6]], "out of its picture"),
    "a point of 400 digits": ([[1, 2, 3, HUGE, 5, 6]], "polygon"),
    "points of texts": ([["a", "b", "c", "d", "e", "f"]], "flat list of numbers"),
    "points of points": ([[[1, 2], [3, 4], [5, 6]]], "flat list"),
    "a second ring broken": ([[0, 0, 9, 0, 9, 9], [0]], "at least three points"),
    "an endless zigzag": ([[0, 0, 100, 100] * 40000], "px of outline"),
}


@pytest.mark.parametrize("value", BAD_MASKS.values(), ids=BAD_MASKS.keys())
@pytest.mark.parametrize("place", ["truth", "results"])
def test_bad_masks(place, value):
    truth, results = good()
    put(place, "segmentation", value[0])(truth, results)
    refused(truth, results, "annotation 2" if place == "truth" else "results[1]", value[1])


BAD_TRUTH = {
    "no id of a picture": (put("truth", "image_id", KeyError), "annotation 2 has no `image_id`"),
    "unknown picture": (put("truth", "image_id", 7), "annotation 2 is on image 7, which `images` does not list"),
    "picture a list": (put("truth", "image_id", [1]), "annotation 2: `image_id` must be"),
    "picture true": (put("truth", "image_id", True), "annotation 2: `image_id` must be"),
    "unknown class": (put("truth", "category_id", 9), "annotation 2 is of category 9"),
    "no class": (put("truth", "category_id", KeyError), "annotation 2 has no `category_id`"),
    "id twice": (put("truth", "id", 1), "annotation id 1 is used 2 times"),
    "id a list": (put("truth", "id", [2]), "annotations[1]: `id` must be"),
    "negative box": (put("truth", "bbox", [5, 5, -1, 5]), "annotation 2: its box [5, 5, -1, 5] has a negative"),
    "NaN box": (put("truth", "bbox", [5, math.nan, 1, 5]), "annotation 2: a number of its box must be finite"),
    "endless box": (put("truth", "bbox", [5, 5, math.inf, 5]), "annotation 2: a number of its box must be finite"),
    "huge box": (put("truth", "bbox", [5, 5, 1e200, 5]), "annotation 2: its box"),
    "box beyond floats": (put("truth", "bbox", [5, 5, HUGE, 5]), "annotation 2: a number of its box"),
    "box of three": (put("truth", "bbox", [5, 5, 5]), "annotation 2: `bbox` must be a list of x, y, width, height"),
    "box of texts": (put("truth", "bbox", ["1", "2", "3", "4"]), "annotation 2: a number of its box must be a number"),
    "box a text": (put("truth", "bbox", "1234"), "annotation 2: `bbox` must be"),
    "box a number": (put("truth", "bbox", 3), "annotation 2: `bbox` must be"),
    "area negative": (put("truth", "area", -1), "annotation 2: `area` must not be negative"),
    "area NaN": (put("truth", "area", math.nan), "annotation 2: `area` must be finite"),
    "area a text": (put("truth", "area", "12"), "annotation 2: `area` must be a number, not a text"),
    "area true": (put("truth", "area", True), "annotation 2: `area` must be a number"),
    "crowd of 2": (put("truth", "iscrowd", 2), "annotation 2: `iscrowd` must be 0 or 1"),
    "crowd a text": (put("truth", "iscrowd", "no"), "annotation 2: `iscrowd` must be 0 or 1"),
    "annotation no object": (lambda t, r: t["annotations"].__setitem__(1, 5), "annotations[1] must be an object"),
    "annotations no list": (lambda t, r: t.__setitem__("annotations", {}), "`annotations` must be a list"),
    "no annotations": (lambda t, r: t.pop("annotations"), "has no `annotations`, so it is not a COCO file"),
    "no images": (lambda t, r: t.pop("images"), "has no `images`"),
    "no categories": (lambda t, r: t.pop("categories"), "has no `categories`"),
    "picture twice": (lambda t, r: t["images"].append(t["images"][0]), "image id 1 is used 2 times"),
    "class twice": (lambda t, r: t["categories"].append({"id": 1}), "category id 1 is used 2 times"),
    "ids of two kinds": (lambda t, r: t["images"].append({"id": "b"}), "image ids must be all numbers or all texts"),
    "picture without id": (lambda t, r: t["images"].append({"width": 3}), "images[1] has no `id`"),
    "width 0": (lambda t, r: t["images"][0].update(width=0), "image 1: `width` must be a whole number of px above 0"),
    "width -5": (lambda t, r: t["images"][0].update(width=-5), "image 1: `width` must be"),
    "width 10.5": (lambda t, r: t["images"][0].update(width=10.5), "image 1: `width` must be"),
    "width a text": (lambda t, r: t["images"][0].update(width="100"), "image 1: `width` must be a number, not a text"),
    "a picture too large": (lambda t, r: t["images"][0].update(width=10**6, height=10**6), "is larger than"),
    "no size": (lambda t, r: t["images"][0].pop("width"), "image 1 has no width and height, which the mask"),
}


@pytest.mark.parametrize("case", BAD_TRUTH.values(), ids=BAD_TRUTH.keys())
def test_bad_truths(case):
    truth, results = good()
    case[0](truth, results)
    assert refused(truth, results, case[1]).startswith("the truth: ")


BAD_RESULTS = {
    "no score": (put("results", "score", KeyError), "results[1] has no `score`"),
    "score null": (put("results", "score", None), "results[1] has no `score`"),
    "score NaN": (put("results", "score", math.nan), "results[1]: `score` must be finite"),
    "score a text": (put("results", "score", "0.9"), "results[1]: `score` must be a number, not a text"),
    "score a list": (put("results", "score", [0.9]), "results[1]: `score` must be a number, not a list"),
    "unknown picture": (put("results", "image_id", 2), "results[1] is on image 2, which the truth does not list"),
    "picture as text": (put("results", "image_id", "1"), "results[1] is on image '1', which the truth does not list"),
    "no class": (put("results", "category_id", KeyError), "results[1] has no `category_id`"),
    "negative box": (put("results", "bbox", [1, 1, 1, -1]), "results[1]: its box [1, 1, 1, -1] has a negative"),
    "result no object": (lambda t, r: r.__setitem__(1, None), "results[1] must be an object, not null"),
    "no class in common": (
        lambda t, r: [row.update(category_id=90) for row in r],
        "none of its categories (90) is a category of the truth",
    ),
}


@pytest.mark.parametrize("case", BAD_RESULTS.values(), ids=BAD_RESULTS.keys())
def test_bad_results(case):
    truth, results = good()
    case[0](truth, results)
    assert refused(truth, results, case[1]).startswith("the results: ")


def test_results_need_a_box_or_a_mask():
    truth, results = good()
    refused(truth, [{k: r[k] for k in ("image_id", "category_id", "score")} for r in results], "neither", kind="bbox")
    refused(truth, found((A, 1)), "results[0] has no segmentation", "type bbox")


def test_a_whole_coco_file_as_results():
    truth, results = good()
    whole = copy.deepcopy(truth)
    whole["annotations"] = [r | {"id": i, "area": 1, "iscrowd": 0} for i, r in enumerate(results)]
    expected = evaluate(truth, results, iou_type="segm").coco_stats
    assert evaluate(truth, whole, iou_type="segm").coco_stats == expected
    refused(truth, truth, "annotations[0] has no `score`")
    whole["categories"][0]["name"] = "dog"
    refused(truth, whole, "category 1 is called 'dog' here and 'class 1' in the truth")
    whole["categories"][0]["name"] = "class 1"
    whole["images"][0]["width"] = 90
    refused(truth, whole, "image 1 is 90x100 px here and 100x100 px in the truth")
    refused(truth, {"results": results}, "has no `annotations`")
    refused(results, results, "a truth is a COCO object", "not a list")
    with pytest.raises(BadInput, match="a path, a dict or a list"):
        evaluate(truth, 5)


def test_results_of_other_classes_are_left_out_as_pycocotools_does():
    truth, results = good()
    more = [results[0] | {"category_id": 5, "score": 1.0}, *results]
    report = evaluate(truth, more, iou_type="segm")
    assert np.array_equal(report.coco_stats, pycocotools_stats(truth, more, "segm"))
    assert any("1 results are of categories that the truth does not have (5)" in n for n in report.notes)


def test_a_missing_area_is_computed_and_said():
    truth, results = good()
    expected = evaluate(truth, results, iou_type="segm")
    for row in truth["annotations"]:
        del row["area"]
    with pytest.raises(KeyError):
        pycocotools_stats(truth, results, "segm")
    report = evaluate(truth, results, iou_type="segm")
    assert report.stats == pytest.approx(expected.stats, nan_ok=True)
    assert "2 of 2 annotations have no area: taken from the mask." in report.notes
    for row in truth["annotations"]:
        del row["segmentation"]
    report = evaluate(truth, found((A, 1)), iou_type="bbox")
    assert "2 of 2 annotations have no area: taken from the box." in report.notes


def test_a_missing_crowd_flag_box_or_id_is_said():
    truth, results = good()
    expected = evaluate(truth, results, iou_type="bbox").stats
    for row in truth["annotations"]:
        del row["iscrowd"], row["bbox"], row["id"]
    for row in results:
        row["bbox"] = []
    report = evaluate(truth, results, iou_type="bbox")
    assert report.stats == pytest.approx(expected, nan_ok=True)
    for said in ("have no id", "no iscrowd: taken as 0", "no bbox: taken from the mask"):
        assert sum(said in note for note in report.notes) == 1
    for row in truth["annotations"]:
        row["segmentation"] = []
    refused(truth, results, "annotation 0 has neither a bbox nor a segmentation", kind="bbox")


def test_a_wrong_area_is_said_and_can_be_recomputed():
    truth, results = good()
    for row in truth["annotations"]:
        row["area"] = 10000
    report = evaluate(truth, results, iou_type="segm")
    assert math.isnan(report.stats["APs"])
    assert any("area larger than their box" in n for n in report.notes)
    again = evaluate(truth, results, iou_type="segm", recompute_area=True)
    assert again.stats["APs"] == pytest.approx(1)
    assert not again.notes[:-1]


def test_ignore_is_said():
    truth, results = good()
    truth["annotations"][0]["ignore"] = 1
    assert any("`ignore`" in n for n in evaluate(truth, results, iou_type="segm").notes)


def test_polygons_of_several_rings_and_plain_counts_are_the_same_object():
    truth, results = good()
    mask = np.zeros((100, 100), np.uint8)
    mask[10:20, 10:20] = mask[30:40, 10:20] = 1
    shapes = [
        [[10, 10, 20, 10, 20, 20, 10, 20], [10, 30, 20, 30, 20, 40, 10, 40]],
        {"size": [100, 100], "counts": [1010, *[10, 10, 10, 70] * 9, 10, 10, 10, 8060]},
        rle(mask),
        {**rle(mask), "counts": rle(mask)["counts"].encode()},
    ]
    for shape in shapes:
        truth["annotations"][0] |= {"segmentation": shape, "bbox": [10, 10, 10, 30], "area": 200}
        for other in shapes:
            results[0] = {"image_id": 1, "category_id": 1, "score": 0.9, "segmentation": other}
            assert evaluate(truth, results, iou_type="segm").stats["AP"] == pytest.approx(1)


def test_numpy_scalars_and_arrays_of_a_callers_own_tables():
    truth, _ = good()
    results = [
        {"image_id": np.int64(1), "category_id": np.int32(1), "score": np.float32(0.9), "bbox": np.array(b)}
        for b in (A, B)
    ]
    assert evaluate(truth, results).stats["AP"] == pytest.approx(1)
    results[0]["image_id"] = 1.0
    assert evaluate(truth, results).stats["AP"] == pytest.approx(1)


def test_boxes_over_the_edge_and_of_no_size_are_used():
    truth = truth_of([-5.0, -5.0, 10.0, 10.0], [20.0, 20.0, 0.0, 0.0])
    results = found(([-5.0, -5.0, 10.0, 10.0], 0.9), ([20.0, 20.0, 0.0, 0.0], 0.8))
    assert np.array_equal(evaluate(truth, results).coco_stats, pycocotools_stats(truth, results, "bbox"))


FILES = {
    "empty": (b"", "is empty"),
    "blank": (b" \n", "is empty"),
    "cut off": (b'{"images": [{"id": 1', "not valid JSON at line 1, column 21", "cut off"),
    "cut in a text": (b'{"images": [{"id": "1', "not valid JSON"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\xff", "not UTF-8"),
    "a number": (b"5", "a truth is a COCO object", "not a number"),
    "deep": (b"[" * 200000, "nested deeper"),
    "digits": (b'{"images": ' + b"1" * 5000 + b"}", "number that is too long"),
    "two values": (b"{} {}", "not valid JSON"),
}


@pytest.mark.parametrize("case", FILES.values(), ids=FILES.keys())
def test_bad_files(tmp_path, case):
    path = tmp_path / "truth.json"
    path.write_bytes(case[0])
    with pytest.raises(ReadError) as caught:
        evaluate(path, [])
    assert str(caught.value).startswith(str(path))
    for word in case[1:]:
        assert word in str(caught.value)


def test_files_and_loaded_data_are_the_same(tmp_path):
    truth, results = good()
    (tmp_path / "t.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(truth).encode())
    (tmp_path / "r.json").write_text(json.dumps(results))
    from_files = evaluate(str(tmp_path / "t.json"), tmp_path / "r.json", iou_type="segm")
    assert from_files.coco_stats == evaluate(truth, results, iou_type="segm").coco_stats
    for path in (tmp_path / "missing.json", tmp_path, "a\0b"):
        with pytest.raises(ReadError, match="cannot be read"):
            evaluate(path, results)
    (tmp_path / "r.json").write_text(json.dumps(results).replace("0.9", "NaN"))
    with pytest.raises(ReadError, match=r"r\.json: results\[0\]: `score` must be finite"):
        evaluate(truth, tmp_path / "r.json", iou_type="segm")


@settings(max_examples=200, deadline=None)
@given(
    masks=st.lists(
        hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1)), max_size=5
    )
)
def test_good_masks_are_added_up_rightly(masks):
    texts = [coco_mask.encode(np.asfortranarray(m))["counts"] for m in masks]
    done = runs.check(texts, [m.shape for m in masks])
    assert done.fault == [None] * len(masks)
    assert done.area.tolist() == [int(m.sum()) for m in masks]
    for m, text in zip(masks, texts, strict=True):
        first, end = runs.runs_of(text)
        box = runs.box_of(first, end, m.shape[0])
        x, y, w, h = coco_mask.toBbox({"size": list(m.shape), "counts": text})
        assert m.any() == (not box.empty)
        if m.any():
            assert (box.x0, box.y0, box.width, box.height) == (x, y, w, h)
            assert np.array_equal(runs.crop_of(first, end, m.shape[0], box).T, m[box.slices])
            wide = runs.crop_of(first, end, m.shape[0], Box(-2, -1, m.shape[1] + 3, m.shape[0] + 1)).T
            assert np.array_equal(wide, np.pad(m, ((1, 1), (2, 3))))
            part = Box(m.shape[1] // 3, m.shape[0] // 2, m.shape[1], m.shape[0])
            assert np.array_equal(runs.crop_of(first, end, m.shape[0], part).T, m[part.slices])


GOOD = coco_mask.encode(np.asfortranarray(np.eye(6, 7, dtype=np.uint8)))["counts"]


def spoiled(place: int, byte: int) -> bytes:
    return GOOD[: place % len(GOOD)] + bytes([byte]) + GOOD[place % len(GOOD) + 1 :]


@settings(max_examples=400, deadline=None)
@given(
    texts=st.lists(
        st.one_of(st.binary(max_size=30), st.builds(spoiled, st.integers(0, 99), st.integers(40, 120))), max_size=4
    ),
    good_at=st.integers(0, 4),
)
def test_any_text_is_either_a_mask_of_its_size_or_a_fault(texts, good_at):
    """What passes is decoded by compiled code; what is among the bad does not spoil the good."""
    texts.insert(min(good_at, len(texts)), GOOD)
    done = runs.check(texts, [(6, 7)] * len(texts))
    for text, fault, area in zip(texts, done.fault, done.area.tolist(), strict=True):
        if text == GOOD:
            assert (fault, area) == (None, 6)
        if fault is None:
            assert coco_mask.decode([{"size": [6, 7], "counts": text}]).sum() == area
