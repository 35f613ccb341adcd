"""Instances with the edges of a cut-out: each one's own band goes through a refiner, and is thresholded once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import cv2
import numpy as np

from segtile.detected import ByteArray, CropMask, Instance
from segtile.errors import BadInput
from segtile.grid import plan_aligned
from segtile.merge import AlphaStore
from segtile.refine import Refiner, make_input
from segtile.slicing.plan import SlicePlan
from segtile.solar.channels import needs_background
from segtile.types import AlphaArray, Array, BoolArray, Box, CoarseMap, FloatArray, Progress, Raster

_OFF = 6  # px of what the detector saw by which its mask may be off: networks draw masks at a quarter of that
_MAP_SIDE = 2048  # cells of one instance's map, at most


def refine_edges(
    raster: Raster, instances: Sequence[Instance], plan: SlicePlan, refiner: Refiner, on_progress: Progress
) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    """Work the edge of every instance over with a refiner of the cut-out.

    The mask takes the coarse map's place: along its edge lies a band as wide as the slices it was seen in make
    it coarse, tiles follow that band, and outside it nothing changes. Refiners tell objects from background and not
    from each other, so where two instances meet, their border stays as the model drew it. Boxes become those of the
    new masks.

    Returns:
        The instances in their order, and the refiner's notes. One whose refined mask would be empty keeps its own.

    Raises:
        BadInput: the refiner works on the background of a whole picture.
        ReadError: the picture cannot be read.
    """
    if needs_background(refiner.channels):
        raise BadInput(f"the refiner {refiner.name} needs the whole picture's background: use matting for instances")
    refined: list[Instance] = []
    notes: list[str] = []
    on_progress(0, len(instances), "refine")
    for one in instances:
        coarseness = max((max(plan.windows[i].factors) for i in one.tiles), default=1.0)
        new, said = _refined(raster, one, instances, math.ceil(_OFF * coarseness), refiner)
        refined.append(new)
        notes += said
        on_progress(len(refined), len(instances), "refine")
    return tuple(refined), tuple(dict.fromkeys(notes))


def _refined(
    raster: Raster, one: Instance, others: Sequence[Instance], band: int, refiner: Refiner
) -> tuple[Instance, list[str]]:
    if one.mask is None or one.mask.box.empty:
        return one, []
    window = one.mask.box.expand(band + refiner.halo, one.mask.frame)
    near = [o for o in others if o is not one and o.mask is not None and not (o.mask.box & window).empty]
    seen = _map(one.mask, near, window, band)
    grid = plan_aligned(seen, refiner.tile, refiner.halo, refiner.context)
    part = _Part(raster, window)
    notes: list[str] = []
    with AlphaStore(grid, seen) as store:
        for index in grid.order:
            patch = refiner.refine(make_input(part, seen, grid.tiles[index], refiner.channels))
            store.add(patch)
            notes += patch.notes
        seams = store.finish()
        alpha = store.window(seen.frame)
    if near:
        alpha[~_own(one, near, window, seen)] = 0
    mask = _mask_of(alpha, window, one.mask)
    if mask is None:
        return one, [*notes, f"the refiner {refiner.name} left nothing of instance {one.id}, which keeps its mask"]
    box = mask.box
    corners = (float(box.x0), float(box.y0), float(box.x1), float(box.y1))
    return dataclasses.replace(one, mask=mask, box=corners), notes + ([seams.warning] if seams.warning else [])


def _map(own: CropMask, near: Sequence[Instance], window: Box, band: int) -> CoarseMap:
    """A mask and its neighbours' as a coarse map of a window; unsure within `band` px of the background, near `own`."""
    scale = max(1, math.ceil(max(window.width, window.height) / _MAP_SIDE))
    size = (-(-window.width // scale), -(-window.height // scale))
    values = _over(own, window)
    radius = math.ceil(band / scale)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    beside = cv2.dilate(cv2.resize(values, size, interpolation=cv2.INTER_AREA), disc) >= 128
    for other in near:
        assert other.mask is not None
        np.maximum(values, _over(other.mask, window), out=values)
    prob = cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(np.float32) / np.float32(255)
    inside = (prob >= 0.5).view(np.uint8)
    unsure = (cv2.dilate(inside, disc) != cv2.erode(inside, disc)) & beside
    labels = ((prob >= 0.5) | unsure).astype(np.int32)
    frame = Box.frame(window.width, window.height)
    return CoarseMap(prob, unsure, labels, float(scale), frame, source="instance")


def _own(one: Instance, near: Sequence[Instance], window: Box, seen: CoarseMap) -> BoolArray:
    """(h, w) bool over a window: what may be this instance's, because it was or because no other is as near."""
    assert one.mask is not None
    h, w = seen.prob.shape
    own, theirs = _over(one.mask, window) >= 128, np.zeros((window.height, window.width), np.bool_)
    nearest = _distance(own, (w, h))
    free = np.ones((h, w), np.bool_)
    for other in near:
        assert other.mask is not None
        bits = _over(other.mask, window) >= 128
        theirs |= bits
        away = _distance(bits, (w, h))
        # of two that are equally near the earlier one has it, so that never both do
        free &= (nearest <= away) if one.id < other.id else (nearest < away)
    rows, columns = seen.cells(seen.frame)
    return own | (~theirs & free[np.ix_(rows, columns)])


def _distance(bits: BoolArray, size: tuple[int, int]) -> FloatArray:
    """How far each cell of a map of `size` is from the mask, in cells."""
    cells = cv2.resize(bits.view(np.uint8), size, interpolation=cv2.INTER_AREA)
    return cv2.distanceTransform((cells == 0).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _over(mask: CropMask, window: Box) -> ByteArray:
    """(h, w) uint8 over a window: the mask's probability * 255, 0 where it does not reach."""
    out = np.zeros((window.height, window.width), np.uint8)
    common = mask.box & window
    values = mask.soft if mask.soft is not None else mask.bits.view(np.uint8) * np.uint8(255)
    out[common.within(window).slices] = values[common.within(mask.box).slices]
    return out


def _mask_of(alpha: AlphaArray, window: Box, old: CropMask) -> CropMask | None:
    """The mask of an alpha over a window, cropped to where it is; soft where the old one was."""
    bits = alpha >= 32768
    if not bits.any():
        return None
    soft = ((alpha.astype(np.uint32) + 128) // 257).astype(np.uint8) if old.soft is not None else None
    rows, columns = np.flatnonzero(bits.any(axis=1)), np.flatnonzero(bits.any(axis=0))
    crop = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    box = crop.shift(window.x0, window.y0)
    if soft is not None:
        return CropMask.from_soft(np.ascontiguousarray(soft[crop.slices]), box, old.frame)
    return CropMask.from_bits(bits[crop.slices], box, old.frame)


@dataclasses.dataclass(frozen=True)
class _Part:
    """A window of a picture that is read as a picture of its own."""

    raster: Raster
    box: Box

    def window(self, box: Box) -> Array:
        """As `Raster.window`, from the part's own corner."""
        return self.raster.window(box.shift(self.box.x0, self.box.y0))
