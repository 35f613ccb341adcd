"""Validation: the project's own metrics on composed pictures of kinds that are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from models.training.cutout.examples import Pair
from models.training.cutout.refine_net import alpha_of
from models.training.cutout.seen import at_size_of
from segtile.metrics.alpha import mae, mse
from segtile.metrics.edges import biou_px, iou
from segtile.metrics.pair import Pair as Compared

ACTIVATION: dict[str, Callable[[Tensor], Tensor]] = {"coarse": torch.sigmoid, "refine": alpha_of}


@torch.inference_mode()
def answers(task: str, model: nn.Module, seen: Tensor, alpha: Tensor) -> Tensor:
    """The network's alpha or probability of what it sees of the pictures of `alpha` (B, 1, H, W), in the same shape."""
    model.eval()
    return at_size_of(ACTIVATION[task](model(seen.to(next(model.parameters()).device)).float()).cpu(), alpha)


def validate(task: str, model: nn.Module, pairs: Sequence[Pair]) -> dict[str, float]:
    """Means over the pictures that show an object: IoU, boundary IoU at 2 px, MAE x 1000, MSE x 1000.

    `empty_mae` is over pictures without one, `before_*` what the coarse probability alone would have.
    """
    rows: list[dict[str, float]] = []
    for seen, alpha in pairs:
        given, seen = answers(task, model, seen, alpha), at_size_of(seen, alpha)
        for n in range(len(alpha)):
            truth = alpha[n, 0].numpy()
            row = figures(given[n, 0].numpy(), truth)
            if task == "refine":
                row |= {f"before_{k}": v for k, v in figures(seen[n, -1].numpy(), truth).items()}
            rows.append(row)
    names = sorted({name for row in rows for name in row})
    return {name: round(float(np.mean([row[name] for row in rows if name in row])), 4) for name in names}


def figures(answer: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The figures of one picture."""
    if (truth >= 0.5).sum() < 20:
        return {"empty_mae": 1000 * float(np.abs(answer - truth).mean())}
    pair = Compared.of(np.clip(answer, 0, 1), np.clip(truth, 0, 1))
    named = {"iou": iou, "biou2": biou_px, "mae": mae, "mse": mse}
    return {name: float(function.on_pair(pair)) for name, function in named.items()}


def sheet(task: str, model: nn.Module, pairs: Sequence[Pair], rows: int = 16) -> np.ndarray:
    """What was seen, what was wanted, what was answered, one picture a row: (h, w, 3) uint8 BGR."""
    out: list[np.ndarray] = []
    for seen, alpha in pairs:
        given, seen = answers(task, model, seen, alpha), at_size_of(seen, alpha)
        for n in range(len(alpha)):
            planes = [seen[n, 4], *([seen[n, 7]] if task == "refine" else []), alpha[n, 0], given[n, 0]]
            planes.append((given[n, 0] - alpha[n, 0]).abs())
            grey = [np.repeat(p.numpy()[..., None], 3, axis=2) for p in planes]
            line = np.concatenate([seen[n, :3].permute(1, 2, 0).numpy()[..., ::-1], *grey], axis=1)
            small = cv2.resize(line, (220 * (len(grey) + 1), 220), interpolation=cv2.INTER_AREA)
            out.append(np.round(np.clip(small, 0, 1) * 255).astype(np.uint8))
            if len(out) == rows:
                return np.concatenate(out)
    return np.concatenate(out)
