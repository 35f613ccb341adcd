"""What every refiner is, and what every patch must keep: the coarse answer outside the band, trust by context."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from segtile.types import Box, FloatArray, Tile, TileInput, TilePatch

# Where a tile was cut off, its answer still counts a little: a pixel that only this tile answers keeps its value.
_LEAST_TRUST = 1e-4


@runtime_checkable
class Refiner(Protocol):
    """Finds the alpha of one tile; has no knowledge of other tiles and keeps no state between them.

    `name` is what users choose it by. `tile` is the side of the read window in px that it works best at, `halo` the
    context in px that it wants around a core, `context` the most that it wants to read there, None where more costs
    nothing (a network whose input has one size) or is worth what it costs. `channels` names the solar channels it asks
    for, in order. `bytes_per_px` is its working memory at the peak for each pixel of the read window; a network's own,
    which no setting of ours bounds, is not in it. `coarsest` is the frame px per cell of a coarse map beyond which it
    wants the map made finer first. `notes` are sentences for the user, whatever the picture.
    """

    name: str
    tile: int
    halo: int
    context: int | None
    channels: tuple[str, ...]
    bytes_per_px: int
    coarsest: float
    notes: tuple[str, ...]

    def refine(self, x: TileInput) -> TilePatch:
        """Answer for the whole read window: alpha in [0, 1], exactly 0 or 1 outside the band, and trust > 0."""
        ...


def constants(x: TileInput) -> FloatArray:
    """What the coarse pass is certain of: (h, w) float32, 1 where its probability is at least a half, else 0."""
    return (x.prob >= 0.5).astype(np.float32)


def make_patch(x: TileInput, alpha: FloatArray, trust: FloatArray, notes: tuple[str, ...] = ()) -> TilePatch:
    """Turn a refiner's raw alpha into a patch that keeps the laws.

    Args:
        x: the refiner's input.
        alpha: (h, w) float32; clipped to [0, 1], and replaced by the coarse constants outside the band.
        trust: (h, w) float32 > 0, as `context_trust` gives it.
        notes: sentences for the user.
    """
    answer = np.where(x.band, np.clip(alpha, 0.0, 1.0), constants(x)).astype(np.float32)
    return TilePatch(tile=x.tile, alpha=answer, trust=trust, notes=notes)


def context_trust(tile: Tile, frame: Box, reach: int = 0, ramp: int = 0) -> FloatArray:
    """Trust by distance to the borders where the read window was cut out of a larger picture.

    Next to nothing (1e-4) nearer than `reach`, then rising linearly to 1 over `ramp` px. A refiner that looks exactly
    `reach` px far takes no ramp, and its tiles merge into what it would have said of the whole picture; one whose
    influence fades takes a ramp over which it does. At the frame's own border nothing was cut off.

    Returns:
        (h, w) float32 in [1e-4, 1] over `tile.read`.
    """
    across = _axis_trust(tile.read.x0, tile.read.x1, frame.x0, frame.x1, reach, ramp)
    down = _axis_trust(tile.read.y0, tile.read.y1, frame.y0, frame.y1, reach, ramp)
    return np.minimum(down[:, None], across[None, :])


def _axis_trust(read0: int, read1: int, frame0: int, frame1: int, reach: int, ramp: int) -> FloatArray:
    centre = np.arange(read0, read1) + 0.5
    before = centre - read0 if read0 > frame0 else np.full_like(centre, np.inf)
    after = read1 - centre if read1 < frame1 else np.full_like(centre, np.inf)
    inwards = np.minimum(before, after) - reach
    rising = inwards / ramp if ramp else np.sign(inwards)
    return np.clip(rising, _LEAST_TRUST, 1.0).astype(np.float32)
