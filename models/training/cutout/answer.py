"""What the coarse network really answers to composed pictures, written as crops for the refiner to learn from."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.cutout.bank import Crop, as_bytes, write
from models.training.cutout.compose import SMALLEST, Scene, compose, compose_still
from models.training.cutout.config import FAR, NEAR, Data
from models.training.cutout.shapes import Float, Rng
from models.training.cutout.shelf import Shelf
from segtile.coarse.net import Asked, look
from segtile.refine.inputs import upsample
from segtile.solar import luma_of
from segtile.types import Box

log = logging.getLogger("segtile")

SIDES = (768, 1024, 1280)  # px of the composed pictures
LEAST, MOST = 1.0, 4.0  # px of a picture per cell of the closer look; beyond, another pass of the refiner lies between
CROP = SMALLEST  # px
CROPS = 10  # of a picture
# px; the look from afar is as much smaller than the closer one as in a cut-out; neither is below these
_LEAST_FAR, _LEAST_NEAR = 192, 384


def fill(folder: Path, graph: Asked, shelf: Shelf, data: Data, seed: int, numbers: Iterable[int]) -> None:
    """Write the pictures of these numbers of a seed, one file each; what is there is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        file = folder / f"{number:05d}.npy"
        if not file.exists():
            write(_answered(np.random.default_rng([seed, number, 7]), graph, shelf, data), file)
            log.info("%s", file.name)


def share_out(work: Callable[[range], None], numbers: range, workers: int) -> None:
    """Let processes work on the numbers, turn by turn; they share the memory of this one.

    Raises:
        ChildProcessError: one of them failed.
    """
    if workers < 2:
        work(numbers)
        return
    forked = multiprocessing.get_context("fork")
    some = [forked.Process(target=work, args=(numbers[n::workers],)) for n in range(workers)]
    for process in some:
        process.start()
    for process in some:
        process.join()
    if any(process.exitcode for process in some):
        raise ChildProcessError("a process that asked the coarse network failed; what it said stands above")


def composed(rng: Rng, shelf: Shelf, data: Data) -> tuple[Scene, NDArray[np.uint8], Float, int]:
    """A picture to be asked about; its pixels; it at the size of the closer look; and px of the look from afar."""
    if data.stills > 0 and shelf.stills and rng.random() < data.stills:
        scene = compose_still(rng, shelf, data, None, close=False)
    else:
        scene = compose(rng, shelf, replace(data, stills=0.0), int(rng.choice(SIDES)), close=False)
    side = len(scene.alpha)
    pixels = np.round(scene.pixels * 255).astype(np.uint8)
    near = round(side / float(np.exp(rng.uniform(np.log(LEAST), np.log(MOST)))))
    near = max(near, min(side, _LEAST_NEAR))
    preview = np.asarray(pixels / np.float32(255), np.float32)
    if near < side:
        preview = cv2.resize(preview, (near, near), interpolation=cv2.INTER_AREA)
    return scene, pixels, preview, max(_LEAST_FAR, near * FAR // NEAR)


def _answered(rng: Rng, graph: Asked, shelf: Shelf, data: Data) -> list[Crop]:
    scene, pixels, preview, far = composed(rng, shelf, data)
    side = len(pixels)
    frame = Box(0, 0, side, side)
    found = look(graph, preview, frame, far, len(preview))
    prob = upsample(found.prob, found, frame)
    alpha, answer, tone = as_bytes(scene.alpha), as_bytes(prob), None
    if found.background is not None:
        luma = luma_of(upsample(found.background.tone, found, frame))
        tone = np.round(np.clip(luma, 0, 1) * 65535).astype(np.uint16)
    out = []
    for x, y in _corners(rng, scene, prob):
        at = np.s_[y : y + CROP, x : x + CROP]
        told = None if tone is None else tone[at]
        out.append(Crop(pixels[at], alpha[at], answer[at], told, scene.sigma, found.scale))
    return out


def _corners(rng: Rng, scene: Scene, prob: Float) -> list[tuple[int, int]]:
    """Upper left corners (x, y) of crops: around edges, around what the answer got wrong, and a few anywhere."""
    side = len(prob)
    solid = (scene.alpha > 0.5).astype(np.uint8)
    edge = np.argwhere(cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    wrong = np.argwhere(np.abs(scene.alpha - prob) > 0.4)
    out = []
    for _ in range(CROPS):
        draw = rng.random()
        some = wrong if draw < 0.45 and len(wrong) else edge if draw < 0.9 and len(edge) else None
        y, x = some[int(rng.integers(len(some)))] if some is not None else rng.integers(0, side, 2)
        at = np.array([x, y]) - rng.integers(CROP // 4, 3 * CROP // 4, 2)
        out.append((int(np.clip(at[0], 0, side - CROP)), int(np.clip(at[1], 0, side - CROP))))
    return out
