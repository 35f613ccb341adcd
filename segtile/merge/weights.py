"""How much each tile has to say at a pixel: windows over the read boxes that become a partition of unity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segtile.types import Box, FloatArray, Tile

#: Integer weights run from 1 to this, so that a blend of 16-bit levels has a fixed point and no order.
WEIGHT_TOP = 65535


def window(tile: Tile) -> FloatArray:
    """A tile's weight before normalisation: 1 in the core, falling linearly over the halo towards the read border.

    A side on which the read box ends with the core, at the frame's own border, has no ramp.

    Returns:
        (h, w) float32 over `tile.read`, in (0, 1].
    """
    across = ramp(tile.read.x0, tile.read.x1, tile.core.x0, tile.core.x1)
    down = ramp(tile.read.y0, tile.read.y1, tile.core.y0, tile.core.y1)
    return down[:, None] * across[None, :]


def integer_weights(tile: Tile, trust: FloatArray | None = None) -> npt.NDArray[np.uint16]:
    """The window times the patch's trust as whole numbers; adding whole numbers has no order.

    Args:
        tile: the tile.
        trust: (h, w) float32 > 0 over `tile.read`; more than 1 counts as 1. None is 1 everywhere.

    Returns:
        (h, w) uint16, 1..WEIGHT_TOP: never 0, so that a pixel which one tile alone answers keeps that answer.
    """
    weight = window(tile) if trust is None else window(tile) * np.minimum(trust, np.float32(1.0))
    return (1.0 + np.rint(weight * (WEIGHT_TOP - 1))).astype(np.uint16)


def shares(tiles: Sequence[Tile], box: Box) -> list[tuple[Tile, FloatArray]]:
    """What part of the answer each tile gives at each pixel of `box`, at equal trust: a partition of unity.

    Args:
        tiles: the plan's tiles.
        box: frame px, small enough for float arrays.

    Returns:
        The tiles that read any of `box`, each with (h, w) float32 that is 0 outside its read box; they sum to one
        wherever a tile reads at all.
    """
    seen = [tile for tile in tiles if not (tile.read & box).empty]
    weights = [np.zeros((box.height, box.width), np.uint32) for _ in seen]
    for tile, weight in zip(seen, weights, strict=True):
        both = tile.read & box
        weight[both.within(box).slices] = integer_weights(tile)[both.within(tile.read).slices]
    total = np.maximum(np.sum(weights, axis=0, dtype=np.float64), 1.0) if seen else np.ones((box.height, box.width))
    return [(tile, (weight / total).astype(np.float32)) for tile, weight in zip(seen, weights, strict=True)]


def ramp(read0: int, read1: int, core0: int, core1: int) -> FloatArray:
    """The window along one axis, (read1 - read0,) float32; pixel centres, so it meets neither 0 nor 1 in the halo."""
    centre = np.arange(read0, read1) + 0.5
    before = (centre - read0) / max(core0 - read0, 1)
    after = (read1 - centre) / max(read1 - core1, 1)
    ramp = np.where(centre < core0, before, np.where(centre > core1, after, 1.0))
    return ramp.astype(np.float32)
