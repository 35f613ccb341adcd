"""Cards and weights: found, checked, and refused with a sentence."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

import segtile
from segtile.catalog import find_weights, list_cards, load_card, read_card
from segtile.errors import BadInput, ModelError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    return tmp_path


@pytest.fixture
def with_u2netp(home, shared):
    shutil.copy(shared / "weights" / "u2netp.onnx", home / "weights")
    return home


def test_every_card_reads_and_states_both_licences(repo):
    cards = list_cards()
    assert {card.id for card in cards} == {path.stem for path in (repo / "models" / "cards").glob("*.toml")}
    for card in cards:
        assert card.code_licence
        assert card.weights_licence
        assert card.data


def test_missing_weights_say_what_belongs_where(home):
    with pytest.raises(ModelError, match=r"u2netp\.onnx.*sha256.*weights"):
        find_weights(load_card("u2netp"))


def test_wrong_weights_are_refused(home):
    (home / "weights" / "u2netp.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="sha256"):
        find_weights(load_card("u2netp"))


def test_unknown_models(home):
    with pytest.raises(ModelError, match="no-such"):
        load_card("no-such")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "u2netp.onnx"', 'name = "../u2netp.onnx"', "folder"),
        ("309c8469", "zz", "sha256"),
        ('colour = "rgb"', 'colour = "xyz"', "colour"),
        ('activation = "none"', 'activation = "relu"', "activation"),
        ("size = [320, 320]", "size = [0, 320]", "size"),
        ("std = [0.229, 0.224, 0.225]", "std = [0.0, 0.224, 0.225]", "std"),
        ('id = "u2netp"', "id = ", "line 1"),
    ],
)
def test_bad_cards_are_one_sentence(repo, tmp_path, old, new, says):
    text = (repo / "models" / "cards" / "u2netp.toml").read_text()
    assert old in text
    path = tmp_path / "u2netp.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=rf"u2netp\.toml.*{says}"):
        read_card(path)


def test_a_network_as_coarse_pass_end_to_end(with_u2netp, shared, tmp_path):
    photo = shared / "samples" / "pairs" / "white" / "watch_white.png"
    if not photo.exists():
        photo = sorted((shared / "samples" / "pairs" / "white").glob("*[!a].png"))[0]
    exact = np.asarray(Image.open(photo.with_name(photo.stem + "_alpha.png")).convert("L")) / 255
    with segtile.cutout(photo, coarse="u2netp", refine="none") as cut:
        alpha = cut.alpha / 255
        assert cut.result.coarse == "u2netp"
        assert cut.coarse.unsure.any()
    overlap = np.minimum(alpha, exact).sum() / np.maximum(alpha, exact).sum()
    assert overlap > 0.5


def test_a_network_asked_for_and_missing_is_an_error(home, ring_scene):
    with pytest.raises(ModelError, match="not installed"):
        segtile.cutout(ring_scene[0], coarse="u2netp")
    with pytest.raises(BadInput, match="net"):
        segtile.cutout(ring_scene[0], coarse="net")
