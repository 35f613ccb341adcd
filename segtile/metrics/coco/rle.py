"""Run-length encoded masks from outside: checked before compiled code reads them, and as plain runs.

COCO's RLE counts runs of 0 and 1 in turn, beginning with 0, down the columns. Its compressed form writes each count in
base 32 with 6-bit characters from "0" on; from the fourth count on it is the difference to the count two before.
Compiled readers of it trust the text: a run that leaves the picture is a write behind a buffer. So nothing gets there
before its runs were added up here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segtile.types import BoolArray, Box

Longs = npt.NDArray[np.int64]

#: The largest picture whose pixels 32-bit run lengths can count with room to spare.
MAX_PIXELS = 2**31 - 1
#: A number of more characters than this does not fit into 32 bits.
_LONGEST_NUMBER = 7
#: The longest outline that is drawn, in px: the mask of a 12000 px picture has some 100000 px.
_LONGEST_OUTLINE = 5_000_000


@dataclass(frozen=True)
class Checked:
    """What is known of a list of compressed masks: `area` in px, `fault` a sentence without subject, or None."""

    area: Longs
    fault: list[str | None]


def _numbers(data: Longs) -> tuple[Longs, Longs, BoolArray]:
    """(values, position of each number's last character, too long) of joined base-32 text."""
    ends = np.flatnonzero((data & 32) == 0)
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    lengths = ends - starts + 1
    place = np.arange(ends[-1] + 1 if len(ends) else 0) - np.repeat(starts, lengths)
    digits = (data[: len(place)] & 31) << (5 * np.minimum(place, _LONGEST_NUMBER))
    values = np.add.reduceat(digits, starts) if len(ends) else np.empty(0, np.int64)
    negative = (data[ends] & 16) != 0
    values = values - np.where(negative, np.int64(1) << (5 * np.minimum(lengths, _LONGEST_NUMBER)), 0)
    return values, ends, lengths > _LONGEST_NUMBER


def _undo_differences(values: Longs, first: Longs) -> Longs:
    """Run lengths from the stored numbers; `first` is, for each number, where its mask's numbers begin."""
    index = np.arange(len(values)) - first
    odd = (index & 1) == 1
    even = ~odd & (index > 0)
    runs = values.copy()
    for chosen in (odd, even):
        total = np.concatenate(([0], np.cumsum(np.where(chosen, values, 0))))
        runs[chosen] = (total[1:] - total[first])[chosen]
    return runs


def check(counts: Sequence[bytes], sizes: Sequence[tuple[int, int]]) -> Checked:
    """Read many compressed masks at once, as fast as numpy goes, and say what is wrong with which.

    Args:
        counts: compressed run lengths, one text a mask.
        sizes: (height, width) in px of each mask, from a picture of at most 2**31 - 1 px.
    """
    lengths = np.array([len(text) for text in counts], np.int64)
    data = np.frombuffer(b"".join(counts), np.uint8).astype(np.int64) - 48
    after = np.cumsum(lengths)
    before = after - lengths
    fault: list[str | None] = [None] * len(counts)

    strange = np.concatenate(([0], np.cumsum((data < 0) | (data > 63))))
    text_fault = strange[after] != strange[before]
    filled = lengths > 0
    text_fault[filled] |= (data[after[filled] - 1] & 32) != 0
    for i in np.flatnonzero(text_fault).tolist():
        fault[i] = "has run lengths that are cut off or hold characters that run lengths do not have"
    if text_fault.any():  # their numbers would run into the next mask's
        good = np.flatnonzero(~text_fault).tolist()
        rest = check([counts[i] for i in good], [sizes[i] for i in good])
        area = np.zeros(len(counts), np.int64)
        area[good] = rest.area
        for i, found in zip(good, rest.fault, strict=True):
            fault[i] = found
        return Checked(area, fault)

    values, ends, long = _numbers(data)
    start = np.searchsorted(ends, before)  # the first number of each mask
    stop = np.searchsorted(ends, after)
    runs = _undo_differences(values, np.repeat(start, stop - start))
    wrong = np.concatenate(([0], np.cumsum((runs < 0) | long)))
    total = np.concatenate(([0], np.cumsum(runs)))
    index = np.arange(len(runs)) - np.repeat(start, stop - start)
    ones = np.concatenate(([0], np.cumsum(np.where((index & 1) == 1, runs, 0))))
    pixels = np.array([h * w for h, w in sizes], np.int64)
    for i in np.flatnonzero(wrong[stop] != wrong[start]).tolist():
        fault[i] = "has a negative or impossible run length"
    for i in np.flatnonzero(total[stop] - total[start] != pixels).tolist():
        h, w = sizes[i]
        fault[i] = fault[i] or (
            f"has run lengths that add up to {total[stop[i]] - total[start[i]]} px, but its picture of {w}x{h} "
            f"has {pixels[i]} px"
        )
    return Checked(ones[stop] - ones[start], fault)


def compress(lengths: Sequence[Any], height: int, width: int) -> bytes | str:
    """Compressed run lengths from a plain list of them; a string is a fault, a sentence without subject."""
    from pycocotools import mask as coco_mask

    try:
        runs = np.array(lengths)
    except (ValueError, OverflowError):
        return "has run lengths that are not whole numbers"
    if runs.ndim != 1 or (runs.size and runs.dtype.kind not in "iu"):
        return "has run lengths that are not whole numbers"
    if runs.size and (int(runs.min()) < 0 or int(runs.max()) > height * width):
        return "has a run length that is negative or longer than its picture"
    if (total := int(runs.sum(dtype=np.int64))) != height * width:
        return f"has run lengths that add up to {total} px, but its picture of {width}x{height} has {height * width} px"
    done = coco_mask.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)
    return done["counts"]


