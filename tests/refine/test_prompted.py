"""Refiners that ask a network, with networks whose answers are known."""

import threading

import numpy as np
import pytest
from refine_scenes import Picture, coarse_from, compose, supersampled, whole

from segtile.backends.promptable import Answer, Embedding
from segtile.backends.squares import place
from segtile.refine import Refiner, get_refiner, make_input
from segtile.refine.answers import Certain, Choice, agreement, choose, fuse, unresolved
from segtile.refine.prompted import PromptedRefiner
from segtile.refine.snap import edge_strength, snap
from segtile.solar import adapt
from segtile.solar.channels import EDGE_CHANNELS, VIEW_CHANNELS
from segtile.types import Box, CoarseMap, Tile

GOLD = np.array([0.72, 0.55, 0.25])
PAPER = np.array([0.94, 0.94, 0.93])


class Oracle:
    """Knows the exact alpha of what it is shown, on SAM's grid; remembers what it was shown and asked."""

    side, mask_side, most_points, exclusive = 256, 64, 0, False

    def __init__(self, alpha, read=None, soft=False, spoil=None):
        self._alpha = alpha if read is None else alpha[read.slices]
        self.soft, self.spoil = soft, spoil
        self.shown, self.asked = [], []
        self._lock = threading.Lock()

    def place(self, width, height):
        return place(width, height, self.side, "longest")

    def embed(self, rgb):
        with self._lock:
            self.shown.append(rgb)
        return Embedding(len(self.shown), self.place(rgb.shape[1], rgb.shape[0]))

    def answer(self, embedding, prompts):
        self.asked.append(prompts)
        square = embedding.square
        truth = square.from_picture(self._alpha.astype(np.float32), self.side // (2 if self.soft else 4), 0.0)
        truth = np.clip(truth, 1e-4, 1 - 1e-4)
        logits = np.log(truth / (1 - truth))
        if self.spoil is not None:
            logits = self.spoil(logits, embedding.features)
        # the network believes most in a mask that is about something else
        return [Answer(np.stack([-logits, logits]), np.array([0.9, 0.8], np.float32)) for _ in prompts]


def ring(h=240, w=320, outer=90, inner=55):
    return supersampled(
        h, w, lambda x, y: (np.hypot(x - 160, y - 120) < outer) & (np.hypot(x - 160, y - 120) >= inner), 4
    )


def blurred_map(alpha, scale=4, wrong=5):
    """A coarse map whose own edge lies some px off: its probability says little within the band."""
    coarse = coarse_from(alpha, scale, PAPER, 0.004, reach=4)
    prob = np.roll(coarse.prob, (1, 1), (0, 1))
    prob = np.where(coarse.unsure, 0.2 + 0.6 * prob, coarse.prob).astype(np.float32)
    return CoarseMap(prob, coarse.unsure, coarse.labels, coarse.scale, coarse.frame, "test", coarse.background)


def test_the_mask_that_agrees_is_taken_and_its_edge_found_to_the_pixel():
    alpha = ring()
    x = make_input(compose(alpha, GOLD, PAPER, 0.004), blurred_map(alpha), whole(alpha))
    network = Oracle(alpha)
    refiner = PromptedRefiner("oracle", network)
    assert isinstance(refiner, Refiner)
    patch = refiner.refine(x)
    assert patch.notes == ()
    assert len(network.shown) == 1, "one look at a tile, however many are asked about"
    wrong = (patch.alpha >= 0.5) != (alpha >= 0.5)
    assert wrong.sum() < 0.05 * ((alpha > 0) & (alpha < 1)).sum()
    assert np.abs(patch.alpha - alpha).mean() < 3e-3
    (prompt,) = network.asked[0]
    assert prompt.box is not None
    assert prompt.mask.shape == (64, 64)
    assert prompt.inside.any()
    assert not prompt.inside.all()


@pytest.mark.parametrize("soft", [False, True])
def test_only_the_band_changes(soft):
    alpha = ring()
    x = make_input(compose(alpha, GOLD, PAPER, 0.004), blurred_map(alpha), whole(alpha))
    shifted = Oracle(np.roll(alpha, 12, 1), soft=soft)
    patch = PromptedRefiner("oracle", shifted).refine(x)
    np.testing.assert_array_equal(patch.alpha[~x.band], (x.prob >= 0.5)[~x.band])
    assert patch.alpha.dtype == patch.trust.dtype == np.float32
    assert patch.alpha.min() >= 0
    assert patch.alpha.max() <= 1
    assert patch.trust.min() > 0


def test_an_alpha_is_taken_as_it_is():
    alpha = ring()
    x = make_input(compose(alpha, GOLD, PAPER, 0.004), blurred_map(alpha), whole(alpha))
    network = Oracle(alpha, soft=True)
    patch = PromptedRefiner("oracle", network).refine(x)
    square = network.place(320, 240)
    (answer,) = network.answer(Embedding(1, square), [None])
    expected = 1 / (1 + np.exp(-square.to_picture(answer.logits[1])))
    np.testing.assert_allclose(patch.alpha[x.band], expected[x.band], atol=1e-5)


@pytest.mark.parametrize("soft", [False, True])
def test_an_answer_about_something_else_is_refused_and_the_user_told(soft):
    alpha = ring()
    x = make_input(compose(alpha, GOLD, PAPER, 0.004), blurred_map(alpha), whole(alpha))
    elsewhere = np.zeros_like(alpha)
    elsewhere[:40, :60] = 1
    refused = PromptedRefiner(
        "oracle", Oracle(elsewhere, soft=soft, spoil=lambda logits, _: np.abs(logits) - 12)
    ).refine(x)
    alone = get_refiner("matting").refine(x)
    np.testing.assert_array_equal(refused.alpha, alone.alpha)
    assert len(refused.notes) == 1
    assert "oracle contradicts" in refused.notes[0]
    assert "1 of 1 objects at 0,0 to 320,240" in refused.notes[0]


def test_each_object_keeps_to_itself():
    """An answer that spills over a neighbour changes nothing there."""
    alpha = supersampled(240, 320, lambda x, y: (np.hypot(x - 90, y - 120) < 50) | (np.hypot(x - 230, y - 120) < 50), 4)
    coarse = blurred_map(alpha)
    labels = np.where(coarse.labels > 0, 1 + (np.arange(80)[None] >= 40), 0).astype(np.int32)
    coarse = CoarseMap(coarse.prob, coarse.unsure, labels, coarse.scale, coarse.frame, "test", coarse.background)
    x = make_input(compose(alpha, GOLD, PAPER, 0.004), coarse, whole(alpha))
    network = Oracle(alpha)
    patch = PromptedRefiner("oracle", network).refine(x)
    assert len(network.asked[0]) == 2
    assert len(network.shown) == 1
    assert np.abs(patch.alpha - alpha).mean() < 3e-3


def test_what_the_network_cannot_resolve_is_left_to_matting():
    """A strand of 2 px: on a grid of 5 px it is nothing, and must not vanish."""
    alpha = supersampled(240, 320, lambda x, y: (np.hypot(x - 160, y - 120) < 50) | (np.abs(y - 120) < 1), 4)
    coarse = coarse_from(alpha, 2, PAPER, 0.003)
    x = make_input(compose(alpha, GOLD, PAPER, 0.003), coarse, whole(alpha))
    blind = Oracle(supersampled(240, 320, lambda x, y: np.hypot(x - 160, y - 120) < 50, 2))
    patch = PromptedRefiner("oracle", blind).refine(x)
    assert (patch.alpha[119:121, 10:90] > 0.4).mean() > 0.95
    thin = unresolved(alpha >= 0.5, 4.0)
    assert thin[120, 20:90].all()
    assert not thin[90:150, 140:180].any()
    assert not unresolved(np.hypot(*np.ogrid[-100:100, -100:100]) < 60, 4.0).any()


def test_a_tile_without_a_band_is_not_looked_at():
    frame = Box.frame(64, 48)
    prob = np.zeros((24, 32), np.float32)
    prob[:, 16:] = 1
    coarse = CoarseMap(prob, prob > 2, prob.astype(np.int32), 2.0, frame, "test")
    x = make_input(Picture(np.zeros((48, 64, 3), np.uint8)), coarse, Tile(0, frame, frame))
    network = Oracle(np.zeros((48, 64)))
    patch = PromptedRefiner("oracle", network).refine(x)
    assert network.shown == []
    np.testing.assert_array_equal(patch.alpha, x.prob >= 0.5)


def with_channels(picture, coarse, alpha, channels):
    from segtile.raster import open_raster

    return make_input(picture, coarse, whole(alpha), channels, curve=adapt(open_raster(picture.pixels), coarse))


def test_the_second_look_is_at_the_solar_view_and_helps_where_the_first_fails():
    alpha = ring()
    picture = compose(alpha, PAPER - 0.02, PAPER, 0.003)
    # the first look sees the object only in parts; the second sees it whole
    network = Oracle(
        alpha, spoil=lambda logits, look: logits if look == 2 else np.where(logits > 0, 0.02 * logits - 0.1, logits)
    )
    refiner = PromptedRefiner("oracle", network, second_look=True)
    assert refiner.channels == VIEW_CHANNELS
    x = with_channels(picture, blurred_map(alpha), alpha, refiner.channels)
    patch = refiner.refine(x)
    first, second = network.shown
    np.testing.assert_array_equal(first, x.rgb)
    np.testing.assert_array_equal(second, x.channels)
    flat = lambda view: float(np.abs(np.median(view[alpha == 1], 0) - np.median(view[alpha == 0], 0)).mean())  # noqa: E731
    assert flat(second) > 3 * flat(first), "what was hardly there is plain in the view"
    assert patch.notes == ()
    assert ((patch.alpha >= 0.5) != (alpha >= 0.5)).mean() < 0.02


def test_two_looks_at_different_things_are_not_mixed():
    a, b = np.full((8, 8), -5.0, np.float32), np.full((8, 8), -5.0, np.float32)
    a[:4], b[4:] = 5, 5
    good, bad = Choice(a, 0.9, 0.8), Choice(b, 0.6, 0.5)
    np.testing.assert_array_equal(fuse([bad, good]).logits, a)
    alike = Choice(a * 2, 0.9, 0.8)
    np.testing.assert_allclose(fuse([good, alike]).logits, 1.5 * a)
    inside = np.zeros((8, 8), np.float32)
    inside[:4] = 1
    certain = Certain(inside, 1 - inside)
    assert agreement(a > 0, certain) == 1
    assert agreement(b > 0, certain) == 0
    assert choose(Answer(np.stack([b, a]), np.array([1.0, 0.3], np.float32)), certain).agreement == 1


def test_snapping_draws_a_belief_to_the_edge_that_solar_shows():
    """White on white: the belief's contour lies 4 px off an edge that is a fiftieth of the tone scale high."""
    alpha = supersampled(160, 200, lambda x, y: np.hypot(x - 100, y - 80) < 45, 4)
    picture = compose(alpha, PAPER - 0.02, PAPER, 0.002, np.uint16)
    x = with_channels(picture, coarse_from(alpha, 2, PAPER, 0.002, reach=6), alpha, EDGE_CHANNELS)
    away = np.hypot(*np.ogrid[-79.5:80.5, -99.5:100.5]) - 49
    belief = (1 / (1 + np.exp(away / 2))).astype(np.float32)
    found = snap(x.rgb, x.channels, belief, np.abs(away) < 9)
    before, after = (((b >= 0.5) != (alpha >= 0.5)).sum() for b in (belief, found))
    assert after < 0.25 * before
    np.testing.assert_array_equal(found[np.abs(away) >= 9], belief[np.abs(away) >= 9])
    plain = edge_strength(x.rgb, np.zeros_like(x.channels))
    rim = np.abs(away + 4) < 1
    assert np.median(edge_strength(x.rgb, x.channels)[rim]) > 2 * np.median(plain[rim])


def test_solar_edges_go_through_the_refiner():
    alpha = ring()
    picture = compose(alpha, PAPER - 0.03, PAPER, 0.002, np.uint16)
    off = Oracle(
        supersampled(240, 320, lambda x, y: (np.hypot(x - 160, y - 120) < 93) & (np.hypot(x - 160, y - 120) >= 52), 2)
    )
    plain = PromptedRefiner("oracle", off)
    snapping = PromptedRefiner("oracle", off, solar_edges=True)
    assert snapping.channels == EDGE_CHANNELS
    x = with_channels(picture, blurred_map(alpha), alpha, EDGE_CHANNELS)
    errors = [((r.refine(x).alpha >= 0.5) != (alpha >= 0.5)).sum() for r in (plain, snapping)]
    assert max(errors) < 0.05 * ((alpha > 0) & (alpha < 1)).sum()
