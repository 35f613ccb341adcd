"""Composed flat lays: the same for the same number, and boxes and masks exactly where the pieces are."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.common.sprites import load_sprites, make_sprite, sheets_in, turned
from models.training.detector.compose import STRIDE, compose
from models.training.detector.config import Data, read_settings


def _beside(name: str):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


made = _beside("jewel_sprites")
SPRITES = [make_sprite(kind, *made.layers(kind)) for kind in made.KINDS]


@settings(max_examples=25, deadline=None)
@given(index=st.integers(0, 10_000), side=st.sampled_from([160, 320]))
def test_boxes_and_masks_are_where_the_pieces_are(index, side):
    scene = compose(SPRITES, Data(), side, 3, index)
    assert scene.pixels.shape == (side, side, 3)
    assert scene.masks.shape == (len(scene.boxes), side // STRIDE, side // STRIDE)
    for box, mask in zip(scene.boxes, scene.masks, strict=True):
        assert (box >= 0).all()
        assert (box <= side).all()
        rows, columns = np.flatnonzero((mask > 0.3).any(axis=1)), np.flatnonzero((mask > 0.3).any(axis=0))
        if len(rows):
            spread = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) * STRIDE
            assert np.abs(spread - box).max() <= STRIDE + 2
    if len(scene.masks) > 1:  # no cell belongs to two pieces by more than the soft edges that share it
        assert np.sort(scene.masks, axis=0)[-2].mean() < 0.02


def test_the_same_number_is_the_same_picture_and_another_is_another():
    first, again = compose(SPRITES, Data(), 160, 3, 7), compose(SPRITES, Data(), 160, 3, 7)
    assert (first.pixels == again.pixels).all()
    assert (first.boxes == again.boxes).all()
    other = compose(SPRITES, Data(), 160, 3, 8)
    assert (first.pixels != other.pixels).any()


@pytest.mark.parametrize(("span", "degrees"), [(64.0, 0.0), (150.0, 30.0), (20.0, 75.0), (9.0, 200.0)])
def test_a_turned_disc_keeps_its_size_and_its_middle(span, degrees):
    layer = turned(SPRITES[0], span, degrees, mirrored=True)
    alpha = layer[..., 3]
    assert alpha.sum() == pytest.approx(np.pi * span**2 / 4, rel=0.06)
    y, x = np.mgrid[0 : alpha.shape[0], 0 : alpha.shape[1]] + 0.5
    assert (alpha * x).sum() / alpha.sum() == pytest.approx(alpha.shape[1] / 2, abs=0.6)
    assert (alpha * y).sum() / alpha.sum() == pytest.approx(alpha.shape[0] / 2, abs=0.6)


def test_too_few_sheets_say_what_makes_them(tmp_path):
    made.write_sheets(tmp_path, 2)
    assert len(load_sprites(sheets_in(tmp_path, 2))) == 2 * len(made.KINDS)
    with pytest.raises(FileNotFoundError, match=r"2 of 3 sheets.*models\.training\.sprites"):
        sheets_in(tmp_path, 3)


def test_settings_refuse_what_they_do_not_know(tmp_path, repo):
    text = (repo / "models/training/detector/jewels.toml").read_text()
    assert read_settings(repo / "models/training/detector/jewels.toml").network.names == ("piece",)
    (tmp_path / "a.toml").write_text(text.replace("held_out", "heldout"))
    with pytest.raises(ValueError, match="'heldout'"):
        read_settings(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text(text.replace("side = 640", "side = 650"))
    with pytest.raises(ValueError, match="650"):
        read_settings(tmp_path / "b.toml")
