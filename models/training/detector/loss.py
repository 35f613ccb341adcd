"""Which places answer for which piece, and how wrong the network is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.training.detector.model import Raw, places

_SCORE_POWER, _IOU_POWER = 0.5, 4.0
_REACH = {8.0: (0.0, 128.0), 16.0: (48.0, 288.0), 32.0: (128.0, 1e9)}  # longer side of the pieces a stride answers for
_MASKS = 24  # places per picture whose masks are compared, at most
_WEIGHTS = {"score": 1.0, "box": 2.5, "mask": 1.0}


class Target(NamedTuple):
    """Of one picture: `boxes` (n, 4) x0 y0 x1 y1 px, `labels` (n,) int64, `masks` (n, H / 4, W / 4) 0..1."""

    boxes: Tensor
    labels: Tensor
    masks: Tensor


class Answer(NamedTuple):
    """Of one picture: `rows` (p,) the places that answer, `pieces` (p,) for which piece, `worth` (p,) 0..1."""

    rows: Tensor
    pieces: Tensor
    worth: Tensor


def corners(boxes: Tensor) -> Tensor:
    """(..., 4) centre and size to (..., 4) x0 y0 x1 y1."""
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], -1)


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019) of boxes (..., 4), broadcast against each other."""
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inner
    iou = inner / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def assign(boxes: Tensor, scores: Tensor, target: Target, centres: Tensor, strides: Tensor, most: int = 10) -> Answer:
    """Task-aligned assignment of one picture: places inside a piece's box whose score and box fit it best.

    Args:
        boxes: (A, 4) x0 y0 x1 y1 as predicted, no gradient.
        scores: (A, classes) 0..1 as predicted.
        target: the picture's pieces.
        centres: (A, 2) px.
        strides: (A,).
        most: places that answer for one piece, at most.

    Source: TOOD, Feng et al. 2021; limited to levels that fit a piece's size as in FCOS.
    """
    if len(target.boxes) == 0:
        nothing = torch.zeros(0, dtype=torch.int64, device=boxes.device)
        return Answer(nothing, nothing, torch.zeros(0, device=boxes.device))
    iou, _ = overlaps(target.boxes[:, None], boxes[None])
    inside = _inside(target.boxes, centres, strides)
    fit = scores[:, target.labels].T.clamp(min=1e-4) ** _SCORE_POWER * iou.clamp(min=1e-3) ** _IOU_POWER
    fit = torch.where(inside, fit, torch.zeros_like(fit))
    best = fit.topk(min(most, fit.shape[1]), dim=1)
    chosen = torch.zeros_like(inside).scatter_(1, best.indices, best.values > 0)
    # A place that several pieces want goes to the one that it covers best.
    owner = torch.where(chosen, iou, torch.full_like(iou, -1.0)).argmax(0)
    rows = chosen.any(0).nonzero()[:, 0]
    pieces = owner[rows]
    mine = torch.zeros_like(chosen)
    mine[pieces, rows] = True
    top_fit = torch.where(mine, fit, torch.zeros_like(fit)).amax(1)
    top_iou = torch.where(mine, iou, torch.zeros_like(iou)).amax(1)
    worth = fit[pieces, rows] / top_fit[pieces].clamp(min=1e-12) * top_iou[pieces]
    return Answer(rows, pieces, worth.clamp(0, 1))


def _inside(boxes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """(n, A) places within a box, or within a stride of its middle where the box is thin, on the levels that fit it."""
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    half = torch.maximum(size[:, None] / 2, 0.75 * strides[None, :, None])
    within = ((centres[None] - middle[:, None]).abs() <= half).all(-1)
    low = torch.tensor([_REACH[float(s)][0] for s in strides.unique()], device=boxes.device)
    high = torch.tensor([_REACH[float(s)][1] for s in strides.unique()], device=boxes.device)
    level = torch.searchsorted(strides.unique(), strides)
    longer = size.amax(1)[:, None]
    return within & (longer >= low[level][None]) & (longer < high[level][None])


def losses(raw: Raw, targets: list[Target], height: int, width: int, most: int = 10) -> dict[str, Tensor]:
    """Score, box and mask loss of a batch, and their weighted `total`.

    Scores: binary cross-entropy against the worth of each place. Boxes: 1 - generalised IoU, weighted by worth. Masks:
    binary cross-entropy within the box, each piece counting the same.
    """
    centres, strides = places((height, width), raw.boxes.device)
    predicted = corners(raw.boxes)
    wanted = torch.zeros_like(raw.logits)
    box_loss = raw.boxes.new_zeros(())
    mask_loss, masks = raw.boxes.new_zeros(()), 0
    total = raw.boxes.new_zeros(())
    for b, target in enumerate(targets):
        with torch.no_grad():
            answer = assign(predicted[b], raw.logits[b].sigmoid(), target, centres, strides, most)
        if len(answer.rows) == 0:
            continue
        wanted[b, answer.rows, target.labels[answer.pieces]] = answer.worth
        weight = answer.worth.clamp(min=0.15)
        _, fit = overlaps(predicted[b, answer.rows], target.boxes[answer.pieces])
        box_loss = box_loss + ((1 - fit) * weight).sum()
        total = total + weight.sum()
        chosen = answer.worth.topk(min(_MASKS, len(answer.rows))).indices
        mask_loss = mask_loss + _mask_loss(raw, b, target, answer.rows[chosen], answer.pieces[chosen])
        masks += len(chosen)
    total = total.clamp(min=1.0)
    # Every place counts the same: with less weight on those beside the pieces, a score would promise too much.
    score = functional.binary_cross_entropy_with_logits(raw.logits, wanted, reduction="sum")
    out = {
        "score": score / total,
        "box": box_loss / total,
        "mask": mask_loss / max(masks, 1),
    }
    return out | {"total": torch.stack([_WEIGHTS[k] * v for k, v in out.items()]).sum()}


def _mask_loss(raw: Raw, b: int, target: Target, rows: Tensor, pieces: Tensor) -> Tensor:
    """Sum over places of the mean cross-entropy within the piece's box, a cell wider on every side."""
    prototypes = raw.prototypes[b]
    k, h, w = prototypes.shape
    logits = (raw.coefficients[b, rows] @ prototypes.reshape(k, -1)).reshape(-1, h, w)
    cells = target.boxes[pieces] / 4
    x = torch.arange(w, device=logits.device) + 0.5
    y = torch.arange(h, device=logits.device) + 0.5
    across = (x[None] > cells[:, 0:1] - 1) & (x[None] < cells[:, 2:3] + 1)
    down = (y[None] > cells[:, 1:2] - 1) & (y[None] < cells[:, 3:4] + 1)
    within = (down[:, :, None] & across[:, None, :]).float()
    each = functional.binary_cross_entropy_with_logits(logits, target.masks[pieces], reduction="none")
    return ((each * within).sum((1, 2)) / within.sum((1, 2)).clamp(min=1)).sum()
