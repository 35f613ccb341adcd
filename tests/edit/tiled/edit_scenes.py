"""Pictures, models and tile stores for the tests of tiled editing."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from segtile.edit.store import TileStore
from segtile.types import Array, Box, CoarseMap, Tile

DTYPES = (np.uint8, np.uint16, np.float32)


def picture(height: int, width: int, dtype: type = np.uint8, seed: int = 0) -> Array:
    """Soft noise over the full range, (h, w, 3)."""
    rng = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(rng.random((height, width, 3), np.float32), (0, 0), 1.5)
    low, high = soft.min(), soft.max()
    values = (soft - low) / max(high - low, 1e-6)
    return values if dtype is np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)


def full_scale(dtype: np.dtype) -> float:
    return 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)


def tiles_of(width: int, height: int, columns: list[int], rows: list[int], feather: int, make) -> TileStore:
    """Tiles with core borders at these columns and rows; `make(tile)` gives each one's pixels."""
    frame = Box.frame(width, height)
    xs, ys = [0, *columns, width], [0, *rows, height]
    cores = [Box(x0, y0, x1, y1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]
    return store_of(frame, cores, feather, make)


def store_of(frame: Box, cores: list[Box], feather: int, make) -> TileStore:
    tiles = [Tile(i, core, core.expand(feather, frame)) for i, core in enumerate(cores)]
    pixels = [make(tile) for tile in tiles]
    store = TileStore(tiles, frame, pixels[0].shape[2], pixels[0].dtype)
    for tile, values in zip(tiles, pixels, strict=True):
        store.write(tile.index, values)
    return store


def gather(rows, frame: Box) -> Array:
    """Rows as one array; they have to come in order and cover the frame once."""
    parts, expected = [], 0
    for y0, part in rows:
        assert y0 == expected
        assert part.shape[1] == frame.width
        parts.append(np.array(part))
        expected += len(part)
    assert expected == frame.height
    return np.concatenate(parts)


def coarse_with(frame: Box, objects: list[Box], cell: int = 10) -> CoarseMap:
    """A coarse map of these objects, in px, on cells of that size."""
    shape = (-(-frame.height // cell), -(-frame.width // cell))
    labels = np.zeros(shape, np.int32)
    for label, box in enumerate(objects, 1):
        labels[box.y0 // cell : -(-box.y1 // cell), box.x0 // cell : -(-box.x1 // cell)] = label
    edge = cv2.morphologyEx((labels > 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    return CoarseMap((labels > 0).astype(np.float32), edge, labels, float(cell), frame, "made up")
