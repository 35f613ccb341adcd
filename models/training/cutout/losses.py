"""What the networks are told of their answers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.training.cutout.refine_net import alpha_of
from models.training.cutout.seen import at_size_of

Parts = dict[str, Tensor]
_LEVELS = 3


def coarse_losses(logits: Tensor, alpha: Tensor, seen: Tensor) -> Parts:
    """Cross entropy and dice over all, and the error of the probability where the edge is; (B, 1, H, W) each."""
    prob = torch.sigmoid(logits)
    weight = 1 + 3 * _band(alpha, 7)
    entropy = (weight * functional.binary_cross_entropy_with_logits(logits, alpha, reduction="none")).mean()
    common, either = (prob * alpha).sum((1, 2, 3)), (prob + alpha).sum((1, 2, 3))
    dice = (1 - (2 * common + 50) / (either + 50)).mean()
    edge = _mean_where((prob - alpha).abs(), _band(alpha, 5))
    return {"loss": entropy + 0.5 * dice + edge, "entropy": entropy, "dice": dice, "edge": edge}


def refine_losses(logits: Tensor, alpha: Tensor, seen: Tensor) -> Parts:
    """Alpha, its differences at several scales, the place where it crosses one half, and what the coarse answer hid.

    Args:
        logits: (B, 1, m H, m W), of a picture shown m times as large as it is.
        alpha: (B, 1, H, W).
        seen: (B, 8, m H, m W), the last plane the coarse probability.
    """
    answer = at_size_of(alpha_of(logits), alpha)
    if answer.shape != logits.shape:
        logits = torch.logit(at_size_of(torch.sigmoid(logits), alpha), 1e-6)
    band = _band(alpha, 5)
    # Holes that were filled, parts that were lost: where the coarse answer is wrong, an error counts more.
    hidden = (at_size_of(seen[:, -1:], alpha) - alpha).abs()
    weight = 1 + 3 * band + 3 * hidden
    weight = weight / weight.mean()
    off = answer - alpha
    value = (weight * off.abs()).mean()
    entropy = (weight * functional.binary_cross_entropy_with_logits(logits, alpha, reduction="none")).mean()
    # Over the length of the true edges, but taken everywhere: an edge where none is counts as one that is missed.
    length = band.sum() + 100
    slope = (off.diff(dim=2).abs().sum() + off.diff(dim=3).abs().sum()) / length
    inside = torch.sigmoid(10 * (alpha - 0.5))
    border = _mean_where((torch.sigmoid(10 * (answer - 0.5)) - inside).abs(), band)
    pyramid = _pyramid(off)
    loss = value + 0.5 * entropy + 0.5 * slope + border + pyramid
    return {"loss": loss, "value": value, "entropy": entropy, "slope": slope, "border": border, "pyramid": pyramid}


def _band(alpha: Tensor, size: int) -> Tensor:
    """1 near the edge, else 0: where alpha is not the same all around."""
    half = size // 2
    most = functional.max_pool2d(alpha, size, 1, half)
    least = -functional.max_pool2d(-alpha, size, 1, half)
    return (most - least > 0.05).to(alpha.dtype)


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / (mask.sum() + 100)


def _pyramid(off: Tensor) -> Tensor:
    """Mean absolute error of coarser and coarser averages: long slow errors count as sharp ones do."""
    total = off.new_zeros(())
    for _ in range(_LEVELS):
        off = functional.avg_pool2d(off, 2)
        total = total + off.abs().mean()
    return total


LOSSES = {"coarse": coarse_losses, "refine": refine_losses}
