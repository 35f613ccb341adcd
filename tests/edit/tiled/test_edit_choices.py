"""What is kept of a model's answers, and in which light and by which solve they are put together."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from edit_scenes import full_scale, picture
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.edit.blend import BLENDS
from segtile.edit.engine import edit_tiled
from segtile.errors import BadInput, ModelError
from segtile.types import Box

PLAN = {"tile": 160, "halo": 16, "feather": 8}


@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from(BLENDS),
    st.booleans(),
    st.sampled_from(["auto", "mix", "none"]),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_an_identity_changes_no_bit(height, width, dtype, blend, linear_light, drift, only_changes):
    whole = picture(height, width, dtype)
    choices = {"blend": blend, "linear_light": linear_light, "drift": drift, "only_changes": only_changes}
    with edit_tiled(whole, lambda t: t, tile=96, halo=8, feather=8, **choices) as found:
        assert found.array.tobytes() == whole.tobytes()


@pytest.mark.parametrize("blend", BLENDS)
def test_linear_light_adds_light(blend):
    """Black beside white: where both have a half, encoded values make 128 of it, light makes 188."""
    whole = np.zeros((96, 172, 3), np.uint8)

    def by_place(tile, box):
        return np.full_like(tile, 0 if box.x0 == 0 else 255)

    rows = {}
    for linear in (False, True):
        kept = {"tile": 100, "halo": 0, "feather": 14, "blend": blend, "drift": "none", "reference": False}
        with edit_tiled(whole, by_place, placed=True, linear_light=linear, **kept) as found:
            rows[linear] = found.array[48, :, 0].astype(int)
    assert rows[True].sum() > rows[False].sum() + (200 if blend != "cut" else 50)


@pytest.fixture
def calm(photo):
    return np.ascontiguousarray(photo[:400, :500] // 2 + 60)


def with_spot(calm, spot: Box, tone: int = 0):
    """A model that recolours one place, and moves the tone of every tile a little."""
    painted = np.clip(calm + np.array([40, -30, 20]), 0, 255)

    def model(tile, box):
        out = tile.astype(int)
        inside = spot & box
        if not inside.empty:
            out[inside.within(box).slices] = painted[inside.slices]
        return np.clip(out + tone, 0, 255).astype(tile.dtype)

    return model


@pytest.mark.parametrize("context", ["none", "sequential"])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("tone", [0, 5])
def test_only_the_change_is_kept(calm, context, batch, tone):
    spot = Box(130, 110, 260, 230)  # over the borders of four tiles
    model = with_spot(calm, spot, tone)

    def fn(tiles, places):
        return (
            model(tiles, places) if batch == 1 else np.stack([model(*one) for one in zip(tiles, places, strict=True)])
        )

    kept = {"context": context, "batch": batch, "feather": 0 if context == "sequential" else 8}
    with edit_tiled(calm, fn, placed=True, only_changes=True, tile=160, halo=16, **kept) as found:
        out = found.array.astype(int)
    moved = out - calm
    near = np.zeros(calm.shape[:2], bool)
    near[spot.expand(32, Box.frame(500, 400)).slices] = True
    assert (moved[~near] == 0).all(), "everything else is the original's to the bit"
    inner = moved[spot.y0 + 8 : spot.y1 - 8, spot.x0 + 8 : spot.x1 - 8].mean((0, 1))
    np.testing.assert_allclose(inner, (40, -30, 20), atol=3)


def test_a_change_that_holds_whole_tiles_is_kept_and_a_tone_of_each_tile_is_not(calm):
    """Tile by tile neither could be told from the other."""
    spot = Box(100, 80, 420, 330)
    model = with_spot(calm, spot)

    def drifting(tile, box):
        out = model(tile, box).astype(int) + (box.x0 // 64 + 2 * (box.y0 // 64)) % 5 - 2
        return np.clip(out, 0, 255).astype(np.uint8)

    with edit_tiled(calm, drifting, placed=True, only_changes=True, **PLAN) as found:
        assert any(spot.contains(tile.core) for tile in found.plan.tiles)
        moved = found.array.astype(int) - calm
    near = np.zeros(calm.shape[:2], bool)
    near[spot.expand(40, Box.frame(500, 400)).slices] = True
    assert (moved[~near] == 0).all()
    inner = moved[spot.y0 + 8 : spot.y1 - 8, spot.x0 + 8 : spot.x1 - 8].mean((0, 1))
    np.testing.assert_allclose(inner, (40, -30, 20), atol=4)


def test_grey_pictures_and_16_bits_keep_what_is_not_changed(calm):
    spot = Box(30, 40, 130, 120)
    deep = calm[..., 0].astype(np.uint16) * 257

    def model(tile, box):
        out = tile.copy()
        inside = spot & box
        if not inside.empty:
            out[inside.within(box).slices] //= 2
        return out

    with edit_tiled(deep, model, placed=True, only_changes=True, **PLAN) as found:
        out = found.array
    assert out.shape == deep.shape
    near = np.zeros(deep.shape, bool)
    near[spot.expand(32, Box.frame(500, 400)).slices] = True
    assert (out[~near] == deep[~near]).all()
    assert np.abs(out[50:110, 40:120].astype(int) - deep[50:110, 40:120] // 2).mean() < 0.02 * full_scale(np.uint16)


def test_a_model_that_moves_the_picture_is_named(calm):
    with (
        edit_tiled(calm, lambda t: np.roll(t, 5, axis=1), only_changes=True, tile=320, halo=16) as found,
        pytest.raises(ModelError, match=r"cannot be compared with it: .*by 5\.0 px"),
    ):
        _ = found.array


def test_a_model_that_changes_almost_everything_is_said(calm):
    """Soft stains of every colour all over: no tone of the whole, and structure stays in its place."""
    stains = np.random.default_rng(0).integers(-50, 50, (7, 7, 3)).astype(np.float32)
    stains = cv2.resize(stains, (320, 320), interpolation=cv2.INTER_CUBIC)

    def stained(tile):
        return np.clip(tile + stains, 0, 255).astype(np.uint8)

    with edit_tiled(calm[:320, :320], stained, only_changes=True, drift="none", tile=320, halo=16) as found:
        assert found.array.shape == (320, 320, 3)
        assert any("differs from the original" in sentence for sentence in found.warnings)


@pytest.mark.parametrize(
    ("image", "choices", "says"),
    [
        (np.zeros((50, 50, 3), np.uint8), {"scale": 2}, "scale of 2"),
        (np.zeros((50, 50, 3), np.float32), {}, "8 and 16 bit"),
    ],
)
def test_changes_that_cannot_be_merged_are_refused_before_any_work(image, choices, says):
    def never(tile):
        raise AssertionError("called")

    with pytest.raises(BadInput, match=says):
        edit_tiled(image, never, only_changes=True, **choices)
