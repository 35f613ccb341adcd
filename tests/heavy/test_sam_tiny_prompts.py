"""The tiny SAM's own masks, before any matting: they are what the prompts say, and are not once the prompts are wrong.

A network that ignored its prompts, or was told them in another convention than it was trained with, would pass none of
these. Bounds were set on tiles of sprites that the network was not trained on, the samples are measured here.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="a checkpoint needs torch: pip install segtile[torch]")
pytest.importorskip("segment_anything", reason="a checkpoint needs segment_anything: pip install segtile[torch]")

import tiny_questions as ask

from segtile.backends.own_sam import open_own_sam

pytestmark = pytest.mark.usefixtures("one_thread")
CHECKPOINT = Path(__file__).with_name("sam_tiny.pth")


@pytest.fixture(scope="module")
def network():
    return open_own_sam(CHECKPOINT, "cpu", 1)[0]


@pytest.fixture(scope="module")
def tiles(data_samples, network):
    """Makes tiles of samples, scaled to a long side."""

    def make(names, sides):
        found = []
        for name in names:
            picture = cv2.imread(str(next(data_samples.glob(f"{name}.*"))))[..., ::-1]
            alpha = cv2.imread(str(data_samples / f"{name}_alpha.png"), cv2.IMREAD_UNCHANGED)
            alpha = alpha.astype(np.float32) / np.iinfo(alpha.dtype).max
            for side in sides:
                share = side / max(alpha.shape)
                small = [
                    cv2.resize(m, None, fx=share, fy=share, interpolation=cv2.INTER_AREA) for m in (picture, alpha)
                ]
                found += ask.tiles_of(*small, network.side)
        return found

    return make


@pytest.fixture(scope="module")
def scattered(tiles):
    return tiles(("flatlay",), (640, 800, 1024))


@pytest.fixture(scope="module")
def holed(tiles):
    return tiles(("ring", "filigree", "earrings"), (400, 640))


@pytest.mark.parametrize("question", [ask.points, ask.boxes])
def test_a_point_or_a_box_alone_picks_the_object_among_others(network, scattered, question):
    found = question(network, scattered)
    assert len(found) > 20
    assert (found[:, 0] > found[:, 1]).mean() > 0.7
    assert found[:, 0].mean() > found[:, 1].mean() + 0.2


def test_a_point_in_a_hole_that_the_mask_has_filled_opens_it(network, holed):
    plain, pointed = ask.holes(network, holed).T
    assert len(plain) > 30
    assert pointed.mean() > plain.mean() + 0.15
    assert (pointed > plain + 0.05).mean() > 0.5
    assert (pointed < plain - 0.05).mean() < 0.1


def test_labels_or_coordinates_the_wrong_way_round_find_something_else(network, scattered, holed):
    right, swapped, mirrored = ask.told_wrong(network, scattered + holed).mean(axis=0)
    assert right > swapped + 0.1
    assert right > mirrored + 0.1
