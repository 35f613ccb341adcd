"""Slices for detectors: SAHI's grid with SAHI's parameters and numbers, and only where somebody wants to look."""

from __future__ import annotations

import dataclasses

from segtile.errors import BadInput
from segtile.grid.layout import assemble
from segtile.grid.regions import Regions
from segtile.grid.uniform import slice_spans
from segtile.types import Box, CoarseMap, Grid, Tile

_WHOLE = "Nothing is skipped: the grid covers the whole frame."

# SAHI's automatic slices: (log2 of the pixels up to which it holds, slices along the shorter side, share they overlap)
_AUTO = ((19, 0, 1.0), (21, 1, 0.8), (24, 2, 0.4), (None, 4, 0.4))


def slice_grid(
    frame: Box,
    slice_width: int | None,
    slice_height: int | None,
    overlap_width_ratio: float = 0.2,
    overlap_height_ratio: float = 0.2,
    auto: bool = False,
    *,
    regions: Regions | None = None,
    coarse: CoarseMap | None = None,
) -> Grid:
    """SAHI's slices over a whole frame, or those of them that a region of interest needs.

    The read boxes are those of `sahi.slicing.get_slice_bboxes` in its order. The cores are our addition: neighbours
    meet in the middle of their overlap, so the cores partition the frame.

    Args:
        frame: the picture, from (0, 0).
        slice_width: px of the frame; None with `auto`.
        slice_height: likewise.
        overlap_width_ratio: share of a slice that its neighbour sees too, 0 <= ratio < 1.
        overlap_height_ratio: likewise.
        auto: choose size and overlap by the picture's size, as SAHI does, where no size is given.
        regions: only slices whose core meets them are kept; what they overlap with is context enough.
        coarse: where given, names the objects in each slice.

    Returns:
        A plan of kind "uniform"; `tile_side` is the longer side of a slice, `halo` half of the smaller overlap.

    Raises:
        BadInput: an empty frame, a slice without pixels, or an overlap that is none.

    Source: F. C. Akyon et al., Slicing Aided Hyper Inference, ICIP 2022 (doi 10.1109/ICIP46576.2022.9897990).
    """
    if frame.empty or (frame.x0, frame.y0) != (0, 0):
        raise BadInput(f"slices need a frame that starts at (0, 0) and holds pixels, not {frame}")
    if slice_width and slice_height:
        across = overlap_px(slice_width, overlap_width_ratio)
        down = overlap_px(slice_height, overlap_height_ratio)
    elif auto:
        slice_width, slice_height, across, down = auto_slices(frame)
    else:
        raise BadInput(f"a slice of {slice_width} x {slice_height} px holds no pixel: give both sides, or auto")
    pairs = [
        (Box(cx0, cy0, cx1, cy1), Box(rx0, ry0, rx1, ry1))
        for cy0, cy1, ry0, ry1 in slice_spans(frame.height, slice_height, down)
        for cx0, cx1, rx0, rx1 in slice_spans(frame.width, slice_width, across)
    ]
    why = _WHOLE
    if regions is not None:
        whole = len(pairs)
        pairs = [pair for pair in pairs if regions.meets(pair[0])]
        why = f"{whole - len(pairs)} of {whole} slices are skipped: they lie outside the regions of interest."
    return assemble("uniform", pairs, frame, max(slice_width, slice_height), min(across, down) // 2, coarse, why)


def overlap_px(side: int, ratio: float) -> int:
    """What SAHI makes of an overlap that is given as a share of a slice's side: whole px, cut down.

    Raises:
        BadInput: a side without pixels or a ratio outside 0 <= ratio < 1.
    """
    if side < 1:
        raise BadInput(f"a slice needs at least 1 px a side, not {side}")
    if not 0 <= ratio < 1:
        raise BadInput(f"slices overlap by a share of their side from 0 to below 1, not {ratio}")
    return int(ratio * side)


def auto_slices(frame: Box) -> tuple[int, int, int, int]:
    """SAHI's automatic choice: (slice width, slice height, overlap across, overlap down) in px.

    Pictures up to 2**19 px are one slice; larger ones are cut in 1, 2 or 4 parts along their shorter side and in twice
    as many along the longer one.

    Raises:
        BadInput: the frame is so narrow that a slice would have no pixel.
    """
    size = (frame.area - 1).bit_length()
    parts, ratio = next((n, r) for limit, n, r in _AUTO if limit is None or size <= limit)
    columns = max(1, parts * (2 if frame.width > frame.height else 1))
    rows = max(1, parts * (2 if frame.width < frame.height else 1))
    width, height = frame.width // columns, frame.height // rows
    if width < 1 or height < 1:
        raise BadInput(f"a frame of {frame.width} x {frame.height} px is too narrow to be sliced by its size alone")
    return width, height, int(width * ratio), int(height * ratio)


def renumbered(tiles: list[Tile], first: int) -> tuple[Tile, ...]:
    """Tiles of one of several plans, numbered from `first`."""
    return tuple(dataclasses.replace(tile, index=first + i) for i, tile in enumerate(tiles))
