from itertools import pairwise

import cv2
import numpy as np
import pytest

from segtile.coarse import look
from segtile.errors import BadInput
from segtile.raster import open_raster
from segtile.refine.inputs import upsample
from segtile.solar import LUMA, AdaptiveCurve, adapt, evaluate, steady_edges, zigzag
from segtile.types import Box, CoarseMap

NOISE = 0.004


def white_disc(contrast=0.03, light=0.0, bits=8, size=(420, 560), shadow=0.0):
    """A disc on a sheet of nearly its tone under light that falls off, with noise: picture, its exact inside."""
    h, w = size
    y, x = np.mgrid[:h, :w].astype(np.float32)
    r = np.hypot(x - w / 2, y - h / 2)
    alpha = np.clip(90.5 - r, 0, 1)[..., None]
    sheet = 0.95 - light * (x / w + 0.5 * np.square(y / h))[..., None] * np.ones(3, np.float32)
    sheet = sheet - shadow * np.exp(-np.square(np.clip(r - 90, 0, None) / 12))[..., None]
    picture = sheet * (1 - alpha) + (sheet - contrast) * alpha
    picture = picture + np.random.default_rng(5).normal(0, NOISE, (h, w, 3))
    top, dtype = (65535, np.uint16) if bits == 16 else (255, np.uint8)
    return np.rint(np.clip(picture, 0, 1) * top).astype(dtype), alpha[..., 0] >= 0.5


def exact_map(inside, grow=6):
    """A coarse map that is right."""
    kernel = np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)
    mask = inside.astype(np.uint8)
    band = cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)
    frame = Box.frame(mask.shape[1], mask.shape[0])
    prob = np.where(inside, np.float32(0.95), np.float32(0.05))
    return CoarseMap(prob, band, mask.astype(np.int32), 1.0, frame, "test")


def adapted(picture, inside):
    coarse = exact_map(inside)
    with open_raster(picture) as raster:
        return adapt(raster, coarse), coarse


def differences(picture, curve, coarse):
    rgb = picture.astype(np.float32) / np.iinfo(picture.dtype).max
    return rgb @ LUMA - upsample(curve.luma, coarse, coarse.frame)


@pytest.mark.parametrize("bits", [8, 16])
def test_noise_is_measured_on_the_picture(bits):
    curve, _ = adapted(*white_disc(bits=bits))
    luma = NOISE * np.linalg.norm(LUMA)
    assert curve.sigma == pytest.approx(luma, rel=0.1)
    assert curve.noise == pytest.approx(NOISE, rel=0.15)


def test_a_flat_file_has_half_a_code_value_of_noise():
    picture = np.full((200, 200, 3), 240, np.uint8)
    picture[80:120, 80:120] = 230
    inside = picture[..., 0] == 230
    curve, _ = adapted(picture, inside)
    assert curve.sigma == pytest.approx(0.5 / 255)


@pytest.mark.parametrize("light", [0.0, 0.08, 0.25])
def test_the_background_is_zero_under_any_light(light):
    picture, inside = white_disc(light=light)
    curve, coarse = adapted(picture, inside)
    d = differences(picture, curve, coarse)
    away = ~cv2.dilate(inside.astype(np.uint8), np.ones((9, 9))).astype(bool)
    share = cv2.GaussianBlur(away.astype(np.float32), (0, 0), 4)
    mean = cv2.GaussianBlur(np.where(away, d, 0).astype(np.float32), (0, 0), 4) / np.maximum(share, 1e-3)
    assert np.abs(mean[away & (share > 0.5)]).max() < curve.sigma


def test_soft_shadows_are_background():
    picture, inside = white_disc(shadow=0.06)
    curve, coarse = adapted(picture, inside)
    d = differences(picture, curve, coarse)
    near = cv2.dilate(inside.astype(np.uint8), np.ones((33, 33))) - cv2.dilate(
        inside.astype(np.uint8), np.ones((17, 17))
    )
    assert np.abs(d[near > 0].mean()) < 0.006, "of 0.06"


def test_the_step_at_the_edge_is_larger_and_no_noisier():
    picture, inside = white_disc(contrast=0.03, light=0.05)
    curve, coarse = adapted(picture, inside)
    d = differences(picture, curve, coarse)
    folded = curve.fold(d)
    distance = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    distance -= cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    just_in, just_out = (np.abs(distance - at) < 0.6 for at in (3, -3))
    luma = picture.astype(np.float32) / 255 @ LUMA
    step, plain = (abs(v[just_in].mean() - v[just_out].mean()) for v in (folded, luma))
    noise, plain_noise = (v[just_out].std() for v in (folded, luma))
    assert step > 4 * plain
    assert step / noise > 0.9 * plain / plain_noise
    assert not curve.segment(d)[np.abs(distance) <= 8].any(), "no fold near the edge"


