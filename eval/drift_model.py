"""Tiles of a picture as a drifting model would give them, and what is needed to judge how they were put together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from segtile.merge.mosaic import mosaic_plan
from segtile.types import Array, Box, FloatArray, Tile


@dataclass(frozen=True)
class ArrayTiles:
    """Tiles held in memory, as `segtile.edit.tiles.Tiles`."""

    tiles: tuple[Tile, ...]
    frame: Box
    pixels: tuple[Array, ...]

    @property
    def bands(self) -> int:
        """Bands of every tile."""
        return int(self.pixels[0].shape[2])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The tiles' dtype."""
        return self.pixels[0].dtype

    def read(self, index: int, box: Box | None = None) -> Array:
        """(h, w, bands) over the tile's read box, or over `box` within it."""
        read = self.tiles[index].read
        return self.pixels[index][(box or read).within(read).slices]


def plan_tiles(width: int, height: int, tile: int, overlap: int) -> tuple[Tile, ...]:
    """An evenly spaced grid whose cores meet in the middle of the overlaps."""
    plan = mosaic_plan(width, height, tile, overlap)

    def cuts(starts: tuple[int, ...], side: int, length: int) -> list[int]:
        return [0, *((a + side + b) // 2 for a, b in pairwise(starts)), length]

    xs, ys = cuts(plan.xs.origins, plan.xs.tile, width), cuts(plan.ys.origins, plan.ys.tile, height)
    found = []
    for index in range(len(plan)):
        row, column = divmod(index, plan.columns)
        found.append(Tile(index, Box(xs[column], ys[row], xs[column + 1], ys[row + 1]), plan.box(index)))
    return tuple(found)


def cut_tiles(picture: Array, tile: int, overlap: int) -> ArrayTiles:
    """The identity model: every tile a copy of the picture, (h, w, bands)."""
    height, width = picture.shape[:2]
    tiles = plan_tiles(width, height, tile, overlap)
    return ArrayTiles(tiles, Box.frame(width, height), tuple(picture[t.read.slices].copy() for t in tiles))


def drifting(
    tiles: ArrayTiles,
    seed: int,
    *,
    gain: float = 0.03,
    offset: float = 3.0,
    tilt: float = 2.0,
    curve: float = 0.0,
) -> ArrayTiles:
    """Each tile with its own random gain, offset and tilt per channel, and a tone curve that depends on its mean.

    Args:
        tiles: from `cut_tiles`.
        seed: of the random numbers.
        gain: standard deviation around 1.
        offset: standard deviation, 8-bit levels.
        tilt: standard deviation of the difference between opposite edges, 8-bit levels, down and across.
        curve: how much of a level-stretch by the tile's own mean: the exponent is (mean / 0.5) ** curve.
    """
    rng = np.random.default_rng(seed)
    dtype, top = tiles.dtype, 1.0 if tiles.dtype.kind == "f" else float(np.iinfo(tiles.dtype).max)  # type: ignore[type-var]
    found = []
    for pixels in tiles.pixels:
        h, w, bands = pixels.shape
        values = pixels.astype(np.float32) / np.float32(top)
        if curve:
            values = values ** np.float32((float(values.mean()) / 0.5) ** curve)
        gains, offsets = (np.asarray(rng.normal(m, s, bands)) for m, s in ((1, gain), (0, offset)))
        tilts = rng.normal(0, tilt, (2, bands))
        down, across = (np.arange(n) / n - 0.5 for n in (h, w))
        plane = down[:, None, None] * tilts[0] + across[None, :, None] * tilts[1]
        values = values * gains.astype(np.float32) + ((offsets + plane) / 255).astype(np.float32)
        if dtype.kind != "f":
            values = np.rint(np.clip(values, 0, 1) * top)
        found.append(values.astype(dtype))
    return ArrayTiles(tiles.tiles, tiles.frame, tuple(found))


def hard_rows(tiles: ArrayTiles) -> Array:
    """The hard crop: every pixel from the tile in whose core it lies."""
    out = np.empty((tiles.frame.height, tiles.frame.width, tiles.bands), tiles.dtype)
    for tile in tiles.tiles:
        out[tile.core.slices] = tiles.read(tile.index, tile.core)
    return out


def recoloured(picture: FloatArray, alpha: FloatArray, shift: tuple[float, float, float]) -> FloatArray:
    """A true local edit: the object moved by `shift` in RGB of 0..1 (h, w, 3), softly along its alpha (h, w)."""
    return np.clip(picture + alpha[..., None] * np.asarray(shift, np.float32), 0, 1)


def smaller(picture: Array, long_side: int) -> Array:
    """A picture scaled down so that its longer side is `long_side`."""
    h, w = picture.shape[:2]
    f = long_side / max(h, w)
    return np.asarray(cv2.resize(picture, (round(w * f), round(h * f)), interpolation=cv2.INTER_AREA))
