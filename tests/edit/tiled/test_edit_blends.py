"""Every blend: tiles that agree come back to the bit, shares sum to one, seams go where they cost least."""

from __future__ import annotations

import numpy as np
import pytest
from edit_scenes import DTYPES, gather, picture, store_of, tiles_of
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.edit.blend import blend_of
from segtile.edit.cut import cut_rows, pieces
from segtile.edit.pyramid import fitting_levels, pyramid_rows
from segtile.edit.weighted import cosine_rows, linear_rows, regular_plan, weight_of
from segtile.errors import BadInput
from segtile.types import Box, no_progress

OURS = {"linear": linear_rows, "cosine": cosine_rows, "pyramid": pyramid_rows, "cut": cut_rows}


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[Box, list[Box], int]:
    """A frame sawn at random into cores, T-junctions and slivers included, and a feather."""
    frame = Box.frame(draw(st.integers(1, 90)), draw(st.integers(1, 90)))
    waiting, cores = [frame], []
    while waiting:
        box = waiting.pop()
        vertical = draw(st.booleans())
        length = box.width if vertical else box.height
        if length < 2 or len(cores) + len(waiting) > 6 or draw(st.integers(0, 3)) == 0:
            cores.append(box)
            continue
        at = draw(st.integers(1, length - 1)) + (box.x0 if vertical else box.y0)
        if vertical:
            waiting += [Box(box.x0, box.y0, at, box.y1), Box(at, box.y0, box.x1, box.y1)]
        else:
            waiting += [Box(box.x0, box.y0, box.x1, at), Box(box.x0, at, box.x1, box.y1)]
    return frame, cores, draw(st.integers(0, 24))


@given(cuttings(), st.sampled_from(sorted(OURS)), st.sampled_from(DTYPES), st.sampled_from([1, 3]))
@settings(max_examples=80, deadline=None)
def test_tiles_that_agree_come_back_to_the_bit(cutting, name, dtype, bands):
    frame, cores, feather = cutting
    whole = picture(frame.height, frame.width, dtype)[..., :bands]
    with store_of(frame, cores, feather, lambda t: whole[t.read.slices]) as tiles:
        assert gather(OURS[name](tiles), frame).tobytes() == np.ascontiguousarray(whole).tobytes()


@given(cuttings(), st.sampled_from(sorted(OURS)), st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_shares_sum_to_one(cutting, name, seed):
    """A difference that all tiles have in common must come out whole: no share may be lost or given twice."""
    frame, cores, feather = cutting
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 60_000, len(cores))
    with store_of(
        frame, cores, feather, lambda t: np.full((t.read.height, t.read.width, 1), values[t.index], np.uint16)
    ) as a:
        first = gather(OURS[name](a), frame).astype(int)
    with store_of(
        frame, cores, feather, lambda t: np.full((t.read.height, t.read.width, 1), values[t.index] + 5000, np.uint16)
    ) as b:
        second = gather(OURS[name](b), frame).astype(int)
    assert np.abs(second - first - 5000).max() <= 1
    if name != "pyramid":
        assert values.min() <= first.min()
        assert first.max() <= values.max()


@pytest.mark.parametrize("name", sorted(OURS))
def test_ends_of_the_range_are_not_passed(name):
    with tiles_of(
        200, 120, [100], [60], 16, lambda t: np.full((t.read.height, t.read.width, 3), 255 * (t.index % 2), np.uint8)
    ) as s:
        found = gather(OURS[name](s), s.frame)
    assert found[:, :70].max() == 0
    assert found[:, 130:].min() == 255
    middle = found[30, :, 0].astype(int)
    assert (np.diff(middle) >= 0).all(), "a step of two flat tiles becomes a rise, nothing else"


def test_ramps_are_what_they_are_called():
    with tiles_of(100, 40, [50], [], 16, lambda t: np.full((40, t.read.width, 1), float(t.index), np.float32)) as s:
        at = (np.arange(32) + 0.5) / 32
        np.testing.assert_allclose(gather(linear_rows(s), s.frame)[3, 34:66, 0], at, atol=1e-6)
        np.testing.assert_allclose(gather(cosine_rows(s), s.frame)[3, 34:66, 0], np.sin(at * np.pi / 2) ** 2, atol=1e-6)


def test_irregular_linear_is_the_regular_one_where_tiles_are_regular():
    rng = np.random.default_rng(1)

    def make(tile):
        return rng.integers(0, 256, (tile.read.height, tile.read.width, 3)).astype(np.uint8)

    with tiles_of(164, 90, [82], [], 16, make) as s:
        assert regular_plan(s) is not None
        regular = gather(linear_rows(s), s.frame).astype(int)
        total = sum(np.pad(weight_of(t, t.read, lambda w: w), ((0, 0), (t.read.x0, 164 - t.read.x1))) for t in s.tiles)
        np.testing.assert_allclose(total, 1, atol=1e-6)
        mean = sum(
            np.pad(
                weight_of(t, t.read, lambda w: w)[..., None] * s.read(t.index),
                ((0, 0), (t.read.x0, 164 - t.read.x1), (0, 0)),
            )
            for t in s.tiles
        )
    assert np.abs(regular - mean).max() <= 0.51


