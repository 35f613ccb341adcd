"""Looks at a tile after the first: told the answer before, they move edges and open nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from net_graphs import write_graph
from PIL import Image
from refine_scenes import coarse_from, compose, four_fifths_as_sure, supersampled, whole

from segtile.catalog import graph_path
from segtile.errors import BadInput
from segtile.recipe import build_recipe
from segtile.refine import get_refiner, make_input
from segtile.refine.network import MOST_LOOKS, NetworkRefiner, _bounds, _edge_of, _far_from, _opening_nothing, _places
from segtile.types import Box, Tile

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

SHARE = 0.1  # of a place, from which on it is looked at again
PAPER = np.array([0.94, 0.94, 0.93])
GOLD = np.array([0.7, 0.55, 0.25])

fields = arrays(np.float32, (9, 11), elements=st.sampled_from([np.float32(v) for v in (0, 0.3, 0.7, 1)]))


@pytest.fixture(scope="module")
def ring():
    """A thin ring's exact alpha, and what a refiner sees of it: a coarse map of three pixels to a cell."""
    alpha = supersampled(240, 320, lambda x, y: (np.hypot(x - 160, y - 120) < 90) & (np.hypot(x - 160, y - 120) >= 70))
    picture = compose(alpha, GOLD, PAPER, 0.004)
    return alpha, picture, coarse_from(alpha, 3, PAPER, 0.004)


@pytest.mark.parametrize("magnify", ["1", "2"])
def test_the_second_look_is_told_the_first_answer_and_moves_its_edge_alone(ring, tmp_path, monkeypatch, magnify):
    """This graph answers with 1.08 of what it is told, and a tenth of that smeared."""
    alpha, picture, coarse = ring
    file = write_graph(tmp_path / "echo.onnx", shown=7, metadata={"magnify": magnify})
    once, twice = (NetworkRefiner(file, device="cpu", looks=looks) for looks in (1, 2))
    x = make_input(picture, coarse, whole(alpha), once.channels, 0.004)
    first = once.refine(x).alpha
    told, run = [], twice._graph.run
    monkeypatch.setattr(twice._graph, "run", lambda planes, at: told.append(planes[-1]) or run(planes, at))
    second = twice.refine(x).alpha
    assert len(told) == 2
    part = _bounds(x.band).expand(twice.halo, coarse.frame)
    shown = cv2.resize(told[1][:, ::-1], (part.width, part.height), interpolation=cv2.INTER_AREA)
    wrong = np.abs(shown - four_fifths_as_sure(first[part.slices]))[x.band[part.slices]]
    assert wrong.max() <= (1e-6 if magnify == "1" else 0.25)
    assert wrong.mean() < 0.01
    edge = _edge_of(first)
    np.testing.assert_array_equal(second[~edge], first[~edge])
    assert np.abs(second - first)[edge].mean() > 0.01
    np.testing.assert_array_equal(second[~x.band], (x.prob >= 0.5)[~x.band])


@pytest.fixture(scope="module")
def thrice(tmp_path_factory):
    file = write_graph(tmp_path_factory.mktemp("weights") / "tiny.onnx", metadata={"magnify": "2"})
    return NetworkRefiner(file, device="cpu", looks=3)


@settings(max_examples=16, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 150), st.integers(0, 90), st.integers(40, 150), st.integers(40, 140))
def test_a_pixel_that_was_looked_at_more_than_once_is_the_same_in_every_tile(ring, thrice, x0, y0, wide, high):
    alpha, picture, coarse = ring
    all_of_it = thrice.refine(make_input(picture, coarse, whole(alpha), thrice.channels, 0.004)).alpha
    read = Box(x0, y0, x0 + wide, y0 + high) & coarse.frame
    patch = thrice.refine(make_input(picture, coarse, Tile(0, read, read), thrice.channels, 0.004))
    trusted = patch.trust >= 1
    assert np.abs(patch.alpha - all_of_it[read.slices])[trusted].max(initial=0) <= 1 / 255


def test_each_look_sees_the_tile_another_way_round(ring, thrice, monkeypatch):
    alpha, picture, coarse = ring
    x = make_input(picture, coarse, whole(alpha), thrice.channels, 0.004)
    shown, run = [], thrice._graph.run
    monkeypatch.setattr(thrice._graph, "run", lambda planes, at: shown.append(planes[:-1]) or run(planes, at))
    thrice.refine(x)
    plain, mirrored, upside_down = shown
    np.testing.assert_array_equal(mirrored, plain[:, :, ::-1])
    np.testing.assert_array_equal(upside_down, plain[:, ::-1])
    assert np.abs(mirrored - plain).max() > 0.1
    assert np.abs(upside_down - plain).max() > 0.1


def test_our_own_network_finds_edges_nearer_when_it_looks_twice(ring):
    alpha, picture, coarse = ring
    path = graph_path("net", "net-refine")
    x = make_input(picture, coarse, whole(alpha), NetworkRefiner(path, device="cpu").channels, 0.004)
    errors = [np.abs(NetworkRefiner(path, device="cpu", looks=n).refine(x).alpha - alpha).sum() for n in (1, 2)]
    assert errors[1] < 0.95 * errors[0]


@pytest.fixture
def looked(monkeypatch):
    """What a refiner asks its graph: the sizes of the planes, in order."""

    def watch(refiner):
        asked, run = [], refiner._graph.run
        monkeypatch.setattr(refiner._graph, "run", lambda planes, at: asked.append(planes.shape[1:]) or run(planes, at))
        return asked

    return watch


