"""Tiles with exact masks of their objects, beside coarse maps that are wrong as coarse maps are."""

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
from segtile.types import Array, Box, FloatArray, IntArray, Tile, TileInput

Rng = np.random.Generator
_LARGEST = 4.0  # times the tile's side: of a piece so large the tile shows a stretch of edge, as in a large photograph
_SMALL, _LARGE = 0.12, 0.55  # times the tile's side, of pieces that lie beside each other
_LEAST_CELLS = 5.0  # objects smaller than this on the network's grid are not asked about
_MOST = 6  # objects of a tile


@dataclass(frozen=True, eq=False)
class Scene:
    """A tile: `rgb` (side, side, 3) uint8, and `objects` (k, n, n) float32, the share of each cell that each covers.

    Pieces that touch are one object, as in a coarse map. `told` are the project's own prompts for the objects of the
    tile's coarse map, each with what there is to be found of it, (n, n) float32.
    """

    rgb: NDArray[np.uint8]
    objects: FloatArray
    told: tuple[tuple[Prompt, FloatArray], ...]


@dataclass(frozen=True)
class Asked:
    """What `to_network` wants to know of a network: SAM takes boxes, points and masks at once."""

    mask_side: int
    most_points: int = 0
    exclusive: bool = False


def scene(sprites: Sequence[Sprite], side: int, mask_side: int, seed: int, index: int) -> Scene:
    """Tile number `index` of the endless set of a seed: every other one shows pieces that lie beside each other."""
    rng = np.random.default_rng([seed, side, index])
    while True:
        pixels, alpha = _scattered(rng, sprites, side) if index % 2 else _stretch(rng, sprites, side)
        x = _seen(rng, photograph(rng, pixels), alpha)
        objects, prompts = _objects(alpha, mask_side), object_prompts(x)
        if len(objects) and prompts:
            break
    square, asked = place(side, side, side, "longest"), Asked(mask_side)
    told = []
    for one in prompts:
        mine = np.where(x.labels == one.label, alpha, 0).astype(np.float32)
        told.append((to_network(one, x, asked, square), _cells(mine, mask_side)))  # type: ignore[arg-type]
    return Scene(np.round(x.rgb * 255).astype(np.uint8), objects, tuple(told))


def seen_otherwise(tile: Scene, rng: Rng) -> Scene:
    """The tile mirrored or turned over, with other exposure and white balance."""
    gain = rng.uniform(0.85, 1.1) * (1 + rng.normal(0, 0.02, 3))
    across, down, over = rng.random(3) < 0.5
    side = len(tile.rgb)

    def plane(values: Array) -> Array:
        values = values[..., ::-1] if across else values
        values = values[..., ::-1, :] if down else values
        return np.ascontiguousarray(values.swapaxes(-1, -2) if over else values)

    def prompt(one: Prompt) -> Prompt:
        points = np.where([across, down], side - 1 - one.points, one.points).astype(np.float32)
        box = one.box
        if box is not None:
            x0, y0, x1, y1 = box
            x0, x1 = (side - x1, side - x0) if across else (x0, x1)
            y0, y1 = (side - y1, side - y0) if down else (y0, y1)
            box = (y0, x0, y1, x1) if over else (x0, y0, x1, y1)
        mask = None if one.mask is None else plane(one.mask)
        return replace(one, points=points[:, ::-1].copy() if over else points, box=box, mask=mask)

    rgb = np.clip(tile.rgb * gain, 0, 255).astype(np.uint8)
    rgb = np.ascontiguousarray(plane(rgb.transpose(2, 0, 1)).transpose(1, 2, 0))
    return Scene(rgb, plane(tile.objects), tuple((prompt(one), plane(mask)) for one, mask in tile.told))


