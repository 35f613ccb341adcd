import dataclasses

import coarse_scenes as scenes
import numpy as np
import pytest

from segtile.coarse import choose, look
from segtile.errors import BadInput, ModelError
from segtile.raster import open_raster
from segtile.types import Box


def woods(h=300, w=400):
    """A busy background: long strong grain in changing colours, from edge to edge."""
    rng = np.random.default_rng(2)
    grain = np.repeat(rng.random((h, 1, 3)), w, axis=1) * 0.5 + 0.3
    grain += 0.1 * np.sin(np.arange(w) / 3.0)[None, :, None] * rng.random((h, 1, 1))
    return np.clip(grain, 0, 1).astype(np.float32)


def frame_of(preview):
    return Box.frame(preview.shape[1], preview.shape[0])


@pytest.fixture
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path))


@pytest.fixture
def u2netp_home(tmp_path, monkeypatch, shared):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "u2netp.onnx").symlink_to(shared / "weights" / "u2netp.onnx")
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path))


def test_auto_hears_the_network_and_the_studio_pass_on_a_plain_background(no_weights):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    preview, alpha = scenes.gold_ring()
    found = look(preview, frame_of(preview))
    assert found.source == "net-coarse+studio"
    assert found.notes == ()
    assert found.background is not None
    np.testing.assert_array_equal((found.prob > 0.5)[alpha > 0.999], True)
    assert found.prob[alpha < 0.001].mean() < 0.01


def test_auto_takes_studio_alone_where_no_network_can_be_run_and_says_so(no_weights, monkeypatch):
    monkeypatch.setattr(choose, "available_providers", list)
    preview, _ = scenes.gold_ring()
    found = look(preview, frame_of(preview))
    assert found.source == "studio"
    assert len(found.notes) == 1
    assert "the studio pass looked alone" in found.notes[0]


def test_auto_takes_the_network_where_the_two_see_different_things(no_weights, monkeypatch):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    preview, _ = scenes.gold_ring()
    studio = look(preview, frame_of(preview), "studio")
    inverted = dataclasses.replace(studio, prob=1 - studio.prob)
    monkeypatch.setattr(choose, "studio_pass", lambda *_: (inverted, 1.0))
    found = look(preview, frame_of(preview))
    assert found.source == "net-coarse"
    assert "agree on" in found.notes[0]


def test_auto_without_a_network_warns_where_the_background_is_busy(no_weights, monkeypatch):
    monkeypatch.setattr(choose, "available_providers", list)
    preview = woods()
    found = look(preview, frame_of(preview))
    assert found.source == "studio"
    assert "not plain" in found.notes[0]
    assert "no network can be run" in found.notes[0]


def test_auto_prefers_the_best_installed_network_where_the_background_is_busy(u2netp_home, monkeypatch):
    preview = woods()
    preview[80:220, 140:260] = (0.9, 0.1, 0.1)
    found = look(preview, frame_of(preview))
    assert found.source == "net-coarse", "ours comes with segtile"
    assert "not plain" in found.notes[0]
    assert "net-coarse" in found.notes[0]
    assert found.labels.any()
    better = [dataclasses.replace(card, auto=99) if card.id == "u2netp" else card for card in choose.list_cards()]
    monkeypatch.setattr(choose, "list_cards", lambda: better)
    assert look(preview, frame_of(preview)).source == "u2netp"


def test_auto_asks_a_network_where_the_studio_pass_finds_nothing(no_weights, monkeypatch, data_samples):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    with open_raster(data_samples / "pearls_white.tif") as raster:
        preview = raster.preview(1024)
    empty = look(np.full_like(preview, 0.9), frame_of(preview), "studio")
    assert not empty.labels.any()
    monkeypatch.setattr(choose, "studio_pass", lambda *_: (empty, 1.0))
    found = look(preview, frame_of(preview))
    assert found.source == "net-coarse"
    assert found.labels.any()
    assert "found nothing" in found.notes[0]
    paper = np.full((300, 400, 3), 0.95, np.float32)
    assert not look(paper, frame_of(paper)).labels.any(), "what both see empty stays empty"


def test_a_network_by_name(u2netp_home):
    preview, alpha = scenes.gold_ring()
    found = look(preview, Box.frame(2100, 1500), "u2netp")
    assert found.source == "u2netp"
    assert found.prob.shape == found.unsure.shape == found.labels.shape == alpha.shape
    assert found.scale == pytest.approx(3)
    y, x = np.mgrid[:500, :700]
    outer = (alpha > 0.001) & (alpha < 0.999) & (np.hypot(x - 350, y - 250) > 155)  # its 320 px see no hole here
    assert found.unsure[outer].mean() > 0.97
    assert found.prob[alpha > 0.99].mean() > 0.9


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_network_finds_nothing_in_an_empty_picture(u2netp_home, value):
    preview = np.full((240, 320, 3), value, np.float32)
    found = look(preview, frame_of(preview), "u2netp")
    assert not found.labels.any()


def test_a_network_whose_weights_are_missing_is_an_error_when_asked_for_by_name(no_weights):
    preview, _ = scenes.gold_ring()
    with pytest.raises(ModelError, match=r"u2netp\.onnx.*segtile models pull u2netp"):
        look(preview, frame_of(preview), "u2netp")


@pytest.mark.parametrize(("name", "word"), [("u3net", "u2netp")])
def test_unknown_passes_are_refused_with_what_there_is(name, word):
    preview, _ = scenes.gold_ring()
    with pytest.raises(BadInput, match=word):
        look(preview, frame_of(preview), name)


@pytest.mark.parametrize(
    "preview", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 3), np.float32)]
)
def test_what_is_no_preview_is_refused(preview):
    with pytest.raises(BadInput, match="preview"):
        look(preview, Box.frame(4, 4))


def test_auto_goes_on_without_onnxruntime(monkeypatch, u2netp_home):
    monkeypatch.setattr(choose, "available_providers", list)
    preview = woods()
    assert look(preview, frame_of(preview)).source == "studio"


def test_auto_leaves_a_large_picture_to_the_studio_pass_where_the_network_agrees(no_weights):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    preview, _ = scenes.gold_ring()
    h, w = preview.shape[:2]
    large = look(preview, Box.frame(8 * w, 8 * h))
    alone = look(preview, Box.frame(8 * w, 8 * h), "studio")
    assert large.source == "studio"
    assert large.notes == ()
    np.testing.assert_array_equal(large.prob, alone.prob)
