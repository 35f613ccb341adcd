"""Pictures that are learnt from more than once, where a GPU would wait for the processors that compose them.

Source: data echoing (Choi, Passos, Shallue and Dahl, Faster neural network training with data echoing, 2019), each
time turned or mirrored another way.
"""

from __future__ import annotations

from collections.abc import Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.training.cutout.ask import Asker, portions
from models.training.cutout.config import Settings, Stage
from models.training.cutout.examples import Pair, batches
from models.training.cutout.seen import Raw, planes
from models.training.cutout.shapes import Rng
from models.training.cutout.shelf import Shelf

ROOM = 2048  # pictures of each size that are kept


class Pool:
    """The latest pictures of each size, on a device."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: dict[int, Raw] = {}
        self._come: dict[int, int] = {}

    def add(self, given: Raw) -> None:
        """Keep a batch; the oldest of its size make room for it."""
        side = given.alpha.shape[-1]  # type: ignore[union-attr]
        if side not in self._kept:
            self._kept[side] = Raw(*(p.new_empty((self._room, *p.shape[1:])) for p in given))  # type: ignore[union-attr]
        come, count = self._come.get(side, 0), len(given.alpha)  # type: ignore[arg-type]
        at = torch.arange(come, come + count, device=given.alpha.device) % self._room  # type: ignore[union-attr]
        for kept, new in zip(self._kept[side], given, strict=True):
            kept[at] = new  # type: ignore[index]
        self._come[side] = come + count

    def draw(self, rng: Rng, count: int) -> Raw:
        """Some of one size, none of them twice where there are enough, turned and mirrored alike."""
        sides = list(self._come)
        held = np.array([min(self._come[side], self._room) for side in sides], float)
        n = int(rng.choice(len(sides), p=held / held.sum()))
        some = rng.choice(int(held[n]), count, replace=held[n] < count)
        kept = self._kept[sides[n]]
        at = torch.from_numpy(some).to(kept.alpha.device)  # type: ignore[union-attr]
        return turned(Raw(*(part[at] for part in kept)), int(rng.integers(4)), rng.random() < 0.5)  # type: ignore[index]


def turned(given: Raw, quarters: int, mirrored: bool) -> Raw:
    """All pictures of a batch turned by quarters, then mirrored."""

    def turn(part: Tensor) -> Tensor:
        out = torch.rot90(part, quarters, (1, 2)) if part.ndim > 2 else part
        return out.flip(2) if mirrored and part.ndim > 2 else out

    return Raw(*(turn(part) for part in given))  # type: ignore[arg-type]


def pairs(
    task: str, settings: Settings, shelf: Shelf, done: int, workers: int, device: torch.device, asker: Asker | None
) -> Iterator[Pair]:
    """What a run sees from step `done` on, on its device.

    By `views` of 1 each picture is seen once, in the order in which they are composed. By more, pictures are taken in
    as they come and drawn from the latest, so that it depends on the machine's speed which are seen when, and how
    often: `views` times on the mean at most, less where composing is faster than learning.

    Args:
        task: "coarse" or "refine".
        settings: the runs.
        shelf: to compose of.
        done: steps.
        workers: processes that compose pictures.
        device: where the network is trained.
        asker: a coarse network to ask for the refiner, as it goes.
    """
    stage = settings.stage(task)
    pinned = device.type == "cuda"
    if asker is None and stage.views == 1:
        for batch in batches(task, settings, shelf, settings.seed, done, workers, pinned):
            yield planes(batch.to(device), task == "refine", stage)
        return
    source = _sources(task, settings, shelf, done, workers, asker, pinned)
    come: Queue[Any] = Queue(2)
    over = Event()
    fetching = Thread(target=_fetch, args=(source, come, over))
    fetching.start()
    try:
        yield from _drawn(task, come, stage, np.random.default_rng([settings.seed, done, 5]), device, asker)
    finally:
        over.set()
        fetching.join()


def _drawn(
    task: str, come: Queue[Any], stage: Stage, rng: Rng, device: torch.device, asker: Asker | None
) -> Iterator[Pair]:
    pool, left = Pool(), 0
    while True:
        if left < stage.batch or not come.empty():
            if (one := come.get()) is None:
                return
            for batch in _taken(one, device, asker):
                pool.add(batch)
                left += len(batch.alpha) * stage.views  # type: ignore[arg-type]
        while left >= stage.batch:
            left -= stage.batch
            yield planes(pool.draw(rng, stage.batch), task == "refine", stage)
            if not come.empty():
                break


def _sources(
    task: str, settings: Settings, shelf: Shelf, done: int, workers: int, asker: Asker | None, pinned: bool
) -> Iterator[Any]:
    if asker is not None:
        return portions(settings, shelf, done, workers, pinned)
    # a step takes in one batch at most: from number `done` on none has been seen
    return batches(task, settings, shelf, settings.seed, done, workers, pinned)


def _fetch(source: Iterator[Any], come: Queue[Any], over: Event) -> None:
    """Hand on what comes until it is over; what goes wrong here is raised where it is awaited."""

    def put(one: Any) -> None:
        while not over.is_set():
            try:
                return come.put(one, timeout=0.1)
            except Full:
                continue

    try:
        for one in source:
            put(one)
            if over.is_set():
                return
        put(None)
    except Exception as error:
        put(error)


def _taken(given: Any, device: torch.device, asker: Asker | None) -> Iterator[Raw]:
    """What has come, on the device; of a portion the answers too."""
    if isinstance(given, Exception):
        raise RuntimeError("pictures are no longer composed") from given
    if asker is None:
        yield given.to(device)
        return
    crops, pictures = given
    yield crops.to(device)
    for one in pictures:
        yield asker.crops(one)
