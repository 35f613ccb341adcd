"""A network and the studio pass as two witnesses: what both say stays, what one says is in doubt."""

import coarse_scenes as scenes
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.coarse import look
from segtile.coarse.together import agreement, together
from segtile.types import Box, CoarseMap

SIDE = 96


def a_map(prob, name="net", background=None):
    prob = np.asarray(prob, np.float32)
    nothing = np.zeros(prob.shape, bool)
    frame = Box.frame(SIDE, SIDE)
    return CoarseMap(prob, nothing, nothing.astype(np.int32), SIDE / prob.shape[0], frame, name, background)


def disc(radius, value=1.0, side=SIDE):
    y, x = np.mgrid[:side, :side] / side - 0.5
    return np.where(np.hypot(y, x) < radius, np.float32(value), np.float32(0))


def test_agreement_is_intersection_over_union_at_any_two_sizes():
    small, large = a_map(disc(0.2)), a_map(disc(0.4))
    assert agreement(small, large) == agreement(large, small) == pytest.approx(0.25, abs=0.02)
    assert agreement(small, a_map(cv2.resize(disc(0.2), (48, 48), interpolation=cv2.INTER_AREA))) > 0.9
    assert agreement(small, a_map(1 - disc(0.2))) == 0
    assert agreement(a_map(disc(0)), a_map(disc(0))) == 1


@settings(max_examples=25, deadline=None)
@given(net=st.floats(0, 1), studio=st.floats(0, 1), more=st.floats(0, 1))
def test_more_from_either_is_never_less_from_both(net, studio, more):
    """Over a disc that both see; the values are of its middle."""

    def joined(one, two):
        frames = [np.where(disc(0.15) > 0, np.float32(p), disc(0.35)) for p in (one, two)]
        return together(a_map(frames[0]), a_map(frames[1], "studio"), np.zeros((SIDE, SIDE, 3), np.float32)).prob[
            48, 48
        ]

    assert joined(max(net, more), studio) >= joined(net, studio) - 1e-5
    assert joined(net, max(studio, more)) >= joined(net, studio) - 1e-5


def test_a_sure_network_is_not_overruled_and_an_undecided_one_is_helped():
    preview = np.zeros((SIDE, SIDE, 3), np.float32)
    hole = np.where(disc(0.1) > 0, np.float32(0), disc(0.35))
    for sure, wanted in ((0.99, 1), (0.5, 0)):  # the studio pass sees a hole in the middle
        net = np.where(disc(0.1) > 0, np.float32(sure), disc(0.35))
        found = together(a_map(net), a_map(hole, "studio"), preview)
        assert (found.prob[48, 48] > 0.5) == wanted
        assert found.unsure[48, 48], "one of them says otherwise: the pass over each tile decides"


def test_the_map_is_the_studio_passes_in_size_and_background_and_finds_a_real_ring():
    preview, alpha = scenes.gold_ring()
    h, w = alpha.shape
    frame = Box.frame(w, h)
    nothing = np.zeros((h // 2, w // 2), bool)
    blurred = cv2.resize(alpha, (w // 2, h // 2), interpolation=cv2.INTER_AREA).astype(np.float32)
    net = CoarseMap(0.25 + 0.5 * blurred, nothing, nothing.astype(np.int32), 2.0, frame, "net")
    studio = look(preview, frame, "studio")
    found = together(net, studio, preview)
    assert found.prob.shape == studio.prob.shape
    assert found.background is studio.background
    assert found.source == "net+studio"
    assert found.labels.max() == 1
    np.testing.assert_array_equal((found.prob > 0.5)[alpha > 0.999], True)
    soft = (alpha > 0.01) & (alpha < 0.99)
    assert found.unsure[soft].mean() > 0.99
