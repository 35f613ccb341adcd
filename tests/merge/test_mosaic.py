from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.merge.mosaic import MosaicPlan, merge, mosaic_plan, split
from segtile.types import Array, Box

DTYPES = (np.uint8, np.uint16, np.float32)


@st.composite
def plans(draw: st.DrawFn, most: int = 6) -> MosaicPlan:
    """Any tile and overlap, canvases of up to `most` tiles a side."""
    tile = draw(st.integers(1, 40))
    overlap = draw(st.integers(0, tile - 1))
    side = st.integers(1, tile + (most - 1) * (tile - overlap))
    return mosaic_plan(draw(side), draw(side), tile, overlap)


def noise(plan: MosaicPlan, dtype: type, channels: int | None, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    shape = (plan.height, plan.width) if channels is None else (plan.height, plan.width, channels)
    if dtype is np.float32:
        values = rng.normal(size=shape) * 10.0 ** rng.integers(-30, 30, size=shape)
        return np.where(rng.random(shape) < 0.1, np.float32(-0.0), values).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, size=shape).astype(dtype)


def exact_blend(tiles: list[Array], plan: MosaicPlan) -> Array:
    """The definition in float64: sum of tile * weight over the whole canvas, weights written out from the ramps."""

    def axis_weights(axis, index):
        span, weights = axis.span(index), np.zeros(axis.length)
        weights[span.solid0 : span.solid1] = 1
        if index:
            ramp = np.arange(span.solid0 - span.start) + 0.5
            weights[span.start : span.solid0] = ramp / len(ramp)
        if index + 1 < len(axis.origins):
            ramp = np.arange(span.stop - span.solid1) + 0.5
            weights[span.solid1 : span.stop] = 1 - ramp / len(ramp)
        return weights

    total = np.zeros((plan.height, plan.width))
    for i, (box, tile) in enumerate(zip(plan.boxes(), tiles, strict=True)):
        row, column = divmod(i, plan.columns)
        weights = np.outer(axis_weights(plan.ys, row), axis_weights(plan.xs, column))
        outside = weights.copy()
        outside[box.slices] = 0
        assert not outside.any(), "a tile is asked for pixels that it does not have"
        total[box.slices] += weights[box.slices] * tile
    return total


@given(plans(most=30))
@settings(max_examples=200, deadline=None)
def test_plan_is_even_full_sized_and_overlaps_enough(plan: MosaicPlan) -> None:
    for axis in (plan.xs, plan.ys):
        assert axis.origins[0] == 0
        assert axis.origins[-1] + axis.tile == axis.length
        strides = [b - a for a, b in pairwise(axis.origins)]
        assert not strides or max(strides) - min(strides) <= 1
        spans = [axis.span(i) for i in range(len(axis.origins))]
        assert spans[0].start == 0
        assert spans[-1].stop == axis.length
        for origin, span in zip(axis.origins, spans, strict=True):
            assert origin <= span.start <= span.solid0 <= span.solid1 <= span.stop <= origin + axis.tile
        for a, b in pairwise(spans):
            assert (a.solid1, a.stop) == (b.start, b.solid0)


@given(st.integers(1, 500), st.integers(1, 60), st.data())
@settings(max_examples=150, deadline=None)
def test_plan_has_the_fewest_tiles_and_ramps_as_wide_as_asked(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tile - 1))
    axis = mosaic_plan(length, 1, tile, overlap).xs
    for a, b in pairwise(axis.origins):
        assert a + tile - b >= overlap
    count = len(axis.origins)
    # One tile fewer could not reach the end even at the largest allowed stride.
    assert count == 1 or (count - 2) * (tile - overlap) + tile < length
    strides = [b - a for a, b in pairwise(axis.origins)]
    for start, stop in axis.ramps:
        assert stop - start == (overlap if count == 2 else min(overlap, min(strides)))


