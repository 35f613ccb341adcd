"""Backgrounds by code: paper, gradients, cloth, stone, wood; light ones mostly, as in a catalogue."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Rng = np.random.Generator


def backdrop(rng: Rng, side: int) -> Float:
    """(side, side, 3) float32 encoded 0..1, about white two times in three, else of any tone."""
    if rng.random() < 0.65:
        tone = rng.uniform(0.80, 0.98) + rng.normal(0, 0.012, 3)
    else:
        tone = rng.uniform(0.08, 0.9) + rng.normal(0, 0.08, 3)
    out = np.broadcast_to(tone.astype(np.float32), (side, side, 3)).copy()
    out *= fall_of_light(rng, side)
    pattern = rng.random()
    if pattern < 0.25:
        out *= 1 + clouds(rng, side, float(rng.uniform(0.02, 0.12)))
    elif pattern < 0.36:
        out *= 1 + weave(rng, side)
    elif pattern < 0.44:
        out *= 1 + grain(rng, side)
    if rng.random() < 0.12:
        _card(rng, out)
    return np.clip(out, 0, 1)


def fall_of_light(rng: Rng, side: int) -> Float:
    """A slope, and at times a vignette."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    a, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.18)
    light = 1 + depth * (np.cos(a) * x + np.sin(a) * y)
    if rng.random() < 0.3:
        light -= rng.uniform(0, 0.5) * (x * x + y * y)
    return np.asarray(light[..., None], np.float32)


def clouds(rng: Rng, side: int, strength: float) -> Float:
    """Noise of several sizes: plaster, stone, paper."""
    total = np.zeros((side, side), np.float32)
    for cells in (3, 7, 17, 41, 97):
        if cells < side:
            field = rng.standard_normal((cells, cells)).astype(np.float32)
            total += cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC) / np.sqrt(cells)
    if rng.random() < 0.3:
        total = np.float32(1) - np.abs(total) * 4  # veins
    return np.asarray((strength * total / max(float(total.std()), 1e-6))[..., None] * 0.5, np.float32)


def weave(rng: Rng, side: int) -> Float:
    """Threads across each other, a little uneven."""
    period = float(rng.uniform(3, 14))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    a = float(rng.uniform(0, np.pi))
    u, v = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    threads = np.sin(2 * np.pi * u / period) * np.sin(2 * np.pi * v / period)
    return np.asarray((rng.uniform(0.01, 0.08) * threads)[..., None], np.float32)


def grain(rng: Rng, side: int) -> Float:
    """Long grain as of wood, along one axis."""
    cells = rng.standard_normal((int(rng.integers(20, 90)), 4)).astype(np.float32)
    field = cv2.resize(cells, (side, side), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        field = field.T
    return np.asarray((rng.uniform(0.02, 0.10) * field)[..., None], np.float32)


def _card(rng: Rng, out: Float) -> None:
    """An edge of paper or table that is not a piece."""
    side = len(out)
    corner = rng.uniform(-0.2, 1.2, 2) * side
    size, a = rng.uniform(0.3, 1.2, 2) * side, float(rng.uniform(0, 180))
    points = cv2.boxPoints(((float(corner[0]), float(corner[1])), (float(size[0]), float(size[1])), a))
    mask = np.zeros(out.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255, lineType=cv2.LINE_AA)
    m = (mask / np.float32(255))[..., None]
    out *= 1 - m
    out += m * (rng.uniform(0.2, 1.0) + rng.normal(0, 0.02, 3)).astype(np.float32)
