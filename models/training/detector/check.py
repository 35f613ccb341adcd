"""Figures of the shipped file, through segtile's own reader, on flat lays that were rendered whole by eval/synth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.detector.figures import coco, row
from models.training.detector.flatlays import PIECES, flatlay_boxes
from segtile.backends.detectors import open_detector
from segtile.detected import Detector
from segtile.metrics.coco import evaluate


def check(model: str, folder: Path) -> dict[str, Any]:
    """AP50 and AP of boxes, and of every picture how many pieces were counted, in one look at the whole picture.

    Args:
        model: the catalogue name or file of a detector.
        folder: flatlay_SEED.jpg from `python -m eval.synth --kind flatlay --seed SEED -o folder`.

    Raises:
        FileNotFoundError: the folder has no such pictures.
    """
    files = sorted(folder.glob("flatlay_*.jpg"))
    if not files:
        raise FileNotFoundError(f"no flat lays in {folder}: python -m eval.synth --kind flatlay --seed 101 -o {folder}")
    sure, all_of_them = open_detector(model), open_detector(model, confidence=0.01)
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    counted: dict[str, int] = {}
    sizes: list[tuple[int, int]] = []
    for file in files:
        picture = read_picture(file)
        sizes.append((picture.shape[1], picture.shape[0]))
        truth += [row(len(sizes), box) for box in flatlay_boxes(int(file.stem.split("_")[1]), *sizes[-1]).tolist()]
        results += _rows(all_of_them, picture, len(sizes))
        counted[file.name] = len(sure.detect([picture])[0])
    report = evaluate(coco(truth, sizes), results)
    errors = [abs(n - PIECES) for n in counted.values()]
    return {
        "pictures": len(files),
        "ap50": round(report.stats["AP50"], 4),
        "ap": round(report.stats["AP"], 4),
        "count_error": float(np.mean(errors)),
        "counted": counted,
    }


def read_picture(file: Path) -> NDArray[np.uint8]:
    """An 8-bit picture as (H, W, 3) uint8 RGB.

    Raises:
        FileNotFoundError: there is none that can be read.
    """
    found = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if found is None:
        raise FileNotFoundError(f"{file} is no picture that can be read")
    return np.ascontiguousarray(found[..., ::-1])


def _rows(detector: Detector, picture: NDArray[np.uint8], number: int) -> list[dict[str, Any]]:
    (found,) = detector.detect([picture])
    pairs = zip(found.boxes.tolist(), found.scores.tolist(), strict=True)
    return [row(number, box) | {"score": score} for box, score in pairs]
