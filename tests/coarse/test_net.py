"""The coarse pass by a network of our own, and the look between, on graphs made here."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from net_graphs import write_graph

import segtile
from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse import look
from segtile.coarse.ground import see_background
from segtile.coarse.net import CONTEXT, NEAR_WAYS, WAYS, ask_ways, both_looks, part_to_see, turned
from segtile.errors import ModelError
from segtile.raster import open_raster
from segtile.recipe import build_recipe
from segtile.types import Box

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    small = {"long_side": "300"}
    return write_graph(folder / "find.onnx", kind="coarse", metadata=small), write_graph(folder / "edge.onnx")


def test_it_finds_the_ring_and_passes_the_background_on(ring_scene, weights):
    picture, alpha = ring_scene
    preview = open_raster(picture).preview(2048)
    found = look(preview, Box.frame(900, 700), str(weights[0]))
    assert (found.source, found.prob.shape, found.scale) == ("find", (233, 300), pytest.approx(700 / 233))
    rows, cols = found.cells(found.frame)
    soft = (alpha > 0) & (alpha < 1)
    assert found.unsure[np.ix_(rows, cols)][soft].all(), "the band covers the edge"
    wrong = (found.prob >= 0.5)[np.ix_(rows, cols)] != (alpha >= 0.5)
    assert not (wrong & ~found.unsure[np.ix_(rows, cols)]).any()
    assert found.labels.max() == 1
    assert found.background is not None
    tone = cv2.resize(found.background.tone, (900, 700))
    assert np.abs(tone - picture / 255)[alpha == 0].mean() < 0.005


@pytest.mark.parametrize(("ways", "share"), [(NEAR_WAYS, 0.65), (4, 0.6)])
def test_a_second_look_from_closer_by_gives_a_finer_map_of_the_same(
    ring_scene, weights, tmp_path, monkeypatch, ways, share
):
    monkeypatch.setattr("segtile.coarse.net.NEAR_WAYS", ways)
    picture, alpha = ring_scene
    preview, frame = open_raster(picture).preview(2048), Box.frame(900, 700)
    closer = write_graph(tmp_path / "c.onnx", kind="coarse", metadata={"long_side": "300", "close_side": "800"})
    once, twice = look(preview, frame, str(weights[0])), look(preview, frame, str(closer))
    assert twice.prob.shape == (622, 800)
    assert twice.background.tone.shape == (622, 800, 3)
    off = [np.abs(cv2.resize(found.prob, (900, 700)) - alpha).mean() for found in (once, twice)]
    assert off[1] < share * off[0]
    small = look(cv2.resize(preview, (280, 218)), Box.frame(280, 218), str(closer))
    assert small.prob.shape == (218, 280), "nothing is gained by enlarging a picture"


def test_the_look_from_afar_counts_where_it_is_sure_and_the_close_one_elsewhere():
    far = np.full((60, 80), 0.5, np.float32)
    far[:, 40:] = 1.0
    close = np.random.default_rng(0).random((120, 160)).astype(np.float32)
    found = both_looks(far, close)
    np.testing.assert_allclose(found[:, :40], close[:, :40], atol=2e-4)
    assert found[:, 120:].min() > 0.999
    same = cv2.resize(close, (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(both_looks(same, cv2.resize(same, (160, 120))) - cv2.resize(same, (160, 120))).max() < 1e-3


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(60, 700), st.integers(60, 700)),
    spot=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0.02, 0.3)),
    grid=st.sampled_from([8, 32, 64]),
)
def test_the_close_look_sees_all_that_is_open_on_the_networks_own_grid(shape, spot, grid):
    height, width = shape
    far = np.zeros((48, 64), np.float32)
    x, y = round(63 * spot[0]), round(47 * spot[1])
    cv2.circle(far, (x, y), max(2, round(48 * spot[2])), 1.0, -1)
    part = part_to_see(far, shape, grid)
    assert Box.frame(width, height).contains(part)
    for before in (part.x0, part.y0, width - part.x1, height - part.y1):
        assert before % grid == 0
    # what a close look says beside the part changes nothing that could be seen in a file of 8 bits
    close = np.full(shape, 0.5, np.float32)
    other = np.random.default_rng(0).choice([0.05, 0.95], shape).astype(np.float32)
    other[part.slices] = 0.5
    assert np.abs(both_looks(far, close) - both_looks(far, other)).max() < 1 / 255
    open_there = np.abs(2 * cv2.resize(far, (width, height)) - 1) < 0.5
    ys, xs = np.nonzero(open_there)
    if len(ys):
        # what is open has its context on every side, or all that the picture has there
        assert ys.min() - part.y0 >= min(CONTEXT, ys.min())
        assert xs.min() - part.x0 >= min(CONTEXT, xs.min())
        assert part.y1 - 1 - ys.max() >= min(CONTEXT, height - 1 - ys.max())
        assert part.x1 - 1 - xs.max() >= min(CONTEXT, width - 1 - xs.max())


def test_a_picture_that_is_sure_throughout_needs_no_close_look():
    assert part_to_see(np.ones((40, 60), np.float32), (400, 600), 32).empty
    graph = _Leaning()
    picture = np.random.default_rng(0).random((64, 96, 3)).astype(np.float32)
    found, _ = ask_ways(graph, picture, 2, Box(0, 0, 0, 0))
    assert not graph.asked
    assert (found == 0.5).all()


@pytest.mark.parametrize("count", [2, 8])
def test_a_part_is_answered_as_in_the_whole(weights, ring_scene, count):
    """The graph's own grid of 8 px lies as over the whole, whichever way round."""
    preview = open_raster(ring_scene[0]).preview(2048)[:640, :896]
    graph = AlphaGraph(weights[0], refines=False)
    part = Box(64, 32, 512, 480)
    whole, some = ask_ways(graph, preview, count)[0], ask_ways(graph, preview, count, part)[0]
    np.testing.assert_allclose(some[part.slices], whole[part.slices], atol=1e-5)
    some[part.slices] = 0.5
    assert (some == 0.5).all()


