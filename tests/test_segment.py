"""Instance segmentation by slices: masks whole and in place, and edges that a refiner makes sharp."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from detect_fakes import Fake, blobs, found_in

import segtile
from segtile.detected import CropMask, Detections
from segtile.errors import BadInput, ModelError
from segtile.segment import segment
from segtile.types import Box

PICTURE = blobs(900, 1300, 2, count=30, least=40, most=380)


def whole(mask: CropMask) -> np.ndarray:
    out = np.zeros((mask.frame.height, mask.frame.width), bool)
    out[mask.box.slices] = mask.bits
    return out


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_masks_are_whole_though_slices_cut_them():
    result = segment(PICTURE, Fake(), slice=300, confidence=0.0)
    truth = {
        tuple(map(float, box)): mask for box, mask in zip(*(lambda f: (f.xyxy, f.mask))(found_in(PICTURE)), strict=True)
    }
    assert {one.box for one in result.instances} == set(truth)
    for one in result.instances:
        assert one.mask.frame == Box.frame(1300, 900)
        assert np.array_equal(whole(one.mask), truth[one.box])


def test_masks_of_smaller_windows_are_masks_of_the_frame():
    exact = found_in(PICTURE)
    result = segment(PICTURE, Fake(), slice=300, scales=(0.5,), confidence=0.0)
    assert len(result.instances) == len(exact)
    for one in result.instances:
        assert max(iou(whole(one.mask), mask) for mask in exact.mask) > 0.95


def test_a_model_without_masks_is_refused():
    with pytest.raises(BadInput, match="boxes and no masks"):
        segment(PICTURE, Fake(masks=False), slice=400)


def test_a_refiner_that_is_not_there_is_an_error_before_the_model_runs():
    model = Fake()
    with pytest.raises(ModelError, match="no refiner"):
        segment(PICTURE, model, refine="sharpest")
    assert model.shown == []


class Blunt:
    """Finds one object by its exact mask, but draws it as networks do: on cells of 8 px, with a soft rim."""

    name, names, input_size, batch, masks = "blunt", ("ring",), None, 1, True

    def __init__(self, alpha: np.ndarray, soft: bool):
        self._alpha, self._soft = alpha, soft

    def detect(self, windows):
        return [self._one(window) for window in windows]

    def _one(self, window):
        h, w = window.shape[:2]
        small = cv2.resize(self._alpha, (w // 8, h // 8), interpolation=cv2.INTER_AREA)
        values = cv2.resize(small, (w, h), interpolation=cv2.INTER_NEAREST)
        soft = (values * 255).astype(np.uint8)
        rows, columns = np.flatnonzero(soft.any(1)), np.flatnonzero(soft.any(0))
        box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        mask = CropMask.from_soft(soft[box.slices], box, Box.frame(w, h))
        if not self._soft:
            mask = CropMask(mask.box, mask.packed, mask.frame)
        corners = np.array([[box.x0, box.y0, box.x1, box.y1]], np.float32)
        return Detections(corners, np.array([0.9], np.float32), np.zeros(1, np.int32), np.zeros(1, np.int32), (mask,))


@pytest.mark.parametrize("soft", [False, True])
def test_refined_edges_are_the_pictures_own(ring_scene, soft):
    picture, alpha = ring_scene
    truth = alpha >= 0.5
    blunt = segment(picture, Blunt(alpha, soft), slice=2000).instances[0]
    result = segment(picture, Blunt(alpha, soft), slice=2000, refine="auto")
    sharp = result.instances[0]
    assert set(result.row.seconds) == {"coarse", "detect", "fuse", "refine"}
    assert iou(whole(blunt.mask), truth) < 0.97
    assert iou(whole(sharp.mask), truth) > 0.99
    assert not whole(sharp.mask)[350, 450]  # the ring's hole stays open
    box = sharp.mask.box
    assert sharp.box == (box.x0, box.y0, box.x1, box.y1)
    assert sharp.mask.bits.any(0)[[0, -1]].all()
    assert (sharp.mask.soft is None) != soft
    assert dataclasses.replace(sharp, mask=None, box=()) == dataclasses.replace(blunt, mask=None, box=())


def test_refining_takes_nothing_from_a_neighbour():
    """Two halves of one disc, called two objects: no colour says where one ends, so neither may grow into the other."""
    yy, xx = np.mgrid[:300, :400]
    disc = np.hypot(yy - 150, xx - 200) < 90
    rng = np.random.default_rng(0)
    picture = np.where(disc[..., None], (150, 90, 30), (235, 235, 235)) + rng.normal(0, 1, (300, 400, 3))
    left, right = disc & (xx < 200), disc & (xx >= 200)

    def halves(window):
        import supervision as sv

        boxes = [(110, 60, 200, 240), (200, 60, 290, 240)]
        return sv.Detections(
            np.array(boxes, np.float32),
            mask=np.array([left, right]),
            confidence=np.array([0.9, 0.8]),
            class_id=np.array([0, 1]),
        )

    result = segment(np.clip(picture, 0, 255).astype(np.uint8), halves, slice=640, refine="matting")
    assert result.names == ("0", "1")
    a, b = (whole(one.mask) for one in result.instances)
    assert not (a & b).any()
    assert iou(a, left) > 0.97
    assert iou(b, right) > 0.97


def test_a_large_instance_is_refined_tile_by_tile(ring_scene, monkeypatch):
    from segtile.refine.matting import MattingRefiner

    picture, alpha = ring_scene
    monkeypatch.setattr(MattingRefiner, "tile", 320)
    seen = []
    original = MattingRefiner.refine

    def counting(self, x):
        seen.append(x.tile.read)
        return original(self, x)

    monkeypatch.setattr(MattingRefiner, "refine", counting)
    result = segment(picture, Blunt(alpha, False), slice=2000, refine="matting")
    assert len(seen) > 3
    assert all(max(box.width, box.height) <= 320 for box in seen)
    assert iou(whole(result.instances[0].mask), alpha >= 0.5) > 0.985


def test_no_instance_needs_no_refining():
    plain = np.full((300, 400, 3), 128, np.uint8)
    assert segtile.segment(plain, Fake(), slice=256, refine="auto").instances == ()
