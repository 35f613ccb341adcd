"""The detector that all detection peers share, so that only slicing and fusion differ; NumPy and SciPy.

It knows the tones of eval/scenes.py. Like a network it has one input size: a larger picture is made smaller first, so
small parts vanish from it, and its answer is made larger again. What touches the frame it was shown gets a lower score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

TONES = 12
NAMES = {0: "disc", 1: "ring", 2: "bar", 3: "plate"}  # COCO's ids are one more
LEAST_SCORE = 0.3


@dataclass(frozen=True)
class Found:
    """One object: its box [x0, y0, x1, y1) in px, its mask within the box, its class from 0, its score."""

    box: tuple[int, int, int, int]
    mask: npt.NDArray[np.bool_]
    category: int
    score: float


def detect(rgb: npt.NDArray[np.uint8], side: int | None = 640) -> list[Found]:
    """What a picture (h, w, 3) shows, best first. It is looked at with a long side of at most `side` px, if given."""
    h, w = rgb.shape[:2]
    step = 1 if side is None else -(-max(h, w) // side)
    seen = _shrunk(rgb, step)
    tones = _tones(seen)
    found = []
    for tone in range(TONES):
        of_tone = tones == tone
        if not of_tone.any():
            continue
        labels, count = ndimage.label(of_tone)
        solid = np.unique(labels[ndimage.binary_erosion(of_tone, np.ones((3, 3), bool))])
        boxes = ndimage.find_objects(labels, count)
        for label in solid[solid > 0]:
            rows, columns = boxes[label - 1]
            mask = labels[rows, columns] == label
            score = _score(mask, rows, columns, seen.shape)
            if score >= LEAST_SCORE:
                found.append(_full_size(mask, rows.start, columns.start, step, (h, w), tone // 3, score))
    return sorted(found, key=lambda one: (-one.score, one.box))


def _shrunk(rgb: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.float32]:
    """Means of step x step blocks; the last ones may be smaller, for which the border is repeated."""
    if step == 1:
        return rgb.astype(np.float32)
    h, w = rgb.shape[:2]
    padded = np.pad(rgb, ((0, -h % step), (0, -w % step), (0, 0)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step, 3)
    return blocks.mean((1, 3), dtype=np.float32)


def _tones(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.int8]:
    """The tone of each pixel, -1 where it has too little colour to have one."""
    high, low = rgb.max(2), rgb.min(2)
    spread = np.maximum(high - low, 1e-3)
    r, g, b = (rgb[..., i] for i in range(3))
    hue = np.where(high == r, (g - b) / spread % 6, np.where(high == g, (b - r) / spread + 2, (r - g) / spread + 4))
    tone = np.rint(hue * (TONES / 6)).astype(np.int8) % TONES
    return np.where(spread > 70, tone, np.int8(-1))


def _score(mask: npt.NDArray[np.bool_], rows: slice, columns: slice, shape: tuple[int, ...]) -> float:
    """Near 1 for what is large and whole; less where the frame cuts it, the more of it the frame cuts."""
    area = int(mask.sum())
    cut = (mask[0].sum() if rows.start == 0 else 0) + (mask[-1].sum() if rows.stop == shape[0] else 0)
    cut += (mask[:, 0].sum() if columns.start == 0 else 0) + (mask[:, -1].sum() if columns.stop == shape[1] else 0)
    return float(area / (area + 24) * (1 - 0.4 * min(1.0, cut / np.sqrt(area))))


def _full_size(
    mask: npt.NDArray[np.bool_], top: int, left: int, step: int, shape: tuple[int, int], category: int, score: float
) -> Found:
    mask = mask.repeat(step, 0).repeat(step, 1) if step > 1 else mask
    y, x = top * step, left * step
    mask = np.ascontiguousarray(mask[: shape[0] - y, : shape[1] - x])
    return Found((x, y, x + mask.shape[1], y + mask.shape[0]), mask, category, score)
