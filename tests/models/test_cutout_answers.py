"""The coarse network's real answers as the refiner learns from them: made, kept, read again. No torch."""

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.cutout import answer
from models.training.cutout.answer import CROP, CROPS, fill, share_out
from models.training.cutout.bank import Bank, part, write
from models.training.cutout.config import Data
from models.training.cutout.degrade import soften, worsen
from models.training.cutout.layers import shape_layer
from models.training.cutout.shelf import Shelf
from segtile.backends.alpha_graph import AlphaGraph
from segtile.solar import LUMA

SIDE = 96


def _graphs():
    spec = importlib.util.spec_from_file_location("net_graphs", Path(__file__).parents[1] / "net_graphs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["net_graphs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer, "SIDES", (320, 448))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory, small_pictures):
    """Two pictures' crops, answered by a graph that takes for an object what differs from the background."""
    place = tmp_path_factory.mktemp("answers")
    graph = AlphaGraph(_graphs().write_graph(place / "coarse.onnx", kind="coarse"), refines=False)
    shelf = Shelf((), Data(), False)
    data = Data(shapes=1.0, empty=0.0, faint=0.0)
    fill(place / "train", graph, shelf, data, 5, range(2))
    return place / "train", graph, shelf, data


@pytest.fixture(scope="module")
def crops(made):
    return Bank(made[0])


def test_crops_hold_the_picture_its_alpha_and_an_answer_about_them(crops):
    assert len(crops) == 2 * CROPS
    found, blind = [], []
    for crop in crops:
        assert crop.pixels.shape == (CROP, CROP, 3)
        assert crop.alpha.shape == crop.prob.shape == (CROP, CROP)
        assert 1 <= crop.scale < 6
        alpha, prob = crop.alpha / 255, crop.prob / 255
        found.append(np.abs(alpha - prob).mean())
        blind.append(np.abs(alpha - np.roll(prob, CROP // 2, axis=1)).mean())
    assert np.mean(found) < 0.7 * np.mean(blind)  # the answer is of this place


def test_the_background_is_the_one_under_the_picture(crops):
    told = [crop for crop in crops if crop.tone is not None]
    assert told
    for crop in told:
        luma = (crop.pixels / np.float32(255)) @ LUMA
        open_ground = crop.alpha == 0
        if open_ground.sum() > 2000:
            off = np.abs(luma - crop.tone / 65535)[open_ground]
            assert np.median(off) < 0.03


def test_pictures_that_are_there_are_left_and_the_same_number_is_the_same_picture(made, tmp_path):
    place, graph, shelf, data = made
    before = {file.name: file.stat().st_mtime_ns for file in place.iterdir()}
    fill(place, graph, shelf, data, 5, range(2))
    assert {file.name: file.stat().st_mtime_ns for file in place.iterdir()} == before
    fill(tmp_path, graph, shelf, data, 5, range(1, 2))
    again, wanted = Bank(tmp_path), Bank(place)[CROPS:]
    for one, two in zip(again, wanted, strict=True):
        np.testing.assert_array_equal(one.pixels, two.pixels)
        np.testing.assert_array_equal(one.prob, two.prob)


def test_a_broken_file_is_left_out_and_named(made, tmp_path, caplog):
    whole = (made[0] / "00000.npy").read_bytes()
    (tmp_path / "00000.npy").write_bytes(whole[:5000])
    (tmp_path / "00001.npy").write_bytes(whole)
    np.save(tmp_path / "00002.npy", np.zeros((3, 4)))
    (tmp_path / "00003.npy").write_bytes(b"")
    np.save(tmp_path / "00004.npy", np.zeros(3, [("pixels", "u1")]))
    np.save(tmp_path / "00005.npy", np.zeros(3, [("alpha", "u1")]))
    assert len(Bank(tmp_path)) == CROPS
    for name in ("00000.npy", "00002.npy", "00003.npy", "00004.npy", "00005.npy"):
        assert f"{name} is left out" in caplog.text


def test_a_bank_grows_while_it_is_learnt_from(crops, tmp_path):
    write(crops[:3], tmp_path / "b.npy")
    bank = Bank(tmp_path)
    shelf = Shelf((), Data(), False, bank)
    write(crops[3:5], tmp_path / "a.npy")
    assert len(shelf.answers) == 3
    shelf.look()
    assert len(shelf.answers) == 5
    for one, two in zip(shelf.answers, crops[:5], strict=True):
        np.testing.assert_array_equal(one.pixels, two.pixels)
        assert (one.tone is None, one.sigma, one.scale) == (two.tone is None, two.sigma, two.scale)


def test_processes_share_the_work_and_a_failure_is_heard(tmp_path):
    share_out(lambda some: [(tmp_path / f"{n}").touch() for n in some], range(3, 10), 3)
    assert sorted(int(file.name) for file in tmp_path.iterdir()) == list(range(3, 10))

    def fails(some):
        raise SystemExit(3 if 1 in some else 0)

    with pytest.raises(ChildProcessError, match="failed"):
        share_out(fails, range(4), 2)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), side=st.sampled_from([64, 128, 288]))
def test_a_part_is_turned_as_one(crops, seed, side):
    whole = crops[seed % len(crops)]
    some = part(np.random.default_rng(seed), whole, side)
    planes = [some.pixels, some.alpha, some.prob] + ([] if some.tone is None else [some.tone])
    assert all(plane.shape[:2] == (side, side) for plane in planes)
    # what stood together in one pixel still does
    assert np.isin(_together(some), _together(whole)).all()


def _together(crop):
    four = [*np.moveaxis(crop.pixels, 2, 0), crop.alpha, crop.prob]
    return sum(plane.astype(np.int64) << (8 * n) for n, plane in enumerate(four))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_softened_alpha_keeps_the_object_and_a_worsened_answer_stays_one(seed):
    rng = np.random.default_rng(seed)
    alpha = shape_layer(rng, SIDE).alpha
    soft = soften(rng, alpha)
    assert soft.shape == alpha.shape
    assert soft.min() >= 0
    assert soft.max() <= 1
    # Of what is thin all over, cells of 5 px keep the place but not the edge. Both bounds hold for all of these seeds.
    if alpha.max() > 0.9 and alpha.mean() > 0.02:
        assert np.corrcoef(soft.ravel(), cv2.GaussianBlur(alpha, (0, 0), 1.25).ravel())[0, 1] > 0.5
    if (cv2.blur(alpha, (7, 7)) > 0.95).mean() > 0.02 and alpha.mean() < 0.9:
        assert np.corrcoef(soft.ravel(), alpha.ravel())[0, 1] > 0.6
    worse = worsen(rng, soft, 2.0)
    assert worse.min() >= 0
    assert worse.max() <= 1


def test_worse_answers_are_worse_and_softened_ones_have_no_other_fault():
    errors = {"soft": [], "worse": []}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alpha = shape_layer(rng, SIDE).alpha
        soft = soften(rng, alpha)
        errors["soft"].append(((soft > 0.5) != (alpha > 0.5)).mean())
        errors["worse"].append(((worsen(rng, soft, 1.5) > 0.5) != (alpha > 0.5)).mean())
    assert np.mean(errors["worse"]) > 1.3 * np.mean(errors["soft"])
