"""Bands of the blended picture: who owns each pixel, and how far the neighbours' say pulls it away from that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segtile.edit.light import Light
from segtile.edit.tiles import Tiles
from segtile.merge.weights import window
from segtile.types import Array, Box, FloatArray, Tile

# Samples of a band: a few float copies of it are alive at a time.
_SAMPLES = 6_000_000


@dataclass(frozen=True)
class Say:
    """What one tile says in a band, over `box` (frame px).

    `apart` (h, w, bands) float32: how far it lies from the pixel's owner; `share` (h, w) float32: its part in the
    blend. Over a pixel the shares of all tiles sum to 1, the owner's included.
    """

    box: Box
    apart: FloatArray
    share: FloatArray


def window_of(tile: Tile) -> FloatArray:
    """The tile's blending weight before normalisation, (h, w) float32 over `tile.read`; do not write to it."""
    core, read = tile.core.within(tile.read), tile.read.within(tile.read)
    return _window(core, read)


@lru_cache(maxsize=24)  # of a regular grid there are nine kinds
def _window(core: Box, read: Box) -> FloatArray:
    return window(Tile(0, core, read))


def band_rows(width: int, bands: int) -> int:
    """Rows of a band, so that a few float copies of it stay small."""
    return int(max(16, min(512, _SAMPLES // (width * bands))))


def owned(tiles: Tiles, box: Box) -> Array:
    """The pixels of a box, each from the tile in whose core it lies, (h, w, bands) in the tiles' dtype."""
    pixels = np.empty((box.height, box.width, tiles.bands), tiles.dtype)
    for tile in tiles.tiles:
        mine = tile.core & box
        if not mine.empty:
            pixels[mine.within(box).slices] = tiles.read(tile.index, mine)
    return pixels


def total_weight(tiles: Tiles, band: Box) -> FloatArray:
    """The sum of all tiles' windows over a box, (h, w) float32."""
    total = np.zeros((band.height, band.width), np.float32)
    for tile in tiles.tiles:
        both = tile.read & band
        if not both.empty:
            total[both.within(band).slices] += window_of(tile)[both.within(tile.read).slices]
    return total


def says(tiles: Tiles, owner: Array, band: Box, light: Light) -> Iterator[Say]:
    """What each tile says in a band outside its own core; within it, it is the owner.

    Args:
        tiles: the tiles.
        owner: the band's rows from `owned`.
        band: frame px, over the whole width.
        light: how pixels become numbers.
    """
    total = total_weight(tiles, band)
    for tile in tiles.tiles:
        both = tile.read & band
        for box in () if both.empty else ring(both, tile.core):
            if box.empty:
                continue
            here = box.within(band).slices
            apart = light.into(tiles.read(tile.index, box))
            apart = np.subtract(apart, light.into(owner[here]))
            share = window_of(tile)[box.within(tile.read).slices] / total[here]
            yield Say(box, apart, share)


def ring(box: Box, core: Box) -> list[Box]:
    """The parts of a box outside a core, as up to four boxes, of which some may be empty."""
    y0, y1 = min(max(core.y0, box.y0), box.y1), max(min(core.y1, box.y1), box.y0)
    if y0 >= y1:
        return [box]
    return [
        Box(box.x0, box.y0, box.x1, y0),
        Box(box.x0, y1, box.x1, box.y1),
        Box(box.x0, y0, min(core.x0, box.x1), y1),
        Box(max(core.x1, box.x0), y0, box.x1, y1),
    ]


def alone(tiles: Tiles) -> tuple[Box, ...]:
    """For each tile a box within its core that no other tile reads; possibly empty."""
    found = []
    for tile in tiles.tiles:
        box = tile.core
        for other in tiles.tiles:
            both = box & other.read
            if other.index == tile.index or both.empty:
                continue
            sides = (
                Box(both.x1, box.y0, box.x1, box.y1),
                Box(box.x0, box.y0, both.x0, box.y1),
                Box(box.x0, both.y1, box.x1, box.y1),
                Box(box.x0, box.y0, box.x1, both.y0),
            )
            box = max(sides, key=lambda side: side.area)
            if box.empty:
                break
        found.append(box)
    return tuple(found)
