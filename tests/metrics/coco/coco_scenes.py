"""Tiny truths and results, and pycocotools run as its users run it."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDE = 100


def truth_of(*boxes: list[float], categories: list[int] | None = None, images: int = 1, **more: Any) -> dict[str, Any]:
    """One picture of 100 x 100 (or several, all boxes in the first) with boxes as objects of class 1."""
    rows = [
        {
            "id": i + 1,
            "image_id": 1,
            "category_id": categories[i] if categories else 1,
            "bbox": list(box),
            "area": box[2] * box[3],
            "iscrowd": 0,
            **more,
        }
        for i, box in enumerate(boxes)
    ]
    return {
        "images": [{"id": i + 1, "width": SIDE, "height": SIDE, "file_name": f"{i}.png"} for i in range(images)],
        "categories": [{"id": k, "name": f"class {k}"} for k in sorted({1, *(categories or [])})],
        "annotations": rows,
    }


def found(*boxes: tuple[list[float], float], category: int = 1) -> list[dict[str, Any]]:
    """Results in picture 1: (box, score) each."""
    return [{"image_id": 1, "category_id": category, "bbox": list(b), "score": s} for b, s in boxes]


def rle(mask: np.ndarray) -> dict[str, Any]:
    """A mask as JSON writes it."""
    coded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(coded["size"]), "counts": coded["counts"].decode()}


def square(x: int, y: int, w: int, h: int, side: int = SIDE) -> dict[str, Any]:
    mask = np.zeros((side, side), np.uint8)
    mask[y : y + h, x : x + w] = 1
    return rle(mask)


def masked(truth: dict[str, Any]) -> dict[str, Any]:
    """The same truth with its boxes as masks too."""
    truth = copy.deepcopy(truth)
    for row in truth["annotations"]:
        row["segmentation"] = square(*map(int, row["bbox"]))
    return truth


def pycocotools_stats(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> np.ndarray:
    """The 12 numbers as everybody gets them: COCO, loadRes, COCOeval."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(truth)
        gt.createIndex()
        evaluator = COCOeval(gt, gt.loadRes(copy.deepcopy(results)), kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats
