"""What the cut-out's networks are trained on: exact alpha, kinds kept apart, faults within bounds. No torch."""

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.cutout import compose as composing
from models.training.cutout.compose import compose
from models.training.cutout.config import SETTINGS, Data, read_settings
from models.training.cutout.degrade import degrade
from models.training.cutout.grounds import Ground, ground
from models.training.cutout.layers import Layer, shape_layer, to_contrast
from models.training.cutout.rims import lose_rims
from models.training.cutout.shelf import Shelf
from segtile.solar import luma_of

SIDE = 96


def _beside(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sprites")
    _beside("jewel_sprites").write_sheets(place, 2)
    return place


@pytest.fixture(scope="module")
def shelf(folder):
    return Shelf((folder,), Data(), False)


@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, 10_000), close=st.booleans())
def test_a_scene_is_the_same_for_the_same_number_and_within_range(shelf, number, close):
    one, two = (compose(np.random.default_rng(number), shelf, Data(), SIDE, close) for _ in range(2))
    np.testing.assert_array_equal(one.pixels, two.pixels)
    np.testing.assert_array_equal(one.alpha, two.alpha)
    for values in (one.pixels, one.alpha, one.dark):
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1
    assert one.sigma >= 0.5 / 255
    np.testing.assert_allclose(one.pixels * 255, np.round(one.pixels * 255), atol=1e-4)  # as a file holds them


def test_alpha_is_the_share_of_the_object_in_every_pixel(shelf, monkeypatch):
    """With sensor and file left out, C = a F + (1 - a) B to within rounding: black on white reads as 1 - alpha."""
    white = np.ones((SIDE, SIDE, 3), np.float32)
    monkeypatch.setattr(composing, "ground", lambda rng, side: Ground(white, white))
    monkeypatch.setattr(composing, "recolour", lambda rng, colour: np.zeros_like(colour))
    for name in ("glint", "shadow_of"):
        monkeypatch.setattr(composing, name, lambda rng, given: np.zeros((SIDE, SIDE), np.float32))
    monkeypatch.setattr(composing, "_reflection", lambda rng, under, front, alpha: under)
    monkeypatch.setattr(composing, "_gleam", lambda rng, under: under)
    monkeypatch.setattr(composing, "lose_rims", lambda rng, front, alpha, under: front)
    monkeypatch.setattr(composing, "light", lambda rng, side: np.ones((1, 1, 3), np.float32))
    monkeypatch.setattr(composing, "develop", lambda rng, pixels, most: pixels)
    seen = 0
    for number in range(24):
        rng = np.random.default_rng(number)
        scene = compose(rng, shelf, Data(faint=0.0), SIDE, close=bool(number % 2))
        # a shadow is dark without being the object; the lens's blur carries it a little further
        lit = cv2.dilate(scene.dark, np.ones((13, 13))) < 1e-3
        np.testing.assert_allclose(scene.pixels[lit][:, 1], 1 - scene.alpha[lit], atol=2e-3)
        seen += np.count_nonzero(lit & (scene.alpha > 0.05) & (scene.alpha < 0.95))
    assert seen > 300


