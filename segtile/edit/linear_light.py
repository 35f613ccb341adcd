"""Any blend in linear light: the same tiles as light is added, and the rows encoded again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from segtile.edit.light import Light, light_of
from segtile.edit.tiles import Rows, Tiles
from segtile.types import Array, Box, Tile


@dataclass(frozen=True)
class _LinearTiles:
    """Tiles of another store in linear light, float32."""

    encoded: Tiles
    light: Light

    @property
    def tiles(self) -> Sequence[Tile]:
        return self.encoded.tiles

    @property
    def frame(self) -> Box:
        return self.encoded.frame

    @property
    def bands(self) -> int:
        return self.encoded.bands

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return np.dtype(np.float32)

    def read(self, index: int, box: Box | None = None) -> Array:
        return self.light.into(self.encoded.read(index, box))


def linear_light_rows(tiles: Tiles, blend: Callable[[Tiles], Rows]) -> Rows:
    """Blend in linear light.

    Args:
        tiles: sRGB-encoded tiles.
        blend: puts float32 tiles together.

    Yields:
        (y0, rows) in the tiles' dtype. Where tiles agree, 8 and 16 bit ones come back to the bit and float32 ones to
        the rounding of the encoding.
    """
    light = light_of(tiles.dtype, True)
    for y0, rows in blend(_LinearTiles(tiles, light)):
        yield y0, light.back(rows)
