"""A tiny SAM, trained here, through the code that the large ones use: its prompts are right if it finds the edges."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")
pytest.importorskip("onnx", reason="the export needs onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install segtile[cpu]")

import segtile  # noqa: E402
from models.training.sam_tiny import __main__ as program  # noqa: E402
from models.training.sam_tiny.config import SETTINGS, read_settings  # noqa: E402
from segtile.backends import open_promptable as opening  # noqa: E402
from segtile.backends.sam_checkpoint import shape_of  # noqa: E402
from segtile.backends.sam_network import load_network  # noqa: E402
from segtile.backends.torch_weights import read_tensors  # noqa: E402
from segtile.catalog import cards, load_card, weights_folder  # noqa: E402
from segtile.coarse import look  # noqa: E402
from segtile.grid import plan_uniform  # noqa: E402
from segtile.metrics.matte import measure  # noqa: E402
from segtile.raster import open_raster  # noqa: E402
from segtile.recipe import build_recipe  # noqa: E402
from segtile.refine import get_refiner, make_input, registry  # noqa: E402
from segtile.refine.prompts import object_prompts, to_network  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

#: Made by: python -m models.training.sam_tiny
CHECKPOINT = Path(__file__).with_name("sam_tiny.pth")


def write_sheets(folder, count):
    """Sheets of sprites that need no renderer, as tests/models has them."""
    path = Path(__file__).parents[1] / "models" / "jewel_sprites.py"
    spec = importlib.util.spec_from_file_location("jewel_sprites", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.write_sheets(folder, count)


@pytest.fixture(scope="module")
def half(tmp_path_factory, data_samples):
    """Makes a sample at half its size and its exact alpha: paths."""
    folder = tmp_path_factory.mktemp("half")

    def make(name):
        made = []
        for path in (next(p for p in data_samples.glob(f"{name}.*")), data_samples / f"{name}_alpha.png"):
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            made.append((folder / path.name).with_suffix(".png"))
            cv2.imwrite(str(made[-1]), cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        return made

    return make


@pytest.fixture(scope="module")
def sample(half):
    return half("ring")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with the checkpoint installed, and a catalogue that has it: SAM's card, but for size and file."""
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    weights_folder().mkdir(parents=True)
    (weights_folder() / CHECKPOINT.name).write_bytes(CHECKPOINT.read_bytes())
    text = re.sub(r"(?m)^(sha256|bytes) = .*\n", "", (cards.cards_folder() / "sam-vit-b.toml").read_text())
    side = read_settings(SETTINGS).shape.image_size
    digest = hashlib.sha256(CHECKPOINT.read_bytes()).hexdigest()
    for old, new in (
        ('id = "sam-vit-b"', 'id = "sam-tiny"'),
        ('name = "sam_vit_b_01ec64.pth"', f'name = "{CHECKPOINT.name}"\nsha256 = "{digest}"'),
        ("[1024, 1024]", f"[{side}, {side}]"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "sam-tiny.toml").write_text(text)
    u2netp = cards.cards_folder() / "u2netp.toml"
    (tmp_path / "cards" / u2netp.name).write_text(u2netp.read_text())
    monkeypatch.setattr(cards, "cards_folder", lambda: tmp_path / "cards")
    registry._open.cache_clear()
    yield tmp_path / "home"
    registry._open.cache_clear()


def read(path):
    alpha = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return (alpha if alpha.ndim == 2 else alpha[..., 0]).astype(np.float32) / np.iinfo(alpha.dtype).max


def cut(run, sample, folder, *options):
    code, out, err = run("mask", sample, "-o", folder, "--bits", "16", "--overwrite", "-q", *options)
    assert code == 0, err
    return read(folder / sample.name), out + err


def biou2(found, truth):
    return measure(found, truth, ("biou2",))["biou2"]


def test_it_improves_the_boundary_over_a_coarse_map_of_large_cells(home, sample):
    """And over matting alone: the network moves the contour to where matting finds the edge."""
    found = {}
    for refiner in ("none", "matting", "sam-tiny"):
        recipe = build_recipe(coarse={"name": "studio", "long_side": 256}, refine={"name": refiner, "threads": 1})
        with segtile.cutout(sample[0], recipe=recipe) as cut_out:
            found[refiner] = biou2(cut_out.alpha.astype(np.float32) / 255, read(sample[1]))
            warnings = cut_out.result.warnings
    assert "sam-tiny ran through segment_anything and torch" in warnings
    assert found["sam-tiny"] > found["none"] + 0.08
    assert found["sam-tiny"] > found["matting"]


def test_it_improves_the_boundary_over_a_networks_map(home, half, shared, tmp_path, run):
    weights = shared / "weights" / "u2netp.onnx"
    if not weights.is_file():
        pytest.skip(f"no {weights}")
    (weights_folder() / "u2netp.onnx").symlink_to(weights)
    picture, alpha = half("earrings")
    coarse, _ = cut(run, picture, tmp_path / "coarse", "--coarse", "u2netp", "--refine", "none")
    refined, _ = cut(run, picture, tmp_path / "refined", "--coarse", "u2netp", "--refine", "sam-tiny")
    assert biou2(refined, read(alpha)) > biou2(coarse, read(alpha)) + 0.06


def test_without_torch_the_export_of_the_same_weights_gives_the_same(home, sample, tmp_path, run, monkeypatch):
    picture = tmp_path / "part.png"
    cv2.imwrite(str(picture), cv2.resize(cv2.imread(str(sample[0])), (500, 375), interpolation=cv2.INTER_AREA))
    through_torch, _ = cut(run, picture, tmp_path / "torch", "--refine", "sam-tiny")
    code, _, err = run("models", "export", "sam-tiny", "-q")
    assert code == 0, err
    real = importlib.util.find_spec
    monkeypatch.setattr(
        opening.importlib.util, "find_spec", lambda name, *rest: None if "segment" in name else real(name, *rest)
    )
    registry._open.cache_clear()
    through_onnx, said = cut(run, picture, tmp_path / "onnx", "--refine", "sam-tiny")
    assert "ONNX export of its checkpoint" in said
    assert np.abs(through_torch - through_onnx).max() < 0.01
    one, two = through_torch > 0.5, through_onnx > 0.5
    assert (one & two).sum() > 0.999 * (one | two).sum()


def test_its_masks_mend_the_coarse_map_and_follow_it_when_it_says_the_opposite(home, sample):
    """The network's own masks, before any matting, tile by tile."""
    network = registry._open(load_card("sam-tiny"), "cpu")[0]
    truth = read(sample[1])
    ious = []
    with open_raster(sample[0]) as raster:
        found = look(raster.preview(256), raster.info.frame, "studio")
        for tile in plan_uniform(found.frame, network.side, 32, found).tiles:
            x, part = make_input(raster, found, tile), truth[tile.read.slices] > 0.5
            if part.mean() < 0.01:
                continue
            embedding = network.embed(x.rgb)
            for prompt in object_prompts(x):
                told = to_network(prompt, x, network, embedding.square)
                opposite = dataclasses.replace(told, inside=~told.inside, mask=-told.mask)
                masks = [(x.labels == prompt.label) & (x.prob >= 0.5)]
                for answer in network.answer(embedding, [told, opposite]):
                    masks.append(embedding.square.to_picture(answer.logits[int(answer.scores.argmax())]) > 0)
                ious.append([(mask & part).sum() / (mask | part).sum() for mask in masks])
    coarse, right, wrong = np.mean(ious, axis=0)
    assert len(ious) > 5
    assert right > coarse + 0.05
    assert wrong < 0.2


def test_the_checkpoint_is_what_the_settings_say(home):
    assert shape_of(read_tensors(CHECKPOINT)) == read_settings(SETTINGS).shape
    assert get_refiner("sam-tiny").tile == read_settings(SETTINGS).shape.image_size
    assert CHECKPOINT.stat().st_size < 1_500_000


def test_a_short_run_of_the_training_writes_such_a_checkpoint(tmp_path, capsys):
    text = SETTINGS.read_text()
    small = {"sheets": "2", "tiles": "6", "steps": "3", "batch": "2", "validate_every": "3", "image_size": "64"}
    lines = [line.split(" = ")[0] for line in text.splitlines()]
    for key, value in small.items():
        old = text.splitlines()[lines.index(key)]
        text = text.replace(old, f"{key} = {value}")
    (tmp_path / "small.toml").write_text(text.replace("window = 8", "window = 2"))
    asked = [
        "--settings",
        str(tmp_path / "small.toml"),
        "--sprites",
        str(tmp_path),
        "-o",
        str(tmp_path / "a" / "t.pth"),
    ]
    assert program.main(asked) == 1
    assert "models.training.sprites" in capsys.readouterr().err
    write_sheets(tmp_path, 2)
    assert program.main(asked) == 0
    assert load_network(tmp_path / "a" / "t.pth").side == 64
    assert '"points"' in (tmp_path / "a" / "log.jsonl").read_text()
    first = (tmp_path / "a" / "t.pth").read_bytes()
    asked[-1] = str(tmp_path / "b" / "t.pth")
    assert program.main(asked) == 0
    one, two = (read_tensors(tmp_path / name / "t.pth") for name in "ab")
    assert first
    assert all(torch.equal(one[key], two[key]) for key in one)