def _stretch(rng: Rng, sprites: Sequence[Sprite], side: int) -> tuple[FloatArray, FloatArray]:
    """One to three pieces, large ones too, an edge of each within the tile: colour and exact alpha."""
    pixels, alpha = backdrop(rng, side), np.zeros((side, side), np.float32)
    shadow = float(rng.uniform(0.1, 1.0))
    for _ in range(int(rng.integers(1, 4))):
        span = side * 0.35 * (_LARGEST / 0.35) ** float(rng.uniform())
        layer = _turned(rng, sprites, span)
        edge = np.argwhere((layer[..., 3] > 0.2) & (layer[..., 3] < 0.8))
        if len(edge):
            at, to = edge[int(rng.integers(len(edge)))], rng.integers(side // 8, side - side // 8, 2)
            _lay(pixels, alpha, layer, to - at, shadow)
    return pixels, alpha


def _scattered(rng: Rng, sprites: Sequence[Sprite], side: int) -> tuple[FloatArray, FloatArray]:
    """Two to six pieces beside each other, none on another."""
    pixels, alpha = backdrop(rng, side), np.zeros((side, side), np.float32)
    shadow = float(rng.uniform(0.1, 1.0))
    wanted, laid = int(rng.integers(2, _MOST + 1)), 0
    for _ in range(4 * wanted):
        layer = _turned(rng, sprites, side * float(rng.uniform(_SMALL, _LARGE)))
        corner = (rng.uniform(-0.1, 1.1, 2) * side - np.array(layer.shape[:2]) / 2).astype(int)
        laid += _lay(pixels, alpha, layer, corner, shadow, apart=True)
        if laid == wanted:
            break
    return pixels, alpha


def _turned(rng: Rng, sprites: Sequence[Sprite], span: float) -> FloatArray:
    sprite = sprites[int(rng.integers(len(sprites)))]
    return turned(sprite, span, float(rng.uniform(0, 360)), bool(rng.random() < 0.5))


def _lay(
    pixels: FloatArray, alpha: FloatArray, layer: FloatArray, corner: Array, shadow: float, apart: bool = False
) -> bool:
    """Lay a piece, its top left at `corner` (row, column); not done, and False, where `apart` and it would touch."""
    side = len(alpha)
    (y, x), (h, w) = (int(v) for v in corner), layer.shape[:2]
    y0, x0, y1, x1 = max(y, 0), max(x, 0), min(y + h, side), min(x + w, side)
    if y1 <= y0 or x1 <= x0:
        return False
    part, here = layer[y0 - y : y1 - y, x0 - x : x1 - x], np.s_[y0:y1, x0:x1]
    if apart:
        around = cv2.dilate((part[..., 3] > 0.1).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        if (alpha[here][around] > 0.1).any():
            return False
    under = pixels[here] * (1 - shadow * part[..., 4:5] * (1 - alpha[here][..., None]))
    pixels[here] = part[..., :3] + (1 - part[..., 3:4]) * under
    alpha[here] = np.maximum(alpha[here], part[..., 3])
    return True


def _objects(alpha: FloatArray, mask_side: int) -> FloatArray:
    """The largest objects, parts less than 5 px apart being one: (k, n, n) float32."""
    near = cv2.dilate((alpha >= 0.5).astype(np.uint8), np.ones((5, 5), np.uint8))
    count, labels = cv2.connectedComponents(near, connectivity=8)
    labels = np.asarray(labels, np.int32)
    found = [_cells(np.where(labels == i, alpha, 0).astype(np.float32), mask_side) for i in range(1, count)]
    found = sorted((o for o in found if o.sum() >= _LEAST_CELLS), key=lambda o: -float(o.sum()))
    return np.array(found[:_MOST], np.float32).reshape(-1, mask_side, mask_side)


def _cells(alpha: FloatArray, side: int) -> FloatArray:
    return np.asarray(cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA), np.float32)


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
    labels: IntArray = label_objects(prob, band)
    return TileInput(
        tile=Tile(0, read, read),
        rgb=picture.astype(np.float32) / np.float32(255),
        prob=prob,
        band=band,
        scale=cell,
        frame=Box.frame(3 * side, 3 * side),
        labels=labels,
    )
