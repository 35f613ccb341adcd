"""The shipped detector of jewellery: what its card says, and the pieces of the sample flat lay counted right."""

import json

import cv2
import numpy as np
import pytest

from models.training.detector.flatlays import PIECES, flatlay_boxes
from segtile.backends.detectors import open_detector
from segtile.catalog import find_weights, load_card

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")


@pytest.fixture(scope="module")
def picture(data_samples):
    return cv2.imread(str(data_samples / "flatlay.jpg"))[..., ::-1]


@pytest.fixture(scope="module")
def pieces(data_samples):
    """The boxes (15, 4) of the sample's pieces, and its alpha's bits."""
    alpha = cv2.imread(str(data_samples / "flatlay_alpha.png"), cv2.IMREAD_GRAYSCALE)
    return flatlay_boxes(9, alpha.shape[1], alpha.shape[0]), alpha >= 128


def _ious(a, b):
    inner = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inner = np.clip(inner, 0, None).prod(-1)
    areas = [(x[:, 2:] - x[:, :2]).prod(-1) for x in (a, b)]
    return inner / (areas[0][:, None] + areas[1][None] - inner)


def test_the_file_is_what_its_card_says_and_small():
    card = load_card("jewels")
    (path,) = find_weights(card)
    assert path.stat().st_size == card.files[0].bytes < 6_000_000
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (images,), (rows, prototypes) = session.get_inputs(), session.get_outputs()
    assert (images.name, rows.name, prototypes.name) == ("images", card.output, "output1")
    assert tuple(images.shape[1:]) == (3, card.size[1], card.size[0])
    assert rows.shape[1:] == [4 + len(card.classes) + 32, 8400]
    told = session.get_modelmeta().custom_metadata_map
    assert told["names"] == repr(dict(enumerate(card.classes)))
    assert "AGPL" not in repr(told)


@pytest.mark.parametrize("confidence", [0.2, 0.25, 0.35, 0.5])
def test_the_pieces_of_the_sample_are_counted_right_in_one_look(picture, confidence):
    (found,) = open_detector("jewels", confidence=confidence, threads=1).detect([picture])
    assert len(found) == PIECES


def test_every_piece_of_the_sample_has_its_box_and_its_mask(picture, pieces):
    (found,) = open_detector("jewels", threads=1).detect([picture])
    boxes, bits = pieces
    ious = _ious(boxes, found.boxes)
    assert sorted(ious.argmax(axis=1)) == list(range(PIECES)), "each piece has a detection of its own"
    assert ious.max(axis=1).min() > 0.7
    overlaps = []
    for box, row in zip(boxes, ious.argmax(axis=1), strict=True):
        mask = found.masks[row]
        full = np.zeros_like(bits)
        full[mask.box.y0 : mask.box.y1, mask.box.x0 : mask.box.x1] = mask.bits
        x0, y0, x1, y1 = np.round(box).astype(int)
        wanted = np.zeros_like(bits)
        wanted[y0:y1, x0:x1] = bits[y0:y1, x0:x1]
        overlaps.append((full & wanted).sum() / (full | wanted).sum())
    assert np.median(overlaps) > 0.6


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_the_count_holds_however_the_picture_is_turned(picture, turn):
    (found,) = open_detector("jewels", threads=1).detect([np.ascontiguousarray(np.rot90(picture, turn))])
    assert len(found) == PIECES


def test_an_empty_table_has_no_pieces():
    y, x = np.mgrid[0:700, 0:900]
    table = (225 + 12 * x / 900 - 9 * y / 700 + np.random.default_rng(1).normal(0, 1.5, (700, 900))).astype(np.uint8)
    (found,) = open_detector("jewels", threads=1).detect([np.dstack([table] * 3)])
    assert len(found) == 0


def test_the_program_counts_the_sample_out_of_the_box(run, data_samples, tmp_path):
    code, _, err = run("detect", data_samples / "flatlay.jpg", "-o", tmp_path)
    assert code == 0, err
    coco = json.loads((tmp_path / "flatlay.json").read_text())
    assert len(coco["annotations"]) == PIECES
    assert load_card("jewels").scales == ("full",)
