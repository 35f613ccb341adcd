"""From what a detector says of a window to the frame: boxes moved and stretched, masks too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from segtile.detected import ByteArray, CropMask, Detections
from segtile.masks.crop import aligned
from segtile.slicing.plan import Window
from segtile.types import BoolArray, Box, FloatArray

_ROWS = 256  # of a stretched mask, in float at a time


def in_frame(found: Detections, window: Window, frame: Box) -> Detections:
    """Detections of one window, in window px, as detections of its tile in frame px.

    Masks keep their bits where the window was read as it is. Where it was made smaller, they are stretched: each
    frame pixel takes the bilinear value of the mask at its centre, from its soft values where there are any. Masks
    without soft values come in boxes that begin at a multiple of 8 columns of the frame, so that fusion need not move
    them again (`segtile.masks.crop.aligned`).
    """
    fx, fy = window.factors
    read = window.tile.read
    boxes = (found.boxes * np.array([fx, fy, fx, fy]) + [read.x0, read.y0, read.x0, read.y0]).astype(np.float32)
    masks = None
    if found.masks is not None:
        masks = tuple(_moved(mask, window, frame) for mask in found.masks)
    return Detections(boxes, found.scores, found.labels, np.full(len(found), window.tile.index, np.int32), masks)


def only(found: Detections, kept: BoolArray, masks: bool) -> Detections:
    """The detections that are True in `kept` (N,); without masks unless `masks` is set."""
    left = tuple(mask for mask, stays in zip(found.masks, kept, strict=True) if stays) if masks and found.masks else ()
    return Detections(
        found.boxes[kept], found.scores[kept], found.labels[kept], found.tiles[kept], left if masks else None
    )


def joined(parts: Sequence[Detections], masks: bool) -> Detections:
    """Detections one after the other; without masks unless `masks` is set."""
    return Detections(
        np.concatenate([np.zeros((0, 4), np.float32), *(p.boxes for p in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(p.scores for p in parts)]),
        np.concatenate([np.zeros(0, np.int32), *(p.labels for p in parts)]),
        np.concatenate([np.zeros(0, np.int32), *(p.tiles for p in parts)]),
        tuple(mask for p in parts for mask in p.masks or ()) if masks else None,
    )


def _moved(mask: CropMask, window: Window, frame: Box) -> CropMask:
    read = window.tile.read
    if window.size == (read.width, read.height):
        return _placed(CropMask(mask.box.shift(read.x0, read.y0), mask.packed, frame, mask.soft))
    box = mask.box.scaled(*window.factors).shift(read.x0, read.y0) & read
    values = mask.soft if mask.soft is not None else mask.bits.view(np.uint8) * np.uint8(255)
    strips = list(_stretched(values, mask.box, box.within(read), window))
    if mask.soft is not None:
        return CropMask.from_soft(np.concatenate(strips), box, frame)
    packed = [np.packbits(strip >= 128, axis=1) for strip in strips]
    return _placed(CropMask(box, np.concatenate(packed), frame))


def _placed(mask: CropMask) -> CropMask:
    """On the frame's grid of bytes, on which masks are compared and joined; a soft mask keeps its box."""
    return aligned(mask) if mask.soft is None else mask


def _stretched(values: ByteArray, source: Box, target: Box, window: Window) -> Iterator[ByteArray]:
    """Rows of the mask over `target` (window's own px of the frame), from `values` over `source` (px as seen)."""
    fx, fy = window.factors
    width, height = window.size
    # beyond its crop a mask is empty, unless the window ends there
    edges = ((source.y0 > 0, source.y1 < height), (source.x0 > 0, source.x1 < width))
    padded = np.pad(values, 1, mode="edge")
    for axis, (before, after) in enumerate(edges):
        lines = padded.swapaxes(0, axis)
        lines[0] = 0 if before else lines[0]
        lines[-1] = 0 if after else lines[-1]
    left, across = _places(target.x0, target.x1, fx, source.x0, padded.shape[1])
    wide = padded[:, left] * (1 - across) + padded[:, left + 1] * across
    for y in range(target.y0, target.y1, _ROWS):
        top, down = _places(y, min(y + _ROWS, target.y1), fy, source.y0, padded.shape[0])
        rows = wide[top] * (1 - down[:, None]) + wide[top + 1] * down[:, None]
        yield np.rint(rows).astype(np.uint8)


def _places(start: int, stop: int, factor: float, origin: int, size: int) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Where pixel centres of the frame fall in a padded mask: the pixel before, and how far towards the next."""
    at = np.clip((np.arange(start, stop) + 0.5) / factor - origin + 0.5, 0, size - 1.001)
    before = np.minimum(np.floor(at).astype(np.intp), size - 2)
    return before, (at - before).astype(np.float32)
