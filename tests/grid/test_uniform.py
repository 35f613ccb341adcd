import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.errors import BadInput
from segtile.grid import plan_uniform
from segtile.types import Box

# By hand from SAHI's published rule: a slice every tile - overlap px from the corner until one reaches the end; one
# that would reach beyond is shifted back inside; slices of a picture smaller than a tile are the picture.
TABLE = [
    # width, height, tile, halo, x spans, y spans
    (1000, 600, 512, 50, [(0, 512), (412, 924), (488, 1000)], [(0, 512), (88, 600)]),
    (512, 512, 512, 64, [(0, 512)], [(0, 512)]),
    (513, 512, 512, 64, [(0, 512), (1, 513)], [(0, 512)]),
    (896, 100, 512, 64, [(0, 512), (384, 896)], [(0, 100)]),
    (897, 100, 512, 64, [(0, 512), (384, 896), (385, 897)], [(0, 100)]),
    (2000, 2000, 1024, 64, [(0, 1024), (896, 1920), (976, 2000)], [(0, 1024), (896, 1920), (976, 2000)]),
    (1, 1, 8, 0, [(0, 1)], [(0, 1)]),
    (20, 5, 8, 0, [(0, 8), (8, 16), (12, 20)], [(0, 5)]),
]


@pytest.mark.parametrize(("width", "height", "tile", "halo", "xs", "ys"), TABLE)
def test_read_boxes_are_those_of_sahi(width, height, tile, halo, xs, ys):
    grid = plan_uniform(Box.frame(width, height), tile, halo)
    assert [t.read for t in grid.tiles] == [Box(x0, y0, x1, y1) for y0, y1 in ys for x0, x1 in xs]


def test_read_boxes_equal_sahis_own():
    slicing = pytest.importorskip("sahi.slicing", reason="sahi is not installed")
    rng = np.random.default_rng(0)
    for _ in range(150):
        tile, width, height = int(rng.integers(2, 1200)), int(rng.integers(1, 5000)), int(rng.integers(1, 5000))
        tile = max(tile, max(width, height) // 12)
        halo = int(rng.integers(0, (tile - 1) * 2 // 5 + 1))  # a fifth of a tile on at least: not millions of them
        share = min((2 * halo + 0.5) / tile, 1 - 0.5 / tile)  # SAHI cuts share * tile down to 2 * halo
        boxes = slicing.get_slice_bboxes(height, width, tile, tile, False, share, share)
        assert [t.read for t in plan_uniform(Box.frame(width, height), tile, halo).tiles] == [Box(*b) for b in boxes]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(20, 300), st.data())
def test_cores_partition_the_frame_with_their_halo(width, height, tile, data):
    halo = data.draw(st.integers(0, (tile - 1) // 2))
    if (width / (tile - 2 * halo)) * (height / (tile - 2 * halo)) > 2000:
        halo = tile // 4
    frame = Box.frame(width, height)
    grid = plan_uniform(frame, tile, halo)
    painted = np.zeros((height, width), np.int32)
    for t in grid.tiles:
        painted[t.core.slices] += 1
        assert t.read.contains(t.core.expand(halo, frame))
        assert t.read.width == min(tile, width)
        assert t.read.height == min(tile, height)
    assert (painted == 1).all()
    assert sorted(grid.order) == list(range(len(grid.tiles)))


@pytest.mark.parametrize(
    ("frame", "tile", "halo"),
    [(Box(0, 0, 0, 5), 8, 1), (Box(3, 0, 9, 9), 8, 1), (Box(0, 0, 9, 9), 8, 4), (Box(0, 0, 9, 9), 8, -1)],
)
def test_impossible_sizes_are_refused(frame, tile, halo):
    with pytest.raises(BadInput):
        plan_uniform(frame, tile, halo)