def draw(rings: Sequence[Sequence[float]], height: int, width: int) -> bytes | str:
    """Compressed run lengths of polygons [[x0, y0, x1, y1, ...], ...]; a string is a fault, without subject.

    Several rings are joined, as COCO does: they are pieces of one object, and none of them cuts a hole.
    """
    from pycocotools import mask as coco_mask

    reach = max(width, height)
    outline = 0.0
    for ring in rings:
        try:
            points = np.array(ring, np.float64)
        except (ValueError, TypeError, OverflowError):
            return "has a polygon that is not a flat list of numbers"
        if points.ndim != 1 or points.size % 2 or points.size < 6:
            return "has a polygon that is not a flat list x, y, x, y, ... of at least three points"
        if not np.isfinite(points).all():
            return "has a polygon with coordinates that are not finite"
        if points.min() < -reach or points.max() > 2 * reach:
            return "has a polygon that reaches further than a picture's side out of its picture"
        xy = points.reshape(-1, 2)
        outline += float(np.abs(xy - np.roll(xy, 1, axis=0)).max(axis=1).sum())
    if outline > _LONGEST_OUTLINE:
        return f"has polygons of more than {_LONGEST_OUTLINE} px of outline"
    drawn = coco_mask.frPyObjects([[float(v) for v in ring] for ring in rings], height, width)
    return coco_mask.merge(drawn)["counts"]


def runs_of(counts: bytes) -> tuple[Longs, Longs]:
    """(first, end) of every run of ones of one checked mask, as positions down the columns; empty runs left out."""
    data = np.frombuffer(counts, np.uint8).astype(np.int64) - 48
    values, _, _ = _numbers(data)
    edges = np.cumsum(_undo_differences(values, np.zeros(len(values), np.int64)))
    first, end = edges[0:-1:2], edges[1::2]
    kept = end > first
    return first[kept], end[kept]


def box_of(first: Longs, end: Longs, height: int) -> Box:
    """The smallest box that holds all runs of a mask of this height; empty where there are none."""
    if not len(first):
        return Box(0, 0, 0, 0)
    left, right = first // height, (end - 1) // height
    if (left != right).any():  # a run that goes round a column's end touches the top and the bottom
        return Box(int(left[0]), 0, int(right[-1]) + 1, height)
    top, bottom = first - left * height, end - left * height
    return Box(int(left[0]), int(top.min()), int(right[-1]) + 1, int(bottom.max()))


def crop_of(first: Longs, end: Longs, height: int, box: Box) -> npt.NDArray[np.uint8]:
    """The mask inside `box`, transposed: (box.width, box.height), 0 or 1; what lies outside of the frame is 0.

    Only the crop is ever decoded: at 12000 px the whole frame would be 144 MB a mask.
    """
    left = first // height
    pieces = (end - 1) // height - left + 1
    column = np.repeat(left, pieces) + _count_up(pieces)
    start = column * height
    top = np.maximum(np.maximum(np.repeat(first, pieces) - start, 0), box.y0) - box.y0
    bottom = np.minimum(np.minimum(np.repeat(end, pieces) - start, height), box.y1) - box.y0
    kept = (column >= box.x0) & (column < box.x1) & (top < bottom)
    row = (column[kept] - box.x0) * box.height
    steps = np.zeros(box.width * box.height + 1, np.int8)
    # runs that touch (one ends where the next begins) have both marks in one place: add, never assign
    np.add.at(steps, row + top[kept], 1)
    np.add.at(steps, row + bottom[kept], -1)
    return np.cumsum(steps[:-1], dtype=np.int8).view(np.uint8).reshape(box.width, box.height)


def _count_up(counts: Longs) -> Longs:
    """0 .. n - 1 for every n of `counts`, one after the other."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
