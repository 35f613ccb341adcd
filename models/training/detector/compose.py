"""Flat lays put together from sprites, with exact boxes and masks; the same by seed and number. Numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.common.backdrop import backdrop
from models.training.common.sprites import Bytes, Float, Sprite, turned
from models.training.detector.config import Data

STRIDE = 4  # of the masks, as of the network's prototypes
_RATIO = {"stud": 0.30, "ball": 0.35, "bead": 0.35, "huggie": 0.5, "set_stone": 0.6, "drop": 0.6, "long_earring": 1.8}
_COMPOUNDS = {"solitaire", "drop_earring", "long_earring", "drop", "charm", "bar"}
_PADDING = 114  # the grey beside a picture that was scaled into a square, as segtile.backends.letterbox has it
_LEAST_SEEN = 0.12  # a piece of which the frame shows less than this share is not laid at all

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Scene:
    """A composed picture (side, side, 3) uint8, boxes (n, 4) float32 x0 y0 x1 y1 px of what is seen, and masks.

    `masks` (n, side / 4, side / 4) float32: the share of a cell that the piece covers, as it is to be learnt.
    """

    pixels: Bytes
    boxes: Float
    masks: Float


@dataclass(eq=False)
class _Canvas:
    pixels: Float
    frame: tuple[int, int, int, int]
    taken: Float
    boxes: list[tuple[int, int, int, int]]
    masks: list[Float]


def compose(sprites: Sequence[Sprite], data: Data, side: int, seed: int, index: int) -> Scene:
    """Picture number `index` of the endless set of a seed."""
    rng = np.random.default_rng([seed, side, index])
    canvas = _Canvas(backdrop(rng, side), _frame(rng, side), np.zeros((side, side), np.float32), [], [])
    span = data.smallest * (data.largest * side / 640 / data.smallest) ** (0.1 + 0.9 * rng.uniform() ** data.skew)
    room = (canvas.frame[2] - canvas.frame[0]) * (canvas.frame[3] - canvas.frame[1]) / (1.3 * span * span)
    wanted = 0 if rng.random() < 0.03 else int(np.clip(rng.integers(1, max(2, int(room) + 2)), 1, 40))
    shadow = float(rng.uniform(0.15, 1.0))
    for _ in range(3 * wanted):
        if len(canvas.boxes) >= wanted:
            break
        sprite = _pick(rng, sprites, data.compounds)
        size = span * _RATIO.get(sprite.kind, 1.0) ** rng.uniform(0.5, 1.2) * rng.uniform(0.75, 1.3)
        size = max(size, 0.6 * data.smallest)
        box = _try(canvas, sprite, size, rng, shadow, None)
        if box is not None and rng.random() < (0.6 if size < 0.6 * span else 0.15):
            _try(canvas, sprite, size, rng, shadow, box)
    boxes = np.array(canvas.boxes, np.float32).reshape(-1, 4)
    masks = np.stack(canvas.masks) if canvas.masks else np.zeros((0, side // STRIDE, side // STRIDE), np.float32)
    x0, y0, x1, y1 = canvas.frame
    pixels = np.full((side, side, 3), _PADDING, np.uint8)
    pixels[y0:y1, x0:x1] = _photograph(rng, canvas.pixels[y0:y1, x0:x1])
    return Scene(pixels, boxes, masks)


def _pick(rng: Rng, sprites: Sequence[Sprite], compounds: float) -> Sprite:
    """Any sprite, those of many parts `compounds` times as often as others."""
    if compounds == 1.0:
        return sprites[int(rng.integers(len(sprites)))]
    shares = np.array([compounds if sprite.kind in _COMPOUNDS else 1.0 for sprite in sprites])
    return sprites[int(rng.choice(len(sprites), p=shares / shares.sum()))]


def _frame(rng: Rng, side: int) -> tuple[int, int, int, int]:
    """Where on the canvas the picture lies: all of it, or a strip between grey bars as a letterbox leaves."""
    if rng.random() < 0.5:
        return 0, 0, side, side
    bar = int(side * rng.uniform(0, 0.22))
    return (bar, 0, side - bar, side) if rng.random() < 0.4 else (0, bar, side, side - bar)


def _try(
    canvas: _Canvas, sprite: Sprite, size: float, rng: Rng, shadow: float, near: tuple[int, int, int, int] | None
) -> tuple[int, int, int, int] | None:
    """Lay a sprite anywhere, or close beside a box; its box, or None where it would lie on another or out of sight."""
    left, top, right, bottom = canvas.frame
    squeeze = float(rng.uniform(0.85, 1.0)) if rng.random() < 0.3 else 1.0
    layer = turned(sprite, size, float(rng.uniform(0, 360)), bool(rng.random() < 0.5), squeeze)
    layer = _tinted(rng, layer) if rng.random() < 0.25 else layer
    h, w = layer.shape[:2]
    if near is None:
        centre = rng.uniform((left, top), (right, bottom))
    else:
        away, angle = rng.uniform(1.0, 1.6) * max(near[2] - near[0], near[3] - near[1]), rng.uniform(0, 2 * np.pi)
        centre = np.array([near[0] + near[2], near[1] + near[3]]) / 2 + away * np.array([np.cos(angle), np.sin(angle)])
    x, y = int(centre[0] - w / 2), int(centre[1] - h / 2)
    x0, y0, x1, y1 = max(x, left), max(y, top), min(x + w, right), min(y + h, bottom)
    if x1 <= x0 or y1 <= y0:
        return None
    whole = float(layer[..., 3].sum())
    layer = layer[y0 - y : y1 - y, x0 - x : x1 - x]
    alpha = layer[..., 3]
    solid = alpha >= 0.5
    if alpha.sum() < _LEAST_SEEN * whole or np.count_nonzero(solid) < 12:
        return None
    place = np.s_[y0:y1, x0:x1]
    if (alpha * canvas.taken[place]).sum() > 0.01 * alpha.sum():
        return None
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    box = (x0 + int(columns[0]), y0 + int(rows[0]), x0 + int(columns[-1]) + 1, y0 + int(rows[-1]) + 1)
    if min(box[2] - box[0], box[3] - box[1]) < 4:
        return None
    under = canvas.pixels[place] * (1 - shadow * layer[..., 4:5] * (1 - canvas.taken[place][..., None]))
    canvas.pixels[place] = layer[..., :3] + (1 - alpha[..., None]) * under
    canvas.taken[place] = np.maximum(canvas.taken[place], alpha)
    canvas.boxes.append(box)
    canvas.masks.append(_mask(alpha, (x0, y0), len(canvas.pixels)))
    return box


def _mask(alpha: Float, corner: tuple[int, int], side: int) -> Float:
    """Coverage per cell of STRIDE px, raised a little: a wire of half a cell's width is to be seen as set."""
    full = np.zeros((side, side), np.float32)
    full[corner[1] : corner[1] + alpha.shape[0], corner[0] : corner[0] + alpha.shape[1]] = alpha
    small = cv2.resize(full, (side // STRIDE, side // STRIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(np.minimum(1.6 * small, 1.0), np.float32)


def _tinted(rng: Rng, layer: Float) -> Float:
    """Another metal, stone or light: gains per channel and a gamma, alpha kept."""
    out = layer.copy()
    alpha = np.maximum(layer[..., 3:4], 1e-3)
    colour = np.clip(layer[..., :3] / alpha, 0, 1) ** np.float32(rng.uniform(0.7, 1.5))
    if rng.random() < 0.3:
        colour = colour[..., rng.permutation(3)]
    out[..., :3] = np.clip(colour * rng.uniform(0.7, 1.15, 3).astype(np.float32), 0, 1) * layer[..., 3:4]
    return out


def _photograph(rng: Rng, pixels: NDArray[np.float32]) -> Bytes:
    """Exposure, white balance, blur or sharpening, noise, JPEG."""
    out = pixels * np.float32(rng.uniform(0.8, 1.1)) * (1 + rng.normal(0, 0.02, 3)).astype(np.float32)
    out = np.clip(out, 0, 1) ** np.float32(rng.uniform(0.8, 1.25))
    kind = rng.random()
    if kind < 0.25:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.3)))
    elif kind < 0.4:
        out = out + np.float32(rng.uniform(0.3, 1.2)) * (out - cv2.GaussianBlur(out, (0, 0), 1.0))
    if rng.random() < 0.6:
        out = out + np.float32(rng.uniform(0.001, 0.02)) * rng.standard_normal(out.shape, dtype=np.float32)
    image = np.round(np.clip(out, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return image
