"""Composed pictures as the networks see them: RGB, solar channels, and for the refiner the coarse probability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from models.training.cutout.bank import Crop, part
from models.training.cutout.compose import Scene, compose
from models.training.cutout.config import Data, Settings, Stage
from models.training.cutout.degrade import degrade, soften, worsen
from models.training.cutout.seen import Raw, planes, raw
from models.training.cutout.shapes import Float, Rng, blurred, smooth
from models.training.cutout.shelf import Shelf
from segtile.coarse.ground import see_background
from segtile.solar import SOLAR_CHANNELS, luma_of

WORSE = 0.2  # share of real answers that get more faults, as on pieces that the network has never seen
HELD_OUT_BLIND = 0.03  # share of validation crops whose coarse probability says nothing
CHANNELS = {"coarse": ("rgb", *SOLAR_CHANNELS), "refine": ("rgb", *SOLAR_CHANNELS, "prob")}
Pair = tuple[Tensor, Tensor]


def example(task: str, settings: Settings, shelf: Shelf, seed: int, number: int) -> Raw:
    """Picture number `number` of a seed. All pictures of a batch are equally large."""
    stage = settings.stage(task)
    side = stage.sides[int(np.random.default_rng([seed, number // stage.batch]).integers(len(stage.sides)))]
    rng = np.random.default_rng([seed, number, side])
    if task == "refine" and shelf.answers and rng.random() < stage.answers:
        return _answered(rng, settings, shelf.answers[int(rng.integers(len(shelf.answers)))], side)
    data = settings.data if shelf.pieces or shelf.scenes else replace(settings.data, shapes=1.0)
    close = task == "refine" or (stage.close > 0 and rng.random() < stage.close)
    scene = compose(rng, shelf, data, side, close)
    tone, sigma = _ground(rng, settings.data, scene, whole=not close)
    prob = _believed(rng, stage, scene) if task == "refine" else None
    return raw(np.round(scene.pixels * 255).astype(np.uint8), scene.alpha, prob, tone, sigma)


def _believed(rng: Rng, stage: Stage, scene: Scene) -> Float:
    """A coarse probability made of the exact alpha."""
    if stage.good and rng.random() < stage.good:
        return soften(rng, scene.alpha)
    return degrade(rng, scene.alpha, scene.dark, stage.blind)


def _answered(rng: Rng, settings: Settings, crop: Crop, side: int) -> Raw:
    """As `example`, of a crop with the coarse network's own answer and the background that was really found."""
    one = part(rng, crop, side)
    known = one.tone is not None and rng.random() >= settings.data.unknown
    tone = (one.tone / np.float32(65535)).astype(np.float32) if known and one.tone is not None else None
    sigma = one.sigma * float(np.exp(rng.normal(0, 0.2)))
    alpha, prob = ((plane / np.float32(255)).astype(np.float32) for plane in (one.alpha, one.prob))
    if rng.random() < WORSE:
        prob = worsen(rng, prob, one.scale)
    return raw(one.pixels, alpha, prob, tone, sigma)


def _ground(rng: Rng, data: Data, scene: Scene, whole: bool) -> tuple[Float | None, float]:
    """The background's tone, or None where the network is told of none, and its noise."""
    if whole and data.found > 0 and rng.random() < data.found:
        seen = see_background(scene.pixels)
        return (None, 0.0) if seen is None else (luma_of(seen.tone), seen.sigma)
    known = scene.tone is not None and rng.random() >= data.unknown
    tone = _as_seen(rng, scene) if known else None
    return tone, scene.sigma * float(np.exp(rng.normal(0, 0.2)))


def _as_seen(rng: Rng, scene: Scene) -> Float:
    """The background's luma as a surface fitted to the picture would have it: off by a little, and unevenly."""
    assert scene.tone is not None
    side = len(scene.alpha)
    # A surface of few degrees follows slow changes only.
    tone = blurred(luma_of(scene.tone), side / 16)
    off = scene.sigma * rng.normal(0, 0.5) + (0.004 * rng.normal() if rng.random() < 0.3 else 0)
    tilt = rng.choice([0.0, 0.002, 0.008], p=[0.5, 0.35, 0.15]) * smooth(rng, side, 2)
    return np.asarray(np.clip(tone + off + tilt, 0, 1), np.float32)


class Examples(Dataset[Raw]):
    """Pictures number `first` to `first + count - 1`."""

    def __init__(self, task: str, settings: Settings, shelf: Shelf, seed: int, first: int, count: int) -> None:
        self._given, self._shelf = (task, settings, shelf, seed), shelf
        self._first, self._count = first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> Raw:
        self._shelf.again()
        return example(*self._given, self._first + number)


def batches(
    task: str, settings: Settings, shelf: Shelf, seed: int, done: int, workers: int, pinned: bool = False
) -> Iterator[Raw]:
    """Batches from number `done` on; in pinned memory where a GPU is to fetch them."""
    stage = settings.stage(task)
    examples = Examples(task, settings, shelf, seed, done * stage.batch, (stage.steps - done) * stage.batch)
    loader: DataLoader[Raw] = DataLoader(
        examples, batch_size=stage.batch, num_workers=workers, worker_init_fn=alone if workers else None,
        pin_memory=pinned,
    )  # fmt: skip
    yield from loader


def held_out(task: str, settings: Settings, shelf: Shelf) -> list[Pair]:
    """The validation pictures, in batches: of kinds that are not trained on, by a seed of their own."""
    stage = settings.stage(task)
    side = stage.sides[-1]
    one = replace(settings, **{task: replace(stage, sides=(side,), batch=1, blind=HELD_OUT_BLIND, close=0.0)})
    examples = Examples(task, one, shelf, settings.seed + 1, 0, settings.data.validation)
    loader: DataLoader[Raw] = DataLoader(examples, batch_size=stage.batch)
    return [planes(given, task == "refine", stage) for given in loader]


def alone(_: int) -> None:
    """Workers compose on one core each: the others compute."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
