import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.drift_model import ArrayTiles, cut_tiles, drifting
from segtile.edit.cells import tile_cells
from segtile.edit.poisson import poisson_rows
from segtile.edit.screened import solve_screened
from segtile.errors import BadInput
from segtile.metrics.drift import drift_levels
from segtile.types import Box, Tile


def whole(tiles, **options):
    parts = list(poisson_rows(tiles, **options))
    starts = [y0 for y0, _ in parts]
    assert starts == list(np.cumsum([0, *(len(part) for _, part in parts)])[:-1])
    return np.concatenate([part for _, part in parts])


def shifted(tiles, step):
    pixels = tuple((p + p.dtype.type(step * k)).astype(p.dtype) for k, p in enumerate(tiles.pixels))
    return ArrayTiles(tiles.tiles, tiles.frame, pixels)


@settings(max_examples=12, deadline=None)
@given(
    size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    tile=st.integers(24, 60),
    overlap=st.integers(0, 12),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    bands=st.sampled_from([1, 3]),
    exact=st.booleans(),
    linear_light=st.booleans(),
    anchored=st.booleans(),
)
def test_identity_to_the_bit(size, tile, overlap, dtype, bands, exact, linear_light, anchored):
    rng = np.random.default_rng(sum(size))
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max + 1
    picture = (rng.random((*size, bands)) * top).astype(dtype)
    reference = (lambda y0, y1: picture[y0:y1]) if anchored else None
    out = whole(cut_tiles(picture, tile, overlap), exact=exact, linear_light=linear_light, reference=reference)
    assert out.dtype == dtype
    assert (out == picture).all()


@pytest.mark.parametrize(("exact", "most"), [(True, 1e-4), (False, 5e-4)])
def test_constant_offsets_are_solved_to_a_flat_picture(exact, most):
    tiles = shifted(cut_tiles(np.full((300, 420, 3), 0.4, np.float32), 160, 48), 0.01)
    out = whole(tiles, exact=exact)
    assert np.ptp(out) < most < 0.01
    assert abs(out.mean() - 0.44) < 0.02  # the blend's own mean


def test_membrane_is_the_exact_solution_to_a_few_hundredths_of_a_level(photo):
    tiles = drifting(cut_tiles((photo / 255).astype(np.float32), 320, 96), 1)
    apart = 255 * np.abs(whole(tiles) - whole(tiles, exact=True))
    assert apart.mean() < 0.03
    assert np.percentile(apart, 99) < 0.1


def test_steps_between_tiles_are_gone(photo):
    tiles = shifted(cut_tiles(photo // 2, 320, 96), 6)
    out = whole(tiles).astype(np.float32)
    tile = tiles.tiles[0]
    line = tile.core.x1
    rows = slice(0, tile.core.y1 - 60)
    step = (out[rows, line] - out[rows, line - 1]).mean()
    own = (photo[rows, line] // 2).astype(np.float32) - photo[rows, line - 1] // 2
    assert abs(step - own.mean()) < 0.3


def test_a_reference_holds_low_frequencies(photo):
    reference = (photo / 255).astype(np.float32)
    tiles = drifting(cut_tiles(reference, 320, 96), 2, gain=0.01, offset=1.5, tilt=1)
    free = drift_levels(whole(tiles), reference).mean
    held = drift_levels(whole(tiles, reference=lambda y0, y1: reference[y0:y1]), reference).mean
    assert held < 0.7 * free


def test_linear_light_blends_light():
    dark, bright = (np.full((64, 96, 1), v, np.float32) for v in (0.2, 0.8))
    picture = cut_tiles(dark, 64, 32)
    tiles = ArrayTiles(picture.tiles, picture.frame, (picture.pixels[0], bright[:, :64]))
    encoded, linear = whole(tiles), whole(tiles, linear_light=True)
    assert linear.mean() > encoded.mean() + 0.05


@pytest.mark.parametrize("pull", [0.0, 0.01])
def test_the_solver_solves_its_equation(pull):
    rng = np.random.default_rng(0)
    wanted = rng.random((37, 52))
    wanted -= wanted.mean()
    right = -pull * wanted
    for axis in (0, 1):
        d = np.diff(wanted, axis=axis)
        zero = np.zeros_like(np.take(wanted, [0], axis=axis))
        right += np.concatenate([d, zero], axis=axis) - np.concatenate([zero, d], axis=axis)
    assert np.abs(solve_screened(right.astype(np.float32), pull) - wanted).max() < 1e-4


def test_refuses_what_is_no_mosaic():
    good = cut_tiles(np.zeros((64, 64, 3), np.float32), 40, 16)
    hole = ArrayTiles(good.tiles[1:], good.frame, good.pixels[1:])
    with pytest.raises(BadInput, match="cover it once"):
        whole(hole)
    bad = ArrayTiles(good.tiles, good.frame, (np.full_like(good.pixels[0], np.nan), *good.pixels[1:]))
    with pytest.raises(BadInput, match=r"tile 0 .* NaN"):
        whole(bad)
    with pytest.raises(BadInput, match="the reference gave"):
        whole(good, reference=lambda y0, y1: np.zeros((y1 - y0, 60, 3), np.float32))
    ints = ArrayTiles(good.tiles, good.frame, tuple(p.astype(np.int32) for p in good.pixels))
    with pytest.raises(BadInput, match="int32"):
        tile_cells(ints)
    slim = (Tile(0, Box(0, 0, 40, 5), Box(0, 0, 40, 7)), Tile(1, Box(0, 5, 40, 11), Box(0, 4, 40, 12)))
    slim = (*slim, Tile(2, Box(0, 11, 40, 40), Box(0, 9, 40, 40)))
    thin = ArrayTiles(slim, Box.frame(40, 40), tuple(np.zeros((t.read.height, 40, 3), np.uint8) for t in slim))
    with pytest.raises(BadInput, match="too little"):
        tile_cells(thin)
