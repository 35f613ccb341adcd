"""YOLO graphs end to end: every layout of head, batches, half precision, and files that are not what they should be."""

import numpy as np
import pytest

from segtile.backends.check import checked
from segtile.backends.letterbox import fit_letterbox
from segtile.backends.yolo import YoloDetector
from segtile.errors import BadInput, ModelError

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

WIDE = np.zeros((1000, 1500, 3), np.uint8)
#: Four objects of the window, continuous px, and what a v8 head with two classes says of them.
BOXES = np.array([[10.25, 20.5, 310.75, 220.5], [12, 21, 312, 222], [12, 21, 312, 222], [700, 500, 900, 990]])
SCORES = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.7], [0.2, 0.3]]


def into(boxes, window, size):
    """Boxes of the window in px of the network's input."""
    box = fit_letterbox(window, size)
    return np.asarray(boxes, np.float64) * np.tile(box.scale, 2) + np.tile([box.left, box.top], 2)


def raw(boxes, scores, window=(1500, 1000), size=(320, 320)):
    """(4 + classes, N) in the network's px, padded with silent predictions as a real head is."""
    inside = into(boxes, window, size)
    centre, side = (inside[:, :2] + inside[:, 2:]) / 2, inside[:, 2:] - inside[:, :2]
    parts = [centre, side, np.asarray(scores, np.float64)]
    said = np.concatenate(parts, axis=1).T
    return np.pad(said, ((0, 0), (0, 60)))


def rows(boxes, scores, labels, window=(1500, 1000), size=(320, 320)):
    """(N, 6), padded with empty rows as an end-to-end head is."""
    parts = [into(boxes, window, size), np.c_[scores, labels]]
    return np.pad(np.concatenate(parts, axis=1), ((0, 20), (0, 0)))


def test_a_v8_box_head(make_yolo, says):
    found = YoloDetector(make_yolo(raw(BOXES, SCORES), metadata=says()), device="cpu")
    assert (found.name, found.names, found.masks, found.batch) == ("tiny", ("ring", "chain"), False, 1)
    assert found.input_size == (320, 320)
    (one,) = found.detect([WIDE])
    # the second is the first again; the third is of another class and stays
    assert one.labels.tolist() == [0, 1, 1]
    assert one.scores == pytest.approx([0.9, 0.7, 0.3])
    assert np.abs(one.boxes - BOXES[[0, 2, 3]]).max() < 1e-3
    assert one.boxes.dtype == one.scores.dtype == np.float32
    assert one.masks is None
    assert one.tiles.tolist() == [0, 0, 0]


def test_the_confidence_is_a_bound_that_is_not_reached(make_yolo, says):
    path = make_yolo(raw(BOXES, [[0.5, 0], [0, 0], [0, 0], [0.75, 0]]), metadata=says())
    assert len(YoloDetector(path, confidence=0.5, device="cpu").detect([WIDE])[0]) == 1
    assert len(YoloDetector(path, confidence=0.25, device="cpu").detect([WIDE])[0]) == 2
    with pytest.raises(BadInput, match=r"0\.\.1"):
        YoloDetector(path, confidence=25)


@pytest.mark.parametrize("half", [False, True])
def test_a_yolo26_head_gives_final_rows(make_yolo, says, half):
    path = make_yolo(rows(BOXES, [0.9, 0.8, 0.7, 0.1], [0, 0, 1, 1]), half=half, metadata=says(end2end="True"))
    (one,) = YoloDetector(path, device="cpu").detect([WIDE])
    assert one.labels.tolist() == [0, 0, 1]  # what such a head repeats is its own affair
    assert np.abs(one.boxes - BOXES[:3]).max() < (1.0 if half else 1e-3)  # half: 1/8 px of 320 is 0.6 px of 1500


def test_rows_of_a_graph_with_its_own_suppression_and_two_classes(make_yolo, says):
    """(1, 6, 6) could be either layout: the file says which."""
    said = rows(BOXES, [0.9, 0.8, 0.7, 0.1], [0, 0, 1, 1])[:6]
    path = make_yolo(said, metadata=says(args="{'nms': True, 'batch': 1}"))
    assert len(YoloDetector(path, device="cpu").detect([WIDE])[0]) == 3


