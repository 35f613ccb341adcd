"""The detector's training on a handful of pictures: it learns, goes on where it stopped, and exports what it learnt."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training needs torch, which is not installed: pip install torch")

from models.training.common.sprites import load_sprites, sheets_in  # noqa: E402
from models.training.detector import train as training  # noqa: E402
from models.training.detector.batches import batches  # noqa: E402
from models.training.detector.config import Data, Network, Phase, Settings  # noqa: E402
from models.training.detector.decode import kept  # noqa: E402
from models.training.detector.export import Exported, export, settle  # noqa: E402
from models.training.detector.figures import best_threshold  # noqa: E402
from models.training.detector.loss import Target, assign, corners  # noqa: E402
from models.training.detector.model import Detector, places  # noqa: E402
from models.training.detector.plot import plot  # noqa: E402

CPU = torch.device("cpu")
NETWORK = Network(widths=(8, 8, 16, 16, 16), blocks=(0, 1, 1, 1), neck=16, prototypes=8)
SETTINGS = Settings(
    seed=5,
    network=NETWORK,
    data=Data(smallest=100, largest=300, validation=2, sheets=2, held_out=1),
    phases=(Phase(96, 4, 20, 1e-2), Phase(128, 2, 2, 1e-3)),
    checkpoint_every=6,
    validate_every=100,
)


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    spec = importlib.util.spec_from_file_location(
        "jewel_sprites", Path(__file__).parents[1] / "models" / "jewel_sprites.py"
    )
    made = importlib.util.module_from_spec(spec)
    sys.modules["jewel_sprites"] = made
    spec.loader.exec_module(made)
    folder = tmp_path_factory.mktemp("sprites")
    made.write_sheets(folder, 2)
    sheets = sheets_in(folder, 2)
    return load_sprites(sheets[:1]), load_sprites(sheets[1:])


@pytest.fixture(scope="module")
def whole_run(sprites, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return training.train(SETTINGS, sprites, folder, CPU, workers=0), folder


def test_the_loss_falls_and_the_log_says_so(whole_run, sprites):
    run, folder = whole_run
    (batch,) = list(batches(sprites[0], SETTINGS.data, Phase(96, 8, 1, 0.0), 99, 0, 0))
    before = training.start(SETTINGS, CPU).model
    first, last = _loss(before, batch), _loss(run.model, batch)
    assert last["mask"] < 0.8 * first["mask"]
    assert last["box"] < 0.9 * first["box"]  # what a score has to be rises with the boxes: its loss says little yet
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert {"ap50", "count_error", "mask_iou"} <= set(rows[-1])
    plot(folder / "log.jsonl", folder / "log.png")
    assert (folder / "log.png").stat().st_size > 1000


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(whole_run, sprites, tmp_path, monkeypatch):
    step, calls = training._step, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(training, "_step", dies)
    with pytest.raises(KeyboardInterrupt):
        training.train(SETTINGS, sprites, tmp_path, CPU, workers=0)
    monkeypatch.setattr(training, "_step", step)
    again = training.train(SETTINGS, sprites, tmp_path, CPU, workers=0)
    straight, _ = whole_run
    for name, value in straight.average.state_dict().items():
        assert torch.allclose(value.float(), again.average.state_dict()[name].float(), atol=2e-3), name


def test_the_exported_graph_answers_as_the_network_does(whole_run, tmp_path):
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")
    run, _ = whole_run
    export(run.average, NETWORK, tmp_path / "tiny.onnx")
    session = ort.InferenceSession(tmp_path / "tiny.onnx", providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).random((2, 3, 640, 640), np.float32)
    found = session.run(None, {"images": images})
    with torch.inference_mode():
        wanted = Exported(run.average.eval())(torch.from_numpy(images))
    assert found[0].shape == (2, 4 + 1 + 8, 8400)
    assert found[1].shape == (2, 8, 160, 160)
    for a, b in zip(found, wanted, strict=True):
        assert np.allclose(a, b.numpy(), atol=1e-2)
    assert session.get_modelmeta().custom_metadata_map["names"] == "{0: 'piece'}"


def test_scores_are_shifted_so_that_the_best_threshold_is_the_readers(whole_run, sprites):
    run, _ = whole_run
    model = Detector(NETWORK)
    model.load_state_dict(run.average.state_dict())
    best = best_threshold(model, training.held_out(SETTINGS, sprites[1]), CPU)
    assert 0.1 <= best < 0.7
    images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = model.eval()(images).logits.sigmoid()
        settle(model, best)
        after = model(images).logits.sigmoid()
    assert ((before > best) == (after > 0.25)).float().mean() > 0.999
    assert torch.equal(before.flatten().argsort(), after.flatten().argsort()), "the order of the scores stays"


def test_every_piece_gets_places_and_no_place_two_pieces():
    centres, strides = places((128, 128), CPU)
    boxes = torch.tensor([[4.0, 4, 30, 30], [20, 20, 60, 60], [0, 100, 128, 104], [61, 5, 127, 95]])
    target = Target(boxes, torch.zeros(4, dtype=torch.int64), torch.zeros(4, 32, 32))
    raw = Detector(NETWORK).eval()(torch.zeros(1, 3, 128, 128))
    answer = assign(corners(raw.boxes)[0].detach(), raw.logits[0].sigmoid().detach(), target, centres, strides)
    assert set(answer.pieces.tolist()) == {0, 1, 2, 3}
    assert len(set(answer.rows.tolist())) == len(answer.rows)
    assert ((answer.worth >= 0) & (answer.worth <= 1)).all()


def test_of_two_boxes_that_overlap_the_surer_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40], [0, 0, 5, 5]], np.float32)
    left, scores = kept(boxes, np.array([0.6, 0.9, 0.3, 0.1], np.float32), 0.2)
    assert left.tolist() == [[1, 0, 11, 10], [30, 30, 40, 40]]
    assert scores.tolist() == pytest.approx([0.9, 0.3])


def test_a_missing_run_is_said_in_one_sentence(tmp_path, capsys):
    from models.training.detector.__main__ import main

    assert main(["export", "--run", str(tmp_path), "-o", str(tmp_path / "x.onnx")]) == 1
    assert "no checkpoint" in capsys.readouterr().err


def _loss(model, batch):
    from models.training.detector.loss import losses

    images, targets = batch
    with torch.inference_mode():
        raw = model.train()(images)
    return {name: float(value) for name, value in losses(raw, targets, *images.shape[2:]).items()}