def test_what_is_answered_as_it_was_told_is_looked_at_once(ring, looked):
    alpha, picture, coarse = ring
    auto = get_refiner("net", device="cpu")
    asked = looked(auto)
    auto.refine(make_input(picture, coarse, whole(alpha), auto.channels, 0.004))
    assert len(asked) == 1


def test_where_much_was_answered_otherwise_the_network_looks_again_and_nowhere_else(ring, looked):
    """The map has lost a piece of the ring, and is in doubt there."""
    alpha, picture, coarse = ring
    prob, band = coarse.prob.copy(), coarse.unsure.copy()
    lost = np.s_[30:50, 75:110]
    prob[lost], band[lost] = np.minimum(prob[lost], 0.3), True
    wrong = replace(coarse, prob=prob, unsure=band)
    once, auto, twice = (get_refiner("net", device="cpu", looks=looks) for looks in (1, "auto", 2))
    x = make_input(picture, wrong, whole(alpha), once.channels, 0.004)
    first, second = once.refine(x).alpha, twice.refine(x).alpha
    asked = looked(auto)
    found = auto.refine(x).alpha
    assert 2 <= len(asked) <= MOST_LOOKS
    assert np.prod(asked[1]) < 0.6 * np.prod(asked[0])
    np.testing.assert_array_equal(found[:, :140], first[:, :140])
    there = np.s_[90:150, 225:]  # the piece, in px
    assert np.abs(found - second)[there].mean() < 0.5 * np.abs(found - first)[there].mean()


@given(st.integers(0, 60), st.integers(0, 80), st.integers(1, 40), st.floats(0.05, 1))
def test_a_place_is_far_from_what_was_told_by_a_share_of_its_square(y, x, side, much):
    told, answer = np.zeros((2, 70, 90), np.float32)
    answer[y : y + side, x : x + side] = much
    share = (answer > 0).sum() * much / 65**2
    far = _far_from(told, answer, np.ones(told.shape, np.bool_))
    assert not far[answer == 0].any()
    if share < 0.999 * SHARE:
        assert not far.any()
    if share > 1.001 * SHARE and side <= 32:
        np.testing.assert_array_equal(far, answer > 0)
    assert not _far_from(told, answer, np.zeros(told.shape, np.bool_)).any()


@given(arrays(np.bool_, (40, 50), elements=st.booleans(), fill=st.just(False)), st.integers(0, 6))
def test_places_hold_all_that_is_far_and_cost_no_more_than_one_box(far, halo):
    boxes, frame = _places(far, halo), Box.frame(50, 40)
    held = np.zeros(far.shape, np.bool_)
    for box in boxes:
        held[box.slices] = True
    assert held[far].all()
    if boxes:
        assert sum(box.expand(halo, frame).area for box in boxes) <= _bounds(far).expand(halo, frame).area
    else:
        assert not far.any()


@given(fields, fields)
def test_nothing_is_opened_that_was_not_open_anywhere(moved, before):
    out = _opening_nothing(moved, before)
    changed = out != moved
    assert (moved[changed] < 0.5).all()
    np.testing.assert_array_equal(out[changed], before[changed])
    _, parts = cv2.connectedComponents((out < 0.5).astype(np.uint8), connectivity=4)
    for part in range(1, parts.max() + 1):
        assert (before[parts == part] < 0.5).any()


@given(fields)
def test_an_edge_is_what_is_mixed_and_both_sides_of_what_changes(alpha):
    edge = _edge_of(alpha)
    assert edge[(alpha > 0.02) & (alpha < 0.98)].all()
    inside = alpha >= 0.5
    across, down = inside[:, 1:] != inside[:, :-1], inside[1:] != inside[:-1]
    assert edge[:, 1:][across].all()
    assert edge[:, :-1][across].all()
    assert edge[1:][down].all()
    assert edge[:-1][down].all()
    plain = np.where(inside, np.float32(1), np.float32(0))
    steady = cv2.dilate(plain, np.ones((3, 3))) == cv2.erode(plain, np.ones((3, 3)))
    assert not _edge_of(plain)[steady].any()


@pytest.mark.parametrize("name", ["matting", "none"])
def test_only_networks_of_our_own_look_more_than_once(name):
    with pytest.raises(BadInput, match="looks once"):
        get_refiner(name, looks=2)
    assert get_refiner(name).name == name


def test_more_looks_than_are_of_use_are_refused():
    assert build_recipe(refine={"looks": 2}).refine.looks == 2
    assert build_recipe().refine.looks == "auto"
    for looks in (0, 4, "2", "often"):
        with pytest.raises(BadInput, match="looks"):
            build_recipe(refine={"looks": looks})


def test_the_command_line_looks_as_often_as_it_is_told(tmp_path, ring, run):
    _, picture, _ = ring
    Image.fromarray(picture.pixels).save(tmp_path / "ring.png")
    found = []
    for looks in ("1", "2"):
        out = tmp_path / looks
        code, _, err = run("mask", tmp_path / "ring.png", "-o", out, "-q", "--refine", "net", "--looks", looks)
        assert code == 0, err
        found.append(np.asarray(Image.open(out / "ring.png")).astype(int))
    assert (found[0] != found[1]).any()
    assert np.abs(found[0] - found[1]).mean() < 2
    code, _, err = run("mask", tmp_path / "ring.png", "-o", tmp_path / "no", "--refine", "matting", "--looks", "2")
    assert code == 1
    assert "looks once" in err
    assert "Traceback" not in err
