"""Run lengths of crops, read back by pycocotools."""

import numpy as np
import pytest
from hypothesis import given
from mask_shapes import SHAPES, crop, masks
from pycocotools import mask as coco_mask

from segtile.detected import CropMask
from segtile.errors import BadInput
from segtile.masks.rle import encode
from segtile.types import Box


def check(mask):
    found = coco_mask.decode(encode(mask)).astype(bool)
    assert found.shape == (mask.frame.height, mask.frame.width)
    assert (found[mask.box.slices] == mask.bits).all()
    assert found.sum() == mask.area


@given(masks())
def test_pycocotools_reads_the_same_pixels(mask):
    check(mask)


@pytest.mark.parametrize("bits", SHAPES.values(), ids=SHAPES)
def test_awkward_shapes_that_fill_the_frame(bits):
    check(crop(bits, 0, 0, 0, 0))
    rle = encode(crop(bits, 0, 0, 0, 0))
    assert rle["counts"].encode() == coco_mask.encode(np.asfortranarray(bits.astype(np.uint8)))["counts"]


def test_frames_beyond_32_bits_are_refused():
    frame = Box.frame(60000, 60000)
    with pytest.raises(BadInput, match="60000x60000"):
        encode(CropMask.from_bits(np.ones((2, 2), bool), Box(0, 0, 2, 2), frame))
