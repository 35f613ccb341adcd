"""Coarse maps for the grid's tests, made by code."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scipy import ndimage

from segtile.types import Box, CoarseMap


def coarse_of(unsure: np.ndarray, solid: np.ndarray | None = None, size: tuple[int, int] | None = None) -> CoarseMap:
    """A map whose band is `unsure`, over a frame of `size` (width, height), by default one pixel per cell."""
    unsure = np.asarray(unsure, dtype=bool)
    inside = unsure if solid is None else np.asarray(solid, dtype=bool)
    height, width = unsure.shape
    frame = Box.frame(*(size or (width, height)))
    labels, _ = ndimage.label(unsure | inside, structure=np.ones((3, 3)))
    prob = np.where(inside, np.float32(0.9), np.float32(0.1))
    return CoarseMap(prob, unsure, labels.astype(np.int32), frame.width / width, frame, "test")


def outline(solid: np.ndarray, size: tuple[int, int] | None = None, grow: int = 3) -> CoarseMap:
    """A map whose band runs `grow` cells to either side of the edge of `solid`."""
    kernel = np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)
    image = np.asarray(solid, dtype=np.uint8)
    band = cv2.dilate(image, kernel, borderValue=0) != cv2.erode(image, kernel, borderValue=0)
    return coarse_of(band, image > 0, size)


def discs(width: int, height: int, *places: tuple[int, int, int]) -> np.ndarray:
    """Filled discs (x, y, radius) on an empty map."""
    image = np.zeros((height, width), np.uint8)
    for x, y, radius in places:
        cv2.circle(image, (x, y), radius, 1, -1)
    return image > 0


def ring(width: int, height: int, x: int, y: int, radius: int, thickness: int) -> np.ndarray:
    """A ring on an empty map."""
    image = np.zeros((height, width), np.uint8)
    cv2.circle(image, (x, y), radius, 1, thickness)
    return image > 0


@pytest.fixture(scope="session")
def scene() -> SimpleNamespace:
    """What draws shapes on empty maps and makes coarse maps of them."""
    return SimpleNamespace(coarse_of=coarse_of, outline=outline, discs=discs, ring=ring)
