"""What a coarse pass makes of an alpha: coarser, softer, shifted, holes filled, thin parts lost, shadows included."""

from __future__ import annotations

import cv2
import numpy as np

from models.training.cutout.shapes import Float, Rng, blurred, smooth


def degrade(rng: Rng, alpha: Float, dark: Float, blind: float) -> Float:
    """A coarse probability, interpolated to the pixels of the alpha.

    Args:
        rng: draws the faults.
        alpha: (s, s) float32, exact.
        dark: (s, s) float32, the shadows.
        blind: how often the answer is of no use, so that only the picture can tell: nothing, or a haze.
    """
    side = len(alpha)
    if rng.random() < blind:
        if rng.random() < 0.5:
            return np.full_like(alpha, rng.choice([0.5, rng.uniform(0, 1)]))
        haze = blurred(alpha, float(rng.uniform(6, 24)))
        return np.asarray(haze * np.float32(rng.uniform(0.4, 1.0)), np.float32)
    scale = float(np.exp(rng.uniform(0, np.log(5.0)))) if rng.random() < 0.75 else float(rng.uniform(5, 16))
    cells = max(8, round(side / scale))
    prob = _faults(rng, _small(alpha, cells), dark)
    return np.clip(cv2.resize(prob, (side, side), interpolation=cv2.INTER_LINEAR), 0, 1)


def soften(rng: Rng, alpha: Float) -> Float:
    """A coarse probability as good as one can be: the exact alpha, but coarser and at times softer.

    Args:
        rng: draws how coarse.
        alpha: (s, s) float32, exact.
    """
    side = len(alpha)
    cells = max(8, round(side / float(np.exp(rng.uniform(0, np.log(5.0))))))
    prob = _small(alpha, cells)
    if rng.random() < 0.5:
        prob = cv2.GaussianBlur(prob, (0, 0), float(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.3:
        prob = _confidence(rng, prob)
    return np.clip(cv2.resize(prob, (side, side), interpolation=cv2.INTER_LINEAR), 0, 1)


def worsen(rng: Rng, prob: Float, scale: float) -> Float:
    """A network's own answer with more faults than it had: it was trained on these pieces, others it knows less well.

    Args:
        rng: draws the faults.
        prob: (s, s) float32, interpolated to the picture's pixels.
        scale: pixels of the picture per cell of the answer.
    """
    side = len(prob)
    cells = max(8, round(side / scale))
    small = _small(prob, cells)
    change = _faults(rng, small, np.zeros_like(small)) - small
    return np.clip(prob + cv2.resize(change, (side, side), interpolation=cv2.INTER_LINEAR), 0, 1)


def _faults(rng: Rng, prob: Float, dark: Float) -> Float:
    """Any of a coarse pass's faults, (cells, cells) in and out; `dark` are the shadows at any size."""
    cells = len(prob)
    if rng.random() < 0.3:
        prob = np.maximum(prob, _small(dark, cells) * np.float32(rng.uniform(0.3, 1.6)) * _somewhere(rng, cells))
    if rng.random() < 0.4:
        prob = _fill(rng, prob)
    if rng.random() < 0.4:
        prob = _thin(rng, prob)
    if rng.random() < 0.35:
        prob = _grow(rng, prob)
    if rng.random() < 0.35:
        prob = _blobs(rng, prob)
    if rng.random() < 0.8:
        prob = cv2.GaussianBlur(prob, (0, 0), float(rng.uniform(0.3, 1.6)))
    if rng.random() < 0.6:
        prob = _confidence(rng, prob)
    shift = rng.uniform(-1, 1, 2) * rng.uniform(0, 1.5)
    if rng.random() < 0.5:
        prob = cv2.warpAffine(
            prob, np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), (cells, cells), borderMode=cv2.BORDER_REPLICATE
        )
    return np.asarray(prob, np.float32)


def _small(values: Float, cells: int) -> Float:
    return np.asarray(cv2.resize(values, (cells, cells), interpolation=cv2.INTER_AREA), np.float32)


def _somewhere(rng: Rng, cells: int) -> Float:
    """(cells, cells) 0 or 1 in soft patches, so that a fault is here and not there."""
    field = smooth(rng, cells, int(rng.integers(2, 6)))
    return np.clip(3 * (field + rng.uniform(-0.8, 0.8)) + 0.5, 0, 1).astype(np.float32)


def _fill(rng: Rng, prob: Float) -> Float:
    """Fill some of what the object encloses, smaller holes rather."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats((prob < 0.5).astype(np.uint8), connectivity=4)
    side, out = len(prob), prob.copy()
    for n in range(1, count):
        x, y, w, h, area = stats[n]
        inside = x > 0 and y > 0 and x + w < side and y + h < side
        if inside and area < 0.15 * side * side and rng.random() < 0.6:
            out[parts == n] = np.maximum(out[parts == n], rng.uniform(0.4, 1.0))
    return out


def _thin(rng: Rng, prob: Float) -> Float:
    """Lose what is thin, or what lies between."""
    size = int(rng.integers(2, 5))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    way = cv2.MORPH_OPEN if rng.random() < 0.65 else cv2.MORPH_CLOSE
    share = _somewhere(rng, len(prob)) * np.float32(rng.uniform(0.4, 1.0))
    return np.asarray(prob + share * (cv2.morphologyEx(prob, way, kernel) - prob), np.float32)


def _grow(rng: Rng, prob: Float) -> Float:
    """A border too far out or in."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    moved = cv2.dilate(prob, kernel) if rng.random() < 0.5 else cv2.erode(prob, kernel)
    share = _somewhere(rng, len(prob)) if rng.random() < 0.6 else np.float32(rng.uniform(0.3, 1.0))
    return np.asarray(prob + share * (moved - prob), np.float32)


def _blobs(rng: Rng, prob: Float) -> Float:
    """Parts added or taken away near the edge, at times with full confidence."""
    out, side = prob.copy(), len(prob)
    near = np.argwhere(np.abs(cv2.blur(prob, (3, 3)) - 0.5) < 0.4)
    for _ in range(int(rng.integers(1, 5))):
        at = near[int(rng.integers(len(near)))] if len(near) and rng.random() < 0.8 else rng.integers(0, side, 2)
        spot = np.zeros_like(prob)
        axes = np.maximum(1, side * np.exp(rng.uniform(np.log(0.015), np.log(0.12), 2)))
        half = (round(float(axes[0])), round(float(axes[1])))
        cv2.ellipse(spot, (int(at[1]), int(at[0])), half, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        spot *= rng.uniform(0.3, 1.0)
        out = np.maximum(out, spot) if rng.random() < 0.5 else out * (1 - spot)
    return out


def _confidence(rng: Rng, prob: Float) -> Float:
    """More or less sure than it may be, and unevenly so."""
    p = np.clip(prob, 0.003, 0.997)
    odds = np.log(p / (1 - p)) * rng.uniform(0.4, 2.5) + rng.normal(0, 0.6)
    odds = odds + rng.uniform(0, 1.0) * smooth(rng, len(prob), max(2, len(prob) // 6))
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)
