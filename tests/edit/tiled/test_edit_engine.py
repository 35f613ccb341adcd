"""The engine: an identity changes nothing, local models see no borders, threads and batches decide nothing."""

from __future__ import annotations

import threading
import time
import tracemalloc
from fractions import Fraction

import cv2
import numpy as np
import pytest
from edit_scenes import DTYPES, full_scale, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.edit.engine import edit_tiled
from segtile.errors import BadInput, ModelError

OURS = ("linear", "cosine", "pyramid", "cut")


def identity(tile):
    return tile


def doubled(tile):
    return tile.repeat(2, 0).repeat(2, 1)


def edited(image, fn, **settings):
    with edit_tiled(image, fn, **{"tile": 96, "halo": 8, "feather": 8, "drift": "none", **settings}) as found:
        return found.array


@given(
    st.integers(1, 260),
    st.integers(1, 260),
    st.sampled_from(DTYPES),
    st.sampled_from(OURS),
    st.sampled_from(["none", "sequential"]),
    st.integers(0, 12),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_an_identity_changes_no_bit(height, width, dtype, blend, context, feather, batch):
    whole = picture(height, width, dtype)
    found = edited(whole, identity, blend=blend, context=context, feather=feather, batch=batch)
    assert found.dtype == dtype
    assert found.tobytes() == whole.tobytes()


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from(DTYPES), st.sampled_from(OURS))
@settings(max_examples=25, deadline=None)
def test_an_identity_at_twice_the_size_changes_no_bit(height, width, dtype, blend):
    whole = picture(height, width, dtype)
    assert edited(whole, doubled, blend=blend, scale=2).tobytes() == doubled(whole).tobytes()


@pytest.mark.parametrize("blend", [*OURS, "poisson"])
@pytest.mark.parametrize("context", ["none", "sequential"])
def test_an_identity_on_the_aligned_grid_changes_no_bit(ring_scene, blend, context):
    whole = np.ascontiguousarray(ring_scene[0][::3, ::3])
    with edit_tiled(whole, identity, tile=96, halo=8, feather=8, grid="aligned", blend=blend, context=context) as found:
        assert found.plan.kind == "aligned"
        assert found.array.tobytes() == whole.tobytes()
        assert found.warnings == ()


@pytest.mark.parametrize("blend", [*OURS, "poisson"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_identity_changes_no_bit_with_the_default_settings(blend, dtype):
    whole = picture(300, 411, dtype)
    assert edited(whole, identity, blend=blend, drift="auto").tobytes() == whole.tobytes()
    assert edited(whole, doubled, blend=blend, drift="auto", scale=2).tobytes() == doubled(whole).tobytes()


@pytest.mark.parametrize("shape", [(50, 70), (50, 70, 4), (50, 70, 2)])
def test_grey_and_transparent_pictures_keep_their_bands(shape):
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 256, shape).astype(np.uint8)
    found = edited(whole, identity)
    expected = whole if len(shape) == 2 else whole[..., 0] if shape[2] == 2 else whole[..., :3]
    np.testing.assert_array_equal(found, expected)


def test_a_colour_that_a_grey_picture_cannot_keep_is_said():
    whole = picture(60, 60)[..., 0]
    with edit_tiled(
        whole, lambda t: t // np.array([1, 2, 4], np.uint8), tile=96, halo=8, feather=8, drift="none"
    ) as found:
        mean = (whole.astype(float) + whole // 2 + whole // 4) / 3
        np.testing.assert_array_equal(found.array, np.rint(mean).astype(np.uint8))
        assert any("grey" in sentence for sentence in found.warnings)


# --- local models ------------------------------------------------------------------------------------------------


def gaussian(tile):
    return cv2.GaussianBlur(tile, (17, 17), 2.5, borderType=cv2.BORDER_REFLECT_101)


def curve(tile):
    top = full_scale(tile.dtype)
    return (np.sqrt(tile / top) * top).astype(tile.dtype)


def small_network(tile):
    """Two 5 x 5 convolutions with a threshold between them: reach 4 px."""
    rng = np.random.default_rng(3)
    values = tile.astype(np.float32) / np.float32(full_scale(tile.dtype))
    for _ in range(2):
        kernel = rng.normal(0.04, 0.1, (5, 5)).astype(np.float32)
        values = np.maximum(cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REFLECT_101), 0.1)
    return (np.clip(values, 0, 1) * np.float32(full_scale(tile.dtype))).astype(tile.dtype)


@pytest.mark.parametrize("blend", OURS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", [gaussian, curve, small_network])
def test_tiled_equals_whole_where_the_halo_covers_the_reach(model, dtype, blend):
    whole = picture(230, 301, dtype)
    apart = np.abs(edited(whole, model, blend=blend).astype(float) - model(whole)).max()
    assert apart <= full_scale(dtype) / 255


def test_without_the_halo_it_does_not():
    """The test above can fail: tiles that see too little differ from the whole."""
    whole = picture(2 * 96, 3 * 96)
    assert np.abs(edited(whole, gaussian, halo=0, feather=0).astype(int) - gaussian(whole)).max() > 3


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(3, 2), 3])
def test_scales_that_are_fractions(scale):
    """A model of its place alone: blocks of px at another size."""
    scale = Fraction(scale)

    def model(tile):
        size = int(tile.shape[1] * scale), int(tile.shape[0] * scale)
        return cv2.resize(tile, size, interpolation=cv2.INTER_AREA)

    whole = picture(120, 204)
    found = edited(whole, model, scale=scale, halo=8)
    assert np.abs(found.astype(int) - model(whole)).max() <= 1
    odd = edited(whole[:101, :203], model, scale=scale)
    assert odd.shape[:2] == (-(-101 * scale // 1), -(-203 * scale // 1))


# --- context and order --------------------------------------------------------------------------------------------


def from_the_left(tile):
    """Copies the column just left of the core over all of it: only finished neighbours can carry it on."""
    out = tile.copy()
    out[:, 16:] = tile[:, 15:16]
    return out


def test_sequential_context_sees_finished_neighbours():
    whole = picture(60, 400)
    whole[:, :200] = 10
    settings = {"tile": 96, "halo": 16, "feather": 0, "grid": "uniform"}
    alone = edited(whole, from_the_left, context="none", **settings)
    carried = edited(whole, from_the_left, context="sequential", **settings)
    assert (carried[:, 16:320] == 10).all(), "what the first tile had went through all that have a left halo"
    assert not (alone[:, 16:320] == 10).all()


def test_every_tile_sees_its_finished_neighbours_above_and_left_and_the_original_elsewhere():
    whole = picture(200, 200)
    whole[...] = 7
    seen = []

    def model(tile):
        seen.append(tile.copy())
        return np.full_like(tile, 100)

    edited(whole, model, tile=80, halo=8, feather=0, context="sequential")
    assert len(seen) == 16
    assert (seen[0] == 7).all()
    last = seen[-1]
    assert (last[0] == 100).all()
    assert (last[:, 0] == 100).all()
    assert (last[-1, -1] == 7).all()


@pytest.mark.parametrize("context", ["none", "sequential"])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_number_of_threads_changes_nothing(context, batch):
    whole = picture(300, 330)
    rng = np.random.default_rng(0)
    busy = set()

    def model(tile):
        busy.add(threading.get_ident())
        time.sleep(float(rng.random()) * 0.003)  # so that threads overtake each other
        mean = tile.mean(axis=(-3, -2, -1), keepdims=True)
        return np.clip(tile * 0.5 + mean * 0.4, 0, 255).astype(np.uint8)

    one = edited(whole, model, context=context, batch=batch, threads=1)
    busy.clear()
    many = edited(whole, model, context=context, batch=batch, threads=4)
    assert len(busy) > 1, "tiles of a wave run at once"
    assert one.tobytes() == many.tobytes()


def test_batches_are_of_one_size_and_no_larger_than_asked_for():
    shapes = []

    def model(tiles):
        shapes.append(tiles.shape)
        return tiles

    edited(picture(250, 330), model, batch=4)
    assert all(len(shape) == 4 and shape[0] <= 4 and shape[1:] == (96, 96, 3) for shape in shapes)
    assert max(shape[0] for shape in shapes) == 4


# --- errors -------------------------------------------------------------------------------------------------------


def fails(tile):
    raise RuntimeError("no luck")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda t: t[:-1], "(95, 96, 3).*(96, 96, 3)"),
        (lambda t: t[..., 0], "(96, 96)"),
        (lambda t: t.astype(np.float32), "float32.*uint8"),
        (lambda t: t.tolist(), "list"),
        (lambda t: None, "NoneType"),
        (fails, "RuntimeError: no luck"),
    ],
)
def test_what_a_model_gives_is_checked_and_the_tile_named(model, says):
    pattern = says.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ModelError, match=pattern) as error:
        edited(picture(200, 200), model)
    assert "tile 0 at (0, 0) of 96 x 96 px" in str(error.value)


