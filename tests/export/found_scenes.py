"""Pictures with instances of every kind, for the writers' tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segtile.detected import CropMask, Instance
from segtile.types import Box, ImageInfo

NAMES = ("ring", "Größe 5 кольцо", "stone, 'cut'")


@dataclass(frozen=True)
class Picture:
    """What the writers take."""

    info: ImageInfo
    instances: tuple[Instance, ...]
    names: tuple[str, ...] = NAMES


def picture(*masks: CropMask | None, width: int = 260, height: int = 200, boxes=()) -> Picture:
    """Instances of these masks, boxes around them or as given."""
    instances = []
    for k, mask in enumerate(masks):
        b = mask.box if mask else Box(10, 20, 40, 70)
        box = boxes[k] if k < len(boxes) else (b.x0 + 0.25, b.y0 + 0.5, b.x1 - 0.125, float(b.y1))
        label = k % len(NAMES)
        instances.append(Instance(k + 1, label, NAMES[label], 0.9 - 0.1 * k, box, mask, (0,), (k,)))
    info = ImageInfo(width, height, 3, "uint8", path=Path("folder") / "ring „weiß“.png")
    return Picture(info, tuple(instances))


def crop(bits: np.ndarray, x0: int, y0: int) -> CropMask:
    return CropMask.from_bits(bits, Box(x0, y0, x0 + bits.shape[1], y0 + bits.shape[0]), Box(0, 0, 260, 200))


def disc(outer: float, inner: float = -1.0) -> np.ndarray:
    side = int(2 * outer) + 3
    y, x = np.mgrid[:side, :side] + 0.5
    r = np.hypot(x - side / 2, y - side / 2)
    return (r < outer) & (r > inner)


RING = crop(disc(75, 50), 50, 20)
DISC = crop(disc(30), 5, 130)
TWO_PARTS = crop(np.pad(disc(12), ((0, 0), (0, 30))) | np.pad(disc(12, 6), ((0, 0), (30, 0))), 190, 165)
CORNERS = crop(np.eye(5, dtype=bool), 255, 0)
EMPTY = crop(np.zeros((3, 3), bool), 100, 100)


def whole(mask: CropMask) -> np.ndarray:
    """The mask over its frame."""
    full = np.zeros((mask.frame.height, mask.frame.width), bool)
    full[mask.box.slices] = mask.bits
    return full


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()
