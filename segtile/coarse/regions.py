"""Small helpers over regions of a map: distances, nearest cells, what touches what."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segtile.types import BoolArray, FloatArray


def distance_to(mask: BoolArray) -> FloatArray:
    """Euclidean distance of every cell to the nearest True cell, (h, w) float32; large where there is none."""
    if not mask.any():
        return np.full(mask.shape, float(sum(mask.shape)), np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def nearest(mask: BoolArray) -> npt.NDArray[np.intp]:
    """Flat index of the nearest True cell of every cell, (h * w,); `mask` must hold one."""
    _, label = cv2.distanceTransformWithLabels((~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    index = np.zeros(int(label.max()) + 1, np.intp)
    index[label[mask]] = np.flatnonzero(mask)
    return np.asarray(index[label.ravel()])


def touching_border(mask: BoolArray) -> BoolArray:
    """The 4-connected regions of `mask` that touch the map's border, (h, w) bool."""
    count, comp = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    rim = np.concatenate([comp[0], comp[-1], comp[:, 0], comp[:, -1]])
    keep = np.bincount(rim, minlength=count) > 0
    keep[0] = False
    return np.asarray(keep[comp])


def joined_to(mask: BoolArray, seeds: BoolArray) -> BoolArray:
    """The 8-connected regions of `mask` that hold a cell of `seeds`, (h, w) bool."""
    count, comp = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    keep = np.bincount(comp[seeds], minlength=count) > 0
    keep[0] = False
    return np.asarray(keep[comp])


def dilate(image: FloatArray, side: int) -> FloatArray:
    """Maximum over a square of `side` cells."""
    return np.asarray(cv2.dilate(image, np.ones((side, side), np.uint8)), np.float32)
