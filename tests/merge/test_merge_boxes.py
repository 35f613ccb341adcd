"""Boxes fused as SAHI fuses them, against SAHI itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sahi.models.base import DetectionModel
from sahi.postprocess import combine
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction
from sahi.slicing import get_slice_bboxes
from sahi.utils.compatibility import fix_full_shape_list, fix_shift_amount_list

from segtile.detected import Detections
from segtile.merge.boxes import group_boxes
from segtile.merge.instances import fuse
from segtile.types import Box, Tile

CLASSES = {"nms": combine.NMSPostprocess, "greedy-nmm": combine.GreedyNMMPostprocess, "nmm": combine.NMMPostprocess}


def detections(boxes, scores, labels, tiles=None) -> Detections:
    n = len(scores)
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32),
        np.asarray(labels, np.int32),
        np.zeros(n, np.int32) if tiles is None else np.asarray(tiles, np.int32),
    )


@st.composite
def crowds(draw):
    """Boxes that overlap a lot; on a lattice with few scores too, so that everything that can tie does."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 60))
    step, levels = draw(st.sampled_from([(1, 1000), (20, 5)]))
    corner = rng.uniform(0, 200, (n, 2)) // step * step
    size = rng.uniform(5, 120, (n, 2)) // step * step + 4
    scores = rng.integers(1, levels + 1, n) / levels
    return detections(np.concatenate((corner, corner + size), axis=1), scores, rng.integers(0, 3, n))


def by_sahi(pieces: Detections, method, metric, threshold, class_agnostic) -> np.ndarray:
    rows = zip(pieces.boxes.tolist(), pieces.scores.tolist(), pieces.labels.tolist(), strict=True)
    given_ = [ObjectPrediction(bbox=box, score=score, category_id=label) for box, score, label in rows]
    found = CLASSES[method](threshold, metric, class_agnostic)(given_)
    return np.array([[*one.bbox.to_xyxy(), one.score.value, one.category.id] for one in found])


@settings(max_examples=60, deadline=None)
@given(
    crowds(),
    st.sampled_from(list(CLASSES)),
    st.sampled_from(["IOU", "IOS"]),
    st.sampled_from([0.1, 0.5, 0.8]),
    st.booleans(),
)
def test_the_result_is_that_of_sahis_classes(pieces, method, metric, threshold, class_agnostic):
    found = group_boxes(pieces, method=method, metric=metric, threshold=threshold, class_agnostic=class_agnostic)
    want = by_sahi(pieces, method, metric, threshold, class_agnostic)
    np.testing.assert_allclose(np.column_stack((found.boxes, found.scores, found.labels)), want, atol=1e-4)
    rows = [row for group in found.groups for row in group]
    assert len(rows) == len(set(rows))
    for box, group in zip(found.boxes, found.groups, strict=True):  # provenance: the box is made of these rows
        its = pieces.boxes[group]
        np.testing.assert_array_equal(box, [*its[:, :2].min(axis=0), *its[:, 2:].max(axis=0)])


def test_many_boxes_take_sahis_other_path_and_agree_too():
    rng = np.random.default_rng(5)
    corner = rng.uniform(0, 1500, (2500, 2))
    boxes = np.concatenate((corner, corner + rng.uniform(10, 90, (2500, 2))), axis=1)
    pieces = detections(boxes, rng.random(2500), rng.integers(0, 2, 2500))
    found = group_boxes(pieces)
    want = by_sahi(pieces, "greedy-nmm", "IOS", 0.5, False)
    np.testing.assert_allclose(np.column_stack((found.boxes, found.scores, found.labels)), want, atol=1e-3)


def test_a_member_that_no_longer_matches_is_dropped():
    """IOU: the second box makes the union so large that the third, which matched the first, matches it no more."""
    pieces = detections([[0, 0, 100, 100], [40, 0, 150, 100], [0, 0, 55, 100]], [0.9, 0.8, 0.7], [0, 0, 0])
    found = group_boxes(pieces, metric="IOU", threshold=0.38)
    assert found.groups == [[0, 1]]
    assert found.boxes.tolist() == [[0, 0, 150, 100]]


