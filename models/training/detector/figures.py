"""What is measured while the network is trained: average precision, count error, mask IoU, on pictures held out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from models.training.detector.batches import Batch
from models.training.detector.decode import kept
from models.training.detector.loss import corners, overlaps
from models.training.detector.model import Detector
from segtile.metrics.coco import evaluate

THRESHOLD = 0.25  # score from which a box counts as a piece, as segtile.backends.detectors has it


def validate(model: Detector, batches: Iterable[Batch], device: torch.device) -> dict[str, float]:
    """AP50, AP, the mean absolute count error, the share of pictures counted right, and the masks' mean IoU."""
    model.eval()
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    sizes: list[tuple[int, int]] = []
    errors: list[int] = []
    masks: list[float] = []
    for images, targets in batches:
        with torch.inference_mode():
            raw = model(images.to(device).contiguous(memory_format=torch.channels_last))
        every, scores = corners(raw.boxes).cpu(), raw.logits.sigmoid().amax(-1).cpu()
        for b, target in enumerate(targets):
            sizes.append((images.shape[3], images.shape[2]))
            truth += [row(len(sizes), box) for box in target.boxes.tolist()]
            boxes, sure = kept(every[b].numpy(), scores[b].numpy(), 0.01)
            results += [row(len(sizes), x) | {"score": float(s)} for x, s in zip(boxes.tolist(), sure, strict=True)]
            errors.append(abs(int((sure >= THRESHOLD).sum()) - len(target.boxes)))
            masks += _mask_ious(raw.prototypes[b].cpu(), raw.coefficients[b].cpu(), every[b], scores[b], target)
    report = evaluate(coco(truth, sizes), results, max_dets=(1, 10, 100))
    return {
        "ap50": float(report.stats["AP50"]),
        "ap": float(report.stats["AP"]),
        "count_error": float(np.mean(errors)),
        "counted_right": float(np.mean([e == 0 for e in errors])),
        "mask_iou": float(np.mean(masks)) if masks else 0.0,
    }


def best_threshold(model: Detector, batches: Iterable[Batch], device: torch.device) -> float:
    """The score from which on boxes have to count, so that the pieces of all pictures are counted with least error."""
    model.eval()
    steps = np.arange(0.10, 0.70, 0.02)
    errors = np.zeros(len(steps))
    for images, targets in batches:
        with torch.inference_mode():
            raw = model(images.to(device).contiguous(memory_format=torch.channels_last))
        every, scores = corners(raw.boxes).cpu(), raw.logits.sigmoid().amax(-1).cpu()
        for b, target in enumerate(targets):
            _, sure = kept(every[b].numpy(), scores[b].numpy(), float(steps[0]))
            errors += np.abs((sure[None] >= steps[:, None]).sum(axis=1) - len(target.boxes))
    least = np.flatnonzero(errors <= 1.02 * errors.min())
    return float(steps[least].mean())


def coco(rows: Sequence[dict[str, Any]], sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """A COCO truth of rows from `row` on pictures 1, 2, ... of the given (width, height)."""
    return {
        "images": [{"id": n, "width": w, "height": h} for n, (w, h) in enumerate(sizes, 1)],
        "categories": [{"id": 1, "name": "piece"}],
        "annotations": [
            r | {"id": n, "iscrowd": 0, "area": r["bbox"][2] * r["bbox"][3]} for n, r in enumerate(rows, 1)
        ],
    }


def row(picture: int, box: Sequence[float]) -> dict[str, Any]:
    """A box x0, y0, x1, y1 on a picture, as COCO has it."""
    x0, y0, x1, y1 = box
    return {"image_id": picture, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}


def _mask_ious(prototypes: Any, coefficients: Any, boxes: Any, scores: Any, target: Any) -> list[float]:
    """Per piece, the mask IoU at stride 4 of the surest place whose box agrees with it."""
    out = []
    for box, mask in zip(target.boxes, target.masks, strict=True):
        fit = torch.where(overlaps(box[None], boxes)[0] > 0.5, scores, torch.zeros_like(scores))
        if fit.max() > 0:
            row = int(fit.argmax())
            logits = torch.einsum("k,khw->hw", coefficients[row], prototypes)
            within = torch.zeros_like(mask, dtype=torch.bool)
            x0, y0, x1, y1 = (boxes[row] / 4).tolist()
            within[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1] = True
            p, g = (logits > 0) & within, mask > 0.5
            out.append(float((p & g).sum() / (p | g).sum().clamp(min=1)))
    return out