def test_gain_is_limited_by_noise():
    quiet, _ = adapted(*white_disc(contrast=0.01))
    picture, inside = white_disc(contrast=0.01)
    rng = np.random.default_rng(1)
    noisy = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    loud, _ = adapted(noisy, inside)
    assert loud.gain * loud.sigma <= 0.4 / 6 + 1e-6
    assert loud.gain < quiet.gain


CURVE = AdaptiveCurve(np.full((2, 2, 3), 0.9, np.float32), np.full(3, 0.01, np.float32), 0.01, 0.06, 0.2, 0.12)


@pytest.mark.parametrize("phase", [0.0, 1 / 3, 2 / 3, 1.0])
def test_the_curve_is_straight_around_the_background_and_folds_beyond(phase):
    d = np.linspace(-0.999, 0.999, 40001)
    y = CURVE.fold(d, phase).astype(np.float64)
    assert y.min() >= 0
    assert y.max() <= 1
    middle = np.abs(d) <= 0.06
    np.testing.assert_allclose(y[middle], 0.5 + CURVE.gain * d[middle], atol=1e-5)
    unfolded = (d > -0.2) & (d < 0.12)
    assert (np.diff(y[unfolded]) > 0).all()
    assert not CURVE.segment(d[unfolded], phase).any()
    turns = d[1:-1][np.diff(np.sign(np.diff(y))) != 0]
    x, _ = CURVE.knots(phase)
    folds = x[(np.abs(x) > 0.07) & (np.abs(x) < 0.999)]
    for place in folds:
        assert np.abs(turns - place).min() < 1e-3
    assert len(np.unique(CURVE.segment(d, phase))) == len(folds) + 1
    assert np.abs(np.diff(y)).max() <= CURVE.gain * np.diff(d).max() * 1.01, (
        "nowhere steeper than around the background"
    )


def test_folds_move_outwards_with_phase():
    places = [CURVE.knots(p)[0] for p in (0.0, 1 / 3, 2 / 3)]
    for near, far in pairwise(places):
        assert far[far > 0.07].min() > near[near > 0.07].min()
        assert far[far < -0.07].max() < near[near < -0.07].max()


def test_fold_lines_go_and_edges_stay():
    """On a ramp with a step every phase has creases; only the step is where all have one."""
    x = np.linspace(0, 0.9, 600, dtype=np.float32)
    tone = np.repeat((0.05 + x * 0.8 + 0.09 * (x > 0.45))[None], 40, axis=0)
    stack = np.stack([evaluate(zigzag(9, phase / 6), tone) for phase in (0, 1, 2)])
    found = steady_edges(stack)[20]
    at = int(np.argmax(x > 0.45))
    assert found[at - 1 : at + 1].max() > 0.1
    assert np.delete(found, range(at - 2, at + 2))[2:-2].max() < 0.01
    assert (np.abs(cv2.Laplacian(stack[0], cv2.CV_32F, ksize=1))[20] > 0.01).sum() > 5, "one phase alone has creases"


def test_a_missed_object_does_not_become_background():
    """The coarse pass knows one of two discs; the other one keeps its step."""
    picture, inside = white_disc(contrast=0.03, size=(420, 900))
    y, x = np.mgrid[:420, :900]
    other = np.hypot(x - 160, y - 210) < 70
    picture[other] = np.clip(picture[other].astype(int) - 12, 0, 255)
    curve, coarse = adapted(picture, inside)
    d = differences(picture, curve, coarse)
    deep = np.hypot(x - 160, y - 210) < 40
    assert d[deep].mean() == pytest.approx(-12 / 255, rel=0.25)


def test_no_background_is_said():
    picture = np.full((60, 60, 3), 99, np.uint8)
    coarse = exact_map(np.ones((60, 60), bool))
    with open_raster(picture) as raster, pytest.raises(BadInput, match="background"):
        adapt(raster, coarse)
    with pytest.raises(BadInput, match="phase"):
        CURVE.knots(1.5)


def test_it_works_behind_the_studio_pass(data_samples):
    with open_raster(data_samples / "pearls_white.tif") as raster:
        coarse = look(raster.preview(1000), raster.info.frame, "studio")
        curve = adapt(raster, coarse)
        pixels = raster.window(Box(20, 20, 220, 220))
    tone = upsample(curve.luma, coarse, Box(20, 20, 220, 220))
    d = pixels.astype(np.float32) / 65535 @ LUMA - tone
    assert np.abs(d.mean()) < curve.sigma
    assert d.std() == pytest.approx(curve.sigma, rel=0.5)
    assert curve.gain > 4
