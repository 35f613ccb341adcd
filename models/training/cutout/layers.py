"""One object on the canvas: a sprite turned, scaled and sharpened there, or a shape; and its other colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.cutout.shapes import Float, Rng, blurred, draw, smooth
from models.training.cutout.shelf import Item
from segtile.solar import luma_of


@dataclass(eq=False)
class Layer:
    """Colour (s, s, 3) not premultiplied, alpha (s, s), and how dark the table is beside it (s, s); float32 0..1."""

    colour: Float
    alpha: Float
    dark: Float


def shape_layer(rng: Rng, side: int) -> Layer:
    """An object drawn by code, with a soft shadow."""
    colour, alpha = draw(rng, side)
    return Layer(colour, alpha, shadow_of(rng, alpha))


def shadow_of(rng: Rng, alpha: Float) -> Float:
    """The object's outline moved aside and blurred: a lamp's shadow, hard or soft."""
    side = len(alpha)
    size = side * float(np.exp(rng.uniform(np.log(0.004), np.log(0.08))))
    move = np.array([[1, 0, rng.normal(0, size)], [0, 1, abs(rng.normal(0, size))]])
    moved = cv2.warpAffine(alpha, move, (side, side))
    return blurred(np.asarray(moved, np.float32), float(max(0.6, size * rng.uniform(0.1, 1.0))))


def sprite_layer(rng: Rng, item: Item, side: int, zoom: float, at: NDArray[np.float64] | None) -> Layer:
    """A sprite turned any way.

    Args:
        rng: draws angle, mirror and place.
        item: the sprite; a whole scene is turned by little, as cameras are.
        side: of the canvas.
        zoom: canvas px per px of the sprite.
        at: canvas x, y of the sprite's middle; None puts one of its edge points into the canvas's middle part.
    """
    sprite = item.sprite
    turn = rng.normal(0, 6) if item.is_scene and at is not None else rng.uniform(0, 360)
    a = np.radians(turn)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    squeeze = rng.uniform(0.8, 1.0) if rng.random() < 0.3 else 1.0
    linear = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag([mirror, squeeze]) * zoom
    h, w = sprite.layers[0].shape[:2]
    fixed = np.array([w / 2, h / 2])
    if at is None:
        fixed = item.edge[int(rng.integers(len(item.edge)))] + 0.5
        at = rng.uniform(0.2, 0.8, 2) * side
    level = int(np.clip(np.floor(np.log2(1 / zoom)) if zoom < 1 else 0, 0, len(sprite.layers) - 1))
    layer = sprite.layers[level]
    linear_here = linear * (h / layer.shape[0])
    # cv2 counts from pixel centres, we from corners.
    shift = at - linear @ fixed + linear_here @ [0.5, 0.5] - 0.5
    matrix = np.column_stack([linear_here, shift])
    way = cv2.INTER_CUBIC if zoom > 1.2 else cv2.INTER_LINEAR
    front = cv2.warpAffine(layer[..., :4], matrix, (side, side), flags=way).astype(np.float32) / 255
    dark = cv2.warpAffine(layer[..., 4], matrix, (side, side)).astype(np.float32) / 255
    alpha = front[..., 3]
    colour = np.clip(front[..., :3] / np.maximum(alpha, 1e-3)[..., None], 0, 1)
    if zoom > 1.2:  # an enlarged edge is soft: steepened, it is as sharp as one photographed at that size
        steep = np.float32(1 + (zoom - 1) * rng.uniform(0.5, 1.1))
        alpha = np.clip((alpha - 0.5) * steep + 0.5, 0, 1)
    return Layer(colour, np.ascontiguousarray(alpha), dark)


def recolour(rng: Rng, colour: Float) -> Float:
    """Another material: as it is, another hue, white or cream, nearly black, or a metal."""
    kind = rng.random()
    if kind < 0.35:
        return colour
    if kind < 0.55:
        out = colour ** np.float32(rng.uniform(0.7, 1.5)) * rng.uniform(0.65, 1.15, 3).astype(np.float32)
        return np.clip(out[..., rng.permutation(3)] if rng.random() < 0.4 else out, 0, 1)
    tone = luma_of(colour)[..., None]
    if kind < 0.78:
        tint = 1 - np.array([0, rng.uniform(0, 0.05), rng.uniform(0, 0.15)], np.float32)
        low, high = rng.uniform(0.45, 0.9), rng.uniform(0.92, 1.0)
        return np.clip((low + (high - low) * tone) * tint, 0, 1).astype(np.float32)
    if kind < 0.86:
        return np.clip(colour * np.float32(rng.uniform(0.05, 0.35)), 0, 1)
    metal = ((1.0, 0.80, 0.45), (0.98, 0.75, 0.66), (0.95, 0.96, 1.0), (0.75, 0.55, 0.35))[int(rng.integers(4))]
    return np.clip(tone ** np.float32(rng.uniform(0.6, 1.4)) * np.array(metal, np.float32), 0, 1).astype(np.float32)


def to_contrast(layer: Layer, ground: Float, wanted: float) -> None:
    """Bring an object's tones to a contrast against the ground below, as eval.synth.composite does for whole scenes."""
    solid = layer.alpha >= min(0.99, float(layer.alpha.max()))
    base = luma_of(ground)
    have = float(np.median(np.abs(luma_of(layer.colour)[solid] - base[solid]) / np.maximum(base[solid], 0.05)))
    share = np.float32(min(1.0, wanted / max(have, 1e-3)))
    if have < wanted:  # too like the ground: a shade darker
        layer.colour = np.clip(ground - wanted * np.maximum(base, 0.2)[..., None], 0, 1).astype(np.float32)
    else:
        layer.colour = np.clip(ground - (ground - layer.colour) * share, 0, 1)


def glint(rng: Rng, layer: Layer) -> None:
    """A light's reflection: a bright spot that may be as white as the ground."""
    spot = np.clip(smooth(rng, len(layer.alpha), int(rng.integers(3, 9))) - rng.uniform(0.5, 1.5), 0, 1)[..., None]
    layer.colour = (layer.colour + (1 - layer.colour) * spot).astype(np.float32)
