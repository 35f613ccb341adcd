"""COCO's run lengths of a crop mask, without ever making the whole frame."""

from __future__ import annotations

import numpy as np

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.metrics.coco.rle import MAX_PIXELS, compress


def encode(mask: CropMask) -> dict[str, object]:
    """A mask as compressed COCO RLE of the whole frame: {"size": [height, width], "counts": text}.

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
