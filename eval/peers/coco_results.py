"""Detections as a COCO results list; needs NumPy and pycocotools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask


def result(
    image_id: int,
    category_id: int,
    score: float,
    box: tuple[float, float, float, float],
    mask: npt.NDArray[np.bool_],
    shape: tuple[int, int],
) -> dict[str, Any]:
    """One result with its mask as run lengths.

    Args:
        image_id: of the job.
        category_id: COCO's, from 1.
        score: in [0, 1].
        box: [x0, y0, x1, y1) in px.
        mask: bool, what lies within the box's whole pixels, or the whole picture's.
        shape: (height, width) of the picture.
    """
    if mask.shape != shape:
        whole = np.zeros(shape, np.uint8, order="F")
        x, y = int(box[0]), int(box[1])
        whole[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    else:
        whole = np.asfortranarray(mask, np.uint8)
    runs = coco_mask.encode(whole)
    return {
        "image_id": image_id,
        "category_id": category_id,
        "score": score,
        "bbox": [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
        "segmentation": {"size": runs["size"], "counts": runs["counts"].decode()},
    }


def write_results(results: list[dict[str, Any]], path: Path) -> None:
    """The list as JSON."""
    path.write_text(json.dumps(results))
