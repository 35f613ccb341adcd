"""Pictures as data URIs, and the budget that keeps the page light."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from segtile.types import Array, FloatArray

#: Bytes that all pictures of a page may take, as they stand in it (base64).
BUDGET = 25_000_000

#: Below this long side a picture says too little to be worth its place; the budget gives way instead.
SMALLEST = 320

_QUALITY = 80


def bytes_of(values: FloatArray) -> Array:
    """Values in [0, 1] as uint8, rounded."""
    return np.clip(np.rint(values * np.float32(255)), 0, 255).astype(np.uint8)


def lossy(pixels: Array) -> str:
    """A picture, (h, w, 3) or grey (h, w) uint8, as a data URI: WebP, two thirds of a JPEG that looks the same."""
    return _encoded(pixels, "WEBP", quality=_QUALITY, method=4)


def exact(pixels: Array) -> str:
    """A picture without loss, for alphas that are looked at pixel by pixel."""
    return _encoded(pixels, "WEBP", lossless=True, method=4)


def sharp_colours(pixels: Array) -> str:
    """A JPEG with colour at full resolution: WebP halves it, which mixes a red line with the blue one beside it."""
    return _encoded(pixels, "JPEG", quality=_QUALITY, optimize=True, subsampling=0)


def _encoded(pixels: Array, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


@dataclass
class Budget:
    """Shares the page's bytes out among its pictures; what one leaves over, the following ones may use.

    `asked` is the long side that was asked for, `smallest` the least that was given so far, `spent` the bytes so far,
    `left_out` the worst windows that had no room.
    """

    asked: int
    pictures: int
    total: int = BUDGET
    spent: int = 0
    done: int = 0
    left_out: int = 0
    smallest: int = field(init=False)

    def __post_init__(self) -> None:
        self.smallest = self.asked

    @property
    def share(self) -> int:
        """Bytes that the next picture may take."""
        return max(0, self.total - self.spent) // max(1, self.pictures - self.done)

    def next_side(self, side: int, took: int, fixed: int) -> int:
        """The long side to try next: `side` itself where `took` bytes fit, else smaller, never under `SMALLEST`.

        `fixed` of the bytes do not depend on the side.
        """
        if took <= self.share or side <= SMALLEST:
            return side
        room = max(1, self.share - fixed)
        return max(min(SMALLEST, self.asked), int(side * min(0.9, (room / max(1, took - fixed)) ** 0.5)))

    def book(self, side: int, took: int) -> None:
        """One picture is done."""
        self.smallest = min(self.smallest, side)
        self.spent += took
        self.done += 1
