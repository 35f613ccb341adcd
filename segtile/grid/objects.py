"""Slices aligned to what the coarse pass sees: objects whole where they fit, empty background never looked at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segtile.grid.layout import assemble, map_slices
from segtile.grid.regions import Regions
from segtile.grid.slices import overlap_px, slice_grid
from segtile.grid.uniform import slice_spans
from segtile.types import Box, CoarseMap, Grid

_NOTHING = "The coarse pass sees only background, so no slice is needed."

_CONTEXT = (2, 4, 8)  # parts of an overlap that context may be, the widest first

Pair = tuple[Box, Box]


def plan_objects(
    coarse: CoarseMap, slice_width: int, slice_height: int, overlap: float = 0.2, regions: Regions | None = None
) -> Grid:
    """Plan slices so that every object of a coarse map that fits a slice is seen whole by one.

    Small objects are packed: a slice takes the neighbours that fit it beside the topmost one that has none yet, and
    is centred on what it holds. An object larger than a slice is covered row by row along its cells with slices that
    overlap as a uniform grid's do, so that its pieces can be joined again. Everything that the coarse pass sees or
    doubts is seen with half an overlap of context, or with down to an eighth of one where more would take more slices
    than the uniform grid has, as far as slice and frame have room for it.

    Args:
        coarse: the map; only `labels` is used, which hold what is unsure too.
        slice_width: px of the frame.
        slice_height: likewise.
        overlap: share of a slice, 0 <= overlap < 1.
        regions: objects whose box does not meet them are left out.

    Returns:
        A plan of kind "aligned" over the map's frame. A tile's `core` is the box of the objects it was placed for
        and `objects` the labels in it; since boxes of objects may overlap, so may the cores. `why` has the counts.

    Raises:
        BadInput: an empty frame, a slice without pixels, or an overlap that is none.
    """
    uniform = slice_grid(coarse.frame, slice_width, slice_height, overlap, overlap, regions=regions)
    across, down = overlap_px(slice_width, overlap), overlap_px(slice_height, overlap)
    boxes = _object_boxes(coarse, regions)
    plans = []
    for part in _CONTEXT:
        size = _Slice(slice_width, slice_height, across, down, part, coarse.frame)
        plans.append(_slices(coarse, boxes, size))
        if len(plans[-1]) <= len(uniform.tiles):
            break
    tried = min(range(len(plans)), key=lambda i: len(plans[i]))
    pairs, context = plans[tried], min(across, down) // _CONTEXT[tried]
    whole = sum(size.fits(box) for box in boxes.values())
    why = _NOTHING
    if pairs:
        why = (
            f"{len(pairs)} slices, where the uniform grid has {len(uniform.tiles)}, see {whole} objects whole and "
            f"cover {len(boxes) - whole} that are larger than a slice. What is skipped is farther than "
            f"{context} px from all that the coarse pass sees or doubts."
        )
    plan = assemble("aligned", pairs, coarse.frame, max(slice_width, slice_height), context, None, why)
    tiles = tuple(dataclasses.replace(tile, objects=_labels_in(coarse, tile.core, boxes)) for tile in plan.tiles)
    return dataclasses.replace(plan, tiles=tiles)


@dataclass(frozen=True)
class _Slice:
    """A slice's size in frame px, how far slices of one object overlap, and the frame they have to lie in.

    Context is the overlap by `part`: 2 for half of it.
    """

    width: int
    height: int
    across: int
    down: int
    part: int
    frame: Box

    def fits(self, box: Box) -> bool:
        return box.width <= self.width and box.height <= self.height

    def around(self, box: Box) -> Box:
        """The slice centred on a box that fits, shifted to lie inside the frame; smaller only where the frame is."""
        width, height = min(self.width, self.frame.width), min(self.height, self.frame.height)
        x0 = max(0, min((box.x0 + box.x1 - width) // 2, self.frame.width - width))
        y0 = max(0, min((box.y0 + box.y1 - height) // 2, self.frame.height - height))
        return Box(x0, y0, x0 + width, y0 + height)

    def with_context(self, box: Box) -> Box:
        """A box that fits, with its context around it or as much of that as the slice has room for."""
        dx = min(self.across // self.part, (self.width - box.width) // 2)
        dy = min(self.down // self.part, (self.height - box.height) // 2)
        return Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy) & self.frame


def _slices(coarse: CoarseMap, boxes: dict[int, Box], size: _Slice) -> list[Pair]:
    """Slices for all objects: those that need several first, since what lies in these needs none of its own."""
    large = [label for label, box in boxes.items() if not size.fits(box)]
    pairs = list(dict.fromkeys(pair for label in large for pair in _cover(coarse, label, boxes[label], size)))
    small = [box for label, box in boxes.items() if label not in large]
    return pairs + _pack([b for b in small if not any(r.contains(size.with_context(b)) for _, r in pairs)], size)


def _object_boxes(coarse: CoarseMap, regions: Regions | None) -> dict[int, Box]:
    """The frame box of every object that meets the regions, by label."""
    found = {}
    for label, place in enumerate(ndimage.find_objects(coarse.labels), start=1):
        if place is not None:
            rows, columns = place
            box = coarse.to_frame(Box(columns.start, rows.start, columns.stop, rows.stop))
            if regions is None or regions.meets(box):
                found[label] = box
    return found


def _labels_in(coarse: CoarseMap, core: Box, boxes: dict[int, Box]) -> tuple[int, ...]:
    return tuple(int(label) for label in np.unique(coarse.labels[map_slices(coarse, core)]) if int(label) in boxes)


def _cover(coarse: CoarseMap, label: int, box: Box, size: _Slice) -> Iterator[Pair]:
    """Overlapping slices along the cells of one object that does not fit a slice: rows, and the runs in each row."""
    dx, dy = size.across // size.part, size.down // size.part
    outer = Box(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy) & size.frame
    for cy0, cy1, ry0, ry1 in slice_spans(outer.height, size.height, size.down):
        row = Box(outer.x0, outer.y0 + ry0, outer.x1, outer.y0 + ry1)
        for x0, x1 in _runs(coarse, label, row, size.across):
            left, right = max(outer.x0, x0 - dx), min(outer.x1, x1 + dx)
            for cx0, cx1, rx0, rx1 in slice_spans(right - left, size.width, size.across):
                core = Box(left + cx0, outer.y0 + cy0, left + cx1, outer.y0 + cy1)
                yield core, size.around(Box(left + rx0, row.y0, left + rx1, row.y1))


def _runs(coarse: CoarseMap, label: int, row: Box, gap: int) -> list[tuple[int, int]]:
    """Where an object lies along x within some rows: (x0, x1) frame px of its parts, more than `gap` px apart."""
    cells = coarse.to_map(row)
    columns = cells.x0 + np.flatnonzero((coarse.labels[cells.slices] == label).any(axis=0))
    if not columns.size:
        return []
    breaks = np.flatnonzero(np.diff(columns) - 1 > gap / coarse.factors[0])
    starts, ends = columns[np.r_[0, breaks + 1]], columns[np.r_[breaks, columns.size - 1]] + 1
    boxes = [coarse.to_frame(Box(int(a), 0, int(b), 1)) for a, b in zip(starts, ends, strict=True)]
    return [(box.x0, box.x1) for box in boxes]


def _pack(boxes: list[Box], size: _Slice) -> list[Pair]:
    """Slices that hold all of the boxes whole, each with its context.

    The topmost box that is still open has to lie in some slice, and none above it is needed: so the slice begins with
    it and takes the stretch along x that holds most of the open ones.
    """
    if not boxes:
        return []
    wanted = [size.with_context(box) for box in boxes]
    x0, y0, x1, y1 = np.array([(w.x0, w.y0, w.x1, w.y1) for w in wanted]).T
    is_open = np.ones(len(boxes), np.bool_)
    pairs = []
    for seed in np.lexsort((x0, y0)):
        if not is_open[seed]:
            continue
        near = is_open & (y1 <= y0[seed] + size.height)
        lefts = np.unique(x0[near & (x0 <= x0[seed]) & (x0 >= x1[seed] - size.width)])
        inside = near & (x0 >= lefts[:, None]) & (x1 <= lefts[:, None] + size.width)
        taken = inside[inside.sum(axis=1).argmax()]
        is_open &= ~taken
        members = np.flatnonzero(taken)
        core, context = Box(0, 0, 0, 0), Box(0, 0, 0, 0)
        for i in members:
            core, context = core | boxes[i], context | wanted[i]
        pairs.append((core, size.around(context)))
    return pairs
