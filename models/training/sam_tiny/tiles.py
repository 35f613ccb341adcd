"""Tiles with exact masks and coarse maps that are wrong as coarse maps are; prompts by the project's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.common.backdrop import backdrop
from models.training.common.sprites import Sprite, turned
from models.training.detector.compose import photograph
from segtile.backends.promptable import Prompt
from segtile.backends.squares import place
from segtile.coarse.band import label_objects, make_band
from segtile.refine.prompts import object_prompts, to_network
from segtile.types import Box, FloatArray, Tile, TileInput

Rng = np.random.Generator
_LARGEST = 4.0  # times the tile's side: of a piece so large the tile shows a stretch of edge, as in a large photograph


@dataclass(frozen=True, eq=False)
class Example:
    """A tile: `rgb` (side, side, 3) uint8, `prompt` for one object, `mask` (n, n) float32: its share of each cell."""

    rgb: NDArray[np.uint8]
    prompt: Prompt
    mask: FloatArray


@dataclass(frozen=True)
class Asked:
    """What `to_network` wants to know of a network: SAM takes boxes, points and masks at once."""

    mask_side: int
    most_points: int = 0
    exclusive: bool = False


def example(sprites: Sequence[Sprite], side: int, mask_side: int, seed: int, index: int) -> Example:
    """Tile number `index` of the endless set of a seed."""
    rng = np.random.default_rng([seed, side, index])
    while True:
        pixels, alpha = _lay(rng, sprites, side)
        x = _seen(rng, photograph(rng, pixels), alpha)
        prompts = object_prompts(x)
        if prompts:
            break
    chosen = prompts[int(rng.integers(len(prompts)))]
    mine = np.where((x.labels == chosen.label) if x.labels is not None else x.band, alpha, 0).astype(np.float32)
    asked = to_network(chosen, x, Asked(mask_side), place(side, side, side, "longest"))  # type: ignore[arg-type]
    target = cv2.resize(mine, (mask_side, mask_side), interpolation=cv2.INTER_AREA)
    return Example(np.round(x.rgb * 255).astype(np.uint8), asked, target)


def thinned(prompt: Prompt, rng: Rng, dropped: float) -> Prompt:
    """A prompt without some of its parts; a box or points always stay."""
    without_mask, without_box, without_points = rng.random(3) < dropped
    if without_mask:
        prompt = replace(prompt, mask=None)
    if without_box and len(prompt.points):
        return replace(prompt, box=None)
    if without_points and prompt.box is not None:
        return replace(prompt, points=prompt.points[:0], inside=prompt.inside[:0])
    return prompt


def _lay(rng: Rng, sprites: Sequence[Sprite], side: int) -> tuple[FloatArray, FloatArray]:
    """One to three pieces on a background, an edge of each within the tile: colour and exact alpha."""
    pixels, alpha = backdrop(rng, side), np.zeros((side, side), np.float32)
    shadow = float(rng.uniform(0.1, 1.0))
    for _ in range(int(rng.integers(1, 4))):
        span = side * 0.35 * (_LARGEST / 0.35) ** float(rng.uniform())
        layer = turned(sprites[int(rng.integers(len(sprites)))], span, float(rng.uniform(0, 360)), rng.random() < 0.5)
        edge = np.argwhere((layer[..., 3] > 0.2) & (layer[..., 3] < 0.8))
        if not len(edge):
            continue
        at, to = edge[int(rng.integers(len(edge)))], rng.integers(side // 8, side - side // 8, 2)
        y, x = (int(v) for v in to - at)
        h, w = layer.shape[:2]
        y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + h, side), min(x + w, side)
        part, here = layer[y0 - y : y1 - y, x0 - x : x1 - x], np.s_[y0:y1, x0:x1]
        under = pixels[here] * (1 - shadow * part[..., 4:5] * (1 - alpha[here][..., None]))
        pixels[here] = part[..., :3] + (1 - part[..., 3:4]) * under
        alpha[here] = np.maximum(alpha[here], part[..., 3])
    return pixels, alpha


def _seen(rng: Rng, picture: NDArray[np.uint8], alpha: FloatArray) -> TileInput:
    """The tile beside a coarse map: cells of several px, soft, shifted, its holes and gaps filled at times."""
    side = len(alpha)
    cell = float(rng.uniform(3, 14))
    cells = max(4, round(side / cell))
    small = cv2.resize(alpha, (cells, cells), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        reach = 2 * int(rng.integers(1, 4)) + 1
        small = cv2.morphologyEx(small, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    small = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(0.4, 1.4)))
    small = np.clip((small - rng.uniform(0.35, 0.65)) * rng.uniform(1, 3) + 0.5, 0, 1)
    prob = np.clip(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), 0, 1).astype(np.float32)
    band = make_band(prob, (prob > 0.02) & (prob < 0.98), max(3.0, 1.5 * cell))
    read = Box(side, side, 2 * side, 2 * side)  # somewhere inside a larger picture
    return TileInput(
        tile=Tile(0, read, read),
        rgb=picture.astype(np.float32) / np.float32(255),
        prob=prob,
        band=band,
        scale=cell,
        frame=Box.frame(3 * side, 3 * side),
        labels=label_objects(prob, band),
    )
