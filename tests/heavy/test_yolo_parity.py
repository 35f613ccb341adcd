"""The YOLO decoder against ultralytics itself: real architectures with seeded weights, exported here, on real pictures.

Needs ultralytics with a torch and torchvision that belong together; nothing is downloaded. Weights are drawn so that
heads say something: classes that differ from place to place, boxes of all sizes, masks with parts in and parts out.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from segtile.backends.check import checked
from segtile.backends.detectors import notes_of, open_detector
from segtile.backends.letterbox import fit_letterbox
from segtile.backends.yolo import YoloDetector
from segtile.detected import Detections

CONFIDENCE = 0.02
SIDE = 320
WINDOWS = [(640, 640), (1500, 1000), (500, 777)]
EXPORTS = {
    "v8": ("yolov8n", {}),
    "v8 seg": ("yolov8n-seg", {}),
    "v8 seg half": ("yolov8n-seg", {"half": True}),
    "v8 seg nms": ("yolov8n-seg", {"nms": True, "conf": CONFIDENCE, "iou": 0.7}),
    "11 seg any size": ("yolo11n-seg", {"dynamic": True}),
    "11 seg batch": ("yolo11n-seg", {"batch": 2}),
    "26 end to end": ("yolo26n", {"nms": False}),
    "26 seg end to end": ("yolo26n-seg", {"nms": False}),
}


@pytest.fixture(scope="session")
def torch():
    package = pytest.importorskip("torch", reason="torch is not installed (extra 'torch')")
    package.set_num_threads(1)  # small networks; threads that wait for each other cost more on a busy machine
    return package


@pytest.fixture(scope="session")
def ultralytics(torch):
    try:
        import ultralytics
    except Exception as error:  # torchvision of another build than torch's fails with errors of every kind
        pytest.skip(f"ultralytics does not import ({error}); extra 'torch', with torch and torchvision of one build")
    pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    return ultralytics


@pytest.fixture(scope="session")
def build(ultralytics, torch, tmp_path_factory, data_samples):
    """Weights of an architecture, seeded, in a folder of their own; drawn once."""
    boxes = [(size, fit_letterbox(size, (SIDE, SIDE), stride)) for size in WINDOWS for stride in (None, 32)]
    boxed = [box.apply(window(data_samples, size)).transpose(2, 0, 1)[None] for size, box in boxes]
    pictures = [torch.from_numpy(image / np.float32(255)) for image in boxed]
    made = {}

    def make(name):
        if name not in made:
            torch.manual_seed(0)
            model = ultralytics.YOLO(f"{name}.yaml", task="segment" if name.endswith("-seg") else "detect")
            spread(model.model, pictures, torch)
            path = tmp_path_factory.mktemp(name) / f"{name}.pt"
            model.save(path)
            made[name] = path
        return made[name]

    return make


@pytest.fixture(scope="session")
def export(ultralytics, build):
    made = {}

    def make(key):
        if key not in made:
            name, settings = EXPORTS[key]
            exported = Path(ultralytics.YOLO(build(name)).export(format="onnx", imgsz=SIDE, verbose=False, **settings))
            path = exported.with_name(f"{key}.onnx".replace(" ", "-"))
            exported.rename(path)
            made[key] = path
        return made[key]

    return make


def spread(network, pictures, torch):
    """Make weights that say something: fresh ones score nothing above a ten-thousandth, the same everywhere."""
    norms = [part for part in network.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the mean over these pictures, as they are and as they are padded
        norm.reset_running_stats()
    with torch.no_grad():
        for picture in pictures:
            network.train()(picture)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    network.eval()
    dice = torch.Generator().manual_seed(1)
    head = network.model[-1]
    # (spread, middle) of what each branch says: sides of boxes, said plainly or as distributions; classes; coefficients
    said = {"cv2": (1.0, 8.0) if head.reg_max == 1 else (3.0, 0.0), "cv3": (1.5, -4.0), "cv4": (1.0, 0.0)}
    for name, part in head.named_modules():
        if isinstance(part, torch.nn.Conv2d) and part.bias is not None:
            deviation, middle = next((v for key, v in said.items() if key in name), (1.0, 0.0))
            part.weight.data.normal_(0, deviation / part.weight[0].numel() ** 0.5, generator=dice)
            part.bias.data.fill_(middle)


def window(data_samples, size):
    picture = cv2.cvtColor(cv2.imread(str(data_samples / "flatlay.jpg")), cv2.COLOR_BGR2RGB)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def theirs(model, image, **settings):
    """Boxes, scores, labels, masks (N, h, w) or None, without the boxes that ultralytics cuts down to nothing."""
    (result,) = model.predict(
        np.ascontiguousarray(image[..., ::-1]), conf=CONFIDENCE, retina_masks=True, verbose=False, **settings
    )
    rows = result.boxes.data.cpu().numpy()
    solid = (rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])
    masks = None if result.masks is None else result.masks.data.cpu().numpy()[solid] > 0
    return rows[solid], masks


def pair(rows, found, tolerance):
    """The index of theirs for each of ours: same class, same score, next box; -1 where none is within a pixel."""
    pairs, free = [], np.ones(len(rows), bool)
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        same = free & (rows[:, 5] == label) & (np.abs(rows[:, 4] - score) < tolerance)
        distance = np.where(same, np.abs(rows[:, :4] - box).max(axis=1), np.inf)
        nearest = int(distance.argmin())
        near = bool(distance[nearest] < 1)
        pairs.append(nearest if near else -1)
        free[nearest] &= not near
    return np.array(pairs, np.intp)


def take(found, index):
    masks = None if found.masks is None else tuple(m for m, kept in zip(found.masks, index, strict=True) if kept)
    return Detections(found.boxes[index], found.scores[index], found.labels[index], found.tiles[index], masks)


def whole(mask):
    full = np.zeros((mask.frame.height, mask.frame.width), bool)
    full[mask.box.slices] = mask.bits
    return full


def compare_masks(found, masks, pairs):
    """Share of pixels that differ inside the boxes but for a rim; median and least IoU; whether they lie alike.

    The rim is 1 px, IoU is of masks over 2000 px, and masks lie alike if moving ours by 2 px any way makes it worse.

    ultralytics counts a pixel to a box by its left edge, we by its middle: on the rim both are right. Beside the
    letterbox's padding it also takes in what the network says of the padding, over half a cell of the prototypes.
    """
    seen = covered = 0
    moves = [(0, 0), (2, 0), (-2, 0), (0, 2), (0, -2)]
    wrong = np.zeros(len(moves), np.int64)
    ious = []
    for mine, other, box in zip(found.masks, masks[pairs], found.boxes, strict=True):
        bits, there = mine.bits, other[mine.box.slices]
        first = np.ceil(box[:2]).astype(int) + 1 - (mine.box.x0, mine.box.y0)
        last = np.maximum(np.floor(box[2:]).astype(int) - 1 - (mine.box.x0, mine.box.y0), first)
        inner = slice(first[1], last[1]), slice(first[0], last[0])
        wrong += [int((np.roll(bits[inner], move, (0, 1)) != there[inner]).sum()) for move in moves]
        covered += int(bits[inner].sum())
        seen += bits[inner].size
        if mine.area >= 2000:  # of smaller ones the rim is too large a part
            both = int((bits & there).sum())
            ious.append(both / (mine.area + int(other.sum()) - both))
    assert 0.05 < covered / seen < 0.95, "these masks are all or nothing and prove nothing"
    assert len(ious) > 10
    return float(wrong[0] / seen), float(np.median(ious)), float(min(ious)), bool(wrong.argmin() == 0)


@pytest.mark.parametrize("size", WINDOWS, ids=str)
@pytest.mark.parametrize("key", EXPORTS)
def test_the_same_graph_gives_what_ultralytics_makes_of_it(
    ultralytics, export, data_samples, key, size, record_property
):
    path, image = export(key), window(data_samples, size)
    model = ultralytics.YOLO(path, task="segment" if "seg" in key else "detect")
    (found,) = YoloDetector(path, confidence=CONFIDENCE, device="cpu", threads=1).detect([image])
    rows, masks = theirs(model, image, imgsz=SIDE)
    assert len(rows) > 50
    pairs = pair(rows, found, 1e-6)
    # a segmenter's detection without a pixel is dropped by both; a mask of specks may have some left in ours. And at an
    # IoU of 0.7 to the last digit the one or the other box stays: theirs are moved apart by class in single precision
    alone = pairs < 0
    lost = len(rows) - (len(found) - alone.sum())
    assert lost <= (0 if masks is None else 0.03 * len(rows))
    assert alone.sum() <= (0 if masks is None else 0.1 * len(rows))
    specks = [found.masks[i].area < 0.05 * found.masks[i].box.area for i in np.flatnonzero(alone)]
    assert alone.sum() - sum(specks) <= lost
    found, pairs = take(found, ~alone), pairs[~alone]
    off = float(np.abs(rows[pairs, :4] - found.boxes).max())
    record_property("detections", len(rows))
    record_property("unpaired", int(max(alone.sum(), lost)))
    record_property("box px", off)
    assert off < 1e-3
    if masks is not None:
        wrong, middle, least, still = compare_masks(found, masks, pairs)
        record_property("mask pixels that differ", wrong)
        record_property("IoU median", middle)
        record_property("IoU least", least)
        # a square has no padding: the same interpolation. Elsewhere theirs is two in a row, the coarser one first
        square = size[0] == size[1]
        assert wrong < (1e-5 if square else 0.02)
        assert middle > (0.98 if square else 0.9)
        assert still, "masks would agree better if they were moved"


@pytest.mark.parametrize("name", ["yolo11n", "yolo11n-seg", "yolo26n-seg"])
def test_weights_of_pytorch_run_through_the_package_and_are_not_unpickled(ultralytics, build, data_samples, name):
    image = window(data_samples, (1500, 1000))
    threads = cv2.getNumThreads()
    detector = open_detector(build(name), confidence=CONFIDENCE, device="cpu")
    assert notes_of(detector) == ()  # known classes only
    assert len(detector.digest) == 64
    (found,) = detector.detect([image])
    assert cv2.getNumThreads() == threads
    found, _ = checked(found, image.shape[:2], detector.names)
    rows, masks = theirs(ultralytics.YOLO(build(name)), image)
    assert len(found) == len(rows) > 20
    assert np.abs(rows[pair(rows, found, 1e-6), :4] - found.boxes).max() < 1e-3
    if masks is not None:
        assert all(
            np.array_equal(whole(m), masks[i]) for m, i in zip(found.masks, pair(rows, found, 1e-6), strict=True)
        )


def test_a_pickle_that_runs_code_is_refused(ultralytics, torch, tmp_path):
    class Payload:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    from segtile.errors import ModelError

    torch.save({"model": Payload()}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match="cannot load"):
        open_detector(tmp_path / "bad.pt")
    assert not (tmp_path / "ran").exists()


def test_sahi_runs_the_same_weights_and_the_process_stays_as_it_was(ultralytics, build, data_samples):
    from segtile.backends.sahi_models import load_sahi_model

    image, visible = window(data_samples, (1500, 1000)), os.environ.get("CUDA_VISIBLE_DEVICES")
    path = build("yolo11n-seg")
    sahi = load_sahi_model("ultralytics", str(path), confidence_threshold=CONFIDENCE, device="cpu", image_size=SIDE)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible
    (found,) = sahi.detect([image])
    (result,) = ultralytics.YOLO(path).predict(
        np.ascontiguousarray(image[..., ::-1]), conf=CONFIDENCE, imgsz=SIDE, verbose=False
    )
    assert len(found) > 20
    assert len(found) <= len(result.boxes)
    assert sahi.names == tuple(result.names.values())
    assert found.masks is not None
