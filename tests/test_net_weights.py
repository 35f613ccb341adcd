"""The networks that ship, on pictures of the repository: found, refined, and told of what they do not know."""

import cv2
import numpy as np
import pytest

import segtile
from segtile.backends.alpha_graph import AlphaGraph
from segtile.catalog import graph_path
from segtile.coarse import look
from segtile.coarse.net import ask_ways
from segtile.raster import open_raster
from segtile.types import Box

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

#: Mean absolute error (x 1000) and IoU at a half that the shipped weights had on pictures made smaller to 1000 px.
GOLDEN = {
    "ring.jpg": (4.2, 0.959),
    "cup_white.jpg": (16.2, 0.956),
    "flatlay.jpg": (3.7, 0.956),
}


def small(data_samples, name):
    """A sample's picture and exact alpha (float) at 1000 px."""
    picture = cv2.imread(str(data_samples / name))[..., ::-1]
    alpha = cv2.imread(str(data_samples / f"{name.split('.')[0]}_alpha.png"), cv2.IMREAD_UNCHANGED)
    factor = 1000 / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return picture, cv2.resize(alpha / np.iinfo(alpha.dtype).max, picture.shape[1::-1], interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", GOLDEN)
def test_samples_are_cut_out_as_well_as_when_the_weights_were_made(data_samples, name):
    picture, alpha = small(data_samples, name)
    error, overlap = GOLDEN[name]
    found = segtile.mask(picture, coarse="net", refine="net") / 255
    both, either = ((found >= 0.5) & (alpha >= 0.5)).sum(), ((found >= 0.5) | (alpha >= 0.5)).sum()
    assert 1000 * np.abs(found - alpha).mean() == pytest.approx(error, rel=0.1)
    assert both / either == pytest.approx(overlap, abs=0.01)


def test_a_mirrored_picture_is_cut_out_as_the_picture_is(data_samples):
    picture, _ = small(data_samples, "ring.jpg")
    near = np.ascontiguousarray(picture[:704, :960] / np.float32(255), np.float32)  # multiples of 32
    graph = AlphaGraph(graph_path("net", "net-coarse"), refines=False)
    one, other = (ask_ways(graph, near, count)[0] for count in (1, 2))
    flipped = np.ascontiguousarray(near[:, ::-1])
    two, mirrored = (ask_ways(graph, flipped, count)[0][:, ::-1] for count in (1, 2))
    # what is left is that the background is modelled anew
    assert np.abs(other - mirrored).mean() < 0.1 * np.abs(one - two).mean()


def test_what_is_no_thing_on_a_backdrop_is_told_of():
    noise = np.random.default_rng(0).random((400, 500, 3)).astype(np.float32)
    found = look(noise, Box.frame(500, 400), "net")
    assert any("unlike what it was trained on" in note for note in found.notes)


def test_empty_paper_stays_empty():
    paper = np.full((400, 500, 3), 0.95) + np.random.default_rng(0).normal(0, 0.004, (400, 500, 3))
    found = look(open_raster((255 * paper).round().astype(np.uint8)).preview(1024), Box.frame(500, 400), "net")
    assert not found.labels.any()
