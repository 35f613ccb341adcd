"""Outlines that mirror the paper: highlights of metal, glaze and pearl that meet the background in its own tone."""

from __future__ import annotations

import cv2
import numpy as np

from models.training.cutout.shapes import Float, Rng, blurred


def lose_rims(rng: Rng, front: Float, alpha: Float, under: Float) -> Float:
    """Parts of the outline take the colour of what lies below; only the course of the rest tells where the object ends.

    At a grazing angle every smooth surface mirrors what stands beside it (Fresnel), and below a cup or a ring that is
    its own paper. Alpha is as it was.

    Args:
        rng: draws where, how wide and how strongly.
        front: (s, s, 3) premultiplied colours.
        alpha: (s, s), at least one pixel of it over one half and one below.
        under: (s, s, 3) the paper, without shadows.

    Returns:
        The premultiplied colours, (s, s, 3) float32.
    """
    side = len(alpha)
    inside = (alpha > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
    width = side * float(np.exp(rng.uniform(np.log(0.004), np.log(0.05))))
    # of a wire no more than its flanks: what is gone altogether teaches to invent
    width = max(1.0, min(width, 0.5 * float(np.quantile(depth[inside > 0], 0.9))))
    profile = np.exp(-((depth / width) ** 2)) if rng.random() < 0.5 else (depth < width).astype(np.float32)
    course = blurred(rng.normal(0, 1, (side, side)).astype(np.float32), side * float(rng.uniform(0.03, 0.15)))
    # half of the field and more stays as it is, the rest comes and goes over a short way
    course = course / max(float(course.std()), 1e-6) - rng.uniform(0.2, 1.2)
    where = np.clip(course / rng.uniform(0.05, 0.6), 0, 1)
    share = (rng.uniform(0.6, 1.0) * profile * where).astype(np.float32)
    mirrored = np.clip(under * np.float32(1 + rng.normal(0, 0.015)), 0, 1)
    return np.asarray(front + share[..., None] * (alpha[..., None] * mirrored - front), np.float32)
