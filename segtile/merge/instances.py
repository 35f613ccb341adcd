"""Instances of a picture from the pieces that its tiles gave."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from segtile.backends.sahi_fusion import Metric
from segtile.detected import CropMask, Detections, Instance
from segtile.errors import BadInput
from segtile.masks.crop import Blocks, aligned
from segtile.merge.agreement import same_object
from segtile.merge.anchors import anchors_of
from segtile.merge.boxes import Fused, group_boxes, union_of_rows
from segtile.merge.crops import join_crops
from segtile.types import Box, CoarseMap, Tile

FusionMethod = Literal["strip", "greedy-nmm", "nmm", "nms", "none"]


def fuse(
    pieces: Detections,
    tiles: Sequence[Tile],
    names: Sequence[str],
    *,
    method: FusionMethod = "strip",
    metric: Metric = "IOS",
    threshold: float = 0.5,
    class_agnostic: bool = False,
    anchors: CoarseMap | None = None,
    frame: Box,
) -> tuple[Instance, ...]:
    """Make one instance of all pieces of an object.

    An instance's box is the union of its pieces' boxes, its score their highest, its class that of the highest, its
    mask theirs joined (`segtile.merge.crops.join_crops`), its provenance the pieces that it was made of. SAHI's methods
    suppress pieces, which then are in no instance; with "strip" and "none" each piece is in exactly one.

    Args:
        pieces: boxes and masks in frame px, checked: finite, within their tiles, labels of `names`.
        tiles: the tiles that `pieces.tiles` are indices of.
        names: the classes' names.
        method: "strip" joins what agrees where two tiles overlap (`segtile.merge.agreement`); "greedy-nmm", "nmm" and
            "nms" are SAHI's; "none" leaves every piece an instance.
        metric: of SAHI's methods; agreement in strips is always an IoU.
        threshold: the least overlap or agreement of two pieces of one object.
        class_agnostic: whether pieces of different classes may be joined.
        anchors: a coarse map; with "strip", pieces that mostly lie on different objects of it are never joined.
        frame: the picture.

    Returns:
        The instances, best score first; their ids count from 1 in this order, which no order of the input changes
        (but SAHI's "nmm" compares members in the order in which they come).

    Raises:
        BadInput: an unknown method or metric, a threshold outside 0..1, a label without a name, an unknown tile.
        BackendMissing: sahi is not installed and its method is asked for.
    """
    _check(pieces, names, method, metric, threshold)
    if pieces.masks is not None and all(mask.soft is None for mask in pieces.masks):
        # once for all: they are compared and joined on one grid of bytes
        pieces = dataclasses.replace(pieces, masks=tuple(aligned(mask) for mask in pieces.masks))
    if method == "strip":
        held = None if anchors is None else anchors_of(pieces, anchors)
        objects = same_object(pieces, tiles, frame, threshold=threshold, class_agnostic=class_agnostic, anchors=held)
        fused = _grouped(pieces, objects.astype(np.intp))
    elif method == "none":
        fused = _grouped(pieces, np.arange(len(pieces)))
    else:
        fused = group_boxes(pieces, method=method, metric=metric, threshold=threshold, class_agnostic=class_agnostic)
    return _instances(pieces, tiles, names, fused, frame)


def _check(pieces: Detections, names: Sequence[str], method: str, metric: str, threshold: float) -> None:
    for what, value, known in (
        ("way of fusion", method, get_args(FusionMethod)),
        ("metric", metric, get_args(Metric)),
    ):
        if value not in known:
            raise BadInput(f"there is no {what} {value!r}: use one of {', '.join(known)}")
    if not 0 <= threshold <= 1:
        raise BadInput(f"the threshold is a number from 0 to 1, not {threshold!r}")
    unnamed = pieces.labels[(pieces.labels < 0) | (pieces.labels >= len(names))]
    if unnamed.size:
        raise BadInput(f"a piece is of class {int(unnamed[0])}, but the classes are 0 to {len(names) - 1}")
    if pieces.masks is not None and len(pieces.masks) != len(pieces):
        raise BadInput(f"there are {len(pieces)} pieces but {len(pieces.masks)} masks: one each is needed")


def _grouped(pieces: Detections, objects: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Fused:
    """Pieces by the number of their object, the best of each first."""
    rows = np.lexsort((*pieces.boxes.T, pieces.labels, -pieces.scores, objects))
    sizes = np.bincount(objects)
    return union_of_rows(pieces, rows, np.concatenate(([0], np.cumsum(sizes))).astype(np.intp))


def _instances(
    pieces: Detections, tiles: Sequence[Tile], names: Sequence[str], fused: Fused, frame: Box
) -> tuple[Instance, ...]:
    """The groups as instances, in an order that depends on what they are."""
    order = np.lexsort((fused.labels, *fused.boxes.T[[2, 3, 0, 1]], -fused.scores))
    sizes = np.diff(fused.starts)
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    rows = fused.members[np.lexsort((fused.members, np.repeat(place, sizes)))]
    members, tile_of = rows.tolist(), pieces.tiles[rows].tolist()
    ends = np.cumsum(sizes[order]).tolist()
    boxes = list(map(tuple, fused.boxes[order].tolist()))
    labels, scores = fused.labels[order].tolist(), fused.scores[order].tolist()
    by_index = {tile.index: tile for tile in tiles}
    found, begin, blocks = [], 0, Blocks()
    for number, (end, label, score, box) in enumerate(zip(ends, labels, scores, boxes, strict=True), start=1):
        its, seen = tuple(members[begin:end]), tile_of[begin:end]
        begin = end
        mask: CropMask | None = None
        if pieces.masks is not None:
            mask = join_crops([pieces.masks[i] for i in its], [by_index[i] for i in seen], frame, blocks)
        seen_in = tuple(seen) if len(seen) == 1 else tuple(sorted(set(seen)))
        found.append(Instance(number, label, names[label], score, box, mask, seen_in, its))
    return tuple(found)
