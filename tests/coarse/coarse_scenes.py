"""Small studio pictures with exact alpha, drawn at four times their size and averaged down."""

from __future__ import annotations

import cv2
import numpy as np

FINE = 4


def sweep(h: int, w: int, top: float = 0.95, bottom: float = 0.9) -> np.ndarray:
    """A smoothly lit warm white background, (h, w, 3)."""
    y, x = np.mgrid[:h, :w]
    light = top + (bottom - top) * (y / h) + 0.01 * np.cos(2.0 * x / w)
    return light[..., None] * np.array([1.0, 0.995, 0.985])


def averaged(fine: np.ndarray) -> np.ndarray:
    h, w = fine.shape
    return fine.reshape(h // FINE, FINE, w // FINE, FINE).mean((1, 3))


def grid(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = (np.mgrid[: h * FINE, : w * FINE] + 0.5) / FINE
    return x, y


def ring_alpha(h: int, w: int, x0: float, y0: float, outer: float, inner: float) -> np.ndarray:
    x, y = grid(h, w)
    r = np.hypot(x - x0, y - y0)
    return averaged(((r < outer) & (r > inner)).astype(float))


def compose(back: np.ndarray, colour: np.ndarray, alpha: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """8-bit rounded preview, (h, w, 3) float32."""
    picture = back * (1 - alpha[..., None]) + colour * alpha[..., None]
    picture = picture + np.random.default_rng(seed).normal(0, noise, picture.shape)
    return (np.round(np.clip(picture, 0, 1) * 255) / 255).astype(np.float32)


def gold(h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.array([0.75, 0.56, 0.25]) * (0.8 + 0.2 * np.cos(x / 23.0 + y / 31.0))[..., None]


def gold_ring(h: int = 500, w: int = 700) -> tuple[np.ndarray, np.ndarray]:
    alpha = ring_alpha(h, w, w / 2, h / 2, 180, 130)
    return compose(sweep(h, w), gold(h, w), alpha, 0.004), alpha


def white_disc(contrast: float, noise: float = 0.002, h: int = 500, w: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """A flat white disc, `contrast` of the tone range darker than its background, without a shadow."""
    alpha = ring_alpha(h, w, 310, 240, 120, -1)
    back = sweep(h, w)
    return compose(back, back - contrast, alpha, noise), alpha


def shadowed_ball(h: int = 500, w: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A blue ball with a soft neutral shadow below it; also the shadow's own strength."""
    y, x = np.mgrid[:h, :w]
    alpha = ring_alpha(h, w, 300, 220, 100, -1)
    shadow = 0.35 * np.exp(-(((x - 300) / 130.0) ** 2 + ((y - 330) / 45.0) ** 2))
    back = sweep(h, w) * (1 - shadow)[..., None]
    lit = 0.7 + 0.3 * np.clip((330 - y) / 220.0, 0, 1)
    return compose(back, np.array([0.25, 0.35, 0.65]) * lit[..., None], alpha, 0.003), alpha, shadow


def chain(h: int = 400, w: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Oval gold links in a row, every hole open, the wire 5 px thick."""
    fine = np.zeros((h * FINE, w * FINE), np.uint8)
    for i, x in enumerate(range(60, w - 60, 34)):
        centre = (x * FINE, (h // 2 + (6 if i % 2 else -6)) * FINE)
        cv2.ellipse(fine, centre, (20 * FINE, 13 * FINE), 0, 0, 360, 1, 5 * FINE)
    alpha = averaged(fine.astype(float))
    return compose(sweep(h, w), gold(h, w), alpha, 0.003), alpha
