"""Detectors made by code, and pictures they know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import supervision as sv
from scipy import ndimage

from segtile.detected import CropMask, Detections
from segtile.types import Array, Box

NAMES = ("red", "green", "blue")


def blobs(
    height: int, width: int, seed: int, count: int = 40, least: int = 12, most: int = 90, ellipses: bool = True
) -> np.ndarray:
    """(h, w, 3) uint8: grey with rectangles and ellipses in red, green and blue that do not touch each other.

    A slice's border cuts a sliver off an ellipse whose box is no part of the ellipse's box that the next slice sees:
    where boxes alone are to agree, do without.
    """
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128, np.uint8)
    free = np.ones((height, width), bool)
    yy, xx = np.mgrid[:height, :width]
    for k in range(count):
        h, w = rng.integers(least, most, 2)
        y, x = rng.integers(0, height - h), rng.integers(0, width - w)
        spot = np.zeros_like(free)
        spot[y : y + h, x : x + w] = True
        if k % 2 and ellipses:
            spot &= ((yy + 0.5 - y - h / 2) / (h / 2)) ** 2 + ((xx + 0.5 - x - w / 2) / (w / 2)) ** 2 <= 1
        if free[spot].all():
            picture[spot] = 40
            picture[spot, k % 3] = 220 + rng.integers(0, 30)
            free &= ~ndimage.binary_dilation(spot, np.ones((3, 3), bool), 4)
    return picture


def found_in(window: Array) -> sv.Detections:
    """Each blob's box and mask; the score grows with its size and falls where the window cuts it."""
    boxes, scores, classes, masks = [], [], [], []
    h, w = window.shape[:2]
    for channel in range(3):
        labels, _ = ndimage.label(window[..., channel] > 180)
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
            mask = labels == number
            cut = (rows.start == 0) + (columns.start == 0) + (rows.stop == h) + (columns.stop == w)
            boxes.append((columns.start, rows.start, columns.stop, rows.stop))
            scores.append(mask.sum() / (mask.sum() + 400.0) * 0.8**cut)
            classes.append(channel)
            masks.append(mask)
    if not boxes:
        return sv.Detections.empty()
    return sv.Detections(
        xyxy=np.array(boxes, np.float32),
        confidence=np.array(scores, np.float32),
        class_id=np.array(classes),
        mask=np.array(masks),
    )


class Fake:
    """A Detector over `found_in`; counts what it is shown."""

    name = "fake"
    names = NAMES

    def __init__(
        self,
        *,
        masks: bool = True,
        batch: int = 4,
        input_size: tuple[int, int] | None = None,
        change: Callable[[Array, Detections], Detections] | None = None,
    ) -> None:
        self.masks, self.batch, self.input_size, self._change = masks, batch, input_size, change
        self.shown: list[tuple[int, ...]] = []
        self.calls: list[int] = []

    def detect(self, windows: Sequence[Array]) -> list[Detections]:
        self.calls.append(len(windows))
        return [self._one(window) for window in windows]

    def _one(self, window: Array) -> Detections:
        self.shown.append(window.shape)
        assert window.dtype == np.uint8
        frame = Box.frame(window.shape[1], window.shape[0])
        said = found_in(window)
        masks = None
        if self.masks:
            corners = [Box(*map(int, box)) for box in said.xyxy]
            masks = tuple(
                CropMask.from_bits(mask[box.slices], box, frame)
                for box, mask in zip(corners, said.mask if len(said) else (), strict=True)
            )
        found = Detections(
            np.asarray(said.xyxy, np.float32).reshape(-1, 4),
            np.asarray(said.confidence if len(said) else [], np.float32),
            np.asarray(said.class_id if len(said) else [], np.int32),
            np.zeros(len(said), np.int32),
            masks,
        )
        return self._change(window, found) if self._change else found
