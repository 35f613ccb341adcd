"""The training of the cut-out's networks on a handful of pictures: it learns, goes on, exports, and keeps its word."""

# ruff: noqa: E402  (what follows the check for torch needs it)
import copy
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training needs torch, which is not installed: pip install torch")
for needed in ("onnx", "onnxruntime", "safetensors"):
    pytest.importorskip(needed, reason=f"the training needs {needed}, which is not installed")

import onnxruntime
from torch.utils.data import default_collate

from models.training.common.runs import LOG, read_rows
from models.training.cutout import train as training
from models.training.cutout.__main__ import main
from models.training.cutout.bank import Crop
from models.training.cutout.config import Data, Settings, Stage
from models.training.cutout.examples import CHANNELS, Examples, held_out
from models.training.cutout.export import NAMES, Exported, export
from models.training.cutout.losses import LOSSES
from models.training.cutout.refine_net import Refiner
from models.training.cutout.seen import planes
from models.training.cutout.shelf import Shelf
from models.training.cutout.weights import COARSE, blend, keep, read, take
from segtile.coarse.ground import see_background
from segtile.solar import luma_of, network_channels
from segtile.solar.channels import LEAST_SIGMA, NEUTRAL, SIGNED_RANGE

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
_STAGE = Stage(
    sides=(64,), batch=4, steps=20, rate=1e-2, warm_up=3, average=0.8, pretrained=False, checkpoint_every=6,
    validate_every=20,
)  # fmt: skip
SETTINGS = Settings(seed=3, data=Data(validation=8, held_out_kinds=("bar",)), coarse=_STAGE, refine=_STAGE)
TASKS = ["coarse", "refine"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    file = Path(__file__).parents[1] / "models" / "jewel_sprites.py"
    spec = importlib.util.spec_from_file_location("jewel_sprites", file)
    made = importlib.util.module_from_spec(spec)
    sys.modules["jewel_sprites"] = made
    spec.loader.exec_module(made)
    place = tmp_path_factory.mktemp("sprites")
    made.write_sheets(place, 4)  # eight pictures to train on, four held out
    return place


@pytest.fixture(scope="module")
def shelves(folder):
    return Shelf((folder,), SETTINGS.data, False), Shelf((folder,), SETTINGS.data, True)


def _pair(task, settings, shelf, number):
    """What the network sees of one picture, and the alpha, as arrays."""
    given = default_collate([Examples(task, settings, shelf, 3, number, 1)[0]])
    return [part[0].numpy() for part in planes(given, task == "refine", settings.stage(task))]


@pytest.fixture(scope="module", params=TASKS)
def whole(request, shelves, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    return request.param, training.train(request.param, SETTINGS, shelves, place, CPU, workers=0), place


def _loss(task, model, pairs):
    model.eval()
    with torch.inference_mode():
        return sum(float(LOSSES[task](model(seen), alpha, seen)["loss"]) for seen, alpha in pairs)


def test_it_learns_in_twenty_steps_and_the_log_says_how(whole, shelves):
    task, run, place = whole
    pairs = held_out(task, SETTINGS, shelves[1])
    begun = training.start(task, SETTINGS, CPU).model
    # the coarse encoder has no statistics of its own to normalise by: without ImageNet it is slow to begin
    assert _loss(task, run.model, pairs) < 0.95 * _loss(task, begun, pairs)
    rows = read_rows(place / LOG)
    assert [row["step"] for row in rows if "loss" in row] == [10, 20]
    assert {"iou", "biou2", "mae", "mse"} <= set(rows[-1])


def test_an_interrupted_run_ends_where_a_whole_one_does(whole, shelves, tmp_path, monkeypatch):
    task, run, _ = whole
    real, calls = training.step, []

    def breaks(*given):
        calls.append(1)
        if len(calls) == 15:
            raise KeyboardInterrupt
        real(*given)

    monkeypatch.setattr(training, "step", breaks)
    with pytest.raises(KeyboardInterrupt):
        training.train(task, SETTINGS, shelves, tmp_path, CPU, workers=0)
    monkeypatch.setattr(training, "step", real)
    again = training.train(task, SETTINGS, shelves, tmp_path, CPU, workers=0)
    assert again.step == 20
    for one, two in zip(run.average.state_dict().values(), again.average.state_dict().values(), strict=True):
        torch.testing.assert_close(one, two)


def test_the_clock_ends_a_run(shelves, tmp_path):
    stage = replace(_STAGE, steps=100_000, minutes=1e-6)
    run = training.train("refine", replace(SETTINGS, refine=stage), shelves, tmp_path, CPU, workers=0)
    assert run.step == 1
    assert (tmp_path / training.CHECKPOINT).exists()


@pytest.mark.parametrize("settled", [True, False])
def test_normalisation_keeps_the_statistics_that_it_begins_with_where_it_is_settled(shelves, tmp_path, settled):
    settings = replace(SETTINGS, refine=replace(_STAGE, steps=2, settled=settled))
    begun = training.start("refine", settings, CPU).model
    run = training.train("refine", settings, shelves, tmp_path, CPU, workers=0)
    before = {name: part for name, part in begun.named_buffers() if name.endswith("running_mean")}
    after = dict(run.model.named_buffers())
    assert all(torch.equal(part, after[name]) for name, part in before.items() if "encoder" in name)
    assert all(torch.equal(part, after[name]) == settled for name, part in before.items() if "encoder" not in name)
    assert not torch.equal(begun.stem[0].weight, run.model.stem[0].weight)


@pytest.mark.parametrize("half", [False, True])
def test_the_exported_graph_says_what_the_network_says(whole, tmp_path, half):
    task, run, _ = whole
    file = tmp_path / "net.onnx"
    export(task, SETTINGS, run.average, file, half)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    entries = session.get_modelmeta().custom_metadata_map
    planes = entries["channels"].split(",")
    assert planes[3:] == list(CHANNELS[task][1:])
    x = np.random.default_rng(1).random((1, len(planes), 96, 160), np.float32)  # another size than it was exported at
    with torch.inference_mode():
        wanted = Exported(task, run.average.eval())(torch.from_numpy(x)).numpy()
    (found,) = session.run([NAMES[task][1]], {NAMES[task][0]: x})
    # sums come in another order: an eighth of a code value of 8 bits
    np.testing.assert_allclose(found, wanted, atol=2e-2 if half else 0.125 / 255)
    assert (entries["license"], entries["multiple_of"]) == ("Apache-2.0", "32")
    if half:
        export(task, SETTINGS, run.average, tmp_path / "full.onnx")
        assert file.stat().st_size < 0.65 * (tmp_path / "full.onnx").stat().st_size


def test_ablations_see_nothing_and_the_graph_says_so(shelves, tmp_path):
    stage = replace(_STAGE, solar=(), prob=False)
    blind = replace(SETTINGS, refine=stage)
    seen, _ = _pair("refine", blind, shelves[0], 0)
    np.testing.assert_array_equal(seen[3], 0)
    np.testing.assert_array_equal(seen[4:], 0.5)
    export("refine", blind, Refiner(), tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    neutral = session.get_modelmeta().custom_metadata_map["neutral"].split(",")
    assert neutral == list(CHANNELS["refine"][1:])


def test_a_part_of_the_solar_channels_is_told_and_the_graph_names_the_rest(shelves, tmp_path):
    """Also: nothing else of a picture depends on what is told of it, so that ablations compare the same pictures."""
    some = ("signed", "adaptive+1/3")
    told = replace(SETTINGS, refine=_STAGE, data=replace(SETTINGS.data, unknown=0.0))
    part = replace(told, refine=replace(_STAGE, solar=some))
    everything, wanted = zip(*(_pair("refine", told, shelves[0], n) for n in range(6)), strict=True)
    seen, alpha = zip(*(_pair("refine", part, shelves[0], n) for n in range(6)), strict=True)
    np.testing.assert_array_equal(alpha, wanted)
    for plane, name in enumerate(CHANNELS["refine"][1:-1], 3):
        whole, one = np.stack(everything)[:, plane], np.stack(seen)[:, plane]
        np.testing.assert_array_equal(one, whole if name in some else NEUTRAL[name])
        assert (whole != NEUTRAL[name]).any()
    np.testing.assert_array_equal(np.stack(seen)[:, [0, 1, 2, 7]], np.stack(everything)[:, [0, 1, 2, 7]])
    export("refine", part, Refiner(), tmp_path / "net.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["neutral"] == "adaptive,adaptive+2/3"


def test_real_answers_reach_the_refiner_as_its_coarse_probability(shelves):
    """A crop with a background that is told, and answers known by their value: 0.8 of its log odds are told."""
    odds = (77 / (255 - 77)) ** 0.8
    rng = np.random.default_rng(2)
    pixels = rng.integers(180, 200, (96, 96, 3), np.uint8)
    crop = Crop(pixels, np.full((96, 96), 255, np.uint8), np.full((96, 96), 77, np.uint8), None, 0.01, 1.0)
    toned = replace(crop, tone=np.full((96, 96), 65535, np.uint16))
    told = replace(SETTINGS, data=replace(SETTINGS.data, unknown=0.0), refine=replace(_STAGE, answers=1.0))
    held = Shelf((), SETTINGS.data, False, [crop]), Shelf((), SETTINGS.data, False, [toned])
    for shelf, known in zip(held, (False, True), strict=True):
        pairs = [_pair("refine", told, shelf, n) for n in range(12)]
        # some get more faults, most are as they were given
        assert np.median([np.median(seen[-1]) for seen, _ in pairs]) == pytest.approx(odds / (1 + odds), abs=1e-3)
        assert all((alpha == 1).all() for _, alpha in pairs)
        assert all((np.abs(seen[3]).max() > 0) == known for seen, _ in pairs)
    untold = replace(told, refine=replace(told.refine, prob=False, solar=()))
    seen, _ = _pair("refine", untold, held[1], 0)
    np.testing.assert_array_equal(seen[3], 0)
    np.testing.assert_array_equal(seen[4:], 0.5)


def test_the_background_that_is_found_is_what_the_coarse_network_is_told(shelves):
    found = replace(SETTINGS, data=replace(SETTINGS.data, found=1.0), coarse=replace(_STAGE, sides=(160,)))
    told = 0
    for number in range(8):
        seen, _ = _pair("coarse", found, shelves[0], number)
        pixels = np.ascontiguousarray(seen[:3].transpose(1, 2, 0))
        ground = see_background(pixels)
        tone, sigma = (None, 0.0) if ground is None else (luma_of(ground.tone), ground.sigma)
        wanted = network_channels(pixels, tone, sigma).transpose(2, 0, 1)
        # the tone travels in 16 bits; half of one, times the steepest channel
        np.testing.assert_allclose(seen[3:], wanted, atol=0.51 / 65535 / (LEAST_SIGMA * SIGNED_RANGE))
        told += ground is not None
    assert told >= 2


def test_weights_are_kept_small_and_can_be_gone_on_from(whole, shelves, tmp_path):
    task, run, _ = whole
    file = tmp_path / "start.safetensors"
    keep(run.average, file, run.step)
    begun = training.start(task, SETTINGS, CPU, file)
    pairs = held_out(task, SETTINGS, shelves[1])
    assert _loss(task, begun.model, pairs) == pytest.approx(_loss(task, run.average, pairs), rel=0.02)
    with pytest.raises(ValueError, match="does not hold this network's weights"):
        take(Refiner() if task == "coarse" else training.start("coarse", SETTINGS, CPU).model, file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="does not hold this network's weights"):
        take(begun.model, file)


def test_two_ends_of_a_training_are_blended(whole, shelves, tmp_path, monkeypatch):
    task, run, _ = whole
    begun = training.start(task, SETTINGS, CPU).model
    keep(begun, tmp_path / "begun.safetensors", 0)
    mixed = copy.deepcopy(run.average)
    blend(mixed, [tmp_path / "begun.safetensors"])
    states = [copy.deepcopy(model.state_dict()) for model in (begun, run.average, mixed)]
    for name in states[0]:
        if states[0][name].dtype.is_floating_point:
            one, two, mean = (state[name] for state in states)
            torch.testing.assert_close(mean, (one + two) / 2, atol=2e-3, rtol=2e-3)
    # what it normalises by is that of pictures, whatever it was
    other = copy.deepcopy(mixed)
    norms = [part for part in other.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    norms[-1].running_mean += 3
    monkeypatch.setattr(training, "SETTLED", 2)
    for model in (mixed, other):
        training.settle(task, SETTINGS, model, shelves[0])
    for one, two in zip(mixed.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(one, two)


def test_the_command_trains_exports_and_evaluates(folder, tmp_path, capsys):
    config = tmp_path / "small.toml"
    config.write_text(
        'seed = 3\n[data]\nheld_out_kinds = ["bar"]\nvalidation = 4\n'
        "[refine]\nsides = [64]\nbatch = 2\nsteps = 2\nvalidate_every = 2\ncheckpoint_every = 1\n"
    )
    given = ["refine", "--config", str(config)]
    run = str(tmp_path / "run")
    assert main(["train", *given, "--data", str(folder), "-o", run, "--device", "cpu", "--workers", "0"]) == 0
    assert main(["export", *given, "--run", run, "-o", str(tmp_path / "net.onnx"), "--half"]) == 0
    assert main(["keep", *given, "--run", run, "-o", str(tmp_path / "start.safetensors")]) == 0
    evaluate = ["evaluate", *given, "--run", run, "--data", str(folder), "--device", "cpu"]
    assert main(evaluate) == 0
    of_the_run = capsys.readouterr().out
    assert '"biou2"' in of_the_run
    blended = ["keep", *given, "--run", run, "--blend", str(tmp_path / "start.safetensors")]
    assert main([*blended, "-o", str(tmp_path / "no.safetensors")]) == 1
    assert "--blend needs --data" in capsys.readouterr().err
    assert main([*blended, "--data", str(folder), "-o", str(tmp_path / "blended.safetensors")]) == 0
    settled = tmp_path / "settled.toml"
    settled.write_text(config.read_text() + "settled = true\n")
    assert main([*blended, "--config", str(settled), "-o", str(tmp_path / "held.safetensors")]) == 0
    one, two = (read(tmp_path / f"{name}.safetensors") for name in ("start", "held"))
    for name, value in one.items():  # the mean of a network and of itself, normalised as it was
        torch.testing.assert_close(two[name], value, atol=1e-3, rtol=1e-3)
    kept = ["--weights", str(tmp_path / "start.safetensors")]
    assert main([*evaluate, *kept]) == 0
    assert main(["export", *given, *kept, "-o", str(tmp_path / "again.onnx"), "--half"]) == 0
    x = np.random.default_rng(1).random((1, 8, 64, 64), np.float32)
    graphs = [onnxruntime.InferenceSession(str(tmp_path / f"{name}.onnx")) for name in ("net", "again")]
    one, two = (graph.run(None, {"tile": x})[0] for graph in graphs)
    np.testing.assert_allclose(one, two, atol=2e-2)  # kept as fp16 before and after the normalisation is folded in
    assert {"sheet.png", "log.png", LOG, "checkpoint.pt"} <= {file.name for file in Path(run).iterdir()}
    config.write_text("seed = 3\n[refine]\nlite = 1\n")
    assert main(["export", *given, "--run", run, "-o", str(tmp_path / "no.onnx")]) == 1
    assert "there is no EfficientNet-Lite1 here" in capsys.readouterr().err
    config.write_text("seed = 3\n")
    assert main(["export", *given, "--run", str(tmp_path / "none"), "-o", str(tmp_path / "no.onnx")]) == 1
    assert "the verb train makes it" in capsys.readouterr().err


def test_the_command_asks_the_coarse_network_and_trains_on_its_answers(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("models.training.cutout.answer.SIDES", (320,))
    monkeypatch.setattr("models.training.cutout.looks.SIDES", (128, 320))
    monkeypatch.setattr("models.training.cutout.looks.FAR", 128)
    monkeypatch.setattr("models.training.cutout.looks.NEAR", 320)
    config = tmp_path / "small.toml"
    config.write_text(
        'seed = 3\n[data]\nheld_out_kinds = ["bar"]\nvalidation = 2\n'
        "[coarse]\nsides = [64]\nbatch = 2\nsteps = 1\n"
        "[refine]\nsides = [64]\nbatch = 2\nsteps = 2\nanswers = 1.0\nvalidate_every = 2\n"
    )
    given = ["--config", str(config), "--data", str(folder)]
    train = ["train", "refine", *given, "-o", str(tmp_path / "run"), "--device", "cpu", "--workers", "0"]
    assert main([*train, "--answers", str(tmp_path / "answers")]) == 1
    assert "the verb answer makes them" in capsys.readouterr().err
    run = str(tmp_path / "coarse")
    asked = ["answer", "coarse", *given, "--run", run, "-o", str(tmp_path / "answers"), "--count"]
    assert main([*asked, "8"]) == 1
    assert "the verb train makes it" in capsys.readouterr().err
    start = ["--start", str(COARSE)]
    assert main(["train", "coarse", *given, *start, "-o", run, "--device", "cpu", "--workers", "0"]) == 0
    assert main([*asked, "6"]) == 0
    assert main(["answer", "coarse", *given, "--count", "8", "-o", str(tmp_path / "answers"), "--workers", "2"]) == 0
    assert [len(list((tmp_path / "answers" / part).iterdir())) for part in ("train", "val")] == [8, 1]
    assert main([*train, "--answers", str(tmp_path / "answers")]) == 0
    assert main(["looks", "coarse", *given, "--count", "2"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| looks")
    assert len(table) == 2 + 2 + 2 + 5  # each size, both together two ways, and from several ways round
    asking = ["train", "refine", *given, "-o", str(tmp_path / "asking"), "--device", "cpu", "--workers", "0"]
    assert main([*asking, "--ask", str(COARSE)]) == 0
    assert read_rows(tmp_path / "asking" / LOG)[-1]["step"] == 2
    assert main(["train", "coarse", *given, "-o", str(tmp_path / "no"), "--device", "cpu", "--ask", str(COARSE)]) == 1
    assert "asks nobody" in capsys.readouterr().err


def test_a_run_around_another_encoder_than_the_kept_coarse_networks_goes_on(shelves, tmp_path):
    one = replace(_STAGE, pretrained=True, lite=0, steps=1, checkpoint_every=1)
    kept = COARSE.with_name("refine.safetensors")
    for steps in (1, 2):
        settings = replace(SETTINGS, refine=replace(one, steps=steps))
        run = training.train("refine", settings, shelves, tmp_path, CPU, workers=0, weights=kept)
        assert run.step == steps
