"""How far colours lie apart as the eye sees it."""

from __future__ import annotations

import cv2
import numpy as np

from segtile.types import Array, FloatArray


def perceptual(values: Array) -> FloatArray:
    """Colours in a space in which distances are about as the eye sees them.

    Args:
        values: (..., bands) float in 0..1, sRGB-encoded; outside that range they are clipped. Three bands become
            CIELAB under D65, one band its lightness; others have no common meaning and are scaled to 0..100.

    Returns:
        (..., k) float32; a distance of 1 is a delta E (CIE 1976).
    """
    clipped = np.clip(np.asarray(values, np.float32), 0, 1)
    bands = clipped.shape[-1]
    if bands == 1:
        return perceptual(np.repeat(clipped, 3, axis=-1))[..., :1]
    if bands != 3:
        return clipped * np.float32(100)
    flat = np.ascontiguousarray(clipped.reshape(1, -1, 3))
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2LAB), np.float32).reshape(clipped.shape)


def distance(a: Array, b: Array) -> FloatArray:
    """Delta E (CIE 1976) between colours (..., bands) float in 0..1: (...) float32."""
    return np.linalg.norm(perceptual(a) - perceptual(b), axis=-1).astype(np.float32)
