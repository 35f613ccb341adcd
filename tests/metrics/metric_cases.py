"""Small alphas made by code: for properties, and the seeded ones that PySODMetrics was asked about."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import strategies as st

Alpha = np.ndarray


def scene(seed: int, h: int, w: int, style: str) -> Alpha:
    """(h, w) uint8: blobs with hard or soft edges, noise, or a constant."""
    rng = np.random.default_rng(seed)
    if style == "empty":
        return np.zeros((h, w), np.uint8)
    if style == "full":
        return np.full((h, w), 255, np.uint8)
    if style == "noise":
        return rng.integers(0, 256, (h, w)).astype(np.uint8)
    field = cv2.GaussianBlur(rng.normal(size=(h, w)), (0, 0), max(0.6, min(h, w) / 8))
    level = np.quantile(field, rng.uniform(0.3, 0.9))
    if style == "hard":
        return np.where(field > level, 255, 0).astype(np.uint8)
    steep = 3.0 / max(float(field.std()), 1e-9)
    return (np.clip((field - level) * steep + 0.5, 0, 1) * 255).round().astype(np.uint8)


@st.composite
def pairs(draw: st.DrawFn, least: int = 1, most: int = 28, related: bool | None = None) -> tuple[Alpha, Alpha]:
    """Two uint8 alphas of one size, one often a disturbed copy of the other, sometimes with empty margins."""
    h, w = draw(st.integers(least, most)), draw(st.integers(least, most))
    styles = st.sampled_from(["hard", "soft", "soft", "noise", "empty", "full"])
    truth = scene(draw(st.integers(0, 9999)), h, w, draw(styles))
    if draw(st.booleans()) if related is None else related:
        pred = np.roll(truth, draw(st.integers(-2, 2)), axis=draw(st.integers(0, 1)))
        pred = cv2.blur(pred, (3, 3)).reshape(h, w) if draw(st.booleans()) else pred.copy()
    else:
        pred = scene(draw(st.integers(0, 9999)), h, w, draw(styles))
    margins = [draw(st.integers(0, 3)) for _ in range(4)]
    return np.pad(pred, (margins[:2], margins[2:])), np.pad(truth, (margins[:2], margins[2:]))


def disc(size: int, radius: float, centre: float | None = None, fine: int = 8) -> Alpha:
    """(size, size) float32: a disc by area coverage; pixel centres at whole numbers."""
    middle = (size - 1) / 2 if centre is None else centre
    axis = (np.arange(size * fine) + 0.5) / fine - 0.5
    inside = (axis[:, None] - middle) ** 2 + (axis[None] - middle) ** 2 < radius**2
    return inside.reshape(size, fine, size, fine).mean((1, 3)).astype(np.float32)