def test_nothing_gives_nothing():
    for method in CLASSES:
        found = group_boxes(detections([], [], []), method=method)
        assert len(found) == 0
        assert found.groups == []
        assert found.boxes.shape == (0, 4)


def seen_in(x0: int, y0: int, x1: int, y1: int) -> list[list[float]]:
    """What the fixed detector finds in a window: parts of a fixed set of boxes, in window px; score and class last."""
    rng = np.random.default_rng(11)
    corner = rng.uniform(0, 560, (40, 2))
    objects = np.concatenate((corner, corner + rng.uniform(20, 240, (40, 2))), axis=1)
    low, high = np.maximum(objects[:, :2], (x0, y0)), np.minimum(objects[:, 2:], (x1, y1))
    shown = np.flatnonzero((high - low > 4).all(axis=1))
    scores = 0.2 + 0.7 * ((shown * 37 + x0 * 3 + y0 * 5) % 97) / 97
    found = np.concatenate((low[shown] - (x0, y0), high[shown] - (x0, y0)), axis=1)
    return np.column_stack((found, scores, shown % 3)).tolist()


class Fixed(DetectionModel):
    """A fake detector under SAHI: it knows where it looks by the two numbers that every pixel holds."""

    def load_model(self):
        self.model = None

    def perform_inference(self, image):
        self.perform_batch_inference([image])

    def perform_batch_inference(self, images):
        self._original_predictions = images

    def _create_object_prediction_list_from_original_predictions(self, shift_amount_list=None, full_shape_list=None):
        shifts, shapes = fix_shift_amount_list(shift_amount_list), fix_full_shape_list(full_shape_list)
        self._object_prediction_list_per_image = []
        for shift, shape, image in zip(shifts, shapes, self._original_predictions, strict=True):
            (x, y), (h, w) = (int(v) for v in shift), image.shape[:2]
            self._object_prediction_list_per_image.append(
                [
                    ObjectPrediction(
                        bbox=row[:4],
                        score=row[4],
                        category_id=int(row[5]),
                        category_name=str(int(row[5])),
                        shift_amount=[x, y],
                        full_shape=shape,
                    )
                    for row in seen_in(x, y, x + w, y + h)
                ]
            )


@pytest.mark.parametrize("whole_too", [False, True])
@pytest.mark.parametrize("confidence", [0.3, 0.05])
def test_fuse_gives_what_get_sliced_prediction_gives(whole_too, confidence):
    """SAHI's own switch to NMS under a confidence of 0.1 is turned off; segtile has none."""
    side, overlap, size = 256, 0.2, 700
    model = Fixed(confidence_threshold=confidence, category_mapping={"0": "0", "1": "1", "2": "2"})
    image = np.zeros((size, size, 3), np.uint8)
    done = get_sliced_prediction(
        image, model, side, side, overlap, overlap, whole_too, verbose=0, force_postprocess_type=True
    )
    want = sorted([*o.bbox.to_xyxy(), o.score.value, o.category.id] for o in done.object_prediction_list)

    reads = [Box(*b) for b in get_slice_bboxes(size, size, side, side, False, overlap, overlap)]
    reads += [Box.frame(size, size)] if whole_too else []
    tiles = [Tile(i, read, read) for i, read in enumerate(reads)]
    rows, tile_of = [], []
    for tile in tiles:
        for x0, y0, x1, y1, score, label in seen_in(tile.read.x0, tile.read.y0, tile.read.x1, tile.read.y1):
            rows.append([x0 + tile.read.x0, y0 + tile.read.y0, x1 + tile.read.x0, y1 + tile.read.y0, score, label])
            tile_of.append(tile.index)
    table = np.array(rows)
    pieces = detections(table[:, :4], table[:, 4], table[:, 5], tile_of)
    found = fuse(pieces, tiles, ["0", "1", "2"], method="greedy-nmm", frame=Box.frame(size, size))
    assert len(found) == len(want)
    np.testing.assert_allclose(sorted([*one.box, one.score, one.label] for one in found), want, atol=1e-3)
    for one in found:
        assert one.tiles == tuple(sorted({tile_of[i] for i in one.pieces}))
        assert one.name == str(one.label)
