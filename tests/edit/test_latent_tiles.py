from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from segtile.edit.latent import (
    LatentSettings,
    decode_tiles,
    denoise_tiles,
    edit_latent,
    latent_noise,
    latent_plan,
    scaled_plan,
)
from segtile.errors import BadInput, ModelError
from segtile.types import Box, FloatArray

EVERY_MIX = ("step", "clamped", "finished", "none")


@dataclass
class Identity:
    """Adds no noise and takes none away; remembers what it was asked."""

    steps: int = 3
    multiple: int = 1
    calls: list[tuple[int, Box, FloatArray]] = field(default_factory=list)

    def noised(self, latent: FloatArray, noise: FloatArray, index: int) -> FloatArray:
        return latent.copy()

    def step(self, tile: FloatArray, index: int, box: Box) -> FloatArray:
        self.calls.append((index, box, tile.copy()))
        return tile.copy()


class Smoother(Identity):
    """Looks at its neighbourhood, zeros beyond the tile, as a convolution does."""

    def noised(self, latent: FloatArray, noise: FloatArray, index: int) -> FloatArray:
        left = np.float32(1 - index / self.steps)
        return latent + left * noise

    def step(self, tile: FloatArray, index: int, box: Box) -> FloatArray:
        return uniform_filter(tile, (3, 3, 0), mode="constant")


class Biased(Identity):
    """Every tile drifts its own way: by its index in the grid of origins."""

    def step(self, tile: FloatArray, index: int, box: Box) -> FloatArray:
        return super().step(tile, index, box) + np.float32(box.x0 + 10 * box.y0)


@dataclass
class Nearest:
    """A vae that keeps one px of every block; its latent has the picture's three channels."""

    factor: int = 4

    def encode(self, picture, on_progress=None):
        assert picture.shape[0] % self.factor == picture.shape[1] % self.factor == 0
        return picture[:: self.factor, :: self.factor].astype(np.float32)

    def decode(self, latent, dtype=np.float32, on_progress=None):
        return latent.repeat(self.factor, 0).repeat(self.factor, 1).astype(dtype)


def random_latent(height: int, width: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((height, width, 4), dtype=np.float32)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    tile=st.integers(1, 17),
    share=st.floats(0, 0.95),
    mix=st.sampled_from(EVERY_MIX),
)
def test_an_identity_denoiser_gives_the_latent_back_to_the_bit(height, width, tile, share, mix):
    latent = random_latent(height, width)
    plan = latent_plan(width, height, tile, int(tile * share))
    out = denoise_tiles(latent, latent_noise(latent.shape, 0), Identity(), plan, mix)
    np.testing.assert_array_equal(out, latent)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(5, 22), width=st.integers(5, 22), tile=st.integers(2, 17), share=st.floats(0, 0.9))
def test_weights_are_a_partition_of_unity(height, width, tile, share):
    """The mean over tiles that are each constant lies between them, and tiles that all say 1 give 1 everywhere."""
    plan = latent_plan(width, height, tile, int(tile * share))
    ones = np.ones((height, width, 1), np.float32)
    shares = []
    for chosen in plan.boxes():

        class One(Identity):
            mine = chosen

            def step(self, tile, index, box):
                return np.full_like(tile, float(box == self.mine))

        share_of = denoise_tiles(ones, ones, One(steps=1), plan)
        assert share_of.min() >= 0
        outside = np.ones((height, width), bool)
        outside[chosen.slices] = False
        assert not share_of[outside].any()
        shares.append(share_of)
    np.testing.assert_allclose(np.sum(shares, axis=0), 1, atol=1e-6)


def test_in_a_step_every_tile_sees_the_latent_as_it_was_before():
    """What another tile answered in the same step is in nobody's input: the order of the tiles cannot matter."""
    latent = random_latent(30, 41)
    plan = latent_plan(41, 30, 12, 4)
    one_step = denoise_tiles(latent, latent, Biased(steps=1), plan)
    recorder = Biased(steps=2)
    denoise_tiles(latent, latent, recorder, plan)
    assert [index for index, _, _ in recorder.calls] == [0] * len(plan) + [1] * len(plan)
    for index, box, seen in recorder.calls:
        np.testing.assert_array_equal(seen, (latent if index == 0 else one_step)[box.slices])