@given(plans(), st.sampled_from(DTYPES), st.sampled_from([None, 1, 2, 3, 4, 5]), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_identity_to_the_bit(plan: MosaicPlan, dtype: type, channels: int | None, seed: int) -> None:
    canvas = noise(plan, dtype, channels, seed)
    merged = merge(((box, view.copy()) for box, view in split(canvas, plan)), plan)
    assert merged is not None
    assert merged.dtype == canvas.dtype
    assert merged.shape == canvas.shape
    assert merged.tobytes() == canvas.tobytes()


@given(plans(), st.sampled_from(DTYPES), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_blend_is_the_weighted_mean_rounded_once(plan: MosaicPlan, dtype: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    top = 1 if dtype is np.float32 else np.iinfo(dtype).max
    tiles = [(rng.random((plan.ys.tile, plan.xs.tile)) * top).round(9).astype(dtype) for _ in plan.boxes()]
    merged = merge(zip(plan.boxes(), tiles, strict=True), plan)
    assert merged is not None
    allowed = {np.uint8: 0.5 + 1e-4, np.uint16: 0.5 + 2e-2, np.float32: 1e-6}[dtype]
    assert np.abs(merged - exact_blend(tiles, plan)).max() <= allowed


@given(plans(most=4), st.sampled_from(DTYPES), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_constant_tiles_give_values_between_theirs(plan: MosaicPlan, dtype: type, seed: int) -> None:
    values = noise(mosaic_plan(len(plan), 1, len(plan), 0), dtype, None, seed)[0]
    shape = (plan.ys.tile, plan.xs.tile)
    tiles = [(box, np.full(shape, value)) for box, value in zip(plan.boxes(), values, strict=True)]
    merged = merge(tiles, plan)
    assert merged is not None
    low, high = np.full(merged.shape, values.max()), np.full(merged.shape, values.min())
    for box, tile in tiles:
        np.minimum(low[box.slices], tile, out=low[box.slices])
        np.maximum(high[box.slices], tile, out=high[box.slices])
    assert (merged >= low).all()
    assert (merged <= high).all()


@pytest.mark.parametrize(
    ("side", "tile", "overlap"), [(53, 16, 0), (53, 16, 4), (53, 16, 8), (41, 16, 11), (22, 16, 15), (53, 64, 20)]
)
def test_weights_sum_to_one(side: int, tile: int, overlap: int) -> None:
    plan = mosaic_plan(side, side - 3, tile, overlap)
    total = np.zeros((plan.height, plan.width))
    for hot in range(len(plan)):
        shape = (plan.ys.tile, plan.xs.tile)
        one_hot = ((box, np.full(shape, i == hot, np.float32)) for i, box in enumerate(plan.boxes()))
        weight = merge(one_hot, plan)
        assert weight is not None
        assert weight.min() >= 0
        assert weight.max() > 0, "a tile without any say should not have been planned"
        total += weight
    assert np.abs(total - 1).max() <= 1e-6


@given(plans(), st.sampled_from(DTYPES), st.sampled_from([None, 3]), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_sink_gets_every_row_once_in_order(plan: MosaicPlan, dtype: type, channels: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (plan.ys.tile, plan.xs.tile) if channels is None else (plan.ys.tile, plan.xs.tile, channels)
    tiles = [(box, (rng.random(shape) * 250).astype(dtype)) for box in plan.boxes()]
    got: list[tuple[int, Array]] = []
    assert merge(tiles, plan, sink=lambda y0, rows: got.append((y0, rows.copy()))) is None
    assert [y0 for y0, _ in got] == np.cumsum([0] + [len(rows) for _, rows in got])[:-1].tolist()
    assert all(0 < len(rows) <= plan.ys.tile for _, rows in got)
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in got]), merge(tiles, plan))


def test_one_tile_where_the_canvas_is_smaller() -> None:
    plan = mosaic_plan(30, 5, tile=64, overlap=16)
    assert plan.boxes() == (Box(0, 0, 30, 5),)
    narrow = mosaic_plan(30, 200, tile=64, overlap=16)
    assert narrow.columns == 1
    assert {box.height for box in narrow.boxes()} == {64}


def test_ramp_lies_in_the_middle_of_a_larger_overlap() -> None:
    plan = mosaic_plan(1100, 1, tile=1024, overlap=128)
    assert plan.xs.origins == (0, 76)
    (start, stop) = plan.xs.ramps[0]
    assert stop - start == 128
    assert start - 76 == 1024 - stop


def test_split_gives_views_and_merge_may_reuse_the_buffer() -> None:
    plan = mosaic_plan(70, 50, 32, 8)
    canvas = noise(plan, np.uint8, 3)
    assert all(np.shares_memory(view, canvas) for _, view in split(canvas, plan))
    buffer = np.empty((32, 32, 3), np.uint8)

    def through_one_buffer():
        for box, view in split(canvas, plan):
            buffer[...] = view
            yield box, buffer
            buffer[...] = 0

    np.testing.assert_array_equal(merge(through_one_buffer(), plan), canvas)


def test_merges_into_a_memory_map_and_reads_read_only_views(tmp_path) -> None:
    plan = mosaic_plan(70, 50, 32, 8)
    canvas = noise(plan, np.uint16, 3)
    canvas.flags.writeable = False
    out = np.memmap(tmp_path / "merged.raw", np.uint16, "w+", shape=canvas.shape)
    assert merge(split(canvas, plan), plan, out=out) is out
    np.testing.assert_array_equal(np.asarray(out), canvas)


@pytest.mark.parametrize("to_sink", [True, False])
def test_memory_is_the_output_or_one_band_and_a_few_tiles(to_sink: bool) -> None:
    plan = mosaic_plan(2000, 1600, 256, 32)
    tile = np.zeros((256, 256, 3), np.uint8)

    def run() -> None:
        merge(((box, tile) for box in plan.boxes()), plan, sink=(lambda y0, rows: None) if to_sink else None)

    run()
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    band, canvas = 256 * 2000 * 3, 1600 * 2000 * 3
    # Beside it: half a megabyte of scratch, and the strips and corners of one row of tiles.
    assert peak < (band if to_sink else canvas) + 2**19 + 4 * tile.nbytes


def test_merges_into_a_window_of_a_larger_array() -> None:
    plan = mosaic_plan(70, 50, 32, 8)
    canvas = noise(plan, np.float32, 2)
    large = np.zeros((60, 90, 2), np.float32)
    merge(split(canvas[:, ::-1], plan), plan, out=large[5:55, 10:80])
    np.testing.assert_array_equal(large[5:55, 10:80], canvas[:, ::-1])
    large[5:55, 10:80] = 0
    assert not large.any()


def good_tiles(plan: MosaicPlan, dtype: type = np.uint8) -> list[tuple[Box, Array]]:
    return list(split(noise(plan, dtype, 3), plan))


def swapped(tiles):
    return [tiles[1], tiles[0], *tiles[2:]]


def with_second(change):
    return lambda tiles: [tiles[0], (tiles[1][0], change(tiles[1][1])), *tiles[2:]]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (swapped, r"tile 0 must be 32 x 32 px at \(0, 0\).*row by row"),
        (lambda tiles: [tiles[0], *tiles], r"tile 1 must be .* px at \(0, 0\) came"),
        (lambda tiles: tiles[:-1], r"only 5 of 6 tiles arrived"),
        (lambda tiles: [], r"only 0 of 6 tiles arrived"),
        (lambda tiles: [*tiles, tiles[-1]], r"more tiles than the plan's 6"),
        (with_second(lambda t: t[:-1]), r"tile 1 has shape \(31, 32, 3\)"),
        (with_second(lambda t: t.ravel()), r"tile 1 has shape"),
        (with_second(lambda t: t[..., 0]), r"tile 1 is uint8 with channels \(\)"),
        (with_second(lambda t: t.astype(np.float32)), r"tile 1 is float32"),
        (lambda tiles: [(box, t.astype(np.float64)) for box, t in tiles], r"float64; merge takes"),
        (lambda tiles: [(box, t[..., :0]) for box, t in tiles], r"no channels"),
    ],
)
def test_wrong_tiles_are_refused(spoil, sentence: str) -> None:
    plan = mosaic_plan(70, 50, 32, 8)
    assert len(plan) == 6
    with pytest.raises(BadInput, match=sentence):
        merge(spoil(good_tiles(plan)), plan)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((50, 70), np.uint8),
        np.zeros((50, 70, 3), np.uint16),
        np.zeros((51, 70, 3), np.uint8),
        np.zeros((50, 70, 4), np.uint8)[..., :3],
    ],
)
def test_an_out_that_does_not_fit_is_refused(out: Array) -> None:
    plan = mosaic_plan(70, 50, 32, 8)
    with pytest.raises(BadInput, match=r"^out "):
        merge(good_tiles(plan), plan, out=out)


def test_out_and_sink_together_are_refused() -> None:
    plan = mosaic_plan(70, 50, 32, 8)
    with pytest.raises(BadInput, match="not to both"):
        merge(good_tiles(plan), plan, out=np.zeros((50, 70, 3), np.uint8), sink=lambda y0, rows: None)


def test_split_refuses_a_canvas_of_another_size() -> None:
    with pytest.raises(BadInput, match=r"plan is for \(50, 70\["):
        split(np.zeros((70, 50), np.uint8), mosaic_plan(70, 50, 32, 8))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, 10, 8, 2), "no pixels"),
        ((10, -1, 8, 2), "no pixels"),
        ((10, 10, 0, 0), "tile is 0 px"),
        ((10, 10, 8, -1), "overlap is -1 px"),
        ((10, 10, 8, 8), "overlap is 8 px; for a tile of 8 px it must be between 0 and 7"),
    ],
)
def test_impossible_plans_are_refused(arguments: tuple[int, int, int, int], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        mosaic_plan(*arguments)
