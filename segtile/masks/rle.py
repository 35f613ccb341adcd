"""COCO's run lengths of a crop mask, without ever making the whole frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.metrics.coco.rle import MAX_PIXELS, box_of, check, compress, crop_of, runs_of
from segtile.types import Box


def encode(mask: CropMask) -> dict[str, object]:
    """A mask as compressed COCO RLE of the whole frame: {"size": [height, width], "counts": text}.

    The text is that of pycocotools' encoder for the drawn frame, to the character.

    Raises:
        BadInput: the frame has more pixels than run lengths of 32 bits can count.
    """
    box, height, width = mask.box, mask.frame.height, mask.frame.width
    if height * width > MAX_PIXELS:
        raise BadInput(f"a frame of {width}x{height} px is larger than the {MAX_PIXELS} px that COCO's RLE can count")
    # Down the columns, with a pixel of background before the first and below each, so that runs end with their column.
    flat = np.zeros(1 + box.width * (box.height + 1), np.bool_)
    flat[1:].reshape(box.width, box.height + 1)[:, : box.height] = mask.bits.T
    change = np.flatnonzero(flat[1:] != flat[:-1])
    column, row = np.divmod(change, box.height + 1)
    place = (box.x0 + column) * height + box.y0 + row
    # Where a run reaches the frame's lower border and the next begins at the upper one, they are one run.
    seam = np.flatnonzero(place[1:-1:2] == place[2::2])
    place = np.delete(place, np.concatenate((2 * seam + 1, 2 * seam + 2)))
    lengths = np.diff(place, prepend=0, append=height * width)
    # COCO's own encoder leaves out a last run of nothing, and the same mask shall give the same text
    counts = compress(lengths[: len(lengths) - (lengths[-1] == 0)].tolist(), height, width)
    if isinstance(counts, str):
        raise BadInput(f"the mask over {box} {counts}")
    return {"size": [height, width], "counts": counts.decode("ascii")}


def decode(rle: Mapping[str, object]) -> CropMask:
    """A mask from COCO RLE, compressed or as a list of run lengths, in the smallest box that holds its runs.

    Only that box is ever drawn.

    Args:
        rle: {"size": [height, width], "counts": text, bytes or a list of whole numbers}.

    Raises:
        BadInput: the size is none, or the run lengths are cut off, negative, or do not add up to the frame.
    """
    height, width = _size(rle.get("size"))
    counts = rle.get("counts")
    if isinstance(counts, list | tuple):
        counts = compress(counts, height, width)
        if isinstance(counts, str):
            raise BadInput(f"the mask {counts}")
    text = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    if not isinstance(text, bytes):
        raise BadInput(f"counts are text, bytes or a list of numbers, not {type(counts).__name__}")
    fault = check([text], [(height, width)]).fault[0]
    if fault:
        raise BadInput(f"the mask {fault}")
    first, end = runs_of(text)
    box = box_of(first, end, height)
    frame = Box.frame(width, height)
    return CropMask.from_bits(crop_of(first, end, height, box).T.view(np.bool_), box, frame)


def _size(size: object) -> tuple[int, int]:
    """(height, width), checked."""
    if isinstance(size, list | tuple) and len(size) == 2:
        height, width = size
        if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0:
            if height * width <= MAX_PIXELS:
                return height, width
            raise BadInput(
                f"a mask of {width}x{height} px has more than the {MAX_PIXELS} px that run lengths can count"
            )
    raise BadInput(f"a mask's size is [height, width] in whole px, not {size!r}")
