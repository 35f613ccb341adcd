"""Boundary AP: COCO's evaluation with min(mask IoU, boundary IoU) in place of mask IoU.

Source: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021.

The boundary of a mask is its pixels at chessboard distance <= d from outside, the picture's border counting as outside.
The published code finds them with d erosions of the whole frame; here it is one distance transform of the object's own
crop, which gives the same pixels, and boundaries stay runs, so that 6000 px frames cost what their objects cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segtile.metrics.coco.rle import Longs, box_of, crop_of, runs_of
from segtile.metrics.coco.settings import Band
from segtile.types import Box

#: Px of a crop that is worked on at once; its distances are four times that in bytes.
_CROP = 2**25


@dataclass(frozen=True)
class Boundary:
    """The boundary pixels of one mask: runs [first, end) as positions down the frame's columns, and the mask's box."""

    first: Longs
    end: Longs
    box: Box

    @property
    def area(self) -> int:
        """Its pixels."""
        return int((self.end - self.first).sum())


def boundary_of(counts: bytes, height: int, width: int, band: Band) -> Boundary:
    """The boundary of a compressed mask.

    Args:
        counts: compressed run lengths, checked, of a picture of this size.
        height: of the picture, px.
        width: of the picture, px.
        band: how far inside the mask its boundary reaches.

    Raises:
        BadInput: the band is wider than 8000 px in a picture of this size.
    """
    first, end = runs_of(counts)
    box = box_of(first, end, height)
    d = band.px(width, height)
    if 2 * d >= min(box.width, box.height):  # no pixel of a box this thin is further than d from outside
        return Boundary(first, end, box)
    found = [_in_columns(first, end, height, box, d, *columns) for columns in _columns(box, d)]
    return Boundary(np.concatenate([f for f, _ in found]), np.concatenate([e for _, e in found]), box)


def _columns(box: Box, d: int) -> Iterator[tuple[int, int]]:
    """The box's columns in pieces whose crops, with the band on both sides, stay under `_CROP` px where they can."""
    width = max(_CROP // (box.height + 2) - 2 * (d + 1), d)
    for x in range(box.x0, box.x1, width):
        yield x, min(x + width, box.x1)


def _in_columns(first: Longs, end: Longs, height: int, box: Box, d: int, x0: int, x1: int) -> tuple[Longs, Longs]:
    """Runs of the boundary in the columns x0 .. x1 - 1.

    Whether a pixel is within d of outside is decided by what lies within d, so the crop may end d further on. One more
    row and column round the whole box is outside, be it the frame's border or not.
    """
    import cv2

    window = Box(max(box.x0 - 1, x0 - d), box.y0 - 1, min(box.x1 + 1, x1 + d), box.y1 + 1)
    crop = crop_of(first, end, height, window)
    edge = crop.astype(bool) & (cv2.distanceTransform(crop, cv2.DIST_C, 3) <= d)
    # the rows above and below are empty, so no run goes round the end of a column of the crop
    flat = edge[x0 - window.x0 : x1 - window.x0].reshape(-1)
    flips = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    column, row = np.divmod(flips, window.height)
    place = (column + x0) * height + row + window.y0
    return place[0::2], place[1::2]


def intersection(a: Boundary, b: Boundary) -> int:
    """Pixels that two boundaries of one frame share."""
    if (a.box & b.box).empty:
        return 0
    if len(a.first) > len(b.first):
        a, b = b, a
    sums = np.concatenate(([0], np.cumsum(b.end - b.first)))

    def before(position: Longs) -> Longs:
        """Pixels of `b` before each position."""
        run = np.searchsorted(b.first, position, side="right") - 1
        inside = np.minimum(position, b.end[run]) - b.first[run]
        return np.where(run < 0, 0, sums[run] + inside)

    return int((before(a.end) - before(a.first)).sum())


def boundary_iou(a: Boundary, b: Boundary) -> float:
    """IoU of two boundaries of one frame; 0 where both are empty, as in COCO."""
    shared = intersection(a, b)
    union = a.area + b.area - shared
    return shared / union if union else 0.0


def boundary_evaluator(gt: Any, dt: Any, band: Band) -> Any:
    """A COCOeval of type segm whose IoU is min(mask IoU, boundary IoU).

    Crowds keep mask IoU, as in the published code: a crowd's outline is nobody's boundary.

    Args:
        gt: pycocotools.coco.COCO of the truth, its segmentations checked compressed run lengths.
        dt: the same of the results.
        band: how far inside a mask its boundary reaches.
    """
    from pycocotools.cocoeval import COCOeval

    class BoundaryEval(COCOeval):  # type: ignore[misc]
        def computeIoU(self, imgId: int, catId: int) -> Any:
            ious = super().computeIoU(imgId, catId)
            truths, found = self._gts[imgId, catId], self._dts[imgId, catId]
            if not truths or not found:
                return ious
            order = np.argsort([-d["score"] for d in found], kind="mergesort")[: self.params.maxDets[-1]]
            return _combined(ious, truths, [found[i] for i in order], band)

    return BoundaryEval(gt, dt, "segm")


def _combined(ious: Any, truths: list[dict[str, Any]], found: list[dict[str, Any]], band: Band) -> Any:
    """Mask IoUs (D, G), each pair of no crowd lowered to its boundary IoU; only pairs that touch are looked at."""
    ious = np.array(ious)
    at_truth: dict[int, Boundary] = {}
    at_found: dict[int, Boundary] = {}
    for d, g in np.argwhere(ious > 0).tolist():
        if truths[g]["iscrowd"]:
            continue
        if g not in at_truth:
            at_truth[g] = _boundary(truths[g]["segmentation"], band)
        if d not in at_found:
            at_found[d] = _boundary(found[d]["segmentation"], band)
        ious[d, g] = min(ious[d, g], boundary_iou(at_found[d], at_truth[g]))
    return ious


def _boundary(segmentation: Mapping[str, Any], band: Band) -> Boundary:
    height, width = segmentation["size"]
    return boundary_of(segmentation["counts"], height, width, band)
