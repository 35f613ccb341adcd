import coarse_scenes as scenes
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segtile.coarse import look
from segtile.types import Box


def studio(preview, scale=1):
    return look(preview, Box.frame(preview.shape[1] * scale, preview.shape[0] * scale), "studio")


def certain_object(found):
    return (found.prob >= 0.5) & ~found.unsure


def certain_background(found):
    return (found.prob < 0.5) & ~found.unsure


def assert_true_to(found, alpha, soft_missed=0):
    soft = (alpha > 0.001) & (alpha < 0.999)
    assert np.count_nonzero(soft & ~found.unsure) <= soft_missed
    assert not (certain_object(found) & (alpha < 0.5)).any()
    assert not (certain_background(found) & (alpha > 0.5)).any()


def iou(found, alpha):
    a, b = found.prob >= 0.5, alpha >= 0.5
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


class TestScenes:
    def test_a_ring_keeps_its_hole_and_a_narrow_band(self):
        preview, alpha = scenes.gold_ring()
        found = studio(preview)
        assert_true_to(found, alpha)
        assert iou(found, alpha) > 0.9
        assert certain_background(found)[250, 350]
        assert found.unsure.mean() < 0.12
        assert found.labels.max() == 1
        assert found.notes == ()

    @pytest.mark.parametrize("contrast", [0.04, 0.02])
    def test_white_on_white_is_found(self, contrast):
        preview, alpha = scenes.white_disc(contrast)
        found = studio(preview)
        assert_true_to(found, alpha)
        assert iou(found, alpha) > 0.9
        assert certain_object(found)[240, 310]

    def test_a_one_percent_contrast_leaves_no_edge_outside_the_band(self):
        preview, alpha = scenes.white_disc(0.01, noise=0.001)
        assert_true_to(studio(preview), alpha)

    def test_chain_links_stay_open(self):
        preview, alpha = scenes.chain()
        found = studio(preview)
        assert_true_to(found, alpha)
        for x in range(60 + 17, 700, 34):  # between two neighbouring links lies gold, in the middle of one a hole
            assert alpha[200, x] > 0 or found.prob[200, x] < 0.5

    def test_a_soft_shadow_is_background(self):
        preview, alpha, shadow = scenes.shadowed_ball()
        found = studio(preview)
        assert_true_to(found, alpha)
        away = (shadow > 0.15) & (cv2.distanceTransform((alpha < 0.001).astype(np.uint8), cv2.DIST_L2, 5) > 16)
        assert away.sum() > 3000
        assert certain_background(found)[away].mean() > 0.99

    def test_a_hole_in_the_shadow_stays_open(self):
        h, w = 500, 600
        alpha = scenes.ring_alpha(h, w, 300, 250, 150, 110)
        y, x = np.mgrid[:h, :w]
        back = scenes.sweep(h, w) * (1 - 0.15 * np.exp(-(((x - 310) / 160) ** 2 + ((y - 270) / 150) ** 2)))[..., None]
        found = studio(scenes.compose(back, scenes.gold(h, w), alpha, 0.003))
        assert_true_to(found, alpha)
        assert found.prob[250, 300] < 0.5

    def test_an_object_that_runs_out_of_the_frame(self):
        h, w = 400, 500
        alpha = scenes.ring_alpha(h, w, 250, 0, 220, 150)
        found = studio(scenes.compose(scenes.sweep(h, w), scenes.gold(h, w), alpha, 0.003))
        assert_true_to(found, alpha)
        assert found.prob[0, 60] > 0.5

    def test_grey_pictures(self):
        preview, alpha = scenes.gold_ring()
        grey = np.repeat(preview.mean(axis=2, keepdims=True), 3, axis=2).astype(np.float32)
        assert_true_to(studio(grey), alpha)

    def test_a_dark_background(self):
        h, w = 400, 500
        alpha = scenes.ring_alpha(h, w, 250, 200, 120, 80)
        found = studio(scenes.compose(np.full((h, w, 3), 0.06), scenes.gold(h, w), alpha, 0.004))
        assert_true_to(found, alpha)

    def test_small_things_beside_each_other_are_objects_of_their_own(self):
        h, w = 400, 600
        alpha = sum(scenes.ring_alpha(h, w, x, 200, 30, -1) for x in (100, 300, 500))
        found = studio(scenes.compose(scenes.sweep(h, w), scenes.gold(h, w), alpha, 0.003))
        assert found.labels.max() == 3
        assert {int(found.labels[200, x]) for x in (100, 300, 500)} == {1, 2, 3}