def test_stepping_together_is_nearer_to_the_whole_than_going_apart():
    latent = random_latent(48, 60)
    noise = latent_noise(latent.shape, 3)
    plan = latent_plan(60, 48, 16, 8)
    whole = denoise_tiles(latent, noise, Smoother(steps=6), latent_plan(60, 48, 60, 0))
    errors = {
        mix: float(np.abs(denoise_tiles(latent, noise, Smoother(steps=6), plan, mix) - whole).mean())
        for mix in ("step", "finished")
    }
    apart = denoise_tiles(latent, noise, Smoother(steps=6), latent_plan(60, 48, 16, 0), "none")
    assert errors["step"] < errors["finished"] < float(np.abs(apart - whole).mean())


def test_one_tile_is_the_whole_whatever_the_mix():
    latent, noise = random_latent(9, 13), latent_noise((9, 13, 4), 1)
    plan = latent_plan(13, 9, 16, 4)
    results = [denoise_tiles(latent, noise, Smoother(), plan, mix) for mix in EVERY_MIX]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_the_noise_is_that_of_the_whole_latent_and_of_the_seed():
    np.testing.assert_array_equal(latent_noise((5, 6, 4), 7), latent_noise((5, 6, 4), 7))
    assert not np.array_equal(latent_noise((5, 6, 4), 7), latent_noise((5, 6, 4), 8))
    latent, noise = np.zeros((20, 20, 4), np.float32), latent_noise((20, 20, 4), 7)

    class Recorder(Smoother):
        def step(self, tile, index, box):
            if index == 0:
                np.testing.assert_array_equal(tile, noise[box.slices])
            return super().step(tile, index, box)

    denoise_tiles(latent, noise, Recorder(), latent_plan(20, 20, 8, 3))


def test_clamped_tiles_keep_what_the_earlier_tile_says_and_share_the_last_line():
    """Two tiles of 10 cells that share 4: the first says 1, the second 2."""
    latent = np.zeros((6, 16, 1), np.float32)
    plan = latent_plan(16, 6, 10, 4)
    seen = []

    class Two(Identity):
        def step(self, tile, index, box):
            if box.x0:
                seen.append(tile[0, :, 0].tolist())
            return np.full_like(tile, 2.0 if box.x0 else 1.0)

    out = denoise_tiles(latent, latent, Two(steps=2), plan, "clamped")
    assert seen == [[0] * 10, [1] * 4 + [2] * 6]
    np.testing.assert_array_equal(out[0, :, 0], [1] * 9 + [1.5] + [2] * 6)
    np.testing.assert_array_equal(out, np.broadcast_to(out[:1], out.shape))


def test_a_clamped_step_on_one_latent_equals_tiles_that_go_one_after_the_other():
    """X-Dub ends one clip before it begins the next; `segtile.edit.clamp` says that stepping in turn is the same."""
    latent, noise = random_latent(8, 28), latent_noise((8, 28, 4), 5)
    plan = latent_plan(28, 8, 12, 4)
    denoiser = Smoother(steps=4)
    together = denoise_tiles(latent, noise, denoiser, plan, "clamped")

    start = denoiser.noised(latent, noise, 0)
    before: list[FloatArray] = []
    expected = np.empty_like(latent)
    end = 0
    for box in plan.boxes():
        tile, history = start[box.slices], []
        for index in range(denoiser.steps):
            own = denoiser.step(tile, index, box)
            tile = own.copy()
            if before:
                tile[:, : end - box.x0] = before[index][:, -(end - box.x0) :]
            history.append(tile)
        expected[:, max(end, box.x0) : box.x1] = tile[:, max(end, box.x0) - box.x0 :]
        if before:
            expected[:, end - 1] = (before[-1][:, -1] + own[:, end - 1 - box.x0]) / 2
        before, end = history, box.x1
    np.testing.assert_allclose(together, expected, atol=1e-6)


def test_kept_cells_end_as_they_were():
    latent, noise = random_latent(20, 24), latent_noise((20, 24, 4), 2)
    keep = np.zeros((20, 24), bool)
    keep[[0, -1]] = keep[:, [0, -1]] = True
    plan = latent_plan(24, 20, 10, 4)
    out = denoise_tiles(latent, noise, Smoother(), plan, keep=keep)
    np.testing.assert_array_equal(out[keep], latent[keep])
    assert np.abs(out - latent)[~keep].min() > 0


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 50), width=st.integers(1, 50), multiple=st.sampled_from([1, 2, 4]), overlap=st.integers(0, 7)
)
def test_tiles_lie_on_the_denoisers_lattice(height, width, multiple, overlap):
    plan = latent_plan(width * multiple, height * multiple, 8, overlap, multiple)
    for box in plan.boxes():
        assert all(edge % multiple == 0 for edge in (box.x0, box.y0, box.x1, box.y1))
    assert plan.width == width * multiple
    for axis in (plan.xs, plan.ys):
        assert all(stop - start >= min(overlap, 1) for start, stop in axis.ramps)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("decode", ["once", "tiles"])