def test_a_graph_without_names_is_run_and_says_so(make_yolo):
    found = YoloDetector(make_yolo(raw(BOXES, SCORES)), device="cpu")
    assert found.names == ("0", "1")
    assert "names no classes" in found.notes[0]
    assert len(found.detect([WIDE])[0]) == 3
    final = YoloDetector(make_yolo(rows(BOXES, [0.9] * 4, [0, 0, 1, 1])), device="cpu")
    assert final.names == ()
    assert len(final.detect([WIDE])[0]) == 4


def bright(shape, level):
    return np.full((*shape, 3), level, np.uint8)


@pytest.mark.parametrize(("batch", "takes"), [("n", 4), (4, 4), (1, 1), (3, 3)])
@pytest.mark.parametrize("size", [(320, 320), ("h", "w")])
def test_what_is_found_in_a_window_depends_on_no_other_window(make_yolo, says, batch, takes, size):
    """The box moves with the brightness of the picture, so every window has an answer of its own."""
    said, sway = np.zeros((6, 40)), np.zeros((6, 40))
    said[:5, 0] = [100, 160, 40, 40, 0.9]
    sway[0, 0] = 100
    path = make_yolo(said, sway=sway, size=size, batch=batch, metadata=says())
    found = YoloDetector(path, device="cpu")
    assert found.batch == takes
    shapes = [(200, 200), (200, 200), (300, 200), (200, 200), (300, 200), (200, 200), (200, 200)]
    windows = [bright(shape, 30 * i) for i, shape in enumerate(shapes)]
    together = found.detect(windows)
    assert len(together) == 7
    for window, one in zip(windows, together, strict=True):
        assert np.allclose(one.boxes, found.detect([window])[0].boxes, atol=1e-3)
    middles = [one.boxes[0, [0, 2]].mean() for one in together]
    assert middles[0] == pytest.approx(100 * 200 / 320, abs=1e-3)
    assert middles[6] == pytest.approx((100 + 100 * 180 / 255) * 200 / 320, abs=1e-2)


def test_no_windows_no_answers(make_yolo, says):
    assert YoloDetector(make_yolo(raw(BOXES, SCORES), metadata=says()), device="cpu").detect([]) == []


@pytest.mark.parametrize(("shape", "kind"), [((4, 4), "u1"), ((4, 0, 3), "u1"), ((4, 4, 3), "f8"), ((4, 4, 4), "u1")])
def test_what_is_no_window(make_yolo, says, shape, kind):
    found = YoloDetector(make_yolo(raw(BOXES, SCORES), metadata=says()), device="cpu")
    with pytest.raises(BadInput, match=r"\(h, w, 3\) uint8"):
        found.detect([np.zeros(shape, kind)])


def test_boxes_are_cut_off_at_the_window_and_dropped_where_they_are_padding(make_yolo, says):
    boxes = [[-50, -40, 200, 100], [1400, 900, 1600, 1100], [100, -300, 200, -10]]
    path = make_yolo(raw(boxes, [[0.9, 0]] * 3), metadata=says())
    (one,) = YoloDetector(path, device="cpu").detect([WIDE])
    assert one.boxes == pytest.approx(np.array([[0, 0, 200, 100], [1400, 900, 1500, 1000]]), abs=1e-3)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 3, 4])
def test_what_is_no_number_is_counted_and_costs_only_itself(make_yolo, says, final, wrong, where):
    if final:
        said = rows(BOXES, [0.9, 0.8, 0.7, 0.6], [0, 0, 1, 1])
        said[1, where] = wrong
    else:
        said = raw(BOXES, SCORES)
        said[where, 1] = wrong
    path = make_yolo(said, metadata=says(end2end=str(final)))
    found = YoloDetector(path, device="cpu")
    good, faults = checked(found.detect([WIDE])[0], WIDE.shape[:2], found.names)
    assert len(good) == 3
    lost = where == 4 and wrong == -np.inf  # a score below every bound is an answer
    assert faults.not_numbers == faults.dropped == (0 if lost else 1)