class TestNothingAndEverything:
    @pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 300), (2, 2), (8, 8), (9, 31), (40, 40)])
    @pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
    def test_uniform_pictures_of_any_size_are_empty(self, size, value):
        found = studio(np.full((*size, 3), value, np.float32), scale=3)
        assert found.prob.shape == size
        assert not found.prob.any()
        assert not found.unsure.any()
        assert not found.labels.any()

    @pytest.mark.parametrize("noise", [0.002, 0.01, 0.03])
    def test_noise_alone_is_nothing(self, noise):
        back = scenes.sweep(400, 500)
        found = studio(scenes.compose(back, back, np.zeros(back.shape[:2]), noise))
        assert not found.labels.any()

    def test_dust_is_no_object(self):
        h, w = 700, 1000
        alpha = np.zeros((h, w))
        for x, y in ((150, 200), (600, 90), (820, 600)):
            alpha[y : y + 2, x : x + 2] = 1
        found = studio(scenes.compose(scenes.sweep(h, w), np.full((h, w, 3), 0.3), alpha, 0.002))
        assert not found.labels.any()

    def test_dust_beside_an_object_does_not_stay_either_where_it_is_far(self):
        preview, alpha = scenes.gold_ring()
        preview[30:32, 30:32] = 0.2
        found = studio(preview)
        assert found.labels.max() == 1
        assert found.prob[30, 30] == 0
        assert_true_to(found, alpha)

    def test_a_picture_that_is_all_object_says_so(self):
        rng = np.random.default_rng(3)
        texture = cv2.GaussianBlur(rng.random((300, 400, 3)).astype(np.float32), (0, 0), 4)
        texture = (texture - texture.min()) / (texture.max() - texture.min())
        found = studio(texture)
        assert (found.prob == 1).all()
        assert not found.unsure.any()
        assert (found.labels == 1).all()
        assert found.background is None
        assert "No background was found" in found.notes[0]


class TestBackground:
    def test_the_tone_goes_on_under_the_object(self):
        preview, alpha = scenes.gold_ring()
        found = studio(preview)
        assert found.background is not None
        off = np.abs(found.background.tone - scenes.sweep(*alpha.shape))
        assert off.max() < 0.012
        assert off.mean() < 0.002

    @pytest.mark.parametrize("noise", [0.004, 0.012])
    @pytest.mark.parametrize("scale", [1, 3])
    def test_noise_is_that_of_the_frames_own_pixels(self, noise, scale):
        h, w = 300 * scale, 400 * scale
        rng = np.random.default_rng(5)
        full = (np.full((h, w, 3), 0.8) + rng.normal(0, noise, (h, w, 3))).astype(np.float32)
        full[h // 3 : h // 2, w // 3 : w // 2] = (0.5, 0.3, 0.2)
        preview = cv2.resize(full, (400, 300), interpolation=cv2.INTER_AREA)
        found = look(preview, Box.frame(w, h), "studio")
        assert found.background is not None
        assert found.background.noise == pytest.approx(np.full(3, noise), rel=0.2)


class TestProperties:
    def test_twice_the_same(self):
        preview, _ = scenes.chain()
        one, two = studio(preview), studio(preview)
        assert np.array_equal(one.prob, two.prob)
        assert np.array_equal(one.unsure, two.unsure)
        assert np.array_equal(one.labels, two.labels)

    @settings(max_examples=5, deadline=None)
    @given(st.integers(-60, 60), st.integers(-40, 40))
    def test_what_is_certain_moves_with_the_scene(self, dx, dy):
        h, w = 360, 480
        alpha = scenes.ring_alpha(h, w, 240 + dx, 180 + dy, 90, 60)
        found = studio(scenes.compose(scenes.sweep(h, w), scenes.gold(h, w), alpha, 0.003))
        assert_true_to(found, alpha)
        assert iou(found, alpha) > 0.9

    @settings(max_examples=5, deadline=None)
    @given(st.floats(0.6, 1.0))
    def test_exposure_changes_little(self, exposure):
        preview, alpha = scenes.gold_ring(300, 420)
        found = studio((preview * exposure).astype(np.float32))
        assert_true_to(found, alpha)

    @settings(max_examples=5, deadline=None)
    @given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 2**32 - 1))
    def test_any_picture_has_an_answer(self, h, w, seed):
        rng = np.random.default_rng(seed)
        found = studio(rng.random((h, w, 3)).astype(np.float32), scale=2)
        assert found.prob.shape == found.unsure.shape == found.labels.shape == (h, w)
        assert np.isfinite(found.prob).all()
        assert found.prob.min() >= 0
        assert found.prob.max() <= 1
        assert ((found.labels > 0) == ((found.prob >= 0.5) | found.unsure)).all()
