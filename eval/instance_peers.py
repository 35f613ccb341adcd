"""The same mask pieces merged by segtile, SAHI and supervision: each gets what it works on, and says what came out.

An answer is a list of (box, bits inside a window) that is asked object by object, so that no peer has to draw frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from eval.pieces import Seen
from segtile.detected import CropMask, Detections, Instance
from segtile.masks.crop import aligned, intersection_area, iou
from segtile.masks.rle import encode
from segtile.merge.instances import fuse
from segtile.types import BoolArray, Box, FloatArray, Tile


@dataclass(frozen=True)
class Prepared:
    """One system, ready: `work` merges and is timed; `crops` gives the results' boxes and draws one in a window."""

    work: Callable[[], Any]
    crops: Callable[[Any], tuple[FloatArray, Callable[[int, Box], BoolArray]]]


def segtile(seen: Seen, tiles: Sequence[Tile], frame: Box, *, from_bits: bool = False) -> Prepared:
    """`segtile.merge.instances.fuse` with its defaults, on masks as `segtile.slicing.place` lays them."""

    def placed() -> Detections:
        return replace(seen.pieces, masks=tuple(aligned(mask) for mask in seen.pieces.masks or ()))

    def crops(found: Sequence[Instance]) -> tuple[FloatArray, Callable[[int, Box], BoolArray]]:
        def draw(i: int, box: Box) -> BoolArray:
            mask = found[i].mask
            out = np.zeros((box.height, box.width), np.bool_)
            if mask is not None and not (shared := mask.box & box).empty:
                out[shared.within(box).slices] = mask.bits[shared.within(mask.box).slices]
            return out

        return np.array([i.box for i in found], np.float32), draw

    if from_bits:
        return Prepared(lambda: fuse(placed(), tiles, ["object"], frame=frame), crops)
    laid = placed()
    return Prepared(lambda: fuse(laid, tiles, ["object"], frame=frame), crops)


def segtile_from_bits(seen: Seen, tiles: Sequence[Tile], frame: Box) -> Prepared:
    """The same with the placing of its masks timed too."""
    return segtile(seen, tiles, frame, from_bits=True)


def sahi(seen: Seen, tiles: Sequence[Tile], frame: Box, *, from_bits: bool = False) -> Prepared:
    """`GreedyNMMPostprocess` with SAHI's defaults (IOS, 0.5), on polygons as its adapters make them."""
    from sahi.postprocess.combine import GreedyNMMPostprocess
    from sahi.prediction import ObjectPrediction
    from sahi.utils.cv import get_coco_segmentation_from_bool_mask

    def polygons() -> list[Any]:
        pieces = []
        for mask, score in zip(seen.pieces.masks or (), seen.pieces.scores.tolist(), strict=True):
            rings = get_coco_segmentation_from_bool_mask(mask.bits)
            corner = np.array([mask.box.x0, mask.box.y0])
            moved = [(np.reshape(ring, (-1, 2)) + corner).ravel().tolist() for ring in rings]
            if moved:
                shape = [frame.height, frame.width]
                piece = ObjectPrediction(bbox=None, segmentation=moved, category_id=0, score=score, full_shape=shape)
                pieces.append(piece)
        return pieces

    def crops(found: Sequence[Any]) -> tuple[FloatArray, Callable[[int, Box], BoolArray]]:
        def draw(i: int, box: Box) -> BoolArray:
            out = np.zeros((box.height, box.width), np.uint8)
            rings = [np.reshape(r, (-1, 2)).round().astype(np.int32) for r in found[i].mask.segmentation if len(r) >= 6]
            cv2.fillPoly(out, [ring - (box.x0, box.y0) for ring in rings], (1,))
            return out.view(np.bool_)

        return np.array([one.bbox.to_xyxy() for one in found], np.float32), draw

    merge = GreedyNMMPostprocess(0.5, "IOS", False)
    if from_bits:
        return Prepared(lambda: merge(polygons()), crops)
    made = polygons()
    return Prepared(lambda: merge(list(made)), crops)


def sahi_from_bits(seen: Seen, tiles: Sequence[Tile], frame: Box) -> Prepared:
    """The same with the making of its polygons timed too: from the bits that a model gives, as "segtile from bits"."""
    return sahi(seen, tiles, frame, from_bits=True)


def supervision(seen: Seen, tiles: Sequence[Tile], frame: Box) -> Prepared:
    """`Detections.with_nmm` on compact masks, IOS 0.5 as SAHI's default."""
    import supervision as sv
    from supervision.detection.compact_mask import CompactMask

    masks = seen.pieces.masks or ()
    shape = (frame.height, frame.width)
    # its boxes of masks hold their last pixel
    compact = CompactMask.from_coco_rle([encode(mask) for mask in masks], seen.pieces.boxes - (0, 0, 1, 1), shape)
    detections = sv.Detections(
        xyxy=seen.pieces.boxes.astype(float),
        mask=compact,
        confidence=seen.pieces.scores.astype(float),
        class_id=np.zeros(len(masks), int),
    )

    def crops(found: Any) -> tuple[FloatArray, Callable[[int, Box], BoolArray]]:
        def draw(i: int, box: Box) -> BoolArray:
            x, y = found.mask.offsets[i].tolist()
            crop = found.mask.crop(i)
            out = np.zeros((box.height, box.width), np.bool_)
            there = Box(x, y, x + crop.shape[1], y + crop.shape[0])
            if not (shared := there & box).empty:
                out[shared.within(box).slices] = crop[shared.within(there).slices]
            return out

        return np.asarray(found.xyxy, np.float32), draw

    return Prepared(
        lambda: detections.with_nmm(threshold=0.5, overlap_metric=sv.OverlapMetric.IOS),
        crops,
    )


SYSTEMS: dict[str, Callable[[Seen, Sequence[Tile], Box], Prepared]] = {
    "segtile": segtile,
    "segtile from bits": segtile_from_bits,
    "sahi": sahi,
    "sahi from bits": sahi_from_bits,
    "supervision": supervision,
}


def best_ious(truths: Sequence[CropMask], boxes: FloatArray, draw: Callable[[int, Box], BoolArray]) -> list[float]:
    """For each truth, the IoU with the result that fits it best, by all pixels of both."""
    found = []
    for truth in truths:
        t = truth.box
        meets = (boxes[:, 0] < t.x1) & (boxes[:, 2] > t.x0) & (boxes[:, 1] < t.y1) & (boxes[:, 3] > t.y0)
        best = 0.0
        for i in np.flatnonzero(meets).tolist():
            x0, y0, x1, y1 = boxes[i].tolist()
            whole = t | (Box(int(x0) - 1, int(y0) - 1, int(x1) + 2, int(y1) + 2) & truth.frame)
            drawn = CropMask.from_bits(draw(i, whole), whole, truth.frame)
            if 2 * intersection_area(truth, drawn) > best * truth.area:  # cannot be better otherwise
                best = max(best, iou(truth, drawn))
        found.append(best)
    return found
