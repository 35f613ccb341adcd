"""What a GPU's training adds: planes made where it computes, pictures drawn again, answers asked for as it goes.

Here on the CPU, which computes the same.
"""

# ruff: noqa: E402  (what follows the check for torch needs it)
import threading
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the training needs torch, which is not installed: pip install torch")
pytest.importorskip("safetensors", reason="the training needs safetensors, which is not installed")

from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import default_collate

from models.training.common.runs import LOG, read_rows
from models.training.cutout import pool
from models.training.cutout import train as training
from models.training.cutout.answer import CROPS, composed
from models.training.cutout.ask import Asker, Portions, both_looks, picture
from models.training.cutout.asked import Trained
from models.training.cutout.coarse_net import Coarse
from models.training.cutout.config import Data, Settings, Stage
from models.training.cutout.examples import alone
from models.training.cutout.pool import Pool, turned
from models.training.cutout.seen import PHASES, Raw, bits_of, planes, raw, solar, tone_of
from models.training.cutout.shelf import Shelf
from models.training.cutout.weights import COARSE, keep, take
from segtile.coarse import net
from segtile.refine.inputs import upsample
from segtile.solar import network_channels
from segtile.types import Box

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
SIDE = 96
_STAGE = Stage(sides=(64,), batch=4, steps=10, rate=1e-3, warm_up=3, pretrained=False, validate_every=1000, lite=0)
SETTINGS = Settings(
    seed=5, data=Data(validation=2, empty=0.0), coarse=_STAGE, refine=replace(_STAGE, answers=0.6, sides=(64, SIDE))
)
NOTHING = Shelf((), SETTINGS.data, False)  # shapes are composed of nothing


@given(st.floats(1e-4, 0.2), st.integers(0, 2**32 - 1), st.booleans())
def test_the_solar_channels_of_a_batch_are_those_of_its_pictures(sigma, seed, told):
    rng = np.random.default_rng(seed)
    rgb, tone = rng.random((9, 13, 3), np.float32), rng.random((9, 13), np.float32)
    wanted = network_channels(rgb, tone if told else None, sigma)
    found = solar(
        torch.from_numpy(rgb).permute(2, 0, 1)[None],
        torch.from_numpy(tone)[None, None],
        torch.full((1, 1, 1, 1), sigma),
        torch.full((1, 1, 1, 1), told),
    )
    assert found.shape[1] == 1 + len(PHASES)
    np.testing.assert_allclose(found[0].permute(1, 2, 0), wanted, atol=1e-5)


def test_luma_travels_in_sixteen_bits():
    values = np.linspace(0, 1, 65536, dtype=np.float32).reshape(256, 256)
    np.testing.assert_allclose(tone_of(torch.from_numpy(bits_of(values, values.shape))), values, atol=1e-7)
    assert not bits_of(None, (3, 4)).any()


def _numbered(first, count, side=6):
    """Pictures that say which they are, each unlike itself turned."""
    ramp = np.arange(side * side, dtype=np.float32).reshape(side, side) / (side * side)
    some = [raw(np.full((side, side, 3), n, np.uint8), ramp, ramp, ramp, 0.01) for n in range(first, first + count)]
    return default_collate(some)


def test_a_pool_keeps_the_latest_of_each_size_and_draws_none_twice():
    kept = Pool(room=8)
    for first in range(0, 20, 4):
        kept.add(_numbered(first, 4))
    rng = np.random.default_rng(1)
    for _ in range(20):
        drawn = kept.draw(rng, 8)
        assert sorted(drawn.pixels[:, 0, 0, 0].tolist()) == list(range(12, 20))
    kept.add(_numbered(100, 8, side=10))
    sides = {kept.draw(rng, 4).alpha.shape[-1] for _ in range(40)}
    assert sides == {6, 10}


@given(st.integers(0, 3), st.booleans())
def test_all_planes_of_a_picture_are_turned_alike(quarters, mirrored):
    one = turned(_numbered(0, 2), quarters, mirrored)
    np.testing.assert_allclose(tone_of(one.tone), one.alpha / 255, atol=0.51 / 255)
    np.testing.assert_array_equal(one.alpha, one.prob)
    back = one
    if mirrored:
        back = turned(back, 0, True)
    back = turned(back, -quarters % 4, False)
    np.testing.assert_array_equal(back.alpha, _numbered(0, 2).alpha)


@pytest.mark.parametrize("views", [1, 3])
def test_pictures_are_seen_again_and_the_thread_that_fetches_them_ends(views, monkeypatch):
    settings = replace(SETTINGS, coarse=replace(_STAGE, views=views))
    composed_ones = []
    real = pool.batches

    def counted(*given):
        for batch in real(*given):
            composed_ones.append(len(batch.alpha))
            yield batch

    monkeypatch.setattr(pool, "batches", counted)
    before = threading.active_count()
    given = pool.pairs("coarse", settings, NOTHING, 0, 0, CPU, None)
    for _ in range(9):
        seen, alpha = next(given)
        assert seen.shape == (4, 7, 64, 64)
        assert alpha.shape == (4, 1, 64, 64)
    given.close()
    assert threading.active_count() == before
    # no picture is owed: what was seen has come in at least a `views`-th part
    assert views * sum(composed_ones) >= 9 * 4


