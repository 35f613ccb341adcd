"""Rendered sprites in memory, at several sizes, and laid down at any size and angle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]
_FADE = 0.12  # share of a sprite's side over which its shadow fades out before the cut ends it


@dataclass(frozen=True, eq=False)
class Sprite:
    """One piece: its kind, and its layers from full size on, each half as large as the one before.

    A layer is (h, w, 5) uint8: premultiplied RGB, alpha, and darkness (255 less the shadow's brightness).
    `span` is the longer side of what alpha covers, in px of the first layer.
    """

    kind: str
    layers: tuple[Bytes, ...]
    span: float


def sheets_in(folder: Path, count: int) -> list[Path]:
    """The first `count` rendered sheets of a folder, by name.

    Raises:
        FileNotFoundError: there are fewer; the message says what makes them.
    """
    found = sorted(folder.glob("sheet-*.npz"))[:count]
    if len(found) < count:
        make = f"python -m models.training.sprites --sheets {count} -o {folder}"
        raise FileNotFoundError(f"{folder} has {len(found)} of {count} sheets of sprites: {make} renders them")
    return found


def load_sprites(sheets: Sequence[Path]) -> list[Sprite]:
    """The sprites of some sheets, in order."""
    out = []
    for file in sheets:
        with np.load(file) as sheet:
            for i, kind in enumerate(sheet["names"]):
                out.append(make_sprite(str(kind), sheet[f"rgb{i}"], sheet[f"alpha{i}"], sheet[f"shadow{i}"]))
    return out


def make_sprite(kind: str, rgb: Bytes, alpha: Bytes, shadow: Bytes) -> Sprite:
    """A sprite from colour (h, w, 3) not premultiplied, alpha (h, w) and shadow (h, w), all uint8."""
    solid = alpha >= 128
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    span = float(max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1))
    colour = np.round(rgb * (alpha[..., None] / np.float32(255))).astype(np.uint8)
    dark = np.round((255 - shadow) * _window(*alpha.shape)).astype(np.uint8)
    layers = [np.dstack([colour, alpha, dark])]
    while min(layers[-1].shape[:2]) >= 32:
        h, w = layers[-1].shape[:2]
        half = (max(1, w // 2), max(1, h // 2))
        parts = [cv2.resize(layers[-1][..., k], half, interpolation=cv2.INTER_AREA) for k in (np.s_[:4], 4)]
        layers.append(np.dstack(parts))
    return Sprite(kind, tuple(layers), span)


def _window(height: int, width: int) -> Float:
    """(h, w) 1 in the middle, falling to 0 at the border."""
    fall = []
    for n in (height, width):
        at = (np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / (_FADE * n)
        fall.append(np.clip(at, 0, 1).astype(np.float32))
    return np.minimum(fall[0][:, None], fall[1][None, :])


def turned(sprite: Sprite, span: float, degrees: float, mirrored: bool, squeeze: float = 1.0) -> Float:
    """The sprite with its longer side `span` px, turned; (h, w, 5) float32 0..1 as in a layer.

    `squeeze` shortens it across before it is turned: a camera that is not quite overhead.
    """
    factor = span / sprite.span
    level = int(np.clip(np.floor(np.log2(1 / factor)) if factor < 1 else 0, 0, len(sprite.layers) - 1))
    layer = sprite.layers[level]
    h, w = layer.shape[:2]
    a = np.radians(degrees)
    linear = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    linear = linear @ np.diag([-1.0 if mirrored else 1.0, squeeze]) * (factor * sprite.layers[0].shape[0] / h)
    size = np.ceil(np.abs(linear) @ [w, h]).astype(int) + 2
    shift = size / 2 - linear @ [w / 2, h / 2]
    # cv2 counts from pixel centres, we from corners.
    shift += linear @ [0.5, 0.5] - 0.5
    matrix = np.column_stack([linear, shift])
    out = np.empty((size[1], size[0], 5), np.float32)
    target = (int(size[0]), int(size[1]))
    out[..., :4] = cv2.warpAffine(layer[..., :4], matrix, target)
    out[..., 4] = cv2.warpAffine(layer[..., 4], matrix, target)
    out /= 255
    return out
