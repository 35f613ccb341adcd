from __future__ import annotations

import numpy as np
import pytest

from segtile.edit.clamp import match_unchanged
from segtile.errors import BadInput
from segtile.merge.mosaic import mosaic_plan


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    wave = 0.5 + 0.2 * np.sin(x / 9) + 0.15 * np.cos(y / 7)
    return np.stack([wave, wave * 0.9, 1 - wave], axis=2).astype(np.float32)


PLAN = mosaic_plan(160, 120, 80, 20)


def test_a_drift_goes_and_a_wanted_change_stays(original):
    edited = original * np.float32(0.97) + np.float32(0.02)
    edited[40:80, 50:110, 0] += np.float32(0.3)
    matched = match_unchanged(edited, original, PLAN)
    unchanged = np.ones((120, 160), bool)
    unchanged[40:80, 50:110] = False
    assert np.abs(matched - original)[unchanged].max() < 1e-4 < np.abs(edited - original)[unchanged].mean()
    kept = (matched - original)[40:80, 50:110, 0]
    assert kept.mean() == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_unedited_picture_stays_as_it_is(original, dtype):
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    picture = (original * top).astype(dtype)
    np.testing.assert_array_equal(match_unchanged(picture, picture, PLAN), picture)


def test_a_tile_that_was_changed_all_over_keeps_its_colours(original):
    np.testing.assert_array_equal(match_unchanged(1 - original, original, PLAN, threshold=0.001), 1 - original)


def test_an_even_tile_moves_by_its_mean_alone():
    flat = np.full((120, 160, 3), 0.5, np.float32)
    np.testing.assert_allclose(match_unchanged(flat + np.float32(0.03), flat, PLAN), flat, atol=1e-6)


def test_pictures_that_do_not_fit_are_refused(original):
    with pytest.raises(BadInput, match="alike"):
        match_unchanged(original, original.astype(np.float64), PLAN)
    with pytest.raises(BadInput, match="the plan is for"):
        match_unchanged(original[:50], original[:50], PLAN)
    with pytest.raises(BadInput, match="int32"):
        match_unchanged(original.astype(np.int32), original.astype(np.int32), PLAN)
