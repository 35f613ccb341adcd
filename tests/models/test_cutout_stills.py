"""Rendered scenes on their own paper: shadows as deep as they were rendered, edges that stay exact at any size."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.synth import composite
from eval.synth.materials import SWEEP
from models.training.cutout import shoot as shooting
from models.training.cutout.compose import compose, compose_still
from models.training.cutout.config import Data
from models.training.cutout.shelf import Shelf
from models.training.cutout.shoot import DENSE, shoot, side_of

HEIGHT, WIDTH = 180, 240
WHITE, LIGHT = 0.9, 0.25  # the paper's encoded value, and the share of the light that the shadow lets through
DATA = Data(held_out_kinds=("bar",), stills=1.0, faint=0.0)


def _disc() -> np.ndarray:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(alpha, (100 * 16, 90 * 16), 40 * 16, 255, -1, cv2.LINE_AA, 4)
    return alpha


def _write(folder, kind: str, paper: float = 1.0) -> None:
    """A disc whose shadow is a hard band at its right."""
    rgb = np.full((HEIGHT, WIDTH, 3), (120, 60, 30), np.uint8)
    shade = np.full((HEIGHT, WIDTH), 255, np.uint8)
    shade[60:120, 120:180] = round(255 * LIGHT)
    colour = [c * paper for c in SWEEP.colour]
    meta = np.array(json.dumps({"white": WHITE, "stage": {"paper": {"colour": colour}}}))
    arrays = {"rgb0": rgb, "alpha0": _disc(), "shadow0": shade, "names": np.array([kind]), "meta": meta}
    np.savez_compressed(folder / f"{kind}-000.npz", **arrays)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    for kind in ("disc", "bar"):
        _write(folder, kind)
    return Shelf((folder,), DATA, False)


@pytest.fixture
def as_rendered(monkeypatch):
    """Nothing of the scene is drawn anew but the part that is shown."""
    for name in ("OWN_PAPER", "OWN_COLOURS", "FULL_DEPTH"):
        monkeypatch.setattr(shooting, name, 1.0)
    monkeypatch.setattr(shooting, "fall_of_light", lambda rng, side: np.ones((side, side, 1), np.float32))


def test_kinds_of_another_split_are_left_out_and_single_pieces_are_no_scenes(shelf, tmp_path):
    assert len(shelf.stills) == 1
    with np.load(next(iter(shelf._seen))) as sheet:
        kept = {name: sheet[name] for name in sheet.files if name != "meta"}
    np.savez_compressed(tmp_path / "sheet-1-000.npz", **kept)
    assert Shelf((tmp_path,), DATA, False).stills == []


def test_shadows_are_as_deep_as_they_were_rendered(shelf, as_rendered):
    still, edge = shelf.stills[0]
    shot = shoot(np.random.default_rng(1), still, edge, HEIGHT, False, 0.0)
    # the shoulder of the exposure is left out on purpose: a bright paper's shadow is not quite the square root
    dark = float(composite.encode(np.array([LIGHT], np.float32))[0])
    assert shot.dark.max() == pytest.approx(1 - dark, abs=0.01)
    assert np.unique(shot.under.round(3)).tolist() == [pytest.approx(WHITE, abs=0.003)]
    assert shot.tone is not None
    np.testing.assert_allclose(shot.tone, shot.under)


@pytest.mark.parametrize("paper", [0.1, 0.5])
def test_darker_paper_is_as_dark_as_it_is_beside_white(tmp_path, as_rendered, paper):
    _write(tmp_path, "disc", paper)
    still, edge = Shelf((tmp_path,), DATA, False).stills[0]
    np.testing.assert_allclose(still.paper, paper, rtol=1e-4)
    shot = shoot(np.random.default_rng(1), still, edge, HEIGHT, False, 0.0)
    before = composite.gain_for(np.ones((1, 1, 3), np.float32), WHITE)
    wanted = composite.encode(composite.shoulder(np.array([paper * before], np.float32)))
    assert float(shot.under.mean()) == pytest.approx(float(wanted[0]), abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), side=st.sampled_from([64, 128, 224]), close=st.booleans())
def test_any_part_at_any_size_is_the_object_over_its_paper(shelf, seed, side, close):
    still, edge = shelf.stills[0]
    shot = shoot(np.random.default_rng(seed), still, edge, side, close, 0.0)
    for plane in (shot.front, shot.under):
        assert plane.shape == (side, side, 3)
    assert 0 <= shot.alpha.min() <= shot.alpha.max() <= 1
    assert shot.alpha.max() > 0.9  # the object is in the picture
    # where the object covers nothing, nothing of it is seen; premultiplied colour never exceeds alpha
    assert (shot.front <= shot.alpha[..., None] + 2e-3).all()


def test_a_disc_stays_round_and_its_edge_exact_when_the_picture_is_smaller(shelf):
    still, edge = shelf.stills[0]
    whole = 0
    for seed in range(20):
        alpha = shoot(np.random.default_rng(seed), still, edge, 90, False, 0.0).alpha
        if max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) == 0:
            across = alpha.sum(axis=1).max(), alpha.sum(axis=0).max()
            assert across[0] == pytest.approx(across[1], rel=0.02)
            assert float(alpha.sum()) == pytest.approx(np.pi * across[0] ** 2 / 4, rel=0.02)
            whole += 1
    assert whole >= 5


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_close_pictures_are_denser_than_the_render(shelf, seed):
    """A disc whose whole edge is in the frame is as much smaller as a px of the picture covers of the render."""
    still, edge = shelf.stills[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shooting, "DENSE_SHARE", 1.0)
        patch.setattr(shooting, "OWN_COLOURS", 1.0)
        alpha = shoot(np.random.default_rng(seed), still, edge, 64, True, 0.0).alpha
    across = max(alpha.sum(axis=0).max(), alpha.sum(axis=1).max())
    assert across <= 80 * DENSE[1] + 0.5
    if alpha[0].max() + alpha[-1].max() + alpha[:, 0].max() + alpha[:, -1].max() == 0:
        assert across >= 80 * DENSE[0] - 0.5


def test_whole_pictures_are_as_large_as_rendered_or_smaller_but_not_too_small(shelf, monkeypatch):
    still, _ = shelf.stills[0]
    rng = np.random.default_rng(3)
    sides = [side_of(rng, still, 70) for _ in range(200)]
    assert min(sides) == 70  # smaller ones were drawn and held back
    assert max(sides) == HEIGHT
    assert 0.6 < np.mean([side < HEIGHT for side in sides]) < 0.9
    assert side_of(rng, still, 10_000) == HEIGHT  # never larger than it was rendered
    monkeypatch.setattr(shooting, "DENSE_SHARE", 0.0)
    assert {side_of(rng, still, 70) for _ in range(20)} == {HEIGHT}


def test_a_faint_object_differs_from_its_paper_by_the_contrast_that_was_wanted(shelf, as_rendered):
    still, edge = shelf.stills[0]
    shot = shoot(np.random.default_rng(5), still, edge, HEIGHT, False, 0.04)
    inside = shot.alpha > 0.999
    luma = (shot.front @ composite.LUMA)[inside]
    assert np.median(1 - luma / (shot.under @ composite.LUMA)[inside]) == pytest.approx(0.04, abs=0.004)
    assert shot.dark.max() > 0.04  # its shadow is deeper than the object: that is what makes white on white hard


def test_composed_stills_are_the_same_by_number_and_as_large_as_wished(shelf):
    one, two = (compose(np.random.default_rng(9), shelf, DATA, 96, False) for _ in range(2))
    np.testing.assert_array_equal(one.pixels, two.pixels)
    assert one.alpha.shape == (96, 96)
    assert compose_still(np.random.default_rng(9), shelf, DATA, None, False).alpha.shape == (HEIGHT, HEIGHT)


@pytest.mark.parametrize("seed", range(6))
def test_clean_ones_are_the_scene_itself_but_for_what_a_good_camera_adds(shelf, seed):
    """Its colours, its paper and its shadow's depth in every picture: noise and JPEG move them by little."""
    picture = compose_still(np.random.default_rng(seed), shelf, replace(DATA, clean=1.0), HEIGHT, True)
    front, open_ground = picture.alpha > 0.999, (picture.alpha == 0) & (picture.dark < 0.01)
    assert front.sum() > 50
    assert np.median(picture.pixels[front], axis=0) == pytest.approx([120 / 255, 60 / 255, 30 / 255], abs=0.006)
    assert np.median(picture.pixels[open_ground]) == pytest.approx(WHITE, abs=0.006)
    mixed = (picture.alpha > 0.3) & (picture.alpha < 0.7) & (picture.dark < 0.01)
    told = picture.alpha[..., None] * picture.pixels[front].mean(axis=0) + (1 - picture.alpha[..., None]) * WHITE
    assert np.abs(picture.pixels - told)[mixed].mean() < 0.03


def test_a_share_of_the_scenes_is_clean(shelf, monkeypatch):
    from models.training.cutout import compose as composing

    counts = {"clean": 0, "other": 0}
    for name, way in (("clean", "_cleanly_photographed"), ("other", "_photographed")):
        real = getattr(composing, way)

        def counting(*given, name=name, real=real):
            counts[name] += 1
            return real(*given)

        monkeypatch.setattr(composing, way, counting)
    for seed in range(60):
        compose_still(np.random.default_rng(seed), shelf, replace(DATA, clean=0.5), 64, True)
    assert 18 <= counts["clean"] <= 42
    assert counts["clean"] + counts["other"] == 60


def test_without_scenes_pieces_are_laid_as_ever():
    bare = Shelf((), DATA, False)
    one, two = (compose(np.random.default_rng(4), bare, replace(DATA, stills=n), 96, False) for n in (0.0, 1.0))
    np.testing.assert_array_equal(one.pixels, two.pixels)
