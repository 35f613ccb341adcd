import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refine_scenes import Picture, coarse_from, compose, whole

from segtile import solar
from segtile.backends.onnx import available_providers
from segtile.errors import ModelError
from segtile.refine import Refiner, get_refiner, make_input
from segtile.refine.inputs import upsample
from segtile.types import Background, Box, CoarseMap, Tile


def random_map(seed, h, w, frame, modelled=True):
    rng = np.random.default_rng(seed)
    background = Background(rng.random((h, w, 3), np.float32), np.full(3, 0.01, np.float32)) if modelled else None
    scale = max(frame.width / w, frame.height / h)
    prob = rng.random((h, w), np.float32)
    return CoarseMap(prob, rng.random((h, w)) < 0.4, np.zeros((h, w), np.int32), scale, frame, "test", background)


boxes = st.tuples(st.integers(0, 60), st.integers(0, 40), st.integers(8, 40), st.integers(8, 40))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), a=boxes, b=boxes)
def test_a_pixel_is_the_same_in_every_tile_that_reads_it(seed, a, b):
    frame = Box.frame(101, 83)
    picture = Picture(np.random.default_rng(seed).integers(0, 256, (83, 101, 3), np.uint8))
    coarse = random_map(seed, 23, 31, frame)
    reads = [Box(x, y, x + w, y + h) & frame for x, y, w, h in (a, b)]
    one, two = (make_input(picture, coarse, Tile(k, read, read)) for k, read in enumerate(reads))
    both = reads[0] & reads[1]
    if both.empty:
        return
    for name in ("rgb", "prob", "band", "background"):
        left, right = (getattr(x, name)[both.within(x.tile.read).slices] for x in (one, two))
        np.testing.assert_array_equal(left, right, err_msg=name)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), cells=st.tuples(st.integers(2, 30), st.integers(2, 30)))
def test_outside_the_band_a_pixel_is_on_its_cells_side_of_one_half(seed, cells):
    frame = Box.frame(77, 64)
    coarse = random_map(seed, *cells, frame, modelled=False)
    x = make_input(Picture(np.zeros((64, 77, 3), np.uint8)), coarse, Tile(0, frame, frame))
    rows, columns = coarse.cells(frame)
    at = np.ix_(rows, columns)
    np.testing.assert_array_equal(x.band, coarse.unsure[at])
    outside = ~x.band
    np.testing.assert_array_equal((x.prob >= 0.5)[outside], (coarse.prob[at] >= 0.5)[outside])
    assert x.background is None
    assert x.noise is None


def test_a_map_at_the_frames_own_scale_comes_through_untouched():
    frame = Box.frame(40, 30)
    coarse = random_map(4, 30, 40, frame)
    read = Box(7, 5, 33, 29)
    x = make_input(Picture(np.zeros((30, 40, 3), np.uint8)), coarse, Tile(0, read, read))
    np.testing.assert_array_equal(x.prob[x.band], coarse.prob[read.slices][x.band])
    np.testing.assert_array_equal(x.background, coarse.background.tone[read.slices])


def test_a_linear_map_stays_linear_when_enlarged():
    frame = Box.frame(160, 80)
    ramp = np.broadcast_to((np.arange(40, dtype=np.float32) + 0.5) / 40, (20, 40)).copy()
    coarse = CoarseMap(ramp, np.ones((20, 40), bool), np.zeros((20, 40), np.int32), 4.0, frame, "test")
    x = make_input(Picture(np.zeros((80, 160, 3), np.uint8)), coarse, Tile(0, frame, frame))
    expected = np.clip((np.arange(160) + 0.5) / 160, ramp[0, 0], ramp[0, -1])
    np.testing.assert_allclose(x.prob, np.broadcast_to(expected, x.prob.shape), atol=1e-6)


def test_sixteen_bits_arrive_as_sixteen_bits():
    levels = np.arange(32 * 32 * 3, dtype=np.uint16).reshape(32, 32, 3)
    alpha = np.zeros((32, 32))
    x = make_input(Picture(levels), coarse_from(alpha, 2), whole(alpha))
    assert x.rgb.dtype == np.float32
    np.testing.assert_array_equal(np.rint(x.rgb * 65535).astype(np.uint16), levels)


def test_solar_channels_are_made_only_when_asked_for():
    alpha = np.zeros((32, 32))
    alpha[8:24, 8:24] = 1
    picture = compose(alpha, np.array([0.5, 0.4, 0.2]), np.array([0.95, 0.95, 0.94]), 0.003)
    coarse = coarse_from(alpha, 2, (0.95, 0.95, 0.94))
    assert make_input(picture, coarse, whole(alpha)).channels is None
    names = ("solar6", *solar.SOLAR_CHANNELS)
    x = make_input(picture, coarse, whole(alpha), names, 0.01)
    tone = solar.luma_of(upsample(coarse.background.tone, coarse, whole(alpha).read))
    np.testing.assert_array_equal(x.channels, solar.network_channels(x.rgb, tone, 0.01, names))
    blind = make_input(picture, coarse_from(alpha, 2), whole(alpha), ("signed",))
    assert not blind.channels.any(), "no background, so nothing differs from it"


@pytest.mark.parametrize("name", ["matting", "none"])
def test_refiners_by_name(name):
    refiner = get_refiner(name)
    assert isinstance(refiner, Refiner)
    assert (refiner.name, refiner.notes) == (name, ())


def test_auto_is_our_network_and_says_where_it_cannot_be(monkeypatch):
    if available_providers():
        assert (get_refiner("auto").name, get_refiner("auto").notes) == ("net", ())
    monkeypatch.setattr("segtile.refine.registry.available_providers", list)
    without = get_refiner("auto")
    assert without.name == "matting"
    assert "net-refine cannot be run here" in without.notes[0]


@pytest.mark.parametrize("name", ["u2netp", "Matting", ""])
def test_other_names_say_where_their_weights_come_from(name):
    with pytest.raises(ModelError, match="weights"):
        get_refiner(name)
