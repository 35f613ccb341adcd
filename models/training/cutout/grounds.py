"""Backgrounds by code: white, off-white, grey, paper, coloured, black, and pictures out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.training.common.backdrop import clouds, fall_of_light, grain, weave
from models.training.cutout.shapes import Float, Rng, blurred, draw, smooth


@dataclass(frozen=True, eq=False)
class Ground:
    """A background (side, side, 3) float32 0..1, and its smooth tone; None where it has none."""

    pixels: Float
    tone: Float | None


def ground(rng: Rng, side: int) -> Ground:
    """A background of any kind, light and plain ones mostly."""
    kind = rng.random()
    if kind < 0.20:
        plain = np.ones(3) if rng.random() < 0.6 else np.full(3, rng.uniform(0.965, 1.0))
        return _plain(np.broadcast_to(plain.astype(np.float32), (side, side, 3)).copy())
    if kind < 0.47:
        tone = rng.uniform(0.80, 0.985) + rng.normal(0, 0.01, 3)
        return _lit(rng, side, tone)
    if kind < 0.56:
        return _lit(rng, side, rng.uniform(0.25, 0.8) + rng.normal(0, 0.01, 3))
    if kind < 0.65:
        tone = _lit(rng, side, rng.uniform(0.7, 0.97) + rng.normal(0, 0.02, 3)).pixels
        strength = float(rng.uniform(0.005, 0.05))
        paper = cv2.GaussianBlur(rng.standard_normal((side, side)).astype(np.float32), (0, 0), rng.uniform(0.5, 2.5))
        pixels = tone * (1 + (strength * paper / paper.std())[..., None] + clouds(rng, side, strength))
        return Ground(np.clip(pixels, 0, 1).astype(np.float32), tone)
    if kind < 0.75:
        return _lit(rng, side, rng.uniform(0.05, 0.95, 3))
    if kind < 0.81:
        return _lit(rng, side, rng.uniform(0.0, 0.12) + np.abs(rng.normal(0, 0.01, 3)))
    return Ground(_blurred(rng, side) if kind < 0.88 else _busy(rng, side), None)


def _plain(pixels: Float) -> Ground:
    return Ground(pixels, pixels)


def _lit(rng: Rng, side: int, tone: np.ndarray) -> Ground:
    light = fall_of_light(rng, side) if rng.random() < 0.8 else np.ones((side, side, 1), np.float32)
    return _plain(np.clip(tone.astype(np.float32) * light, 0, 1).astype(np.float32))


def _blurred(rng: Rng, side: int) -> Float:
    """A picture out of focus: blobs of colour, lights, a horizon."""
    out = np.broadcast_to(rng.uniform(0.1, 0.95, 3).astype(np.float32), (side, side, 3)).copy()
    for _ in range(int(rng.integers(2, 7))):
        colour, alpha = draw(rng, side)
        out += alpha[..., None] * (colour - out)
    out += 0.1 * smooth(rng, side, 4)[..., None]
    return np.clip(blurred(out, side * float(rng.uniform(0.015, 0.06))), 0, 1)


def _busy(rng: Rng, side: int) -> Float:
    """Cloth, wood, stone."""
    tone = rng.uniform(0.1, 0.9, 3) * 0.4 + rng.uniform(0.1, 0.6)
    out = np.broadcast_to(tone.astype(np.float32), (side, side, 3)) * fall_of_light(rng, side)
    pattern = (lambda: weave(rng, side), lambda: grain(rng, side), lambda: clouds(rng, side, 0.3))
    for _ in range(int(rng.integers(1, 3))):
        out = out * (1 + pattern[int(rng.integers(3))]())
    return np.clip(out, 0, 1).astype(np.float32)
