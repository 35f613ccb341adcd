"""The training of the network that cleans pictures, on a handful made by code: it learns, goes on, and exports."""

# ruff: noqa: E402  (what follows the check for torch needs it)
import dataclasses
import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training needs torch, which is not installed: pip install torch")

from models.training.enhance import pictures
from models.training.enhance import train as training
from models.training.enhance.__main__ import main
from models.training.enhance.config import SETTINGS as SHIPPED
from models.training.enhance.config import Data, Network, Settings, read_settings
from models.training.enhance.degrade import Damage
from models.training.enhance.export import export
from models.training.enhance.model import Enhancer, Exported, reach
from models.training.enhance.pictures import pair, source
from models.training.enhance.plot import plot

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORK = Network(channels=8, dilations=(1, 2))
SETTINGS = Settings(
    seed=5,
    data=Data(scenes=(), held_out=(), side=32, identity=0.05),
    network=NETWORK,
    steps=20,
    batch=8,
    blur_from=100,
    rate=1e-2,
    warm_up=3,
    average=0.8,
    checkpoint_every=6,
    validate_every=10,
)


def drawing(number):
    """(160, 200, 3) uint8: a few discs and bars on a slope of light."""
    rng = np.random.default_rng(number)
    picture = np.linspace(170, 235, 200)[None, :, None] * np.ones((160, 1, 3))
    for _ in range(12):
        colour = rng.uniform(20, 250, 3).tolist()
        a, b = (tuple(int(v) for v in rng.integers(0, 160, 2)) for _ in range(2))
        cv2.circle(picture, a, int(rng.integers(4, 30)), colour, -1, cv2.LINE_AA)
        cv2.line(picture, a, b, colour, int(rng.integers(1, 6)), cv2.LINE_AA)
    return picture.round().astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def plain_noise():
    """One strong noise in place of all damages: twenty steps are enough to learn something of that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw", lambda rng, blurred: Damage(shot=3e-3, read=2e-2))
        yield


@pytest.fixture(scope="module")
def sources():
    drawings = [drawing(number) for number in range(8)]
    return source(drawings[:6]), source(drawings[6:])


@pytest.fixture(scope="module")
def whole_run(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return training.train(SETTINGS, sources, folder), folder


def test_the_loss_falls_and_the_log_says_so(whole_run, sources):
    run, folder = whole_run
    worse, clean = training.batch_of(sources[1], SETTINGS, 99, 0, 16, blurred=False)
    with torch.inference_mode():
        losses = [float(training.losses(m(worse), clean, 0.5)["loss"]) for m in (Enhancer(NETWORK), run.model)]
    assert losses[1] < 0.95 * losses[0]
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [10, 20]
    assert {"psnr_before", "psnr_after"} <= set(rows[-1])
    plot(folder / "log.jsonl", folder / "log.png")
    assert cv2.imread(str(folder / "log.png")).std() > 1


def test_a_run_that_was_killed_ends_bit_for_bit_as_if_it_had_not_been(whole_run, sources, tmp_path, monkeypatch):
    step, calls = training.step, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(training, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        training.train(SETTINGS, sources, tmp_path)
    monkeypatch.setattr(training, "step", step)
    again = training.train(SETTINGS, sources, tmp_path)
    straight, folder = whole_run
    for kind in ("model", "average"):
        for name, value in getattr(straight, kind).state_dict().items():
            assert torch.equal(value, getattr(again, kind).state_dict()[name]), (kind, name)
    logs = [(f / "log.jsonl").read_text().splitlines() for f in (folder, tmp_path)]
    kept = [[{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in log] for log in logs]
    assert kept[0] == kept[1]


def test_the_exported_graph_answers_as_the_network_does(whole_run, tmp_path):
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")
    run, _ = whole_run
    export(run.average, NETWORK, tmp_path / "tiny.onnx")
    session = ort.InferenceSession(tmp_path / "tiny.onnx", providers=["CPUExecutionProvider"])
    for height, width in ((64, 64), (37, 51), (1, 3)):
        image = np.random.default_rng(1).random((1, 3, height, width), np.float32)
        (found,) = session.run(["image_out"], {"image": image})
        with torch.inference_mode():
            wanted = Exported(run.average.eval())(torch.from_numpy(image)).numpy()
        assert np.abs(found - wanted).max() < 1e-4
        assert found.shape == image.shape
    assert session.get_modelmeta().custom_metadata_map["receptive_px"] == str(reach(NETWORK)) == "5"


def test_a_new_network_gives_back_what_it_gets():
    image = torch.rand(1, 3, 9, 13)
    assert torch.equal(Enhancer(NETWORK)(image), image)


def test_pairs_are_the_same_each_time_and_differ_from_each_other(sources):
    first, again, other = (pair(sources[0], SETTINGS.data, 1, n) for n in (4, 4, 5))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])
    whole = dataclasses.replace(SETTINGS.data, identity=1.0)
    assert np.array_equal(*pair(sources[0], whole, 1, 4))


def test_what_is_missing_or_wrong_is_said_in_one_sentence(tmp_path, capsys):
    assert main(["train", "--scenes", str(tmp_path), "--run", str(tmp_path)]) == 1
    assert "models.training.enhance.scenes" in capsys.readouterr().err
    assert main(["export", "--run", str(tmp_path), "-o", str(tmp_path / "x.onnx")]) == 1
    assert "no checkpoint" in capsys.readouterr().err
    text = SHIPPED.read_text()
    for old, new, word in (
        ("side = 64", "side = 8", "32 or more"),
        ("steps", "stops", "stops"),
        ('"ring_301"', '"ring_101"', "ring_101"),
    ):
        (tmp_path / "bad.toml").write_text(text.replace(old, new, 1))
        with pytest.raises(ValueError, match=word):
            read_settings(tmp_path / "bad.toml")