@pytest.mark.parametrize("size", [(1, 1), (37, 53), (64, 48)])
def test_pictures_of_odd_sizes_come_back_whole(dtype, decode, size):
    blocks = np.random.default_rng(1).integers(0, 200, (-(-size[0] // 4), -(-size[1] // 4), 3))
    picture = blocks.repeat(4, 0).repeat(4, 1)[: size[0], : size[1]].astype(dtype)
    out = edit_latent(picture, Nearest(), Identity(multiple=2), LatentSettings(tile=6, overlap=2, decode=decode))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, picture)


def test_tiles_decoded_alone_are_blended_where_the_latents_ramps_are():
    class Tinted(Nearest):
        def decode(self, latent, dtype=np.float32, on_progress=None):
            return super().decode(np.full_like(latent, latent.mean()), dtype)

    latent = np.zeros((4, 14, 3), np.float32)
    latent[:, 7:] = 1
    plan = latent_plan(14, 4, 8, 2)
    row = decode_tiles(latent, Tinted(), plan, np.float32)[0, :, 0]
    (start, stop), *_ = scaled_plan(plan, 4).xs.ramps
    assert (start, stop) == (24, 32)
    assert len(set(row[:start])) == len(set(row[stop:])) == 1
    assert (np.diff(row[start - 1 : stop + 1]) > 0).all()


def test_progress_counts_every_tile_of_every_step():
    seen = []
    latent = random_latent(16, 16)
    plan = latent_plan(16, 16, 10, 4)
    denoise_tiles(latent, latent, Identity(), plan, on_progress=lambda *call: seen.append(call))
    assert seen == [(i + 1, 12, "denoise") for i in range(12)]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"latent": np.zeros((8, 8), np.float32)}, "the plan is for"),
        ({"latent": np.zeros((8, 9, 4), np.float32)}, "the plan is for"),
        ({"latent": np.zeros((8, 8, 4))}, "float64"),
        ({"latent": np.full((8, 8, 4), np.nan, np.float32)}, "NaN"),
        ({"noise": np.zeros((8, 8, 3), np.float32)}, "the noise is"),
        ({"mix": "blend"}, "'blend'"),
        ({"keep": np.zeros((8, 8), np.uint8)}, "bool"),
        ({"keep": np.zeros((8, 8), bool), "mix": "finished"}, "after every step"),
    ],
)
def test_wrong_arguments_are_named(change, sentence):
    arguments = {"latent": random_latent(8, 8), "noise": random_latent(8, 8), "mix": "step", "keep": None} | change
    with pytest.raises(BadInput, match=sentence):
        denoise_tiles(
            arguments["latent"],
            arguments["noise"],
            Identity(),
            latent_plan(8, 8, 4, 1),
            arguments["mix"],
            keep=arguments["keep"],
        )


def test_sizes_off_the_lattice_and_broken_pictures_are_refused():
    with pytest.raises(BadInput, match="multiples of 2"):
        latent_plan(9, 8, 4, 0, 2)
    with pytest.raises(BadInput, match="multiples of 0"):
        latent_plan(8, 8, 4, 0, 0)
    with pytest.raises(BadInput, match="tile is 0"):
        latent_plan(8, 8, 0, 0)
    with pytest.raises(BadInput, match="shape"):
        edit_latent(np.zeros((4, 4), np.uint8), Nearest(), Identity())
    with pytest.raises(BadInput, match="'both'"):
        edit_latent(np.zeros((4, 4, 3), np.uint8), Nearest(), Identity(), LatentSettings(decode="both"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda tile: tile[:-1], "the tile at 0,0"),
        (lambda tile: tile.astype(np.float64), "float64"),
        (lambda tile: tile * np.float32(np.nan), "in step 0"),
    ],
)
def test_a_broken_denoiser_is_named(answer, sentence):
    class Broken(Identity):
        def step(self, tile, index, box):
            return answer(tile)

    latent = random_latent(8, 8)
    with pytest.raises(ModelError, match=sentence):
        denoise_tiles(latent, latent, Broken(), latent_plan(8, 8, 4, 1))
