"""What detectors find and what fusion makes of it: the value types of detection and instance segmentation.

Boxes of detections are continuous, (x0, y0, x1, y1) float px of the frame (or of the window, where that is said), in
the convention of `segtile.types`: pixel (x, y) is the unit square [x, x + 1) x [y, y + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from segtile.types import Array, BoolArray, Box, FloatArray, IntArray

ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class CropMask:
    """The mask of one object, held only where the object is, holes kept; never an array of the whole frame.

    `box` is the window in whole frame px, within `frame`. `packed` (h, ceil(w / 8)) uint8 holds its rows as bits, first
    pixel in the highest bit, the last byte's spare bits 0 (numpy.packbits). `soft` (h, w) uint8, where the detector
    gave one, is its probability * 255; the bits are then `soft >= 128`.
    """

    box: Box
    packed: ByteArray
    frame: Box
    soft: ByteArray | None = None

    @classmethod
    def from_bits(cls, bits: BoolArray, box: Box, frame: Box) -> CropMask:
        """Pack (h, w) bool over `box`."""
        return cls(box, np.packbits(bits, axis=1), frame)

    @classmethod
    def from_soft(cls, soft: ByteArray, box: Box, frame: Box) -> CropMask:
        """Keep (h, w) uint8 probability * 255 over `box`, and its bits."""
        return cls(box, np.packbits(soft >= 128, axis=1), frame, soft)

    @property
    def bits(self) -> BoolArray:
        """(h, w) bool over `box`, a new array at each call."""
        return np.unpackbits(self.packed, axis=1, count=self.box.width).view(np.bool_)

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.bitwise_count(self.packed).sum(dtype=np.int64))


@dataclass(frozen=True)
class Detections:
    """What was found in one window or in a whole picture; N may be 0.

    `boxes` (N, 4) float32; `scores` (N,) float32, 0..1; `labels` (N,) int32, index of the class; `tiles` (N,) int32,
    index of the tile each was found in; `masks` N crop masks, or None where the detector gives boxes only.
    """

    boxes: FloatArray
    scores: FloatArray
    labels: IntArray
    tiles: IntArray
    masks: tuple[CropMask, ...] | None = None

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Instance:
    """One object of the picture.

    `id` counts from 1 within the picture; `label` is the class's index and `name` its name; `box` continuous frame px.
    Provenance: `tiles` are the tiles it was seen in and `pieces` the rows of the unfused detections that it was made
    of, both ascending.
    """

    id: int
    label: int
    name: str
    score: float
    box: tuple[float, float, float, float]
    mask: CropMask | None
    tiles: tuple[int, ...]
    pieces: tuple[int, ...]


class Detector(Protocol):
    """A model that finds objects in windows of a picture, each on its own."""

    @property
    def name(self) -> str:
        """What it is called in results and messages."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order of their indices."""
        ...

    @property
    def input_size(self) -> tuple[int, int] | None:
        """The (width, height) it is run at; None where any will do."""
        ...

    @property
    def batch(self) -> int:
        """The most windows that one call takes."""
        ...

    @property
    def masks(self) -> bool:
        """Whether it gives masks beside boxes."""
        ...

    def detect(self, windows: Sequence[Array]) -> list[Detections]:
        """Find the objects of each window.

        Args:
            windows: at most `batch` arrays (h, w, 3) uint8 sRGB, of any sizes.

        Returns:
            One Detections per window, boxes and masks in that window's px, `tiles` all 0.

        Raises:
            ModelError: the model failed on these windows.
        """
        ...
