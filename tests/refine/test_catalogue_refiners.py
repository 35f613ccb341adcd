"""`--refine NAME` from the command to the file, over graphs of every family with weights that know what red is."""

import numpy as np
import pytest
from PIL import Image
from prompt_graphs import CARDS, install

import segtile
from segtile.catalog.licences import accept
from segtile.errors import BadInput, LicenceError, ModelError
from segtile.recipe import build_recipe
from segtile.refine import get_refiner, registry
from segtile.refine.prompted import PromptedRefiner

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
ONNX = [family for family, card in CARDS.items() if card not in ("mobile-sam", "sam-hq-tiny")]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a family's graphs as a model of the catalogue; returns its name."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path / "home"))
    real = registry.list_cards()
    registry._open.cache_clear()

    def make(family, accepted=True):
        card = install(onnx, family, 256)
        if accepted:
            accept(card)
        monkeypatch.setattr(registry, "list_cards", lambda: [*(c for c in real if c.id != card.id), card])
        return card.id

    yield make
    registry._open.cache_clear()


@pytest.fixture(scope="module")
def red_scene():
    """A red ring on grey paper, lit from above: (360, 480, 3) uint8, and its exact alpha."""
    fine = 4
    y, x = (np.mgrid[: 360 * fine, : 480 * fine] + 0.5) / fine
    r = np.hypot(x - 240, y - 180)
    alpha = ((r < 130) & (r > 70)).astype(np.float32).reshape(360, fine, 480, fine).mean((1, 3))
    back = 0.9 - 0.05 * np.linspace(0, 1, 360)[:, None, None] - np.zeros(3)
    noise = np.random.default_rng(2).normal(0, 0.004, (360, 480, 3))
    rgb = back * (1 - alpha[..., None]) + np.array([0.8, 0.1, 0.12]) * alpha[..., None] + noise
    return (np.clip(rgb, 0, 1) * 255).round().astype(np.uint8), alpha


@pytest.mark.parametrize("family", ONNX)
def test_every_family_cuts_out(installed, red_scene, family):
    picture, alpha = red_scene
    with segtile.cutout(picture, coarse="studio", refine=installed(family)) as cut:
        mask, true = cut.alpha >= 128, alpha >= 0.5
        overlap = (mask & true).sum() / (mask | true).sum()
        # an alpha is the network's own, and this one's cells are 16 px; beliefs are brought to pixels by matting
        assert overlap > (0.9 if family == "zim" else 0.98)
        assert family == "zim" or np.abs(cut.alpha / 255 - alpha).mean() < 0.003
        assert cut.result.refine == CARDS[family]
        assert not [w for w in cut.result.warnings if "contradicts" in w]
        assert cut.grid.tile_side == 256
        assert len(cut.grid.tiles) > 1


@pytest.mark.parametrize("flag", ["second_look", "solar_edges"])
def test_solar_is_chosen_by_the_recipe(installed, red_scene, flag):
    picture, alpha = red_scene
    recipe = build_recipe(coarse={"name": "studio"}, refine={"name": installed("sam"), flag: True})
    with segtile.cutout(picture, recipe=recipe) as cut:
        assert np.abs(cut.alpha / 255 - alpha).mean() < 0.004


def test_from_the_command_line(installed, red_scene, tmp_path, run):
    picture, alpha = red_scene
    name = installed("sam")
    Image.fromarray(picture).save(tmp_path / "ring.png")
    code, out, err = run(
        "mask", tmp_path / "ring.png", "-o", tmp_path / "out", "--coarse", "studio", "--refine", name, "--second-look",
        "--solar-edges", "--device", "cpu", "-q",
    )  # fmt: skip
    assert code == 0, err
    assert name in out
    saved = np.asarray(Image.open(tmp_path / "out" / "ring.png"))
    assert np.abs(saved / 255 - alpha).mean() < 0.004


def test_what_cannot_be_had_is_said_in_a_sentence(installed, red_scene, tmp_path, run):
    picture, _ = red_scene
    Image.fromarray(picture).save(tmp_path / "ring.png")
    for arguments, words in (
        (["--refine", "sam2.1-tiny"], "models pull sam2.1-tiny"),
        (["--refine", "u2netp"], "another job"),
        (["--refine", "no-such"], "no refiner 'no-such'"),
        (["--second-look"], "second_look is for networks"),
        (["--solar-edges", "--no-solar"], "need the solar channels"),
        (["--device", "tpu"], "no device 'tpu'"),
    ):
        if "--device" in arguments:
            arguments += ["--refine", installed("sam")]
        code, _, err = run("mask", tmp_path / "ring.png", "-o", tmp_path / "out", "-q", *arguments)
        assert code in (1, 2), arguments
        assert words in " ".join(err.split()), arguments
        assert "Traceback" not in err
        assert not (tmp_path / "out" / "ring.png").exists()


def test_a_licence_is_accepted_first(installed):
    name = installed("zim", accepted=False)
    with pytest.raises(LicenceError, match="no commercial use"):
        get_refiner(name)


def test_refiners_that_are_no_networks_take_no_second_look():
    for name in ("matting", "auto", "none"):
        with pytest.raises(BadInput, match="second_look"):
            get_refiner(name, second_look=True)
    with pytest.raises(ModelError, match="sam-vit-b"):
        get_refiner("other")


def test_the_network_is_loaded_once_for_many_pictures(installed):
    name = installed("sam")
    one, two = get_refiner(name), get_refiner(name)
    assert isinstance(one, PromptedRefiner)
    assert one._network is two._network
