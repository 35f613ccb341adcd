"""A refiner that is shown its tiles magnified learns from what it sees at run time, and of alpha at its own size."""

# ruff: noqa: E402  (what follows the check for torch needs it)
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training needs torch, which is not installed: pip install torch")
pytest.importorskip("safetensors", reason="the training needs safetensors, which is not installed")

from net_graphs import write_graph
from torch.utils.data import default_collate

from models.training.common.runs import LOG, read_rows
from models.training.cutout import train as training
from models.training.cutout.config import Data, Settings, Stage
from models.training.cutout.examples import held_out
from models.training.cutout.figures import answers, sheet, validate
from models.training.cutout.losses import refine_losses
from models.training.cutout.seen import at_size_of, planes, raw
from models.training.cutout.shelf import Shelf
from segtile.refine.network import NetworkRefiner, _wider
from segtile.solar import luma_of, network_channels
from segtile.types import Box, Tile, TileInput

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
STAGE = Stage(
    sides=(64,), batch=2, steps=2, rate=1e-3, warm_up=1, pretrained=False, lite=0, magnify=2, validate_every=1000
)
SETTINGS = Settings(seed=5, data=Data(validation=2, empty=0.0), coarse=replace(STAGE, magnify=1), refine=STAGE)
NOTHING = Shelf((), SETTINGS.data, False)


def test_the_planes_are_those_of_the_run_time_code(tmp_path):
    rng = np.random.default_rng(3)
    h, w, sigma = 20, 28, 0.01
    pixels = rng.integers(0, 256, (h, w, 3), dtype=np.uint8)
    prob = rng.integers(0, 256, (h, w)).astype(np.float32) / 255
    grey = rng.integers(0, 65536, (h, w)).astype(np.float32) / 65535
    background = np.repeat(grey[..., None], 3, axis=2)
    given = default_collate([raw(pixels, prob, prob, luma_of(background), sigma)])
    seen, alpha = planes(given, True, Stage(magnify=2))
    assert alpha.shape == (1, 1, h, w)
    box = Box(0, 0, w, h)
    rgb = (pixels / np.float32(255)).astype(np.float32)
    x = TileInput(
        tile=Tile(0, box, box), rgb=rgb, prob=prob, band=np.ones((h, w), bool), scale=1.0, frame=box,
        background=background, noise=np.full(3, sigma, np.float32),
        channels=network_channels(rgb, luma_of(background), sigma), sigma=sigma,
    )  # fmt: skip
    refiner = NetworkRefiner(write_graph(tmp_path / "twice.onnx", metadata={"magnify": "2"}), device="cpu")
    np.testing.assert_allclose(seen[0], refiner._planes(replace(x, prob=_wider(prob)), box), atol=2e-3)


def test_losses_are_of_alpha_at_its_own_size():
    rng = torch.Generator().manual_seed(2)
    alpha = (torch.rand(2, 1, 32, 32, generator=rng) > 0.5).float()
    logits, seen = torch.randn(2, 1, 32, 32, generator=rng), torch.rand(2, 8, 32, 32, generator=rng)
    twice = [x.repeat_interleave(2, 2).repeat_interleave(2, 3) for x in (logits, seen)]
    small, large = refine_losses(logits, alpha, seen), refine_losses(twice[0], alpha, twice[1])
    for name in small:
        assert float(large[name]) == pytest.approx(float(small[name]), rel=1e-4), name
    torch.testing.assert_close(at_size_of(twice[1], alpha), seen)


def test_a_run_learns_and_is_measured_at_the_pictures_own_size(tmp_path):
    seen = []
    real = training.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "step", lambda *given: (seen.append((given[3], given[4])), real(*given))[1])
        run = training.train("refine", SETTINGS, (NOTHING, NOTHING), tmp_path, CPU, 0)
    assert run.step == 2
    assert {tuple(x.shape[1:]) for x, _ in seen} == {(8, 128, 128)}
    assert {tuple(a.shape[1:]) for _, a in seen} == {(1, 64, 64)}
    pairs = held_out("refine", SETTINGS, NOTHING)
    assert answers("refine", run.average, *pairs[0]).shape == pairs[0][1].shape
    row = validate("refine", run.average, pairs)
    assert {"iou", "before_iou"} <= set(row)
    assert read_rows(tmp_path / LOG)[-1]["iou"] == row["iou"]
    assert sheet("refine", run.average, pairs, 1).shape == (220, 220 * 6, 3)
