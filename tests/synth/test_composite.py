"""Composition: the identity, colours carried past the edge, exposure, contrast, noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.synth import composite
from eval.synth.spec import Look


def layers(seed: int = 0, height: int = 60, width: int = 80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A soft-edged warm disc with a hole over a grey gradient: alpha, premultiplied beauty, background at half size."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    r = np.hypot(x - width / 2, y - height / 2)
    alpha = np.clip(0.35 * height - r, 0, 1) * np.clip(r - 0.15 * height, 0, 1)
    colour = np.array([0.6, 0.4, 0.2]) * (0.8 + 0.4 * x[..., None] / width)
    beauty = np.concatenate([colour * alpha[..., None], alpha[..., None]], axis=2)
    background = np.full((height // 2, width // 2, 3), 0.55) * np.linspace(0.9, 1.0, width // 2)[None, :, None]
    background += rng.normal(0, 0.001, background.shape)
    return alpha.astype(np.float32), beauty.astype(np.float16), background.astype(np.float16)


@pytest.mark.parametrize("bits", [8, 16])
def test_composition_identity_holds_in_encoded_values_for_the_published_alpha(bits: int) -> None:
    encoded = composite.develop(*layers(), Look(), bits)
    published = composite.quantise(encoded.alpha, bits).astype(np.float64) / (2**bits - 1)
    pixels = composite.compose(encoded)
    a = published[..., None]
    expected = a * encoded.foreground + (1 - a) * encoded.background
    assert np.abs(pixels - expected).max() < 1e-6
    assert np.array_equal(pixels[published == 0], encoded.background[published == 0])


def test_edge_colour_is_the_object_s_own_without_black() -> None:
    alpha, beauty, background = layers()
    front = composite.extend(beauty, alpha)
    near = alpha > 0
    expected = np.array([0.6, 0.4, 0.2]) * (0.8 + 0.4 * np.arange(80)[None, :, None] / 80)
    difference = np.abs(front - np.broadcast_to(expected, front.shape))[near]
    assert difference.max() < 0.04
    assert front[near].min() > 0.1
    assert background.shape == (30, 40, 3)


def test_extension_reaches_pixels_that_the_render_missed() -> None:
    alpha, beauty, _ = layers()
    missed = beauty.copy()
    missed[:, 20:23] = 0  # columns of pixels that few samples did not find
    found = (alpha > 0) & (missed[..., 3] == 0)
    assert found.any()
    assert composite.extend(missed, alpha)[found].min() > 0.1


def test_noise_of_the_render_s_own_alpha_does_not_roughen_the_rim() -> None:
    alpha, beauty, _ = layers()
    noisy = beauty.astype(np.float32)
    noisy[..., 3] *= np.where(alpha < 1, np.random.default_rng(1).uniform(0.7, 1.3, alpha.shape), 1)
    clean = composite.extend(beauty, alpha)
    assert np.abs(composite.extend(noisy, alpha) - clean)[alpha > 0].max() < 0.01


def test_wire_thinner_than_a_pixel_keeps_its_colour() -> None:
    alpha = np.zeros((20, 30), np.float32)
    alpha[10] = 0.4
    beauty = np.concatenate([alpha[..., None] * np.array([0.8, 0.5, 0.2]), alpha[..., None]], axis=2)
    assert np.allclose(composite.extend(beauty, alpha)[10], [0.8, 0.5, 0.2], atol=1e-4)


def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    alpha, beauty, _ = layers()
    whole = composite.extend(beauty, alpha)
    monkeypatch.setattr(composite, "BLOCK", 16)
    assert np.array_equal(composite.extend(beauty, alpha)[alpha > 0], whole[alpha > 0])


def test_sweep_is_exposed_to_the_level_asked_for_and_nothing_clips() -> None:
    alpha, beauty, background = layers()
    glaring = beauty.copy()
    glaring[25:30, 15:25] = (50.0, 50.0, 50.0, 1.0)
    encoded = composite.develop(alpha, glaring, background, Look(background=0.94))
    assert abs(float(encoded.white @ composite.LUMA) - 0.94) < 0.01
    assert composite.quantise(composite.compose(encoded), 8).max() < 255


def test_unreachable_exposure_is_refused() -> None:
    _, _, background = layers()
    with pytest.raises(ValueError, match="exposure"):
        composite.gain_for(np.asarray(background, np.float32), 0.9999)
    with pytest.raises(ValueError, match="exposure"):
        composite.gain_for(np.zeros((4, 4, 3), np.float32), 0.94)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 0.20))
def test_contrast_is_what_was_asked_for(wanted: float) -> None:
    encoded = composite.develop(*layers(), Look(contrast=wanted))
    got = composite.contrast(composite.compose(encoded), encoded.alpha, encoded.white)
    assert got == pytest.approx(wanted, abs=0.002)


def test_shadow_setting_scales_the_depth_of_shadows() -> None:
    alpha, beauty, background = layers()
    dark = background.copy()
    dark[10:20, 10:20] *= np.float16(0.5)
    full = composite.develop(alpha, beauty, dark, Look(shadow=1.0))
    half = composite.develop(alpha, beauty, dark, Look(shadow=0.5))
    depth = [float((e.white - e.background[30, 30]).mean()) for e in (full, half)]
    assert depth[1] == pytest.approx(depth[0] / 2, rel=1e-3)


def test_noise_is_the_seed_s_and_as_strong_as_asked() -> None:
    flat = np.full((700, 300, 3), 0.9, np.float32)
    one, same, other = (composite.add_noise(flat, 0.004, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert float(np.std(one - flat)) == pytest.approx(0.004, rel=0.1)
    assert abs(float(np.mean(one - flat))) < 1e-4
    assert np.array_equal(composite.add_noise(flat, 0.0, 1), flat)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 12), st.integers(3, 12), st.integers(1, 5))
def test_enlarging_keeps_constants_and_ramps(height: int, width: int, times: int) -> None:
    flat = np.full((height, width, 3), 0.3, np.float32)
    assert np.allclose(composite.enlarge(flat, height * times, width * times), 0.3, atol=1e-5)
    ramp = np.broadcast_to(np.arange(width, dtype=np.float32)[None, :, None], (height, width, 3))
    big = composite.enlarge(ramp, height, width * times)
    at = (np.arange(width * times) + 0.5) / times - 0.5
    inside = (at >= 1) & (at <= width - 2)
    assert np.allclose(big[:, inside], at[inside][None, :, None], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 1.0))
def test_encoding_round_trip(x: float) -> None:
    assert float(composite.decode(composite.encode(np.float32(x)))) == pytest.approx(x, abs=1e-5)
