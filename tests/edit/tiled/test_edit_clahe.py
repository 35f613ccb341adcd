"""CLAHE with fixed tables: an operator that depends on the place, over tiles that are told theirs."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from edit_scenes import full_scale, picture
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segtile.edit.engine import edit_tiled
from segtile.types import Array, Box


@dataclass(frozen=True)
class FixedClahe:
    """Contrast-limited equalisation whose tables, one a cell of the whole picture, were made once.

    K. Zuiderveld, Graphics Gems IV, 1994, as OpenCV does it: a pixel's value goes through the tables of the four cells
    whose middles lie around it, and their answers are mixed by its absolute place.
    """

    tables: Array  # (rows, columns, levels) float32
    cell: tuple[int, int]  # width, height

    @classmethod
    def of(cls, grey: Array, columns: int, rows: int, clip: float) -> FixedClahe:
        height, width = grey.shape
        pads = 0, -height % rows, 0, -width % columns
        if any(pads):
            pads = 0, rows - height % rows, 0, columns - width % columns  # OpenCV fills both up once either is short
        padded = cv2.copyMakeBorder(grey, *pads, cv2.BORDER_REFLECT_101)
        wide, high = padded.shape[1] // columns, padded.shape[0] // rows
        levels = int(np.iinfo(grey.dtype).max) + 1
        limit = max(1, int(clip * wide * high / levels))
        tables = np.empty((rows, columns, levels), np.float32)
        for y in range(rows):
            for x in range(columns):
                counts = np.bincount(padded[y * high :][:high, x * wide :][:, :wide].ravel(), minlength=levels)
                spare = int(np.maximum(counts - limit, 0).sum())
                counts = np.minimum(counts, limit) + spare // levels
                rest = spare % levels
                if rest:
                    counts[np.arange(rest) * max(1, levels // rest)] += 1
                tables[y, x] = np.cumsum(counts) * np.float32((levels - 1) / (wide * high))
        return cls(np.rint(tables), (wide, high))

    def __call__(self, tile: Array, box: Box) -> Array:
        """(h, w, 3), each channel through the same tables."""
        y0, y1, down = self._axis(box.y0, box.y1, 1)
        x0, x1, across = self._axis(box.x0, box.x1, 0)
        down, across = down[:, None, None], across[None, :, None]

        def seen(rows: Array, columns: Array) -> Array:
            return self.tables[rows[:, None, None], columns[None, :, None], tile]

        top = seen(y0, x0) * (1 - across) + seen(y0, x1) * across
        bottom = seen(y1, x0) * (1 - across) + seen(y1, x1) * across
        return np.rint(top * (1 - down) + bottom * down).astype(tile.dtype)

    def _axis(self, start: int, stop: int, axis: int) -> tuple[Array, Array, Array]:
        at = (np.arange(start, stop) / self.cell[axis] - 0.5).astype(np.float32)
        first = np.floor(at).astype(int)
        last = self.tables.shape[1 - axis] - 1
        return np.clip(first, 0, last), np.clip(first + 1, 0, last), at - first


def grey_of(whole: Array) -> Array:
    return np.ascontiguousarray(whole[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("size", "cells"), [((240, 320), (4, 3)), ((201, 333), (5, 4))])
def test_the_operator_is_opencvs(dtype, size, cells):
    """What is tiled below is the real thing: OpenCV's CLAHE of the whole picture."""
    whole = picture(*size, dtype)
    grey = grey_of(whole)
    fixed = FixedClahe.of(grey, *cells, clip=3.0)
    found = fixed(whole, Box.frame(size[1], size[0]))[..., 0]
    assert np.abs(found.astype(int) - cv2.createCLAHE(3.0, cells).apply(grey)).max() <= full_scale(dtype) / 255
    assert np.abs(found.astype(int) - grey).mean() > 0.02 * full_scale(dtype), "it does something"


@given(
    st.integers(1, 260),
    st.integers(1, 260),
    st.sampled_from([np.uint8, np.uint16]),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.floats(1, 8),
    st.sampled_from(["linear", "cosine", "pyramid", "cut"]),
    st.sampled_from([(96, 8, 8), (64, 0, 12), (130, 31, 0)]),
    st.integers(1, 3),
)
@example(97, 203, np.uint16, (3, 5), 2.0, "linear", (96, 8, 8), 2)
@settings(max_examples=40, deadline=None)
def test_tiled_equals_whole(height, width, dtype, cells, clip, blend, plan, batch):
    whole = picture(height, width, dtype)
    fixed = FixedClahe.of(grey_of(whole), min(cells[0], width), min(cells[1], height), clip)

    def model(tiles: Array, places: Box | list[Box]) -> Array:
        if isinstance(places, Box):
            return fixed(tiles, places)
        return np.stack([fixed(tile, place) for tile, place in zip(tiles, places, strict=True)])

    tile, halo, feather = plan
    kept = {"tile": tile, "halo": halo, "feather": feather, "blend": blend, "batch": batch, "drift": "none"}
    with edit_tiled(whole, model, placed=True, **kept) as found:
        apart = np.abs(found.array.astype(int) - fixed(whole, Box.frame(width, height))).max()
    assert apart <= full_scale(dtype) / 255


def test_a_tile_that_is_told_a_wrong_place_gives_another_picture():
    """The test above can fail: by places within the tile it is not the same operator."""
    whole = picture(200, 300)
    fixed = FixedClahe.of(grey_of(whole), 4, 3, 4.0)
    with edit_tiled(whole, lambda t: fixed(t, Box.frame(96, 96)), tile=96, halo=8, feather=8, drift="none") as found:
        assert np.abs(found.array.astype(int) - fixed(whole, Box.frame(300, 200))).max() > 5


@pytest.mark.parametrize("context", ["none", "sequential"])
def test_on_the_aligned_grid_places_are_the_pictures_own(ring_scene, context):
    whole = np.ascontiguousarray(ring_scene[0][::3, ::3])
    fixed = FixedClahe.of(grey_of(whole), 4, 4, 2.0)
    frame = Box.frame(whole.shape[1], whole.shape[0])
    seen = []

    def model(tile: Array, box: Box) -> Array:
        seen.append(box)
        if context == "none":
            np.testing.assert_array_equal(tile, whole[box.slices])
        return fixed(tile, box)

    plan = {"tile": 96, "halo": 8, "feather": 8, "grid": "aligned", "context": context, "drift": "none"}
    with edit_tiled(whole, model, placed=True, **plan) as found:
        assert found.plan.kind == "aligned"
        assert sorted(seen) == sorted(found.plan.windows)
        if context == "none":
            assert np.abs(found.array.astype(int) - fixed(whole, frame)).max() <= 1
