"""A seeded COCO set: blobs as truth, and a detector that misses, shifts, doubles and invents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

#: Objects are this wide, as shares of the picture's side: all three of COCO's size ranges at 1000 px.
_SMALLEST, _LARGEST = 0.008, 0.28
_CLASSES = 5


def blob(rng: np.random.Generator, side: int) -> npt.NDArray[np.float64]:
    """The outline (n, 2) in px of one wobbly ellipse somewhere in the picture, at times cut by its border."""
    radius = side * math.exp(rng.uniform(math.log(_SMALLEST), math.log(_LARGEST))) / 2
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    wobble = 1 + sum(rng.uniform(0, 0.12) * np.sin(k * angle + rng.uniform(0, 6.28)) for k in (2, 3, 5, 11))
    turn = rng.uniform(0, np.pi)
    x, y = radius * wobble * np.cos(angle), radius * rng.uniform(0.4, 1) * wobble * np.sin(angle)
    at = rng.uniform(0, side, 2)
    return np.stack([x * np.cos(turn) - y * np.sin(turn) + at[0], x * np.sin(turn) + y * np.cos(turn) + at[1]], 1)


def rle_of(outline: npt.NDArray[np.float64], side: int) -> dict[str, Any]:
    """Compressed run lengths of an outline; what lies outside of the picture is cut off."""
    coded = coco_mask.frPyObjects([outline.ravel().tolist()], side, side)[0]
    return {"size": [side, side], "counts": coded["counts"].decode()}


def _counts(coded: dict[str, Any]) -> list[int]:
    """The same mask as a plain list of run lengths."""
    flat = coco_mask.decode(coded).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    first = [0] if flat[0] else []
    return first + [int(n) for n in np.diff(np.concatenate(([0], edges, [flat.size])))]


def make_set(
    pictures: int = 200, objects: int = 3000, side: int = 1000, seed: int = 4
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(truth, results) as COCO JSON values.

    3 % of the truth is crowd (plain run lengths, as in COCO), a fifth polygons, the rest compressed run lengths. Scores
    are rounded to 0.05, so most are tied. Some pictures may stay empty on one side or on both.
    """
    rng = np.random.default_rng(seed)
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i in range(objects):
        outline, image, category = blob(rng, side), int(rng.integers(pictures)) + 1, int(rng.integers(_CLASSES)) + 1
        coded = rle_of(outline, side)
        if not coco_mask.area(coded):  # all of it fell outside
            outline = outline - outline.mean(0) + side / 2
            coded = rle_of(outline, side)
        kind = rng.random()
        segmentation: Any = coded
        if kind < 0.03:
            segmentation = {"size": [side, side], "counts": _counts(coded)}
        elif kind > 0.8:
            segmentation = [np.clip(outline, 0, side).round(2).ravel().tolist()]
            coded = rle_of(np.array(segmentation).reshape(-1, 2), side)
        truth.append(
            {
                "id": i + 1,
                "image_id": image,
                "category_id": category,
                "bbox": [float(v) for v in coco_mask.toBbox(coded)],
                "area": float(coco_mask.area(coded)),
                "iscrowd": int(kind < 0.03),
                "segmentation": segmentation,
            }
        )
        for _ in range(int(rng.choice(3, p=[0.08, 0.77, 0.15]))):  # missed, found, found twice
            moved = (outline - outline.mean(0)) * rng.normal(1, 0.05, (1, 2)) + outline.mean(0)
            moved += rng.normal(0, 0.03, (1, 2)) * np.ptp(outline, 0)
            seen = category if rng.random() > 0.05 else int(rng.integers(_CLASSES)) + 1
            _add(results, rle_of(moved, side), image, seen, rng.beta(4, 2))
        if rng.random() < 0.1:
            _add(results, rle_of(blob(rng, side), side), int(rng.integers(pictures)) + 1, category, rng.beta(2, 4))
    images = [{"id": i + 1, "file_name": f"{i + 1}.png", "width": side, "height": side} for i in range(pictures)]
    classes = [{"id": k + 1, "name": f"class {k + 1}"} for k in range(_CLASSES)]
    return {"images": images, "annotations": truth, "categories": classes}, results


def _add(results: list[dict[str, Any]], coded: dict[str, Any], image: int, category: int, score: float) -> None:
    if coco_mask.area(coded):
        score = round(round(score * 20) / 20, 2)
        results.append({"image_id": image, "category_id": category, "score": score, "segmentation": coded})


def with_boxes(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same results as boxes alone."""
    boxes = coco_mask.toBbox([r["segmentation"] for r in results])
    return [
        {key: r[key] for key in ("image_id", "category_id", "score")} | {"bbox": [float(v) for v in box]}
        for r, box in zip(results, boxes, strict=True)
    ]