def test_a_pyramid_hands_detail_over_on_a_narrow_ramp_and_tone_on_a_wide_one():
    stripes = np.where(np.arange(400) % 2, 40.0, 0.0)

    def make(tile):
        values = 100 + 60 * tile.index + (stripes if tile.index else -stripes)[tile.read.x0 : tile.read.x1]
        return np.repeat(np.rint(values).astype(np.uint8)[None, :, None], tile.read.height, 0)

    with tiles_of(400, 64, [200], [], 64, make) as s:
        row = gather(pyramid_rows(s), s.frame)[32, :, 0].astype(float)
        wide = gather(linear_rows(s), s.frame)[32, :, 0].astype(float)
        assert fitting_levels(s) == 5
    detail = np.abs(np.diff(row))
    assert detail[150:190].min() > 30, "detail of the left tile stands almost to the border"
    assert np.abs(np.diff(wide))[185:215].max() < 12, "where a linear ramp has averaged it away"
    tone = (row[:-1] + row[1:]) / 2
    assert np.flatnonzero(tone > tone[0] + 55)[0] - np.flatnonzero(tone > tone[0] + 25)[0] > 20, "the tone rises slowly"


def test_bands_of_rows_do_not_show(monkeypatch):
    rng = np.random.default_rng(2)
    make = {i: rng.integers(0, 256, (400, 400, 3)).astype(np.uint8) for i in range(6)}
    with tiles_of(300, 200, [90, 190], [110], 20, lambda t: make[t.index][: t.read.height, : t.read.width]) as s:
        for name, blend in OURS.items():
            whole = gather(blend(s), s.frame).astype(int)
            for module in ("weighted", "pyramid", "cut"):
                monkeypatch.setattr(f"segtile.edit.{module}.band_rows", lambda width, bands: 23)
            split = gather(blend(s), s.frame).astype(int)
            monkeypatch.undo()
            assert np.abs(whole - split).max() <= (1 if name == "pyramid" else 0), name


def test_a_cut_goes_where_the_tiles_agree():
    """Two tiles that differ everywhere but along a crooked line: the cut follows it, and nothing is averaged."""
    line = 100 + np.rint(10 * np.sin(np.arange(160) / 12)).astype(int)
    x = np.arange(200)

    def make(tile):
        value = np.where(np.abs(x[None] - line[:, None]) <= 1, 90, 40 + 100 * tile.index)
        return value.astype(np.uint8)[tile.read.y0 : tile.read.y1, tile.read.x0 : tile.read.x1, None]

    with tiles_of(200, 160, [100], [], 30, make) as s:
        found = gather(cut_rows(s, feather=0), s.frame)[..., 0]
    for y in range(160):
        assert (found[y, : line[y] - 1] == 40).all()
        assert (found[y, line[y] + 2 :] == 140).all()


@given(cuttings())
@settings(max_examples=60, deadline=None)
def test_paths_of_a_corner_never_cross(cutting):
    """Every pixel has one owner, whose tile holds it."""
    frame, cores, feather = cutting
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 1000, (frame.height, frame.width))

    def make(tile):
        return (tile.index * 1000 + noise)[tile.read.slices][..., None].astype(np.uint16)

    with store_of(frame, cores, feather, make) as s:
        found = gather(cut_rows(s, feather=0), frame)[..., 0]
    owner = (found.astype(int) - noise) // 1000
    assert ((found - noise) % 1000 == 0).all(), "no pixel is a mixture"
    for i, core in enumerate(cores):
        mine = np.argwhere(owner == i)
        if len(mine):
            assert core.expand(feather, frame).contains(Box(*mine.min(0)[::-1], *(mine.max(0)[::-1] + 1)))


def test_pieces_of_border_know_where_corners_are():
    with tiles_of(100, 100, [40], [50], 10, lambda t: np.zeros((t.read.height, t.read.width, 1), np.uint8)) as s:
        found = pieces(s.tiles, s.frame)
    assert {(p.first, p.second, p.vertical, p.fixed) for p in found} == {
        (0, 1, True, (False, True)),
        (2, 3, True, (True, False)),
        (0, 2, False, (False, True)),
        (1, 3, False, (True, False)),
    }
    assert all(p.room == 10 for p in found)


def test_an_unknown_blend_is_an_error():
    with pytest.raises(BadInput, match=r"magic.*linear"):
        blend_of("magic", None, no_progress)