def test_a_graph_that_overflows_everywhere(make_yolo, says):
    path = make_yolo(np.full((6, 60), np.nan), metadata=says())
    good, faults = checked(YoloDetector(path, device="cpu").detect([WIDE])[0], (1000, 1500), ("ring", "chain"))
    assert len(good) == 0
    assert faults.not_numbers == 60


HOSTILE = {
    "code": ("names", "__import__('os').system('true')"),
    "call": ("names", "dict(a=1)"),
    "deep": ("names", "[" * 100_000),
    "minus": ("names", "-" * 100_000 + "1"),
    "long": ("names", "{0: '" + "a" * 1_000_001 + "'}"),
    "text": ("names", "'ring'"),
    "empty": ("names", "{}"),
    "index": ("names", "{-1: 'a'}"),
    "far": ("names", "{10**9: 'a'}"),
    "huge": ("names", "{1000000000: 'a'}"),
    "kind": ("names", "{0: ['a']}"),
    "nul": ("names", "\x00"),
    "size": ("imgsz", "[640]"),
    "sizes": ("imgsz", "[100000000, 1]"),
    "no size": ("imgsz", "[True, None]"),
    "stride": ("stride", "0"),
    "fraction": ("stride", "32.5"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_metadata(make_yolo, says, case):
    key, text = HOSTILE[case]
    with pytest.raises(ModelError, match=key) as told:
        YoloDetector(make_yolo(raw(BOXES, SCORES), metadata=says() | {key: text}), device="cpu")
    assert len(str(told.value)) < 600


def test_names_are_printable_and_complete(make_yolo, says):
    path = make_yolo(raw(BOXES, np.zeros((4, 3))), metadata=says() | {"names": r"{0: 'a\x1b[31m\n', 2: 'ü'}"})
    assert YoloDetector(path, device="cpu").names == ("a [31m ", "1", "ü")


def test_settings_of_the_exporter_that_are_no_values_do_not_matter(make_yolo, says):
    path = make_yolo(raw(BOXES, SCORES), metadata=says(args="{'data': PosixPath('x')}"))
    assert len(YoloDetector(path, device="cpu").detect([WIDE])[0]) == 3


@pytest.mark.parametrize(
    ("shape", "metadata", "match"),
    [
        ((85, 40), {}, r"output0 \(1, 85, 40\).*2 classes"),  # v5 says how sure it is of any object, apart
        ((6, 40), {"task": "pose"}, "'pose'"),
        ((6, 40), {"task": "segment"}, "no prototypes"),
        ((6, 40), {"head": "RTDETRDecoder"}, "RT-DETR"),
    ],
)
def test_what_is_no_yolo_is_told_by_what_it_gives(make_yolo, says, shape, metadata, match):
    with pytest.raises(ModelError, match=match):
        YoloDetector(make_yolo(np.zeros(shape), metadata=says() | metadata), device="cpu")


def test_a_graph_of_too_large_a_batch(make_yolo, says):
    with pytest.raises(ModelError, match="at most 256"):
        YoloDetector(make_yolo(raw(BOXES, SCORES), batch=100_000, metadata=says()), device="cpu")


def test_a_truncated_file(make_yolo, says, tmp_path):
    content = make_yolo(raw(BOXES, SCORES), metadata=says()).read_bytes()
    for share in (0, 0.3, 0.9):
        path = tmp_path / "cut.onnx"
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ModelError, match=r"cut\.onnx"):
            YoloDetector(path, device="cpu")


def test_the_digest_is_the_files(make_yolo, says):
    import hashlib

    path = make_yolo(raw(BOXES, SCORES), metadata=says())
    assert YoloDetector(path, device="cpu").digest == hashlib.sha256(path.read_bytes()).hexdigest()
