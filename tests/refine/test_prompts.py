"""Prompts from the coarse map: what they claim, whatever the map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refine_scenes import Picture, coarse_from, supersampled, whole

from segtile.backends.squares import place
from segtile.refine import make_input
from segtile.refine.prompts import mask_logits, object_prompts, to_network
from segtile.types import Box, CoarseMap, Tile


class Asked:
    """What a network says of what it takes."""

    side, mask_side, most_points, exclusive, soft = 1024, 256, 0, False, False

    def __init__(self, **changes):
        self.__dict__.update(changes)


def tile_of(coarse, read):
    blank = np.zeros((coarse.frame.height, coarse.frame.width, 3), np.uint8)
    return make_input(Picture(blank), coarse, Tile(0, read, read))


def blobs(seed, h=60, w=80, scale=4):
    """A map with a few discs, rings and strands, their band, and their labels."""
    import cv2

    rng = np.random.default_rng(seed)
    canvas = np.zeros((h * 4, w * 4), np.uint8)
    for _ in range(rng.integers(1, 5)):
        centre = tuple(int(v) for v in rng.integers(0, (w * 4, h * 4)))
        thick = int(rng.choice([-1, 6, 20]))
        cv2.ellipse(canvas, centre, tuple(int(v) for v in rng.integers(8, 100, 2)), 0, 0, 360, 1, thick)
    ends = rng.integers(0, (w * 4, h * 4), (2, 2))
    cv2.line(canvas, tuple(int(v) for v in ends[0]), tuple(int(v) for v in ends[1]), 1, 5)
    coarse = coarse_from(canvas.astype(np.float32), scale, reach=2)
    _, labels = cv2.connectedComponents(((coarse.prob >= 0.5) | coarse.unsure).astype(np.uint8), connectivity=8)
    return CoarseMap(coarse.prob, coarse.unsure, labels.astype(np.int32), coarse.scale, coarse.frame, "test")


@settings(max_examples=60)
@given(seed=st.integers(0, 9999), cut=st.tuples(*[st.integers(0, 10)] * 4))
def test_points_lie_where_they_claim_and_boxes_hold_the_object(seed, cut):
    coarse = blobs(seed)
    frame = coarse.frame
    read = Box(cut[0] * 8, cut[1] * 8, frame.width - cut[2] * 8, frame.height - cut[3] * 8)
    x = tile_of(coarse, read)
    prompts = object_prompts(x)
    believed = x.prob >= 0.5
    asked = [n for n in np.unique(x.labels[x.band]) if n and ((x.labels == n) & believed).any()]
    assert [p.label for p in prompts] == asked
    for prompt in prompts:
        mine = (x.labels == prompt.label) & believed
        x0, y0, x1, y1 = prompt.box
        assert 0 <= x0 < x1 <= read.width
        assert 0 <= y0 < y1 <= read.height
        outside_box = mine.copy()
        outside_box[y0:y1, x0:x1] = False
        assert not outside_box.any()
        assert len(prompt.inside) >= 1
        assert mine[prompt.inside[:, 1], prompt.inside[:, 0]].all()
        assert not mine[prompt.outside[:, 1], prompt.outside[:, 0]].any()
        on_others = believed[prompt.outside[:, 1], prompt.outside[:, 0]]
        assert (x.labels[prompt.outside[on_others][:, 1], prompt.outside[on_others][:, 0]] != prompt.label).all()
        assert len(np.unique(np.vstack([prompt.inside, prompt.outside]), axis=0)) == len(prompt.inside) + len(
            prompt.outside
        )
        assert len(prompt.inside) <= 6
        assert len(prompt.outside) <= 10


def scene(inside, h=600, w=800, scale=4):
    alpha = supersampled(h, w, inside, fine=2)
    return coarse_from(alpha, scale)


def test_a_tile_that_is_moved_by_whole_cells_is_told_the_same():
    ring = scene(lambda x, y: (np.hypot(x - 400, y - 300) < 90) & (np.hypot(x - 400, y - 300) >= 50))
    reads = [Box(160 + dx, 100 + dy, 640 + dx, 500 + dy) for dx, dy in ((0, 0), (8, 4), (-20, 12))]
    told = []
    for read in reads:
        (prompt,) = object_prompts(tile_of(ring, read))
        shift = np.array([read.x0, read.y0])
        told.append((prompt.inside + shift, prompt.outside + shift, np.array(prompt.box).reshape(2, 2) + shift))
    for other in told[1:]:
        for mine, theirs in zip(told[0], other, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_hole_is_pointed_at_and_thin_parts_are_too():
    def thing(x, y):
        ring = (np.hypot(x - 300, y - 300) < 120) & (np.hypot(x - 300, y - 300) >= 60)
        return ring | ((np.abs(y - 300) < 5) & (x >= 400) & (x < 700))

    x = tile_of(scene(thing), Box.frame(800, 600))
    (prompt,) = object_prompts(x)
    hole = np.hypot(*(prompt.outside - [300, 300]).T) < 50
    assert hole.sum() == 1
    assert not x.band[prompt.outside[hole][0][1], prompt.outside[hole][0][0]]
    assert (prompt.inside[:, 0] > 500).any(), "the strand has a point of its own"
    deepest = prompt.inside[0]
    assert 75 < np.hypot(*(deepest - [300, 300])) < 105


def test_several_objects_are_told_apart():
    two = scene(lambda x, y: (np.hypot(x - 250, y - 300) < 80) | (np.hypot(x - 470, y - 300) < 80))
    labels = np.where(two.labels > 0, 1 + (np.arange(200)[None] >= 90), 0).astype(np.int32)
    x = tile_of(CoarseMap(two.prob, two.unsure, labels, two.scale, two.frame, "test"), two.frame)
    left, right = object_prompts(x)
    assert left.box[2] < right.box[0]
    assert (left.inside[:, 0] < 360).all()
    assert (right.inside[:, 0] > 360).all()
    on_other = x.prob[left.outside[:, 1], left.outside[:, 0]] >= 0.5
    assert on_other.any(), "the neighbour is pointed at as not meant"
    assert (left.outside[on_other][:, 0] > 390).all()


def test_sides_are_counted_where_the_picture_goes_on():
    disc = scene(lambda x, y: np.hypot(x - 400, y - 300) < 200)
    assert object_prompts(tile_of(disc, disc.frame))[0].sides == 0
    assert object_prompts(tile_of(disc, Box(0, 0, 400, 600)))[0].sides == 1
    half = tile_of(disc, Box(240, 200, 640, 420))
    (prompt,) = object_prompts(half)
    assert prompt.sides == 3
    square = place(400, 220, 1024, "longest")
    assert to_network(prompt, half, Asked(), square).box is None
    assert to_network(object_prompts(tile_of(disc, disc.frame))[0], half, Asked(), square).box is not None
    at_the_frame = scene(lambda x, y: (y > 200) & (x > -1))
    assert object_prompts(tile_of(at_the_frame, at_the_frame.frame))[0].sides == 0


def test_a_network_gets_what_it_takes_and_no_more():
    disc = scene(lambda x, y: np.hypot(x - 400, y - 300) < 150)
    x = tile_of(disc, disc.frame)
    (prompt,) = object_prompts(x)
    square = place(800, 600, 1024, "longest")
    every = to_network(prompt, x, Asked(), square)
    assert len(every.points) == len(prompt.inside) + len(prompt.outside)
    assert every.mask.shape == (256, 256)
    six = to_network(prompt, x, Asked(most_points=6, mask_side=0), square)
    assert len(six.points) == 4
    assert six.inside.tolist()[:2] == [True, False]
    assert six.mask is None
    one = to_network(prompt, x, Asked(most_points=1, mask_side=0), square)
    assert one.box is None
    assert one.inside.tolist() == [True]
    exclusive = to_network(prompt, x, Asked(exclusive=True, mask_side=0), square)
    assert exclusive.box is not None
    assert len(exclusive.points) == 0


@pytest.mark.parametrize(("size", "fit"), [((800, 600), "longest"), ((600, 800), "longest"), ((800, 600), "squash")])
def test_mask_logits_are_certain_where_the_coarse_pass_is_and_empty_beside_the_picture(size, fit):
    w, h = size
    disc = scene(lambda x, y: np.hypot(x - w / 2, y - h / 2) < 150, h, w)
    x = tile_of(disc, disc.frame)
    square = place(w, h, 1024, fit)
    logits = mask_logits(x, 1, square, 256)
    assert logits.dtype == np.float32
    assert logits.min() == pytest.approx(-6.9, abs=1e-3)
    assert logits.max() == pytest.approx(6.9, abs=1e-3)
    inner = (round(square.inner[0] / 4), round(square.inner[1] / 4))
    np.testing.assert_allclose(logits[inner[1] :], -6.9, atol=1e-3)
    np.testing.assert_allclose(logits[:, inner[0] :], -6.9, atol=1e-3)
    back = square.to_picture(logits) > 0
    true = np.hypot(*np.ogrid[-h / 2 : h / 2, -w / 2 : w / 2]) < 150
    assert (back & true).sum() / (back | true).sum() > 0.97


def test_another_object_is_not_in_the_mask():
    two = scene(lambda x, y: (np.hypot(x - 250, y - 300) < 80) | (np.hypot(x - 550, y - 300) < 80))
    labels = np.where(two.labels > 0, 1 + (np.arange(200)[None] >= 100), 0).astype(np.int32)
    x = tile_of(CoarseMap(two.prob, two.unsure, labels, two.scale, two.frame, "test"), two.frame)
    square = place(800, 600, 1024, "longest")
    left, right = (square.to_picture(mask_logits(x, n, square, 256)) > 0 for n in (1, 2))
    assert left[300, 250]
    assert not left[300, 550]
    assert right[300, 550]
    assert not right[300, 250]


def test_what_is_doubtful_everywhere_is_not_asked_about():
    alpha = whole(np.zeros((200, 200)))
    prob = np.full((50, 50), 0.3, np.float32)
    coarse = CoarseMap(prob, prob > 0, np.ones((50, 50), np.int32), 4.0, alpha.read, "test")
    assert object_prompts(tile_of(coarse, alpha.read)) == []
