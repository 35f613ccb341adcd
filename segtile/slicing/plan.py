"""Which windows of the picture a detector is shown, and at which size."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from segtile.errors import BadInput, OverLimit
from segtile.grid.objects import plan_objects
from segtile.grid.regions import Regions
from segtile.grid.slices import overlap_px, renumbered, slice_grid
from segtile.types import Box, CoarseMap, Grid, Tile

#: How large the picture is made for one pass of slices: 1.0 as it is, 0.5 half as wide and high; or all of it at once.
Scale: TypeAlias = float | Literal["full"]

_log = logging.getLogger("segtile")

_EMPTY = "the coarse pass sees only background, so no slice was looked at: the uniform grid looks everywhere"
_SIDE = 640  # px, where a detector has no size of its own
_MOST_WHOLE = 2**28  # px that a detector without a size of its own is shown at once: 0.8 GB


@dataclass(frozen=True)
class Window:
    """One window: the detector sees `tile.read`, brought to `size` (width, height), never made larger."""

    tile: Tile
    size: tuple[int, int]

    @property
    def factors(self) -> tuple[float, float]:
        """Frame px per px that the detector sees, as (x, y)."""
        return self.tile.read.width / self.size[0], self.tile.read.height / self.size[1]


@dataclass(frozen=True)
class SlicePlan:
    """All windows of one call in the order in which they are run; a window's index is its tile's.

    `uniform` is how many there would be with the uniform grid; `why` says what was skipped, `warnings` what is amiss.
    """

    windows: tuple[Window, ...]
    uniform: int
    why: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The windows' tiles, by index."""
        return tuple(window.tile for window in self.windows)


def plan_slices(
    frame: Box,
    input_size: tuple[int, int] | None,
    *,
    side: int | tuple[int, int] | None = None,
    overlap: float = 0.2,
    grid: Literal["uniform", "aligned"] = "uniform",
    scales: Sequence[Scale] = (1.0,),
    regions: Regions | None = None,
    coarse: CoarseMap | None = None,
) -> SlicePlan:
    """Plan the windows of one call.

    Args:
        frame: the picture.
        input_size: the detector's own (width, height), None where it takes any.
        side: px of a slice as the detector sees it, or (width, height); the detector's own size by default, else 640.
        overlap: share of a slice that its neighbour sees too, 0 <= overlap < 1.
        grid: "uniform" is SAHI's; "aligned" follows the objects of `coarse`.
        scales: one pass of slices for each. At 0.5 a slice of 640 px holds 1280 px of the frame. "full" is one window
            of all there is (of the regions' bounds), made as small as the detector's input; SAHI's standard prediction.
        regions: where to look; None is everywhere.
        coarse: the map that "aligned" follows.

    Raises:
        BadInput: a setting makes no sense.
        OverLimit: "full" would show a huge picture to a detector that has no size of its own.
    """
    check_slices(side, overlap, scales)
    width, height = _sides(side, input_size)
    windows: list[Window] = []
    uniform, why = 0, []
    numbers = dict.fromkeys(float(scale) for scale in scales if scale != "full")
    for scale in numbers:
        slice_size = max(1, round(width / scale)), max(1, round(height / scale))
        even = slice_grid(frame, *slice_size, overlap, overlap, regions=regions)
        plan = _aligned(coarse, slice_size, overlap, regions) if grid == "aligned" else even
        uniform += len(even.tiles)
        why.append(plan.why)
        tiles = [plan.tiles[i] for i in plan.order]
        windows += [Window(tile, _shrunk(tile.read, scale)) for tile in renumbered(tiles, len(windows))]
    if "full" in scales:
        box = frame if regions is None else regions.bounds
        size = _fitting(box, input_size)
        # one slice that shows all of it as finely is the same look
        if not any(w.tile.read.contains(box) and w.size[0] / w.tile.read.width >= size[0] / box.width for w in windows):
            windows.append(Window(Tile(len(windows), box, box), size))
            uniform += 1
    for sentence in why:
        _log.info("%s", sentence)
    return SlicePlan(tuple(windows), uniform, tuple(why), () if windows or regions else (_EMPTY,))


def check_slices(side: int | tuple[int, int] | None, overlap: float, scales: Sequence[Scale]) -> None:
    """Refuse settings that make no sense for any picture.

    Raises:
        BadInput: a slice without pixels, an overlap that is none, no scale, or a scale that is none.
    """
    width, height = _sides(side, None)
    if width < 1 or height < 1:
        raise BadInput(f"a slice of {width} x {height} px holds no pixel: give at least 1 px a side")
    overlap_px(width, overlap)
    if not scales:
        raise BadInput("no scale, so nothing would be looked at: give 1.0, smaller ones or full")
    for scale in scales:
        number = isinstance(scale, int | float) and math.isfinite(scale) and 0 < scale <= 1
        if scale != "full" and not number:
            raise BadInput(f"a scale is above 0 and at most 1, or full, not {scale!r}: a picture is never made larger")


def _sides(side: int | tuple[int, int] | None, input_size: tuple[int, int] | None) -> tuple[int, int]:
    chosen = side if side is not None else input_size or _SIDE
    return (chosen, chosen) if isinstance(chosen, int) else chosen


def _aligned(coarse: CoarseMap | None, size: tuple[int, int], overlap: float, regions: Regions | None) -> Grid:
    if coarse is None:
        raise BadInput("the aligned grid follows a coarse map, and there is none")
    return plan_objects(coarse, *size, overlap, regions)


def _shrunk(read: Box, scale: float) -> tuple[int, int]:
    return max(1, round(read.width * scale)), max(1, round(read.height * scale))


def _fitting(box: Box, input_size: tuple[int, int] | None) -> tuple[int, int]:
    """The size of a box once it fits the detector's input; its own where the detector takes any."""
    if input_size is None:
        if box.area > _MOST_WHOLE:
            raise OverLimit(
                f"the detector has no input size, so 'full' would show it all {box.width} x {box.height} px at once: "
                "give a smaller number as a scale instead"
            )
        return box.width, box.height
    return _shrunk(box, min(1.0, input_size[0] / box.width, input_size[1] / box.height))
