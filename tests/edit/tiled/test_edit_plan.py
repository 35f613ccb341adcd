"""The plan: cores partition the output, everything has its context, objects that fit stay whole, scales are exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from edit_scenes import coarse_with
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.edit.plan import as_scale, plan_aligned_edit, plan_uniform_edit
from segtile.errors import BadInput
from segtile.types import Box

SCALES = st.sampled_from([Fraction(1), Fraction(2), Fraction(1, 2), Fraction(3, 2), Fraction(4, 3), Fraction(3)])


def check(plan, tile, halo, feather):
    covered = np.zeros((plan.out.height, plan.out.width), np.uint8)
    s, q = plan.scale, plan.scale.denominator
    for index, (window, t) in enumerate(zip(plan.windows, plan.tiles, strict=True)):
        covered[t.core.slices] += 1
        assert t.index == index
        assert not t.core.empty
        assert t.read.contains(t.core)
        assert plan.out.contains(t.read)
        assert max(window.width, window.height) <= tile
        assert window.x0 % q == window.y0 % q == window.width % q == window.height % q == 0
        full = plan.output_of(index)
        assert full.contains(t.read)
        least = int(halo * s)
        for kept, seen, end in (
            (t.read.x0, t.read.x0 - full.x0, 0),
            (t.read.y0, t.read.y0 - full.y0, 0),
            (t.read.x1, full.x1 - t.read.x1, plan.out.width),
            (t.read.y1, full.y1 - t.read.y1, plan.out.height),
        ):
            assert seen >= min(least, abs(kept - end)), "the halo, as far as the frame has it"
    assert (covered == 1).all()


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 120), st.integers(0, 20), st.integers(0, 12), SCALES)
@settings(max_examples=150, deadline=None)
def test_uniform_plans_cover_the_output_once(width, height, tile, halo, feather, scale):
    frame = Box.frame(width, height)
    try:
        plan = plan_uniform_edit(frame, tile, halo, feather, scale)
    except BadInput:
        q = scale.denominator
        assert tile // q <= 2 * -(-halo // q) + 4 * -(-feather // q)
        return
    if len(plan.tiles) > 200:
        return
    assert plan.out == Box.frame(
        -(-width * scale.numerator // scale.denominator), -(-height * scale.numerator // scale.denominator)
    )
    check(plan, tile, halo, feather)


@st.composite
def scenes(draw):
    frame = Box.frame(draw(st.integers(60, 500)), draw(st.integers(60, 500)))
    objects = []
    for _ in range(draw(st.integers(1, 6))):
        x, y = draw(st.integers(0, frame.width - 20)), draw(st.integers(0, frame.height - 20))
        objects.append(Box(x, y, x + draw(st.integers(10, 90)), y + draw(st.integers(10, 90))) & frame)
    return frame, objects


@given(scenes(), SCALES)
@settings(max_examples=80, deadline=None)
def test_aligned_plans_cover_the_output_once(scene, scale):
    frame, objects = scene
    plan = plan_aligned_edit(coarse_with(frame, objects), 160, 8, 8, scale)
    check(plan, 160, 8, 8)


@pytest.mark.parametrize("at", [(180, 180), (61, 222), (205, 40)])
def test_an_object_that_fits_lies_in_one_tile_where_the_even_grid_cuts_it(at):
    frame = Box.frame(500, 500)
    thing = Box(*at, at[0] + 90, at[1] + 90)
    other = Box(320, 320, 390, 400)
    aligned = plan_aligned_edit(coarse_with(frame, [thing, other]), 160, 8, 8, Fraction(1))
    uniform = plan_uniform_edit(frame, 160, 8, 8, Fraction(1))
    assert not any(t.core.contains(thing) for t in uniform.tiles)
    assert any(t.core.contains(thing) for t in aligned.tiles)
    assert any(t.core.contains(other) for t in aligned.tiles)
    assert len(aligned.tiles) <= 1.5 * len(uniform.tiles)


def test_nothing_to_align_to_is_said():
    plan = plan_aligned_edit(coarse_with(Box.frame(300, 200), []), 160, 8, 8, Fraction(1))
    assert plan.kind == "uniform"
    assert "no object" in plan.why


@pytest.mark.parametrize("scale", [0, -1, 1 / 97, float("nan"), float("inf"), "much"])
def test_scales_that_cannot_be_tiled_are_refused(scale):
    with pytest.raises(BadInput, match="scale"):
        as_scale(scale)


def test_scales_are_fractions():
    assert as_scale(4 / 3) == Fraction(4, 3)
    assert as_scale(2) == 2


def test_a_tile_without_a_core_is_refused():
    with pytest.raises(BadInput, match=r"100.*halo of 64"):
        plan_uniform_edit(Box.frame(500, 500), 100, 64, 0, Fraction(1))