def test_values_that_are_no_numbers_are_refused_where_they_come_up():
    calls = []

    def model(tile):
        calls.append(1)
        return np.full_like(tile, np.nan) if len(calls) == 3 else tile

    with pytest.raises(ModelError, match=r"NaN.*tile 2"):
        edited(picture(200, 200, np.float32), model)


@pytest.mark.parametrize(
    "settings",
    [
        {"blend": "magic"},
        {"context": "later"},
        {"grid": "round"},
        {"drift": "much"},
        {"batch": 0},
        {"threads": 0},
        {"tile": 0},
        {"halo": -1},
        {"feather": -1},
        {"scale": 0},
        {"scale": 2, "context": "sequential"},
        {"tile": 30},
    ],
)
def test_settings_that_make_no_sense_are_refused_before_any_work(settings):
    with pytest.raises(BadInput):
        edited(picture(100, 100), fails, **settings)


@pytest.mark.parametrize("image", [np.full((8, 8, 3), np.nan, np.float32), np.zeros((8, 8), np.float32), 7])
def test_pictures_that_are_none_are_refused(image):
    with pytest.raises(BadInput):
        edited(image, identity)


def test_an_edit_that_is_closed_leaves_nothing_open():
    with edit_tiled(picture(100, 100), identity, tile=96, halo=8, feather=8) as found:
        assert found.array.shape == (100, 100, 3)
    with pytest.raises(ValueError, match="closed"):
        found.tiles.read(0)


# --- memory -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blend", OURS)
def test_no_float_array_of_the_frame_is_made(blend):
    whole = np.zeros((900, 400, 3), np.uint8)
    whole[::7] = 90
    rng = np.random.default_rng(0)

    def drifting(tile):
        return np.clip(tile + rng.integers(0, 9), 0, 255).astype(np.uint8)

    with edit_tiled(whole, drifting, tile=128, halo=8, feather=16, blend=blend, drift="none") as found:
        frame = whole.size * 4
        import segtile.edit.cut as cut
        import segtile.edit.pyramid as pyramid
        import segtile.edit.weighted as weighted

        with pytest.MonkeyPatch.context() as patch:
            for module in (cut, pyramid, weighted):
                patch.setattr(module, "band_rows", lambda width, bands: 48)
            tracemalloc.start()
            for _, rows in found.rows():
                assert rows.dtype == np.uint8
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert peak < frame / 2
