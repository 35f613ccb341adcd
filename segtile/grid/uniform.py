"""SAHI's grid, for comparison: equal slices from the corner, the last row and column shifted back inside."""

from __future__ import annotations

from itertools import pairwise

from segtile.grid.layout import assemble, check_sizes
from segtile.types import Box, CoarseMap, Grid


def slice_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where SAHI's slices of one axis begin.

    Slices follow each other every `tile - overlap` px from 0 until one reaches the end; one that would reach beyond it
    is shifted back, so the last overlap may be larger. A picture shorter than a tile has the one start 0.
    """
    starts = [0]
    while starts[-1] + tile < length:
        starts.append(starts[-1] + tile - overlap)
    if starts[-1] + tile > length:
        starts[-1] = max(0, length - tile)
    return starts


def slice_spans(length: int, tile: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """(core start, core end, read start, read end) of every slice of one axis; cores meet in the middle of overlaps."""
    starts = slice_starts(length, tile, overlap)
    borders = [0, *((b + a + tile) // 2 for a, b in pairwise(starts)), length]
    return [(borders[i], borders[i + 1], start, min(start + tile, length)) for i, start in enumerate(starts)]


def plan_uniform(frame: Box, tile: int, halo: int, coarse: CoarseMap | None = None) -> Grid:
    """SAHI's grid over a whole frame: nothing is skipped, nothing is placed by what the picture shows.

    The read boxes are those of `sahi.slicing.get_slice_bboxes` for slices of `tile` px and an overlap of 2 * `halo` px
    (SAHI takes the overlap as a share of the slice and cuts the product down to whole pixels). The cores are our
    addition: neighbours meet in the middle of their overlap, so the cores partition the frame and each core has at
    least `halo` px of context. `coarse`, where given, only names the objects in each tile.

    Raises:
        BadInput: an empty frame or one that does not start at (0, 0), or a tile not larger than two halos.

    Source: F. C. Akyon et al., Slicing Aided Hyper Inference, ICIP 2022 (doi 10.1109/ICIP46576.2022.9897990).
    """
    check_sizes(frame, tile, halo)
    pairs = [
        (
            Box(cx0, cy0, cx1, cy1),
            Box(rx0, ry0, rx1, ry1),
        )
        for cy0, cy1, ry0, ry1 in slice_spans(frame.height, tile, 2 * halo)
        for cx0, cx1, rx0, rx1 in slice_spans(frame.width, tile, 2 * halo)
    ]
    return assemble("uniform", pairs, frame, tile, halo, coarse, "Nothing is skipped: the grid covers the whole frame.")
