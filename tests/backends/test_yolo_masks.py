"""Prototype masks come back where they belong: prototypes made from shapes that are known exactly."""

import numpy as np
import pytest

from segtile.backends.letterbox import fit_letterbox
from segtile.backends.yolo import YoloDetector
from segtile.backends.yolo_masks import mask_of_box
from segtile.types import Box

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

SIZE = (320, 320)


def disk(x, y, radius):
    """How deep a point of the window lies in a disk, px."""
    return lambda px, py: radius - np.hypot(px - x, py - y)


def rectangle(x0, y0, x1, y1):
    """The same of a rectangle."""
    return lambda px, py: np.minimum(np.minimum(px - x0, x1 - px), np.minimum(py - y0, y1 - py))


def ring(x, y, outer, inner):
    """The same of a ring."""
    return lambda px, py: np.minimum(disk(x, y, outer)(px, py), -disk(x, y, inner)(px, py))


def prototype(depth, window, stride=None, cell=4):
    """A prototype (ph, pw) whose logit is the depth at every cell's middle, as a network's input sees the window."""
    box = fit_letterbox(window, SIZE, stride)
    xs = ((np.arange(box.size[0] // cell) + 0.5) * cell - box.left) / box.scale[0]
    ys = ((np.arange(box.size[1] // cell) + 0.5) * cell - box.top) / box.scale[1]
    return depth(xs[None], ys[:, None])


def truth(depth, window):
    return depth(np.arange(window[0])[None] + 0.5, np.arange(window[1])[:, None] + 0.5) > 0


def whole(mask):
    full = np.zeros((mask.frame.height, mask.frame.width), bool)
    full[mask.box.slices] = mask.bits
    return full


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


WINDOWS = [(1500, 1000), (1000, 1500), (640, 640), (777, 500), (320, 320), (200, 90)]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("stride", [None, 32])
def test_a_rectangle_lies_where_it_is(window, stride):
    w, h = window
    x0, y0, x1, y1 = 0.2 * w, 0.3 * h, 0.8 * w, 0.7 * h
    depth = rectangle(x0, y0, x1, y1)
    protos = prototype(depth, window, stride)[None]
    mask = mask_of_box(np.ones(1), protos, np.array([0, 0, w, h]), fit_letterbox(window, SIZE, stride), soft=False)
    full, exact = whole(mask), truth(depth, window)
    # away from the corners, which cells cut off, every edge is at its pixel
    middle_row, middle_column = full[h // 2], full[:, w // 2]
    assert np.abs(np.flatnonzero(middle_row)[[0, -1]] - np.flatnonzero(exact[h // 2])[[0, -1]]).max() <= 1
    assert np.abs(np.flatnonzero(middle_column)[[0, -1]] - np.flatnonzero(exact[:, w // 2])[[0, -1]]).max() <= 1
    assert iou(full, exact) > 0.98


@pytest.mark.parametrize("window", WINDOWS[:4])
def test_a_ring_keeps_its_hole_and_its_place(window):
    w, h = window
    depth = ring(0.55 * w, 0.45 * h, 0.4 * min(w, h), 0.22 * min(w, h))
    mask = mask_of_box(
        np.ones(1), prototype(depth, window)[None], np.array([0, 0, w, h]), fit_letterbox(window, SIZE), soft=False
    )
    assert iou(whole(mask), truth(depth, window)) > 0.99


def test_stretching_the_padding_along_would_be_seen_here():
    """The same ring the way SAHI's adapter brings masks to the window: the letterbox is ignored."""
    import cv2

    window = (1500, 1000)
    depth = ring(825, 450, 400, 220)
    stretched = cv2.resize(prototype(depth, window).astype(np.float32), window) > 0
    assert iou(stretched, truth(depth, window)) < 0.8


@pytest.mark.parametrize("window", WINDOWS[:3])
def test_the_mask_ends_with_its_box(window):
    w, h = window
    box = np.array([0.25 * w + 0.4, 0.25 * h + 0.6, 0.5 * w, 0.5 * h + 0.5])
    mask = mask_of_box(np.ones(1), np.ones((1, 80, 80)), box, fit_letterbox(window, SIZE), soft=False)
    # the pixels whose middles lie in the box, no other
    xs, ys = np.arange(w) + 0.5, np.arange(h) + 0.5
    inside = ((xs >= box[0]) & (xs < box[2]))[None] & ((ys >= box[1]) & (ys < box[3]))[:, None]
    assert np.array_equal(whole(mask), inside)


def test_an_object_reaches_the_border_of_the_window_whatever_the_network_makes_of_the_padding():
    window = (1500, 1000)
    letterbox = fit_letterbox(window, SIZE)
    protos = np.full((1, 80, 80), -5.0)
    # cells that hold any of the window: beyond them the network says background, as it was taught
    first, last = int(np.ceil(letterbox.top / 4 - 0.5)), int((letterbox.top + letterbox.inner[1]) / 4 - 0.5)
    protos[:, first : last + 1] = 5
    mask = mask_of_box(np.ones(1), protos, np.array([0, 0, 1500, 1000]), letterbox, soft=False)
    assert mask.bits.all()


def test_coefficients_weigh_prototypes_as_one_large_product_would():
    rng = np.random.default_rng(3)
    window, letterbox = (640, 640), fit_letterbox((640, 640), SIZE)
    protos, coefficients = rng.normal(size=(32, 80, 80)).astype(np.float32), rng.normal(size=32).astype(np.float32)
    box = np.array([100, 50, 500, 630])
    ours = mask_of_box(coefficients, protos, box, letterbox, soft=True)
    logits = np.tensordot(coefficients, protos, 1)[None]
    full = mask_of_box(np.ones(1), logits, np.array([0, 0, *window]), letterbox, soft=True)
    at = ours.box.slices
    assert np.abs(ours.soft.astype(int) - full.soft[at]).max() <= 1
    assert (ours.bits == full.bits[at]).mean() > 0.9999
    assert np.array_equal(ours.bits, ours.soft >= 128)


def test_prototypes_that_are_no_numbers_give_no_mask():
    protos = np.ones((1, 80, 80))
    protos[0, 40, 40] = np.inf
    letterbox = fit_letterbox((640, 640), SIZE)
    for coefficient in (1.0, -1.0, np.nan):
        assert mask_of_box(np.array([coefficient]), protos, np.array([0, 0, 640, 640]), letterbox, soft=False) is None
    beside = mask_of_box(np.ones(1), protos, np.array([0, 0, 200, 200]), letterbox, soft=False)
    assert beside is not None
    assert beside.bits.all()


def test_a_box_between_pixels_holds_none():
    mask = mask_of_box(np.ones(1), np.ones((1, 80, 80)), np.array([3.6, 3, 3.9, 9]), fit_letterbox(SIZE, SIZE), False)
    assert mask.area == 0
    assert mask.box.empty


def segmenter(make_yolo, says, window, final, half=False, stride=None, size=SIZE):
    """Two rings and something without a pixel, in a graph; and the rings' depths."""
    w, h = window
    places = [(0.3 * w, 0.4 * h, 0.2 * h, 0.1 * h), (0.7 * w, 0.6 * h, 0.25 * h, 0.2 * h)]
    rings = [ring(*place) for place in places]
    letterbox = fit_letterbox(window, SIZE, stride)
    scale = 0.05  # half precision holds 2048 whole numbers, not the depth of a picture
    protos = np.stack(
        [*(scale * prototype(r, window, stride) for r in rings), np.zeros_like(prototype(rings[0], window, stride))]
    )
    boxes = [
        [0.3 * w - 0.2 * h, 0.2 * h, 0.3 * w + 0.2 * h, 0.6 * h],
        [0.7 * w - 0.25 * h, 0.35 * h, 0.7 * w + 0.25 * h, 0.85 * h],
    ]
    boxes = np.array([*boxes, [10, 10, 60, 60]])
    inside = boxes * np.tile(letterbox.scale, 2) + np.tile([letterbox.left, letterbox.top], 2)
    coefficients = np.eye(3) - np.diag([0, 0, 2])
    if final:
        said = np.c_[inside, [0.9, 0.8, 0.7], [1, 0, 0], coefficients]
        said = np.pad(said, ((0, 30), (0, 0)))
    else:
        middle, side = (inside[:, :2] + inside[:, 2:]) / 2, inside[:, 2:] - inside[:, :2]
        said = np.c_[middle, side, [[0.1, 0.9], [0.8, 0], [0.7, 0]], coefficients].T
        said = np.pad(said, ((0, 0), (0, 30)))
    metadata = says(task="segment", end2end=str(final))
    return make_yolo(said, protos, half=half, metadata=metadata, size=size), rings, boxes


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("final", [False, True])
def test_a_segmentation_head(make_yolo, says, final, half):
    window = (1500, 1000)
    path, rings, boxes = segmenter(make_yolo, says, window, final, half)
    found = YoloDetector(path, device="cpu")
    assert found.masks
    (one,) = found.detect([np.zeros((1000, 1500, 3), np.uint8)])
    assert one.labels.tolist() == [1, 0]  # the third has a box, but not one pixel
    assert np.abs(one.boxes - boxes[:2]).max() < (2 if half else 1e-3)
    for mask, depth in zip(one.masks, rings, strict=True):
        assert mask.frame == Box.frame(1500, 1000)
        assert mask.soft is None
        assert iou(whole(mask), truth(depth, window)) > (0.97 if half else 0.985)


def test_a_segmentation_head_of_any_size(make_yolo, says):
    path, rings, _ = segmenter(make_yolo, says, (1500, 1000), final=False, stride=32, size=("h", "w"))
    (one,) = YoloDetector(path, device="cpu").detect([np.zeros((1000, 1500, 3), np.uint8)])
    assert [iou(whole(m), truth(d, (1500, 1000))) > 0.985 for m, d in zip(one.masks, rings, strict=True)] == [True] * 2


def test_soft_masks_are_probabilities(make_yolo, says):
    path, rings, _ = segmenter(make_yolo, says, (1500, 1000), final=True)
    (one,) = YoloDetector(path, device="cpu", soft=True).detect([np.zeros((1000, 1500, 3), np.uint8)])
    mask = one.masks[0]
    depth = rings[0](
        np.arange(mask.box.x0, mask.box.x1)[None] + 0.5, np.arange(mask.box.y0, mask.box.y1)[:, None] + 0.5
    )
    expected = 255 / (1 + np.exp(-0.05 * depth))
    assert np.abs(mask.soft - expected).mean() < 3
    assert np.array_equal(mask.bits, mask.soft >= 128)


def test_a_detector_of_boxes_may_have_other_outputs(make_yolo, says):
    said = np.zeros((6, 40))
    said[:5, 0] = [100, 100, 40, 40, 0.9]
    found = YoloDetector(make_yolo(said, np.zeros((3, 10, 10)), metadata=says()), device="cpu")
    assert not found.masks
    assert len(found.detect([np.zeros((50, 50, 3), np.uint8)])[0]) == 1
