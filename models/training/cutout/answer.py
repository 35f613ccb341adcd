"""What the coarse network really answers to composed pictures, written as crops for the refiner to learn from."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.cutout.compose import Scene, compose, compose_still
from models.training.cutout.config import Data
from models.training.cutout.shapes import Float, Rng
from models.training.cutout.shelf import Shelf
from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse.net import look
from segtile.refine.inputs import upsample
from segtile.solar import luma_of
from segtile.types import Box

log = logging.getLogger("segtile")

SIDES = (768, 1024, 1280)  # px of the composed pictures
LEAST, MOST = 1.0, 4.0  # px of a picture per cell of the closer look; beyond, another pass of the refiner lies between
CROP = 288  # px
CROPS = 10  # of a picture
_SMALLEST = 192  # px; the look from afar has half the side of the closer one, but no fewer


def fill(folder: Path, graph: AlphaGraph, shelf: Shelf, data: Data, seed: int, first: int, count: int) -> None:
    """Write pictures number `first` to `first + count - 1` of a seed, one file each; what is there is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        file = folder / f"{number:05d}.npz"
        if file.exists():
            continue
        arrays = _answered(np.random.default_rng([seed, number, 7]), graph, shelf, data)
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            np.savez(out, **arrays)  # type: ignore[arg-type]
        part.replace(file)
        log.info("%s", file.name)


def _answered(rng: Rng, graph: AlphaGraph, shelf: Shelf, data: Data) -> dict[str, np.ndarray]:
    if data.stills > 0 and shelf.stills and rng.random() < data.stills:
        scene = compose_still(rng, shelf, data, None, close=False)
    else:
        scene = compose(rng, shelf, replace(data, stills=0.0), int(rng.choice(SIDES)), close=False)
    side = len(scene.alpha)
    pixels = np.round(scene.pixels * 255).astype(np.uint8)
    near = round(side / float(np.exp(rng.uniform(np.log(LEAST), np.log(MOST)))))
    frame = Box(0, 0, side, side)
    preview = np.asarray(pixels / np.float32(255), np.float32)
    if near < side:
        preview = cv2.resize(preview, (near, near), interpolation=cv2.INTER_AREA)
    found = look(graph, preview, frame, max(_SMALLEST, near // 2), near)
    prob = upsample(found.prob, found, frame)
    whole = {"pixels": pixels, "alpha": _bytes(scene.alpha), "prob": _bytes(prob)}
    if found.background is not None:
        tone = luma_of(upsample(found.background.tone, found, frame))
        whole["tone"] = np.round(np.clip(tone, 0, 1) * 65535).astype(np.uint16)
    corners = _corners(rng, scene, prob)
    out = {k: np.stack([v[y : y + CROP, x : x + CROP] for x, y in corners]) for k, v in whole.items()}
    return out | {"sigma": np.float64(scene.sigma), "scale": np.float64(found.scale)}


def _bytes(values: Float) -> NDArray[np.uint8]:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


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
