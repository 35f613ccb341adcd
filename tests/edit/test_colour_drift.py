import numpy as np
import pytest

from eval.drift_model import ArrayTiles, cut_tiles, drifting, hard_rows
from segtile.edit.colour import corrected, fit_drift
from segtile.edit.harmonise import harmonised
from segtile.edit.poisson import poisson_rows
from segtile.edit.swap import swap_low
from segtile.edit.tone import fit_tone
from segtile.edit.weighted import linear_rows
from segtile.errors import BadInput
from segtile.metrics.drift import drift_levels
from segtile.metrics.seams import core_borders, seam_grad, seam_ramp
from segtile.types import Box


def joined(rows):
    return np.concatenate([part for _, part in rows])


def source(picture):
    return lambda y0, y1: picture[y0:y1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_nothing_to_correct_gives_the_picture_back(photo, dtype):
    picture = {np.uint8: photo, np.uint16: photo.astype(np.uint16) * 257 + 3, np.float32: (photo / 255)}[dtype]
    picture = picture.astype(dtype)
    for reference in (None, source(picture)):
        rows, found = harmonised(cut_tiles(picture, 320, 96), poisson_rows, reference)
        assert (joined(rows) == picture).all()
        assert not any(found.touches(k) for k in range(len(found.offset)))
        assert found.notes == ()


def test_the_default_chain_takes_drift_away(photo):
    whole = cut_tiles(photo, 320, 96)
    tiles = drifting(whole, 1, curve=0.1)
    borders = core_borders(tiles.tiles)
    plain = seam_grad(photo, borders).ratio, seam_ramp(photo, borders).ratio
    assert drift_levels(hard_rows(tiles), photo).mean > 3
    for reference, most in ((None, 1.1), (source(photo), 0.2)):
        out = joined(harmonised(tiles, linear_rows, reference)[0])
        assert abs(seam_grad(out, borders).ratio - plain[0]) < 0.05
        assert abs(seam_ramp(out, borders).ratio - plain[1]) < 0.05
        assert drift_levels(out, photo).mean < most


def test_without_a_reference_brightness_and_contrast_stay(photo):
    tiles = drifting(cut_tiles(photo, 320, 96), 3)
    out = joined(harmonised(tiles, poisson_rows)[0]).astype(np.float64)
    blend = joined(linear_rows(tiles)).astype(np.float64)
    assert abs(out.mean() - blend.mean()) < 1.5
    assert abs(out.std() / photo.std() - 1) < 0.04


@pytest.mark.parametrize("with_reference", [False, True])
def test_a_recoloured_object_keeps_its_colour(photo, object_alpha, with_reference):
    other = photo[..., ::-1] * np.array([1.0, 0.8, 0.8])
    edited = np.rint(photo + object_alpha[..., None] * (other - photo)).astype(np.uint8)
    solid = object_alpha > 0.9
    truth = (edited.astype(float) - photo)[solid].mean(0)
    reference = source(photo) if with_reference else None
    outs = [
        joined(harmonised(drifting(cut_tiles(p, 320, 96), 2), poisson_rows, reference)[0]).astype(float)
        for p in (edited, photo)
    ]
    kept = (outs[0] - outs[1])[solid].mean(0) @ truth / (truth @ truth)
    assert kept > 0.95


def test_a_change_of_the_whole_picture_is_kept(photo):
    picture = photo // 2 + 40
    warm = (picture.astype(int) + np.array([20, 5, -15])).astype(np.uint8)
    out = joined(harmonised(cut_tiles(warm, 320, 96), poisson_rows, source(picture))[0])
    assert np.abs(out.astype(int) - warm).mean() < 0.2


def test_a_correction_is_limited_and_says_so(photo):
    tiles = cut_tiles(photo // 3, 320, 96)
    odd = ArrayTiles(tiles.tiles, tiles.frame, (tiles.pixels[0] + np.uint8(120), *tiles.pixels[1:]))
    found = fit_drift(odd, source(photo // 3), limit=5.0)
    assert found.shift <= 5.1
    assert "tile 0" in found.notes[0]


def test_mixed_channels_are_found_when_asked_for(photo):
    picture = (photo / 255 * 0.7 + 0.1).astype(np.float32)
    tiles = cut_tiles(picture, 320, 96)
    mixing = np.eye(3, dtype=np.float32) + np.array([[0, 0.05, 0], [0, 0, 0], [0.05, 0, 0]], np.float32)
    odd = ArrayTiles(tiles.tiles, tiles.frame, (tiles.pixels[0] @ mixing, *tiles.pixels[1:]))
    errors = []
    for mix in (False, True):
        better = corrected(odd, fit_drift(odd, source(picture), mix=mix))
        errors.append(np.abs(better.read(0) - tiles.pixels[0]).mean())
    assert errors[1] < 0.5 * errors[0]


def test_swap_leaves_what_was_changed(photo):
    picture = (photo / 255 * 0.8 + 0.1).astype(np.float32)
    slow = picture + np.linspace(-0.02, 0.02, 800, dtype=np.float32)[None, :, None]
    slow[200:360, 240:400] += np.float32(0.05)
    changed = np.zeros((75, 100), bool)
    changed[25:45, 30:50] = True
    rows = iter([(y, slow[y : y + 70]) for y in range(0, 600, 70)])
    out = joined(swap_low(rows, source(picture), changed, Box.frame(800, 600)))
    assert np.abs(out - picture)[:150].mean() < 0.002
    assert abs((out - picture)[220:340, 260:380].mean() - 0.05) < 0.003


def test_swap_refuses_missing_rows(photo):
    with pytest.raises(BadInput, match="rows came for a frame of 600"):
        joined(swap_low(iter([(0, photo[:500])]), source(photo), None, Box.frame(800, 600)))


def test_the_tone_of_most_of_a_picture_is_found_and_no_more_than_that():
    rng = np.random.default_rng(0)
    before = rng.random((200, 200, 3)).astype(np.float32) * 0.6 + 0.2
    assert fit_tone(before, before).identity
    after = before * np.float32(1.1) + np.float32(0.03)
    after[:80] = 0.5
    tone = fit_tone(before, after)
    assert tone.name == "gain"
    assert np.abs(tone(before)[80:] - after[80:]).max() < 0.01
    local = before.copy()
    local[:60] += np.float32(0.1)
    assert fit_tone(before, local).identity
    assert np.abs(tone.inverse()(tone(before)) - before).max() < 1e-5


def test_a_tile_inside_a_change_keeps_it_where_no_overlap_speaks(photo):
    """Tiles that share nothing, one recoloured all over: it stays, and the drift of the others still goes."""
    picture = photo // 2 + 60
    edited = picture.copy()
    whole = cut_tiles(picture, 200, 0)
    inside = whole.tiles[6].read
    edited[inside.slices] += np.array([40, -30, 20], np.int8).astype(np.uint8)
    tiles = drifting(cut_tiles(edited, 200, 0), 1, curve=0.1)
    rows, found = harmonised(tiles, linear_rows, source(picture))
    moved = joined(rows).astype(int) - picture
    assert "1 of 12 tiles differ from the original" in found.notes[0]
    away = np.ones(picture.shape[:2], bool)
    away[inside.slices] = False
    assert np.abs(moved[away]).mean() < 0.6
    own = drifting(cut_tiles(edited, 200, 0), 1, curve=0.1).pixels[6].astype(int) - picture[inside.slices]
    np.testing.assert_allclose(moved[inside.slices][20:-20, 20:-20].mean((0, 1)), own.mean((0, 1)), atol=4)
