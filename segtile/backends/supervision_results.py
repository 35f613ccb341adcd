"""Instances as supervision's Detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segtile.detected import CropMask, Instance
from segtile.errors import BackendMissing, BadInput, OverLimit
from segtile.types import Box

#: Bytes that dense masks may take where the installed version knows nothing better.
_DENSE_LIMIT = 1 << 30


def to_supervision(instances: Sequence[Instance], frame: Box, *, compact: bool | None = None) -> Any:
    """`supervision.Detections`: boxes, scores, class indices; `data` holds class_name and instance_id.

    Args:
        instances: of one picture.
        frame: the picture's box.
        compact: masks as supervision's CompactMask, run lengths of each crop; by default where the
            installed version has it, else as one (N, H, W) bool array. Both are exact, holes included. Where no
            instance has a mask there is none; where only some have, the others' are empty.

    Raises:
        BackendMissing: supervision is not installed.
        BadInput: `compact` is True and the installed version has no CompactMask.
        OverLimit: dense masks would take more than 1 GiB.
    """
    sv = _supervision()
    has = hasattr(sv, "CompactMask")
    if compact and not has:
        raise BadInput(f"supervision {sv.__version__} has no CompactMask; update it or take dense masks")
    masks: Any = None
    if any(i.mask is not None for i in instances):
        given = [i.mask for i in instances]
        masks = _compact(sv, given, frame) if (has if compact is None else compact) else _dense(given, frame)
    return sv.Detections(
        xyxy=np.array([i.box for i in instances], np.float32).reshape(-1, 4),
        mask=masks,
        confidence=np.array([i.score for i in instances], np.float32),
        class_id=np.array([i.label for i in instances], int),
        data={
            "class_name": np.array([i.name for i in instances], np.str_),
            "instance_id": np.array([i.id for i in instances], int),
        },
    )


def _compact(sv: Any, masks: Sequence[CropMask | None], frame: Box) -> Any:
    nothing = CropMask.from_bits(np.zeros((1, 1), np.bool_), Box(0, 0, 1, 1), frame)
    crops = [nothing if mask is None or mask.box.empty else mask for mask in masks]
    return sv.CompactMask(
        [_runs(mask) for mask in crops],
        np.array([(mask.box.height, mask.box.width) for mask in crops], np.int32),
        np.array([(mask.box.x0, mask.box.y0) for mask in crops], np.int32),
        (frame.height, frame.width),
    )


def _runs(mask: CropMask) -> npt.NDArray[np.int32]:
    """Run lengths down the crop's columns, of background and object in turn, background first."""
    flat = mask.bits.ravel(order="F")
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(change, prepend=0, append=len(flat)).astype(np.int32)
    return np.insert(lengths, 0, 0) if flat[0] else lengths


def _dense(masks: Sequence[CropMask | None], frame: Box) -> npt.NDArray[np.bool_]:
    needed = len(masks) * frame.area
    if needed > _DENSE_LIMIT:
        raise OverLimit(
            f"{len(masks)} dense masks of {frame.width}x{frame.height} px take {needed / 2**30:.1f} GiB, more than the "
            f"{_DENSE_LIMIT / 2**30:.0f} GiB allowed; take compact ones, which a newer supervision has: "
            "pip install -U supervision"
        )
    dense = np.zeros((len(masks), frame.height, frame.width), np.bool_)
    for place, mask in enumerate(masks):
        if mask is not None:
            dense[place][mask.box.slices] = mask.bits
    return dense


def _supervision() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise BackendMissing("supervision is not installed; it is installed by: pip install supervision") from error
    return supervision