def test_what_breaks_while_composing_is_said(monkeypatch):
    def broken(*given):
        raise ValueError("a sheet is torn")
        yield

    monkeypatch.setattr(pool, "batches", broken)
    settings = replace(SETTINGS, coarse=replace(_STAGE, views=2))
    with pytest.raises(RuntimeError, match="no longer composed") as error:
        next(pool.pairs("coarse", settings, NOTHING, 0, 0, CPU, None))
    assert "torn" in str(error.value.__cause__)


@pytest.fixture(scope="module")
def coarse():
    model = Coarse()
    take(model, COARSE)
    return model


@pytest.mark.parametrize("number", range(4))
def test_the_answers_are_those_of_the_run_time_code(coarse, number):
    one = picture(np.random.default_rng(number), SETTINGS, NOTHING)
    asker = Asker(coarse, SETTINGS, CPU)
    found = asker.probability(one)[0, 0].numpy()
    _, pixels, preview, far = composed(np.random.default_rng(number), NOTHING, SETTINGS.data)
    np.testing.assert_array_equal(pixels, one.pixels)
    frame = Box(0, 0, *pixels.shape[:2])
    answer = net.look(Trained(coarse, CPU), preview, frame, far, len(preview))
    wanted = upsample(answer.prob, answer, frame)
    # views travel in half precision
    assert np.abs(found - wanted).mean() < 2e-3
    assert np.quantile(np.abs(found - wanted), 0.99) < 0.03

    crops = asker.crops(one)
    assert crops.alpha.shape == (CROPS, SIDE, SIDE)
    said = np.round(255 * found).astype(np.uint8)
    for n in range(CROPS):
        at = _place(one.pixels, crops.pixels[n].numpy())
        np.testing.assert_array_equal(crops.alpha[n], one.alpha[at])
        assert np.abs(crops.prob[n].numpy().astype(int) - said[at]).max() <= 1
    assert not crops.told.any() or one.near.told


def _place(pixels, crop):
    """Where a crop was cut from."""
    side = len(crop)
    rows = len(pixels) - side + 1
    columns = pixels.shape[1] - side + 1
    fits = np.ones((rows, columns), bool)
    for y, x in ((0, 0), (side - 1, 5), (7, side - 1), (side // 2, side // 3), (side - 1, side - 1)):
        fits &= (pixels[y : y + rows, x : x + columns] == crop[y, x]).all(axis=2)
    for y, x in np.argwhere(fits):
        if np.array_equal(pixels[y : y + side, x : x + side], crop):
            return np.s_[y : y + side, x : x + side]
    raise AssertionError("it was not cut from this picture")


def test_two_looks_are_joined_as_at_run_time():
    rng = np.random.default_rng(4)
    # the mean of log odds that are held is held
    held = net.LEAST, 1 - net.LEAST
    far, close = (np.clip(rng.random(shape, np.float32) * 1.2 - 0.1, *held) for shape in ((40, 40), (64, 64)))
    wanted = net.both_looks(far, close)
    odds = [torch.logit(torch.from_numpy(x), net.LEAST)[None, None] for x in (far, close)]
    np.testing.assert_allclose(torch.sigmoid(both_looks(*odds))[0, 0], wanted, atol=2e-4)


def test_portions_keep_the_share_of_real_answers():
    alone(0)
    for share in (0.5, 0.8):
        settings = replace(SETTINGS, refine=replace(SETTINGS.refine, answers=share))
        crops, pictures = Portions(settings, NOTHING, 0)[0]
        real = CROPS * len(pictures)
        assert real / (real + len(crops.alpha)) == pytest.approx(share, abs=0.02)
        assert crops.alpha.shape[1:] == (SIDE, SIDE)


def test_the_refiner_learns_from_a_coarse_network_that_is_asked(coarse, tmp_path, monkeypatch):
    keep(coarse, tmp_path / "coarse.safetensors", 0)
    stage = replace(SETTINGS.refine, batch=8, steps=4, views=2)
    settings = replace(SETTINGS, refine=stage, coarse=replace(_STAGE, lite=2))
    seen = []
    real = training.step
    monkeypatch.setattr(training, "step", lambda *given: (seen.append(given[3]), real(*given))[1])
    run = training.train(
        "refine", settings, (NOTHING, NOTHING), tmp_path, CPU, 0, asked=tmp_path / "coarse.safetensors"
    )
    assert run.step == 4
    assert {tuple(x.shape[1:]) for x in seen} == {(8, SIDE, SIDE)}
    assert "iou" in read_rows(tmp_path / LOG)[-1] or "empty_mae" in read_rows(tmp_path / LOG)[-1]


def test_planes_without_a_probability_or_a_background_say_nothing():
    side = 8
    one = raw(np.full((side, side, 3), 200, np.uint8), np.ones((side, side), np.float32), None, None, 0.0)
    seen, alpha = planes(default_collate([one]), True, Stage(prob=False))
    np.testing.assert_array_equal(seen[0, 3], 0)
    np.testing.assert_array_equal(seen[0, 4:], 0.5)
    assert isinstance(one, Raw)
    assert (alpha == 1).all()
