"""Crop masks compared, cut and joined as packed bytes: nothing is unpacked, nothing is as large as the frame.

Two crops rarely begin in the same bit of a byte. So whatever meets another mask is first laid on the frame's own grid
of bytes (byte k of a row holds the frame's columns 8 k .. 8 k + 7); there, every operation is one of whole bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segtile.detected import ByteArray, CropMask
from segtile.errors import BadInput
from segtile.types import BoolArray, Box

Indices = npt.NDArray[np.intp]


def aligned(mask: CropMask) -> CropMask:
    """The same bits in a box that begins at a multiple of 8 columns; soft values are left behind."""
    spare = mask.box.x0 % 8
    if not spare:
        return mask if mask.soft is None else CropMask(mask.box, mask.packed, mask.frame)
    box = Box(mask.box.x0 - spare, mask.box.y0, mask.box.x1, mask.box.y1)
    return CropMask(box, _moved(mask.packed, spare, (box.width + 7) // 8), mask.frame)


def count(packed: ByteArray) -> int:
    """Bits set."""
    return int(cv2.norm(packed, cv2.NORM_HAMMING)) if packed.size else 0


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a mask lies in a box of the frame.

    `packed` (y1 - y0, n) uint8 are the bytes of the frame's grid that hold columns x0 .. x1, 0 outside of them; `area`
    is their number of bits set. A cut may be a view of its mask.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    packed: ByteArray
    area: int


def cut(mask: CropMask, box: Box) -> Cut:
    """A mask's bits inside a box, on the frame's grid of bytes."""
    own = mask.box
    x0, y0 = max(own.x0, box.x0), max(own.y0, box.y0)
    x1, y1 = min(own.x1, box.x1), min(own.y1, box.y1)
    if x0 >= x1 or y0 >= y1:
        return Cut(x0, y0, x0, y0, _nothing(), 0)
    # beyond its own box a mask's bytes are 0 already
    before, after = x0 % 8 if x0 > own.x0 else 0, x1 % 8 if x1 < own.x1 else 0
    packed = _bytes(mask, x0, y0, x1, y1)
    if before or after:
        packed = packed.copy()
        if before:
            packed[:, 0] &= 0xFF >> before
        if after:
            packed[:, -1] &= 0xFF << (8 - after) & 0xFF
    elif packed.shape[1] < mask.packed.shape[1]:
        packed = packed.copy()  # counting scattered rows is slower than that
    return Cut(x0, y0, x1, y1, packed, count(packed))


def shared_area(a: Cut, b: Cut) -> int:
    """Pixels that two cuts share."""
    x0, y0, x1, y1 = max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1)
    if x0 >= x1 or y0 >= y1:
        return 0
    first, end = x0 // 8, (x1 + 7) // 8
    one = a.packed[y0 - a.y0 : y1 - a.y0, first - a.x0 // 8 : end - a.x0 // 8]
    two = b.packed[y0 - b.y0 : y1 - b.y0, first - b.x0 // 8 : end - b.x0 // 8]
    return count(cv2.bitwise_and(one, two))


def area_in(mask: CropMask, box: Box) -> int:
    """Pixels of a mask inside a box."""
    return cut(mask, box).area


def intersection_area(a: CropMask, b: CropMask, box: Box | None = None) -> int:
    """Pixels that two masks share, inside `box` or anywhere."""
    bounds = a.box & b.box if box is None else box
    return shared_area(cut(a, bounds), cut(b, bounds))


def iou(a: CropMask, b: CropMask, box: Box | None = None) -> float:
    """Intersection over union of two masks, inside `box` or anywhere; 0 where neither has a pixel there."""
    shared = intersection_area(a, b, box)
    areas = (a.area, b.area) if box is None else (area_in(a, box), area_in(b, box))
    union = sum(areas) - shared
    return shared / union if union else 0.0


def _zeros(height: int, width: int) -> ByteArray:
    return np.zeros((height, width), np.uint8)


class Blocks:
    """Zeroed arrays cut from blocks of memory, for the many canvases of one call.

    Fresh memory costs a fault a page, for masks more than what is written to it; blocks of this size can come as large
    pages, of which there are few. What is kept of a block keeps all of it, hence not one for all.
    """

    _SIZE = 1 << 23

    def __init__(self) -> None:
        self._block = _nothing().ravel()

    def zeros(self, height: int, width: int) -> ByteArray:
        """(height, width) uint8, all 0; an array as large as a block is one of its own."""
        size = height * width
        if size >= self._SIZE // 4:
            return _zeros(height, width)
        if size > len(self._block):
            self._block = np.zeros(self._SIZE, np.uint8)
        taken, self._block = self._block[:size], self._block[-(-size // 64) * 64 :]
        return taken.reshape(height, width)


def union(masks: Iterable[CropMask], zeros: Callable[[int, int], ByteArray] = _zeros) -> CropMask:
    """All pixels of several masks of one frame, holes kept, in the smallest box that holds their boxes.

    Soft values are not joined: the result has bits only.

    Args:
        masks: at least one.
        zeros: what makes the canvas, of a height and a width in bytes.

    Raises:
        BadInput: there is no mask, or the frames differ.
    """
    parts = [aligned(mask) for mask in masks]
    if not parts:
        raise BadInput("the union of no masks has no frame: give at least one")
    frame = parts[0].frame
    if any(part.frame is not frame and part.frame != frame for part in parts):
        raise BadInput("masks of different frames cannot be joined: bring them to one frame first")
    parts = [part for part in parts if not part.box.empty]
    if not parts:
        return CropMask(Box(0, 0, 0, 0), _nothing(), frame)
    own = [part.box for part in parts]
    x0, y0 = min(b.x0 for b in own), min(b.y0 for b in own)
    x1, y1 = max(b.x1 for b in own), max(b.y1 for b in own)
    canvas = zeros(y1 - y0, (x1 - x0 + 7) // 8)
    for part, b in zip(parts, own, strict=True):
        left, (h, w) = (b.x0 - x0) // 8, part.packed.shape
        place = canvas[b.y0 - y0 : b.y0 - y0 + h, left : left + w]
        cv2.bitwise_or(place, part.packed, dst=place)
    return CropMask(Box(x0, y0, x1, y1), canvas, frame)


def window(mask: CropMask, box: Box) -> CropMask:
    """What of a mask lies in a box, as a mask of their common box; soft values come along."""
    shared = mask.box & box
    if shared.empty:
        empty = Box(shared.x0, shared.y0, shared.x0, shared.y0)
        return CropMask(empty, np.zeros((0, 0), np.uint8), mask.frame, None if mask.soft is None else _nothing())
    if shared == mask.box:
        return mask
    there = shared.within(mask.box)
    soft = None if mask.soft is None else mask.soft[there.slices]
    rows = mask.packed[there.y0 : there.y1]
    if there.x0 % 8 == 0:
        packed = rows[:, there.x0 // 8 : (there.x1 + 7) // 8].copy()
        if there.x1 % 8:
            packed[:, -1] &= 0xFF << (8 - there.x1 % 8) & 0xFF
    else:
        bits = np.unpackbits(rows[:, there.x0 // 8 : (there.x1 + 7) // 8], axis=1)
        packed = np.packbits(bits[:, there.x0 % 8 : there.x0 % 8 + there.width], axis=1)
    return CropMask(shared, packed, mask.frame, soft)


def tight(mask: CropMask) -> CropMask:
    """The same object in the smallest box that holds its pixels; an empty mask gets an empty box."""
    rows = np.flatnonzero(mask.packed.any(axis=1))
    if not len(rows):
        return window(mask, Box(mask.box.x0, mask.box.y0, mask.box.x0, mask.box.y0))
    columns = np.flatnonzero(np.unpackbits(np.bitwise_or.reduce(mask.packed, axis=0)))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return window(mask, box.shift(mask.box.x0, mask.box.y0))


def shift(mask: CropMask, dx: int, dy: int, frame: Box) -> CropMask:
    """A mask of a tile as one of the frame: moved by (dx, dy) px; what leaves `frame` is cut off."""
    moved = CropMask(mask.box.shift(dx, dy), mask.packed, frame, mask.soft)
    return moved if moved.box & frame == moved.box else window(moved, frame)


def resized(mask: CropMask, box: Box, frame: Box) -> CropMask:
    """A mask stretched over another box, by its soft values where it has them (else its bits), interpolated linearly.

    Smaller boxes are averaged over area, larger ones interpolated; the result has soft values, and bits by them.

    Args:
        mask: any mask.
        box: where its box comes to lie, frame px.
        frame: the frame of the result.

    Raises:
        BadInput: one of the boxes is empty.
    """
    if mask.box.empty or box.empty:
        raise BadInput(f"a mask over {mask.box} cannot be stretched over {box}: both must hold pixels")
    soft = np.where(mask.bits, np.uint8(255), np.uint8(0)) if mask.soft is None else mask.soft
    smaller = box.width < mask.box.width or box.height < mask.box.height
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    scaled: ByteArray = cv2.resize(np.ascontiguousarray(soft), (box.width, box.height), interpolation=how)
    stretched = CropMask.from_soft(scaled, box, frame)
    return stretched if frame.contains(box) else window(stretched, frame)


def sampled(mask: CropMask, rows: Indices, columns: Indices) -> BoolArray:
    """The mask at a lattice of frame rows and columns, all within its box: (len(rows), len(columns)) bool."""
    column = columns - mask.box.x0
    taken = mask.packed[np.ix_(rows - mask.box.y0, column // 8)]
    return (taken >> (7 - column % 8).astype(np.uint8) & 1).view(np.bool_)


def _bytes(mask: CropMask, x0: int, y0: int, x1: int, y1: int) -> ByteArray:
    """The bytes of the frame's grid that hold a box within the mask's own; they may hold more."""
    left, packed = mask.box.x0, mask.packed[y0 - mask.box.y0 : y1 - mask.box.y0]
    if left % 8:
        packed, left = _moved(packed, left % 8, (left % 8 + mask.box.width + 7) // 8), left // 8 * 8
    return packed[:, (x0 - left) // 8 : (x1 - left + 7) // 8]


def _moved(packed: ByteArray, spare: int, width: int) -> ByteArray:
    """Packed rows moved `spare` (1..7) bits to the right, as rows of `width` bytes that hold them.

    All rows are moved as one string: what leaves a row is 0, for its last bits are spare. Eight bytes at a time, since
    shifts of single bytes are slow.
    """
    size = len(packed) * width
    string = np.empty((size + 7) // 8 * 8, np.uint8)
    string[size:] = 0
    rows: ByteArray = string[:size].reshape(len(packed), width)
    rows[:, : packed.shape[1]] = packed
    rows[:, packed.shape[1] :] = 0
    words = string.view(np.uint64)
    over = words << np.uint64(8 - spare)
    over &= np.uint64(0x0101010101010101 * (0xFF << (8 - spare) & 0xFF))
    words >>= np.uint64(spare)
    words &= np.uint64(0x0101010101010101 * (0xFF >> spare))
    np.bitwise_or(string[1:], over.view(np.uint8)[:-1], out=string[1:])
    return rows


def _nothing() -> ByteArray:
    return np.zeros((0, 0), np.uint8)