def test_where_no_background_is_found_the_network_is_told_nothing(weights):
    noise = np.random.default_rng(0).random((300, 300, 3)).astype(np.float32)
    assert see_background(noise) is None
    found = look(noise, Box.frame(300, 300), str(weights[0]))
    assert found.background is None
    assert not found.prob.any(), "this graph knows an object by its difference from the background only"
    assert not found.unsure.any()


def test_a_refiner_is_no_coarse_network(weights):
    with pytest.raises(ModelError, match="are expected"):
        look(np.full((80, 80, 3), 0.9, np.float32), Box.frame(80, 80), str(weights[1]))


@pytest.mark.parametrize("kind", ["aligned", "uniform"])
def test_tiles_give_what_the_whole_picture_gives(ring_scene, weights, kind):
    names = {"coarse": {"name": str(weights[0])}, "refine": {"name": str(weights[1])}}
    made = []
    for grid in ({"tile": 200, "halo": 32}, {"tile": 2048, "halo": 0}):
        with segtile.cutout(ring_scene[0], recipe=build_recipe(**names, grid={"kind": kind, **grid})) as cut:
            made.append(cut.store.rows(0, 700).astype(int))
    assert np.abs(made[0] - made[1]).max() <= 257


def test_a_map_that_is_too_coarse_is_made_finer_first(ring_scene, weights, tmp_path):
    """The map has 180 cells a side and the frame 900 px: five px a cell are more than the four that are asked for."""
    coarse = write_graph(tmp_path / "c.onnx", kind="coarse", metadata={"long_side": "180"})
    stages = []
    first = look(open_raster(ring_scene[0]).preview(2048), Box.frame(900, 700), str(coarse))
    before = first.unsure & (first.labels == 1)
    assert first.labels.max() > 1, "specks of doubt beside the ring, which turn out to be none"
    with segtile.cutout(
        ring_scene[0], coarse=str(coarse), refine=str(weights[1]), on_progress=lambda d, t, s: stages.append(s)
    ) as cut:
        # what was in doubt of the ring before still is: 175 rows of cells for 140, each by its nearest
        kept = cv2.resize(before.view(np.uint8), cut.coarse.unsure.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
        assert kept.sum() > 1000
        assert cut.coarse.unsure[kept].all()
        assert "nearer" in cut.result.seconds
        assert cut.coarse.scale == pytest.approx(4.0)
        assert cut.coarse.source == "c"
        assert cut.coarse.labels.max() == 1
        error = np.abs(cut.alpha / 255 - ring_scene[1]).mean()
    assert list(dict.fromkeys(stages)) == ["read", "coarse", "nearer", "plan", "refine"]
    assert error < 0.01
    with segtile.cutout(ring_scene[0], coarse=str(coarse), refine="matting") as cut:
        assert "nearer" not in cut.result.seconds, "matting takes any map"


def test_a_picture_that_leaves_the_network_at_a_loss_is_told_of(tmp_path):
    """This graph takes red for the probability: half of a grey and black board is undecided, none of a white one."""
    path = write_graph(tmp_path / "red.onnx", kind="coarse", channels="")
    board = (np.indices((120, 160)).sum(0) // 40 % 2).astype(np.float32)
    undecided = np.repeat((0.4 * board)[..., None], 3, axis=2)
    for preview, told in ((undecided, 1), (np.repeat(board[..., None], 3, axis=2), 0)):
        found = look(preview, Box.frame(160, 120), str(path))
        assert len([note for note in found.notes if "unlike what it was trained on" in note]) == told


@given(st.integers(0, 7), st.integers(1, 9), st.integers(1, 9))
def test_a_picture_is_turned_and_turned_back(way, height, width):
    picture = np.arange(height * width * 2).reshape(height, width, 2)
    there = turned(picture, WAYS[way])
    assert sorted(there.ravel()) == sorted(picture.ravel())
    np.testing.assert_array_equal(turned(there, WAYS[way], back=True), picture)


def test_all_ways_are_different():
    picture = np.arange(6).reshape(2, 3)
    assert len({(turned(picture, way).shape, turned(picture, way).tobytes()) for way in WAYS}) == 8


class _Leaning:
    """Answers what lies to the upper left: no mirror image of a picture is answered alike."""

    channels, multiple_of = (), 32

    def __init__(self):
        self.asked = []

    def run(self, planes):
        self.asked.append(planes.shape)
        _, h, w = planes.shape
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        return (0.1 + 0.8 * planes[0] * (1 - (2 * x / w + y / h) / 3)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_the_mean_of_eight_ways_leans_nowhere(count):
    picture = np.full((24, 40, 3), 0.5, np.float32)
    graph = _Leaning()
    found, _ = ask_ways(graph, picture, count)
    assert len(graph.asked) == count
    assert ((24, 40) if count < 8 else (40, 24)) in {shape[1:] for shape in graph.asked}
    across, down = (np.abs(found - np.flip(found, axis)).max() for axis in (1, 0))
    assert (across < 1e-5) == (count >= 2)
    assert (down < 1e-5) == (count >= 4)
