"""The training run: minutes on one core, SAM's way of training by masks, points, boxes and corrective clicks."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.training.common.sprites import Sprite
from models.training.sam_tiny.asked import Batch, ask, ask_as, clicked
from models.training.sam_tiny.config import Kinds, Settings
from models.training.sam_tiny.tiles import Scene, scene, seen_otherwise
from segtile.backends.sam_checkpoint import PIXEL_MEAN, PIXEL_STD, new_sam

log = logging.getLogger("segtile")
_HELD_OUT = 48  # tiles that are measured on, never trained on
_CELLS = 4  # cells of a mask along a cell of the embedding


def split(sprites: Sequence[Sprite]) -> tuple[Sequence[Sprite], Sequence[Sprite]]:
    """The nine tenths of the sprites that are trained on, and those that are measured on."""
    cut = max(1, len(sprites) * 9 // 10)
    return sprites[:cut], sprites[cut:] or sprites[:cut]


def train(settings: Settings, sprites: Sequence[Sprite], folder: Path) -> Any:
    """Train from the start to the last step; the network is left in evaluation mode.

    Args:
        settings: the run.
        sprites: see `split`.
        folder: gets log.jsonl.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    started = time.process_time()
    sam, shape = new_sam(settings.shape), settings.shape
    _look_around(sam)
    everything = torch.nn.Conv2d(shape.channels, _CELLS * _CELLS, 1)  # of use in training alone
    known, unseen = split(sprites)
    tiles = [scene(known, shape.image_size, shape.mask_side, settings.seed, i) for i in range(settings.tiles)]
    held_out = [scene(unseen, shape.image_size, shape.mask_side, settings.seed + 1, i) for i in range(_HELD_OUT)]
    log.info("%d tiles composed in %.0f s", len(tiles), time.process_time() - started)
    weights = [*sam.parameters(), *everything.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=settings.rate, betas=(0.9, 0.98), weight_decay=1e-3)
    rng, sums = np.random.default_rng(settings.seed), []
    for at in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(settings, at)
        chosen = [seen_otherwise(tiles[int(rng.integers(len(tiles)))], rng) for _ in range(settings.batch)]
        loss = loss_of(sam, everything, chosen, settings, rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        sums.append(float(loss.detach()))
        if (at + 1) % settings.validate_every == 0 or at + 1 == settings.steps:
            row = {"step": at + 1, "loss": round(float(np.mean(sums)), 4), **mean_ious(sam, held_out)}
            row["seconds"] = round(time.process_time() - started, 1)
            with (folder / "log.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
            log.info("%s", row)
            sums.clear()
    sam.eval()
    return sam


@torch.no_grad()
def _look_around(sam: Any) -> None:
    """Queries and keys of the decoder's cross attentions begin alike: a point attends to its surroundings at once."""
    transformer = sam.mask_decoder.transformer
    crossing = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        crossing += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    for attention in crossing:
        attention.q_proj.weight.mul_(2.0)
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.k_proj.bias.copy_(attention.q_proj.bias)


def save(sam: Any, file: Path) -> None:
    """Write a checkpoint as SAM's are, a state_dict; in 16 bits, under a temporary name first."""
    part = file.with_name(file.name + ".part")
    torch.save({name: value.detach().half() for name, value in sam.state_dict().items()}, part)
    part.replace(file)


def look(sam: Any, tiles: Sequence[Scene]) -> Tensor:
    """Embeddings of some tiles, (b, c, s, s)."""
    pictures = torch.from_numpy(np.stack([tile.rgb for tile in tiles])).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (PIXEL_MEAN, PIXEL_STD))
    return sam.image_encoder((pictures - mean) / std)  # type: ignore[no-any-return]


def answer(sam: Any, embedding: Tensor, asked: Batch) -> tuple[Tensor, Tensor]:
    """Low-resolution logits (K, 4, n, n) and scores (K, 4) of a tile's questions; `embedding` is (c, s, s)."""
    points = None
    if asked.points is not None and asked.inside is not None:
        points = torch.from_numpy(asked.points), torch.from_numpy(asked.inside)
    sparse, dense = sam.prompt_encoder(
        points=points,
        boxes=None if asked.boxes is None else torch.from_numpy(asked.boxes),
        masks=None if asked.masks is None else torch.from_numpy(asked.masks)[:, None],
    )
    found: tuple[Tensor, Tensor] = sam.mask_decoder.predict_masks(
        embedding[None], sam.prompt_encoder.get_dense_pe(), sparse, dense
    )
    return found


def loss_of(
    sam: Any, everything: torch.nn.Module, tiles: Sequence[Scene], settings: Settings, rng: np.random.Generator
) -> Tensor:
    """Mean over the questions of a batch of tiles, the second ones with a click included, and the loss of all objects.

    `everything` reads the union of a tile's objects off its embedding: so the encoder learns what an object is from the
    first step on, long before the decoder has learnt what a prompt is.
    """
    losses, embeddings = [], look(sam, tiles)
    for tile, embedding in zip(tiles, embeddings, strict=True):
        asked = ask(tile, settings.kinds, settings.prompts, settings.dropped, rng)
        masks, scores = answer(sam, embedding, asked)
        losses.append(_loss(masks, scores, torch.from_numpy(asked.targets)))
        if rng.random() < settings.clicks:
            again = clicked(asked, best(masks, scores).detach().numpy(), len(tile.rgb), rng)
            masks, scores = answer(sam, embedding, again)
            losses.append(_loss(masks, scores, torch.from_numpy(again.targets)))
    union = torch.from_numpy(np.stack([tile.objects.sum(axis=0).clip(0, 1) for tile in tiles]))[:, None]
    return torch.cat(losses).mean() + _each(functional.pixel_shuffle(everything(embeddings), _CELLS), union).mean()


def _loss(masks: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
    """The loss of the first mask and of the best of the others, and how far scores are from their IoU: (K,)."""
    each = _each(masks, targets[:, None].expand_as(masks))
    off = (scores - ious(masks, targets)).square().mean(dim=1)
    return each[:, 0] + each[:, 1:].amin(dim=1) + 0.1 * each[:, 1:].mean(dim=1) + off


def _each(masks: Tensor, target: Tensor) -> Tensor:
    """Cross entropy and dice of each mask, (K, m)."""
    entropy = functional.binary_cross_entropy_with_logits(masks, target, reduction="none").mean(dim=(2, 3))
    share = masks.sigmoid()
    overlap = (share * target).sum(dim=(2, 3))
    return 2 * entropy + 1 - (2 * overlap + 1) / (share.sum(dim=(2, 3)) + target.sum(dim=(2, 3)) + 1)


def best(masks: Tensor, scores: Tensor) -> Tensor:
    """Of each question the mask that the network itself scores best, (K, n, n)."""
    return masks[torch.arange(len(masks)), scores.argmax(dim=1)]


def ious(masks: Tensor, targets: Tensor) -> Tensor:
    """IoU of each mask above 0 with the targets (K, n, n) above a half, (K, m)."""
    found, wanted = masks.detach() > 0, targets[:, None] > 0.5
    union = (found | wanted).sum(dim=(2, 3))
    return torch.where(union > 0, (found & wanted).sum(dim=(2, 3)) / union.clamp_min(1), torch.ones(()))


@torch.inference_mode()
def mean_ious(sam: Any, tiles: Sequence[Scene]) -> dict[str, float]:
    """Mean IoU of the masks that the network itself scores best, for each kind of question."""
    sam.eval()
    embeddings, found = look(sam, tiles), {}
    for field in fields(Kinds):
        each = []
        for number, (tile, embedding) in enumerate(zip(tiles, embeddings, strict=True)):
            asked = ask_as(tile, field.name, 3, 0.0, np.random.default_rng(number))
            masks, scores = answer(sam, embedding, asked)
            each.append(ious(best(masks, scores)[:, None], torch.from_numpy(asked.targets)))
        found[field.name] = round(float(torch.cat(each).mean()), 4)
    sam.train()
    return found


def rate_at(settings: Settings, at: int) -> float:
    """The learning rate of a step: a rise, then half a cosine down."""
    rise = min(1.0, (at + 1) / settings.warm_up)
    return settings.rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * at / settings.steps)))
