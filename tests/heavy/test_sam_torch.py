"""One checkpoint by segment-anything's package and by its ONNX export: what runs is said, the answers are the same."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")
pytest.importorskip("onnx", reason="the export needs onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

from small_sam import SMALL  # noqa: E402

from segtile.backends import open_promptable as opening  # noqa: E402
from segtile.backends.open_promptable import export_folder, open_promptable  # noqa: E402
from segtile.backends.promptable import Prompt, Promptable  # noqa: E402
from segtile.backends.sam_checkpoint import new_sam  # noqa: E402
from segtile.backends.sam_export import DECODER, ENCODER, export_sam  # noqa: E402
from segtile.backends.sam_network import load_network  # noqa: E402
from segtile.backends.sam_onnx import OnnxPromptable  # noqa: E402
from segtile.backends.sam_torch import TorchSam  # noqa: E402
from segtile.catalog import load_card, weights_folder  # noqa: E402
from segtile.errors import BackendMissing, BadInput, ModelError  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPTS = {
    "point": Prompt(np.array([[40.0, 30.0]], np.float32), np.array([True])),
    "box": Prompt(box=(10.0, 12.0, 70.5, 60.0)),
    "points and box": Prompt(
        np.array([[40.0, 30.0], [3.0, 5.0]], np.float32), np.array([True, False]), (10.0, 12.0, 70.0, 60.0)
    ),
    "mask": Prompt(
        np.array([[40.0, 30.0]], np.float32),
        np.array([True]),
        None,
        np.random.default_rng(1).normal(0, 6, (32, 32)).astype(np.float32),
    ),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A checkpoint and its export."""
    torch.manual_seed(11)
    folder = tmp_path_factory.mktemp("sam")
    torch.save(new_sam(SMALL).state_dict(), folder / "small.pth")
    export_sam(folder / "small.pth", folder / "graphs")
    return folder


@pytest.fixture
def card(tmp_path, monkeypatch):
    """SAM's card at the small network's size, with nothing installed."""
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    weights_folder().mkdir(parents=True)
    base = load_card("sam-vit-b")
    file = dataclasses.replace(base.files[0], name="small.pth", sha256="", bytes=None)
    return dataclasses.replace(base, id="sam-small", files=(file,), size=(128, 128))


def install(card, files, checkpoint=True, graphs=True):
    if checkpoint:
        (weights_folder() / "small.pth").write_bytes((files / "small.pth").read_bytes())
    if graphs:
        export_folder(card).mkdir()
        for name in (ENCODER, DECODER):
            (export_folder(card) / name).write_bytes((files / "graphs" / name).read_bytes())


def without(monkeypatch, *packages):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        opening.importlib.util, "find_spec", lambda name, *rest: None if name in packages else real(name, *rest)
    )


@pytest.mark.parametrize("size", [(90, 70), (64, 128), (41, 20)])
def test_torch_and_graphs_give_the_same(card, files, size):
    picture = np.random.default_rng(size[0]).random((*size, 3), np.float32)
    one, two = (
        TorchSam(card, files / "small.pth"),
        OnnxPromptable(card, [files / "graphs" / n for n in (ENCODER, DECODER)]),
    )
    assert isinstance(one, Promptable)
    assert (one.side, one.mask_side, one.most_points) == (two.side, two.mask_side, two.most_points) == (128, 32, 0)
    assert (one.exclusive, one.soft) == (two.exclusive, two.soft)
    answers = [network.answer(network.embed(picture), list(PROMPTS.values())) for network in (one, two)]
    for name, a, b in zip(PROMPTS, *answers, strict=True):
        assert a.logits.shape == b.logits.shape == (4, 32, 32), name
        np.testing.assert_allclose(a.logits, b.logits, atol=1e-3, err_msg=name)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("name", PROMPTS)
