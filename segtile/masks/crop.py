"""Crop masks compared, cut and joined as packed bytes: nothing is unpacked, nothing is as large as the frame.

Two crops rarely begin in the same bit of a byte. So whatever meets another mask is first laid on the frame's own grid
of bytes (byte k of a row holds the frame's columns 8 k .. 8 k + 7); there, every operation is one of whole bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    packed = np.zeros((box.height, (box.width + 7) // 8), np.uint8)
    _lay(mask.packed, spare, packed)
    return CropMask(box, packed, mask.frame)


def _bytes_in(mask: CropMask, box: Box) -> ByteArray:
    """The bits in a box within the mask's own on the frame's grid of bytes, a new array; bits outside of it are 0.

    (box.height, bytes from column box.x0 // 8 * 8 to box.x1) uint8.
    """
    top, x0 = box.y0 - mask.box.y0, mask.box.x0
    packed = mask.packed[top : top + box.height]
    if x0 % 8:
        packed, x0 = aligned(CropMask(Box(x0, box.y0, mask.box.x1, box.y1), packed, mask.frame)).packed, x0 // 8 * 8
    cut = packed[:, (box.x0 - x0) // 8 : (box.x1 - x0 + 7) // 8].copy()
    if box.x0 % 8:
        cut[:, 0] &= 0xFF >> box.x0 % 8
    if box.x1 % 8:
        cut[:, -1] &= 0xFF << (8 - box.x1 % 8) & 0xFF
    return cut


def count(packed: ByteArray) -> int:
    """Bits set."""
    return int(cv2.norm(packed, cv2.NORM_HAMMING)) if packed.size else 0


def area_in(mask: CropMask, box: Box) -> int:
    """Pixels of a mask inside a box."""
    shared = mask.box & box
    return 0 if shared.empty else count(_bytes_in(mask, shared))


def intersection_area(a: CropMask, b: CropMask, box: Box | None = None) -> int:
    """Pixels that two masks share, inside `box` or anywhere."""
    shared = a.box & b.box if box is None else a.box & b.box & box
    if shared.empty:
        return 0
    return count(_bytes_in(a, shared) & _bytes_in(b, shared))


def iou(a: CropMask, b: CropMask, box: Box | None = None) -> float:
    """Intersection over union of two masks, inside `box` or anywhere; 0 where neither has a pixel there."""
    shared = intersection_area(a, b, box)
    areas = (a.area, b.area) if box is None else (area_in(a, box), area_in(b, box))
    union = sum(areas) - shared
    return shared / union if union else 0.0


def union(masks: Iterable[CropMask]) -> CropMask:
    """All pixels of several masks of one frame, holes kept, in the smallest box that holds their boxes.

    Soft values are not joined: the result has bits only.

    Raises:
        BadInput: there is no mask, or the frames differ.
    """
    parts = [aligned(mask) for mask in masks]
    if not parts:
        raise BadInput("the union of no masks has no frame: give at least one")
    if any(part.frame != parts[0].frame for part in parts):
        raise BadInput("masks of different frames cannot be joined: bring them to one frame first")
    box = Box(0, 0, 0, 0)
    for part in parts:
        box = box | part.box
    canvas = np.zeros((box.height, (box.width + 7) // 8), np.uint8)
    for part in parts:
        if not part.box.empty:
            canvas[_place(part.box, box)] |= part.packed
    return CropMask(box, canvas, parts[0].frame)


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
    return moved if frame.contains(moved.box) else window(moved, frame)


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


def _lay(packed: ByteArray, spare: int, target: ByteArray) -> None:
    """Write packed rows `spare` (1..7) bits further to the right into a zeroed array that is wide enough."""
    np.right_shift(packed, np.uint8(spare), out=target[:, : packed.shape[1]])
    over = min(packed.shape[1], target.shape[1] - 1)
    target[:, 1 : over + 1] |= packed[:, :over] << np.uint8(8 - spare)


def _place(part: Box, whole: Box) -> tuple[slice, slice]:
    """Rows and bytes of an aligned part in an aligned whole."""
    left = (part.x0 - whole.x0) // 8
    return slice(part.y0 - whole.y0, part.y1 - whole.y0), slice(left, left + (part.width + 7) // 8)


def _nothing() -> ByteArray:
    return np.zeros((0, 0), np.uint8)
