"""Composed pictures as batches of tensors, each made anew from the seed and its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.training.common.sprites import Sprite
from models.training.detector.compose import Scene, compose
from models.training.detector.config import Data, Phase
from models.training.detector.loss import Target

Batch = tuple[Tensor, list[Target]]


class Composed(Dataset[Scene]):
    """Pictures number `first` to `first + count - 1` of a seed's endless set."""

    def __init__(self, sprites: Sequence[Sprite], data: Data, side: int, seed: int, first: int, count: int) -> None:
        self._make = (sprites, data, side, seed)
        self._first, self._count = first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Scene:
        return compose(*self._make, self._first + number)


def collate(scenes: Sequence[Scene]) -> Batch:
    """Pictures (B, 3, side, side) float32 0..1 and one target each."""
    pixels = np.stack([scene.pixels for scene in scenes])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    targets = [
        Target(
            torch.from_numpy(scene.boxes),
            torch.zeros(len(scene.boxes), dtype=torch.int64),
            torch.from_numpy(scene.masks),
        )
        for scene in scenes
    ]
    return images, targets


def batches(
    sprites: Sequence[Sprite], data: Data, phase: Phase, seed: int, done: int, workers: int
) -> DataLoader[Scene]:
    """The batches of a phase from step `done` on; the same ones whether or not the run was interrupted before."""
    first, count = done * phase.batch, (phase.steps - done) * phase.batch
    data = replace(data, compounds=phase.compounds, skew=phase.skew)
    scenes = Composed(sprites, data, phase.side, seed, first, count)
    return DataLoader(scenes, batch_size=phase.batch, shuffle=False, num_workers=workers, collate_fn=collate)
