"""One mask from the pieces of one object: bits by OR, soft values by a weighted mean, crop-local all the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segtile.detected import ByteArray, CropMask
from segtile.masks.crop import Blocks, union
from segtile.merge.weights import ramp
from segtile.types import Box, FloatArray, Tile

_BAND = 256  # rows of soft values that are blended at a time
_COARSER = 2.0  # a tile this many times as long as another sees less well


def join_crops(masks: Sequence[CropMask], tiles: Sequence[Tile], frame: Box, blocks: Blocks | None = None) -> CropMask:
    """Join the masks that several tiles gave of one object; holes are kept.

    Bits are joined by OR. Where all masks are soft, a pixel's value is the mean of the masks whose box holds it,
    weighted by their tiles' windows (`segtile.merge.weights.window`), and the bits come from it at the end, once.
    A tile that is more than twice as long as another of them sees the object less finely: where the finer one looked,
    it alone decides.

    Args:
        masks: at least one, frame px.
        tiles: the tile of each.
        frame: the picture.
        blocks: where the memory of joined bits comes from, else each has its own.
    """
    if len(masks) == 1:
        return masks[0]
    blocks = blocks or Blocks()
    lengths = [max(tile.read.width, tile.read.height) for tile in tiles]
    finest = min(lengths)
    parts = [
        (part, tile, _finer(tiles, lengths, length) if length > _COARSER * finest else [])
        for part, tile, length in zip(masks, tiles, lengths, strict=True)
    ]
    if all(mask.soft is not None for mask in masks):
        return _mean(parts, frame)
    if not any(finer for _, _, finer in parts):
        return union(masks, blocks.zeros)
    return union([_without(part, finer) for part, _, finer in parts], blocks.zeros)


def _finer(tiles: Sequence[Tile], lengths: Sequence[int], length: int) -> list[Box]:
    """The read boxes of tiles that see the object more finely than one of this length."""
    return [tile.read for tile, other in zip(tiles, lengths, strict=True) if length > _COARSER * other]


def _without(mask: CropMask, finer: Sequence[Box]) -> CropMask:
    """A mask's bits without those inside the boxes."""
    if not any(not (mask.box & box).empty for box in finer):
        return mask
    bits = mask.bits
    for box in finer:
        bits[(box & mask.box).within(mask.box).slices] = False
    return CropMask.from_bits(bits, mask.box, mask.frame)


def _mean(parts: Sequence[tuple[CropMask, Tile, list[Box]]], frame: Box) -> CropMask:
    """Soft values blended in bands of rows, so that an object as large as the picture needs no float copy of itself."""
    box = Box(0, 0, 0, 0)
    for part, _, _ in parts:
        box = box | part.box
    soft = np.zeros((box.height, box.width), np.uint8)
    for y in range(box.y0, box.y1, _BAND):
        band = Box(box.x0, y, box.x1, min(y + _BAND, box.y1))
        soft[band.within(box).slices] = _mean_of_band(parts, band)
    return CropMask.from_soft(soft, box, frame)


def _mean_of_band(parts: Sequence[tuple[CropMask, Tile, list[Box]]], band: Box) -> ByteArray:
    total = np.zeros((band.height, band.width), np.float32)
    weights = np.zeros_like(total)
    for part, tile, finer in parts:
        shared = part.box & band
        if shared.empty or part.soft is None:
            continue
        weight = _window(tile, shared)
        for box in finer:
            if not (box & shared).empty:
                weight[(box & shared).within(shared).slices] = 0
        place = shared.within(band).slices
        total[place] += weight * part.soft[shared.within(part.box).slices]
        weights[place] += weight
    return np.rint(np.divide(total, weights, out=total, where=weights > 0)).astype(np.uint8)


def _window(tile: Tile, box: Box) -> FloatArray:
    """A tile's window over a part of its read box."""
    across = ramp(tile.read.x0, tile.read.x1, tile.core.x0, tile.core.x1)[box.x0 - tile.read.x0 : box.x1 - tile.read.x0]
    down = ramp(tile.read.y0, tile.read.y1, tile.core.y0, tile.core.y1)[box.y0 - tile.read.y0 : box.y1 - tile.read.y0]
    return down[:, None] * across[None, :]