def test_rims_are_lost_to_the_paper_and_what_lies_deep_inside_stays():
    """Only outlines change, only towards the paper's colour, and colours stay premultiplied."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] - SIDE / 2 + 0.5
    alpha = np.clip(36.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    paper = np.full((SIDE, SIDE, 3), 0.95, np.float32)
    front = alpha[..., None] * np.array([0.2, 0.3, 0.4], np.float32)
    lost = []
    for seed in range(20):
        changed = lose_rims(np.random.default_rng(seed), front, alpha, paper)
        off = changed - front
        assert changed.dtype == np.float32
        assert off.min() >= -1e-6
        assert (changed <= alpha[..., None] + 1e-6).all()
        assert np.abs(off[alpha == 0]).max() == 0
        assert np.abs(off[np.hypot(x, y) < 8]).max() < 0.02
        rim = (alpha == 1) & (np.hypot(x, y) > 34)
        lost.append(np.mean(np.abs(changed - 0.95)[rim].max(axis=1) < 0.1))
    assert max(lost) > 0.1  # of the rim of some discs, a good part can't be told from the paper any more
    assert np.mean(lost) < 0.5


def test_a_wire_keeps_some_of_its_contrast():
    alpha = np.zeros((SIDE, SIDE), np.float32)
    alpha[46:50] = 1
    paper = np.full((SIDE, SIDE, 3), 0.95, np.float32)
    front = 0.3 * np.repeat(alpha[..., None], 3, axis=2)
    for seed in range(20):
        changed = lose_rims(np.random.default_rng(seed), front, alpha, paper)
        # between its flanks, along all of its length
        assert (changed[47:49].min(axis=0) < 0.9).all()


def test_a_gleam_is_a_patch_of_ground_all_lighter_or_all_darker():
    ground = np.full((SIDE, SIDE, 3), 0.4, np.float32)
    signs = []
    for seed in range(30):
        off = composing._gleam(np.random.default_rng(seed), ground) - ground
        assert off.min() >= -1e-6 or off.max() <= 1e-6
        signs.append(np.sign(off.mean()) * (np.abs(off).max() > 0.01))
    assert {-1, 1} <= set(signs)


@pytest.mark.parametrize("wanted", [0.01, 0.03, 0.10])
def test_contrast_is_what_was_asked_for(wanted):
    rng = np.random.default_rng(4)
    alpha = np.zeros((SIDE, SIDE), np.float32)
    alpha[20:70, 20:70] = 1
    layer = Layer(rng.uniform(0.1, 0.6, (SIDE, SIDE, 3)).astype(np.float32), alpha, np.zeros_like(alpha))
    below = np.full((SIDE, SIDE, 3), 0.95, np.float32)
    to_contrast(layer, below, wanted)
    off = np.abs(luma_of(layer.colour) - 0.95)[alpha > 0] / 0.95
    assert np.median(off) == pytest.approx(wanted, rel=0.02)


def test_kinds_of_test_are_never_seen_and_validation_has_kinds_of_its_own(folder, tmp_path):
    data = Data(test_kinds=("disc",), held_out_kinds=("bar",))
    ours, held_out = Shelf((folder,), data, False), Shelf((folder,), data, True)
    assert {item.sprite.kind for item in ours.pieces} == {"hoop"}
    assert {item.sprite.kind for item in held_out.pieces} == {"bar"}
    (tmp_path / "test").mkdir()
    with pytest.raises(ValueError, match="neither trained on nor validated on"):
        Shelf((tmp_path / "test",), data, False)


def test_a_folder_of_validation_is_not_trained_on(folder, tmp_path):
    (tmp_path / "val").symlink_to(folder)
    assert not Shelf((tmp_path / "val",), Data(), False).pieces
    assert len(Shelf((tmp_path / "val",), Data(), True).pieces) == 6


def test_files_that_come_later_are_found_and_broken_ones_left_out(folder, tmp_path, caplog):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    shelf = Shelf((tmp_path,), Data(), False)
    assert not shelf.pieces
    assert "left out" in caplog.text
    first = sorted(folder.glob("*.npz"))[0]
    (tmp_path / first.name).write_bytes(first.read_bytes())
    shelf.look()
    shelf.look()
    assert len(shelf.pieces) == 3


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 10_000))
def test_a_degraded_answer_is_a_probability_about_the_object(number):
    rng = np.random.default_rng(number)
    layer = shape_layer(rng, SIDE)
    prob = degrade(rng, layer.alpha, layer.dark, blind=0.0)
    assert prob.shape == layer.alpha.shape
    assert np.isfinite(prob).all()
    assert prob.min() >= 0
    assert prob.max() <= 1


def test_degraded_answers_mostly_tell_where_the_object_is():
    hits = []
    for number in range(40):
        rng = np.random.default_rng(number)
        layer = shape_layer(rng, SIDE)
        prob = degrade(rng, layer.alpha, layer.dark, blind=0.0)
        if 0.1 < layer.alpha.mean() < 0.9:
            hits.append(prob[layer.alpha > 0.9].mean() - prob[layer.alpha < 0.1].mean())
    assert np.mean(hits) > 0.5
    assert max(hits) < 1  # never the exact answer


def test_backgrounds_are_of_all_kinds_and_some_are_no_surface():
    made = [ground(np.random.default_rng(n), 64) for n in range(80)]
    assert all(g.pixels.shape == (64, 64, 3) and g.pixels.min() >= 0 and g.pixels.max() <= 1 for g in made)
    assert 0.03 < np.mean([g.tone is None for g in made]) < 0.35
    tones = [luma_of(g.pixels).mean() for g in made]
    assert min(tones) < 0.15
    assert max(tones) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 1\n[refine]\nsides = [112]", "multiple of 32"),
        ("seed = 1\n[refine]\nsides = [72]\nmagnify = 2", "magnified, is no multiple of 32"),
        ("seed = 1\n[refine]\nmagnify = 0", "takes 1 to 4"),
        ("seed = 1\n[coarse]\nsides = [64]\nmagnify = 2", "coarse: magnify"),
        ("seed = 1\n[coarse]\nside = 64", "no setting 'side'"),
        ('seed = 1\n[data]\ntest_kinds = ["a"]\nheld_out_kinds = ["a"]', "test at once"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, text, said):
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_settings(tmp_path / "wrong.toml")


def test_the_shipped_settings_can_be_read():
    assert read_settings(SETTINGS).data.test_kinds == ("solitaire", "long_earring", "medallion")