def test_torch_answers_as_the_packages_own_predictor(card, files, name):
    from segment_anything import SamPredictor

    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    prompt = PROMPTS[name]
    predictor = SamPredictor(load_network(files / "small.pth").model)
    predictor.set_image(picture)
    asked = {
        "point_coords": prompt.points if len(prompt.points) else None,
        "point_labels": prompt.inside.astype(int) if len(prompt.points) else None,
        "box": None if prompt.box is None else np.array(prompt.box),
        "mask_input": None if prompt.mask is None else prompt.mask[None],
    }
    network = TorchSam(card, files / "small.pth")
    embedding = network.embed(picture.astype(np.float32) / 255)
    answer = network.answer(embedding, [prompt])[0]
    masks, scores, logits = predictor.predict(**asked)
    np.testing.assert_allclose(answer.logits[1:], logits, atol=1e-3)
    np.testing.assert_allclose(answer.scores[1:], scores, atol=1e-3)
    single, score, _ = predictor.predict(**asked, multimask_output=False)
    np.testing.assert_allclose(answer.scores[:1], score, atol=1e-3)
    for mask, values in zip((*single, *masks), answer.logits, strict=True):
        ours = embedding.square.to_picture(values) > 0
        assert (ours & mask).sum() >= 0.999 * (ours | mask).sum()


def test_what_runs_and_why_is_said(card, files, monkeypatch):
    install(card, files)
    network, note = open_promptable(card)
    assert isinstance(network, TorchSam)
    assert note == "sam-small ran through segment_anything and torch"
    without(monkeypatch, "segment_anything")
    network, note = open_promptable(card)
    assert isinstance(network, OnnxPromptable)
    assert "ONNX export" in note
    assert "segment_anything not installed" in note
    (weights_folder() / "small.pth").unlink()
    assert isinstance(open_promptable(card)[0], OnnxPromptable)


def test_an_export_alone_runs_where_torch_is_installed_too(card, files):
    install(card, files, checkpoint=False)
    network, note = open_promptable(card)
    assert isinstance(network, OnnxPromptable)
    assert "its checkpoint is not installed" in note


def test_an_import_that_fails_falls_back_and_says_so(card, files, monkeypatch):
    def broken(*_):
        raise BackendMissing("segment_anything does not import (operator torchvision::nms does not exist)")

    monkeypatch.setattr(opening, "TorchSam", broken)
    install(card, files, graphs=False)
    with pytest.raises(BackendMissing, match="nms"):
        open_promptable(card)
    install(card, files, checkpoint=False)
    network, note = open_promptable(card)
    assert isinstance(network, OnnxPromptable)
    assert "nms" in note


def test_without_torch_and_export_the_way_out_is_said(card, files, monkeypatch):
    install(card, files, graphs=False)
    without(monkeypatch, "torch", "segment_anything")
    with pytest.raises(ModelError, match="segtile models export sam-small"):
        open_promptable(card)


def test_graphs_of_other_weights_are_refused(card, files, tmp_path, monkeypatch):
    install(card, files)
    torch.manual_seed(12)
    torch.save(new_sam(SMALL).state_dict(), weights_folder() / "small.pth")
    without(monkeypatch, "torch")
    with pytest.raises(ModelError, match="not made from the checkpoint"):
        open_promptable(card)
    # nor may encoder and decoder be of two checkpoints, whichever is installed
    other = export_sam(weights_folder() / "small.pth", tmp_path / "other")
    (weights_folder() / "small.pth").unlink()
    (export_folder(card) / ENCODER).write_bytes(other.encoder.read_bytes())
    with pytest.raises(ModelError, match="not made from the checkpoint"):
        open_promptable(card)


def test_devices_prompts_and_sizes_are_checked(card, files):
    path = files / "small.pth"
    for device, kind, word in (
        ("tensorrt", BadInput, "runs ONNX graphs"),
        ("gpu", BadInput, "no device"),
        ("cuda:99", BackendMissing, "CUDA devices"),
    ):
        with pytest.raises(kind, match=word):
            TorchSam(card, path, device)
    with pytest.raises(ModelError, match="128 px"):
        TorchSam(dataclasses.replace(card, size=(1024, 1024)), path)
    network = TorchSam(card, path, "cpu")
    embedding = network.embed(np.zeros((20, 30, 3), np.float32))
    with pytest.raises(BadInput, match="there are none"):
        network.answer(embedding, [Prompt()])
    with pytest.raises(BadInput, match="32 x 32"):
        network.answer(embedding, [Prompt(box=(0, 0, 5, 5), mask=np.zeros((256, 256), np.float32))])
