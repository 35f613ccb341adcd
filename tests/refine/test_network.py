"""The refiner over a network's graph: laws of patches, tiles that agree, weights from strangers."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from net_graphs import STRIDE, write_graph
from refine_scenes import Picture, coarse_from, compose, four_fifths_as_sure, supersampled, whole

from segtile.backends.alpha_graph import AlphaGraph
from segtile.errors import ModelError
from segtile.refine import Refiner, get_refiner, make_input
from segtile.refine.network import MOST_HALO, NetworkRefiner, _bounds
from segtile.solar import NEUTRAL, SOLAR_CHANNELS, luma_of, network_channels
from segtile.types import Box, Tile

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

PAPER = np.array([0.94, 0.94, 0.93])


@pytest.fixture(scope="module")
def ring():
    """A ring's exact alpha, its picture, and a map of it."""
    alpha = supersampled(240, 320, lambda x, y: (np.hypot(x - 160, y - 120) < 90) & (np.hypot(x - 160, y - 120) >= 55))
    picture = compose(alpha, np.array([0.7, 0.55, 0.25]), PAPER, 0.004)
    return alpha, picture, coarse_from(alpha, 3, PAPER, 0.004)


@pytest.fixture(scope="module")
def refiner(tmp_path_factory):
    return NetworkRefiner(write_graph(tmp_path_factory.mktemp("weights") / "tiny.onnx"), "tiny", "cpu")


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The same, shown its tiles twice as large."""
    place = tmp_path_factory.mktemp("weights") / "twice.onnx"
    return NetworkRefiner(write_graph(place, metadata={"magnify": "2"}), "twice", "cpu")


@pytest.fixture(params=["refiner", "twice"])
def either(request):
    return request.getfixturevalue(request.param)


def test_it_is_a_refiner_that_asks_for_what_its_graph_takes(refiner, tmp_path):
    assert isinstance(refiner, Refiner)
    assert (refiner.channels, refiner.halo, refiner.context, refiner.coarsest) == (SOLAR_CHANNELS, 10, 10, 4.0)
    plain = write_graph(tmp_path / "far.onnx", channels="", metadata={"receptive_px": "900"})
    far = get_refiner(str(plain))
    assert (far.name, far.channels, far.halo) == ("far", (), MOST_HALO)


def test_a_graph_says_how_large_it_wants_its_tiles_shown(refiner, twice):
    assert (twice.tile, twice.halo, twice.bytes_per_px) == (512, 5, 4 * refiner.bytes_per_px)
    assert twice.tile * twice.magnify == refiner.tile


def test_a_magnified_tile_has_the_channels_of_its_magnified_colours(ring, twice):
    alpha, picture, coarse = ring
    x = make_input(picture, coarse, whole(alpha), twice.channels, 0.004)
    planes = twice._planes(x, x.tile.read)
    assert planes.shape == (8, 2 * alpha.shape[0], 2 * alpha.shape[1])
    tone = np.full(planes.shape[1:], luma_of(np.float32([[PAPER]]))[0, 0], np.float32)
    wanted = network_channels(planes[:3].transpose(1, 2, 0), tone, 0.004)
    np.testing.assert_allclose(planes[3:7], wanted.transpose(2, 0, 1), atol=1e-4)
    mean = planes.reshape(8, alpha.shape[0], 2, alpha.shape[1], 2).mean(axis=(2, 4))
    # interpolation keeps means but for what it sharpens, and noise is not smoothed away
    assert np.abs(mean[:3].transpose(1, 2, 0) - x.rgb).mean() < 0.004
    assert np.abs(mean[7] - x.prob).max() < 0.13


def test_a_magnified_tile_is_as_sharp_as_a_picture_of_that_size(twice):
    """Waves of three pixels to a period, sampled once a pixel, and twice; cubic interpolation keeps 0.88 of them."""
    waves = [0.5 + 0.25 * np.cos(2 * np.pi * (np.arange(64 * n) + 0.5) / (3 * n)) for n in (1, 2)]
    small, large = (np.tile(wave[None, :, None].astype(np.float32), (24 * n, 1, 3)) for n, wave in enumerate(waves, 1))
    alpha = np.tile((np.arange(64) < 32).astype(np.float32), (24, 1))
    x = make_input(Picture(np.zeros((24, 64, 3))), coarse_from(alpha, 1), whole(alpha), twice.channels, 0.004)
    planes = twice._planes(replace(x, rgb=small), x.tile.read)
    inner = (0, slice(12, -12), slice(12, -12))
    found, wanted = planes[inner] - 0.5, large.transpose(2, 0, 1)[inner] - 0.5
    assert (found * wanted).sum() / (wanted**2).sum() == pytest.approx(1, abs=0.05)


def test_the_network_is_told_of_a_map_a_little_wider_and_less_sure(ring, tmp_path, monkeypatch):
    alpha, picture, coarse = ring
    echo = NetworkRefiner(write_graph(tmp_path / "echo.onnx", shown=7), device="cpu", looks=1)
    x = make_input(picture, coarse, whole(alpha), echo.channels, 0.004)
    told, run = [], echo._graph.run
    monkeypatch.setattr(echo._graph, "run", lambda planes, at: told.append(planes[-1]) or run(planes, at))
    echo.refine(x)
    part = _bounds(x.band).expand(echo.halo, coarse.frame).slices
    near = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if abs(dy) < 2 or dx == 0]
    most = np.max([np.roll(x.prob, by, (0, 1)) for by in near], axis=0)
    np.testing.assert_allclose(told[0], four_fifths_as_sure(0.75 * x.prob + 0.25 * most)[part], atol=1e-5)
    outside = (x.prob > 0.1) & (x.prob < 0.5)
    assert (told[0] > x.prob[part])[outside[part]].all()
    sure = (x.prob == 0) | (x.prob == 1)
    assert (told[0] == x.prob[part])[cv2.erode(sure.astype(np.uint8), np.ones((7, 7)))[part] > 0].all()


def test_a_magnified_tile_is_answered_in_its_own_pixels(ring, refiner, twice):
    alpha, picture, coarse = ring
    x = make_input(picture, coarse, whole(alpha), twice.channels, 0.004)
    patch, plain = twice.refine(x), refiner.refine(x)
    assert patch.alpha.shape == patch.trust.shape == alpha.shape
    np.testing.assert_array_equal(patch.alpha[~x.band], (x.prob >= 0.5)[~x.band])
    # what lies away from the edge is what it is at any size, and nothing has moved
    flat = cv2.erode((alpha == 1).astype(np.uint8), np.ones((7, 7))) + cv2.erode(
        (alpha == 0).astype(np.uint8), np.ones((7, 7))
    )
    assert np.abs(patch.alpha - plain.alpha)[flat > 0].mean() < 0.01
    rows, columns = (np.arange(n, dtype=np.float32) for n in alpha.shape)
    for axis, at in ((1, rows), (0, columns)):
        middles = [(a.sum(axis=axis) * at).sum() / a.sum() for a in (patch.alpha, plain.alpha)]
        assert middles[0] == pytest.approx(middles[1], abs=0.1)


def test_it_finds_the_edge_and_changes_only_the_band(ring, refiner):
    alpha, picture, coarse = ring
    x = make_input(picture, coarse, whole(alpha), refiner.channels, 0.004)
    patch = refiner.refine(x)
    wrong = (patch.alpha >= 0.5) != (alpha >= 0.5)
    assert wrong.sum() < 0.4 * ((alpha > 0) & (alpha < 1)).sum(), "the edge is less than a pixel off"
    np.testing.assert_array_equal(patch.alpha[~x.band], (x.prob >= 0.5)[~x.band])
    assert patch.trust.min() > 0


def test_without_solar_channels_it_sees_no_difference_from_the_background(ring, either):
    alpha, picture, coarse = ring
    refiner = either
    x = make_input(picture, coarse, whole(alpha))
    assert not refiner.refine(x).alpha[x.band].any()


@pytest.mark.parametrize(("graded", "least"), [(True, 1.0), (False, 0.0)])
def test_only_a_map_that_knows_shades_of_certainty_closes_openings(ring, refiner, graded, least):
    """A spot in the metal, as light as the paper and nearly of its hue: this graph sees background, the map object."""
    alpha, picture, coarse = ring
    spotted = Picture(picture.pixels.copy())
    # the metal lies 55 to 90 px from the middle, at (160, 120); two of the graph's own cells each way
    spotted.pixels[112:128, 80:96] = 255 * PAPER * (1.03, 1.0, 0.95)
    sure = replace(coarse, graded=graded, unsure=np.ones_like(coarse.unsure))
    x = make_input(spotted, sure, whole(alpha), refiner.channels, 0.004)
    assert refiner.refine(x).alpha[118:122, 86:90].min() == pytest.approx(least, abs=0.15)


@pytest.mark.parametrize("magnify", ["1", "2"])
def test_a_graph_that_was_trained_without_a_plane_is_not_shown_it(ring, tmp_path, magnify):
    alpha, picture, coarse = ring
    neutral = {"neutral": ",".join((*SOLAR_CHANNELS, "prob")), "magnify": magnify}
    blind = NetworkRefiner(write_graph(tmp_path / "blind.onnx", metadata=neutral), device="cpu")
    x = make_input(picture, coarse, whole(alpha), blind.channels, 0.004)
    assert not blind.refine(x).alpha[x.band].any()


def test_each_plane_that_a_graph_was_trained_without_tells_nothing_and_the_others_are_as_they_were(tmp_path):
    planes = np.random.default_rng(4).random((8, 64, 64), np.float32)
    given = planes.copy()
    names = ("red", "green", "blue", *SOLAR_CHANNELS, "prob")
    for shown in ("signed", "adaptive+1/3", "prob"):
        at = names.index(shown)
        silenced = planes.copy()
        silenced[at] = {"prob": 0.5, **NEUTRAL}[shown]
        seeing = AlphaGraph(write_graph(tmp_path / "seeing.onnx", shown=at), refines=True, device="cpu")
        for silent in ("signed", "adaptive+1/3", "prob"):
            file = write_graph(tmp_path / "one.onnx", shown=at, metadata={"neutral": silent})
            found = AlphaGraph(file, refines=True, device="cpu").run(given)
            np.testing.assert_array_equal(found, seeing.run(silenced if shown == silent else planes))
            np.testing.assert_array_equal(given, planes)
        assert (seeing.run(silenced) != seeing.run(planes)).any()


@settings(max_examples=16, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 150), st.integers(0, 90), st.integers(40, 150), st.integers(40, 140))
def test_a_pixel_gets_the_same_answer_in_every_tile_that_is_trusted_there(ring, either, x0, y0, wide, high):
    alpha, picture, coarse = ring
    refiner = either
    frame = coarse.frame
    all_of_it = refiner.refine(make_input(picture, coarse, whole(alpha), refiner.channels, 0.004)).alpha
    read = Box(x0, y0, x0 + wide, y0 + high) & frame
    patch = refiner.refine(make_input(picture, coarse, Tile(0, read, read), refiner.channels, 0.004))
    trusted = patch.trust >= 1
    assert np.abs(patch.alpha - all_of_it[read.slices])[trusted].max(initial=0) <= 1 / 255


def test_only_what_lies_about_the_band_is_looked_at_and_the_answer_is_the_same(ring, either, monkeypatch):
    alpha, picture, coarse = ring
    x = make_input(picture, coarse, whole(alpha), either.channels, 0.004)
    all_of_it = either.refine(x)
    part = np.zeros_like(x.band)
    part[100:140, 20:110] = x.band[100:140, 20:110]
    shapes, run = [], either._graph.run
    monkeypatch.setattr(either._graph, "run", lambda planes, at: shapes.append(planes.shape[1:]) or run(planes, at))
    patch = either.refine(replace(x, band=part))
    assert part.sum() > 500
    assert np.abs(patch.alpha - all_of_it.alpha)[part].max() <= 1 / 255
    np.testing.assert_array_equal(patch.alpha[~part], (x.prob >= 0.5)[~part])
    most = [either.magnify * (side + 2 * either.halo) for side in (40, 90)]
    assert all(seen <= limit for seen, limit in zip(shapes[0], most, strict=True))


def test_the_networks_grid_lies_over_the_picture_and_not_over_the_window(tmp_path):
    graph = AlphaGraph(write_graph(tmp_path / "c.onnx", kind="coarse"), refines=False, device="cpu")
    planes = np.random.default_rng(0).uniform(-0.1, 0.1, (7, 64, 64)).astype(np.float32)
    part = graph.run(np.ascontiguousarray(planes[:, 13:53, 6:51]), (6, 13))
    rest = slice(STRIDE, -STRIDE)
    np.testing.assert_allclose(part[rest, rest], graph.run(planes)[13:53, 6:51][rest, rest], atol=1e-6)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ({"planes": 5}, "takes 5 planes, but its metadata name 8"),
        ({"channels": "signed,solar9"}, "are expected"),
        ({"kind": "coarse"}, "are expected"),
        ({"side": (64, 64)}, "one size only"),
        ({"metadata": {"multiple_of": "0"}}, "multiple_of"),
        ({"metadata": {"multiple_of": "-8"}}, "multiple_of"),
        ({"metadata": {"magnify": "0"}}, "magnify"),
        ({"metadata": {"magnify": "64"}}, "magnify"),
        ({"metadata": {"receptive_px": "1e9"}}, "receptive_px"),
        ({"metadata": {"receptive_px": "9" * 5000}}, "receptive_px"),
    ],
)
def test_graphs_that_are_no_refiner_are_refused(made, text, tmp_path):
    with pytest.raises(ModelError, match=text):
        NetworkRefiner(write_graph(tmp_path / "odd.onnx", **made), device="cpu")


@pytest.mark.parametrize(("made", "text"), [({"nan": True}, "no numbers"), ({"outputs": 2}, "was due")])
def test_graphs_that_answer_nonsense_end_with_a_sentence(made, text, ring, tmp_path):
    alpha, picture, coarse = ring
    odd = NetworkRefiner(write_graph(tmp_path / "odd.onnx", **made), device="cpu")
    with pytest.raises(ModelError, match=text):
        odd.refine(make_input(picture, coarse, whole(alpha), odd.channels, 0.004))


@pytest.mark.parametrize(("name", "text"), [("none.onnx", "no such file"), ("/dev/null/x.onnx", "no such file")])
def test_paths_without_a_file(name, text):
    with pytest.raises(ModelError, match=text):
        get_refiner(name)


def test_a_file_that_is_no_graph(tmp_path):
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="cannot load"):
        get_refiner(str(tmp_path / "text.onnx"))
