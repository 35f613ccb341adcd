"""Pictures in memory and coarse maps made from exact alphas, for the refine tests."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import logit

from segtile.types import Array, Background, Box, CoarseMap, ImageInfo, Tile


@dataclass
class Picture:
    """The part of a Raster that refiners need."""

    pixels: Array

    @property
    def info(self) -> ImageInfo:
        height, width = self.pixels.shape[:2]
        return ImageInfo(width, height, 3, str(self.pixels.dtype))

    def window(self, box: Box) -> Array:
        return self.pixels[box.slices]


def compose(alpha, object_, background, noise=0.0, dtype=np.uint8, seed=0):
    """Straight composition in sRGB-encoded values, with noise, rounded to the type's levels."""
    top = np.iinfo(dtype).max
    mixed = alpha[..., None] * object_ + (1 - alpha[..., None]) * background
    mixed = mixed + np.random.default_rng(seed).normal(0, 1, mixed.shape) * noise
    return Picture((np.clip(mixed, 0, 1) * top).round().astype(dtype))


def coarse_from(alpha, scale, tone=None, noise=0.002, reach=3):
    """A map at 1/scale: area means of the exact alpha, and a band `reach` cells wide on both sides of the edge."""
    h, w = alpha.shape
    prob = cv2.resize(alpha.astype(np.float32), (round(w / scale), round(h / scale)), interpolation=cv2.INTER_AREA)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    band = (cv2.dilate(prob, disc) > 0.005) & (cv2.erode(prob, disc) < 0.995)
    background = None
    if tone is not None:
        field = np.broadcast_to(np.asarray(tone, np.float32), (*prob.shape, 3)).copy()
        background = Background(field, np.full(3, noise, np.float32))
    labels = ((prob > 0.005) | band).astype(np.int32)
    return CoarseMap(prob, band, labels, scale, Box.frame(w, h), "test", background)


def four_fifths_as_sure(prob):
    """Probabilities of 0.8 times the log odds, by the definition."""
    return 1 / (1 + np.exp(-0.8 * logit(prob.astype(np.float64))))


def whole(alpha) -> Tile:
    frame = Box.frame(alpha.shape[1], alpha.shape[0])
    return Tile(0, frame, frame)


def supersampled(h, w, inside, fine=8):
    """Exact coverage of a shape: `inside(x, y)` on a fine grid, averaged."""
    alpha = np.empty((h, w), np.float32)
    x = (np.arange(w * fine) + 0.5) / fine
    for row in range(h):
        y = row + (np.arange(fine) + 0.5) / fine
        alpha[row] = inside(x[None, :], y[:, None]).reshape(fine, w, fine).mean((0, 2))
    return alpha
