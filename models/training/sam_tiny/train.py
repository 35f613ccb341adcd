"""The training run: a few minutes on one core, the loss that SAM was trained with, without its rounds of clicks."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.common.sprites import Sprite
from models.training.sam_tiny.config import Settings
from models.training.sam_tiny.tiles import Example, example, thinned
from segtile.backends.sam_checkpoint import PIXEL_MEAN, PIXEL_STD, new_sam

log = logging.getLogger("segtile")
_HELD_OUT = 24  # tiles that are measured on, never trained on


def train(settings: Settings, sprites: Sequence[Sprite], folder: Path) -> Any:
    """Train from the start to the last step; the network is left in evaluation mode.

    Args:
        settings: the run.
        sprites: the first nine tenths are trained on, the others measured on.
        folder: gets log.jsonl.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    sam, shape = new_sam(settings.shape), settings.shape
    cut = max(1, len(sprites) * 9 // 10)
    known, unseen = sprites[:cut], sprites[cut:] or sprites[:cut]
    tiles = [example(known, shape.image_size, shape.mask_side, settings.seed, i) for i in range(settings.tiles)]
    held_out = [example(unseen, shape.image_size, shape.mask_side, settings.seed + 1, i) for i in range(_HELD_OUT)]
    optimiser = torch.optim.AdamW(sam.parameters(), lr=settings.rate, weight_decay=1e-3)
    rng, started, sums = np.random.default_rng(settings.seed), time.monotonic(), []
    for at in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(settings, at)
        chosen = [varied(tiles[int(rng.integers(len(tiles)))], rng, settings.dropped) for _ in range(settings.batch)]
        loss = loss_of(sam, chosen)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(sam.parameters(), 1.0)
        optimiser.step()
        sums.append(float(loss.detach()))
        if (at + 1) % settings.validate_every == 0 or at + 1 == settings.steps:
            row = {"step": at + 1, "loss": round(float(np.mean(sums)), 4), "iou": round(mean_iou(sam, held_out), 4)}
            row["seconds"] = round(time.monotonic() - started, 1)
            with (folder / "log.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
            log.info("%s", row)
            sums.clear()
    sam.eval()
    return sam


def save(sam: Any, file: Path) -> None:
    """Write a checkpoint as SAM's are, a state_dict; in 16 bits, under a temporary name first."""
    part = file.with_name(file.name + ".part")
    torch.save({name: value.detach().half() for name, value in sam.state_dict().items()}, part)
    part.replace(file)


def varied(tile: Example, rng: np.random.Generator, dropped: float) -> Example:
    """The tile with other exposure and white balance, and less of a prompt."""
    gain = rng.uniform(0.85, 1.1) * (1 + rng.normal(0, 0.02, 3))
    rgb = np.clip(tile.rgb * gain, 0, 255).astype(np.uint8)
    return Example(rgb, thinned(tile.prompt, rng, dropped), tile.mask)


def predict(sam: Any, tiles: Sequence[Example]) -> list[tuple[Tensor, Tensor]]:
    """Low-resolution logits (4, n, n) and scores (4,) of each tile; the encoder sees all at once."""
    pictures = torch.from_numpy(np.stack([tile.rgb for tile in tiles])).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    embeddings = sam.image_encoder((pictures - mean) / std)
    found = []
    for tile, embedding in zip(tiles, embeddings, strict=True):
        prompt = tile.prompt
        points = None
        if len(prompt.points):
            labels = torch.from_numpy(np.asarray(prompt.inside, np.float32))
            points = torch.from_numpy(prompt.points)[None], labels[None]
        sparse, dense = sam.prompt_encoder(
            points=points,
            boxes=None if prompt.box is None else torch.tensor([prompt.box], dtype=torch.float32),
            masks=None if prompt.mask is None else torch.from_numpy(prompt.mask)[None, None],
        )
        masks, scores = sam.mask_decoder.predict_masks(
            embedding[None], sam.prompt_encoder.get_dense_pe(), sparse, dense
        )
        found.append((masks[0], scores[0]))
    return found


def loss_of(sam: Any, tiles: Sequence[Example]) -> Tensor:
    """Cross entropy and dice of the first mask and of the best of the others, and how far scores are from their IoU."""
    total = torch.zeros(())
    for tile, (masks, scores) in zip(tiles, predict(sam, tiles), strict=True):
        target = torch.from_numpy(tile.mask).expand_as(masks)
        entropy = functional.binary_cross_entropy_with_logits(masks, target, reduction="none").mean(dim=(1, 2))
        share = masks.sigmoid()
        overlap = (share * target).sum(dim=(1, 2))
        dice = 1 - (2 * overlap + 1) / (share.sum(dim=(1, 2)) + target.sum(dim=(1, 2)) + 1)
        each = 2 * entropy + dice
        off = (scores - ious(masks, target)).square().mean()
        total = total + each[0] + each[1:].min() + 0.1 * each[1:].mean() + off
    return total / len(tiles)


def ious(masks: Tensor, target: Tensor) -> Tensor:
    """IoU of each mask above 0 with the target above a half, (m,)."""
    found, wanted = masks.detach() > 0, target > 0.5
    union = (found | wanted).sum(dim=(1, 2))
    return torch.where(union > 0, (found & wanted).sum(dim=(1, 2)) / union.clamp_min(1), torch.ones(()))


@torch.inference_mode()
def mean_iou(sam: Any, tiles: Sequence[Example]) -> float:
    """Mean IoU of the masks that the network itself scores best."""
    sam.eval()
    found = []
    for tile, (masks, scores) in zip(tiles, predict(sam, tiles), strict=True):
        found.append(float(ious(masks, torch.from_numpy(tile.mask).expand_as(masks))[int(scores.argmax())]))
    sam.train()
    return float(np.mean(found))


def rate_at(settings: Settings, at: int) -> float:
    """The learning rate of a step: a rise, then half a cosine down."""
    rise = min(1.0, (at + 1) / settings.warm_up)
    return settings.rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * at / settings.steps)))
