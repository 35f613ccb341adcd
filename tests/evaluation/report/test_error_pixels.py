"""The error map's colours, the worst window, and alphas of other sizes and depths."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segtile.errors import BadInput, ReadError
from segtile.evaluation.report.pixels import EXTRA, MISSING, WINDOW, AlphaFile, WorstWindow, compare, error_map
from segtile.types import Box


def grey(h, w, value=0.8):
    return np.full((h, w, 3), value, np.float32)


def test_colours_of_missing_too_much_and_right():
    missing = np.array([[1, 0, 0, 0.25]], np.float32)
    extra = np.array([[0, 1, 0, 0]], np.float32)
    found = error_map(grey(1, 4), missing, extra)
    assert tuple(found[0, 0]) == MISSING
    assert tuple(found[0, 1]) == EXTRA
    dimmed = found[0, 2]
    assert dimmed.max() - dimmed.min() == 0
    assert 40 < dimmed[0] < 100
    half_way = (np.array(MISSING) + dimmed) / 2  # the root of a quarter is a half
    np.testing.assert_allclose(found[0, 3], half_way, atol=1)
    eighth = np.full((1, 1), 0.125, np.float32)
    np.testing.assert_allclose(error_map(grey(1, 1), eighth, 0 * eighth, root=3)[0, 0], half_way, atol=1)


def test_both_in_one_pixel_mix_by_their_shares():
    found = error_map(grey(1, 1), np.full((1, 1), 0.75, np.float32), np.full((1, 1), 0.25, np.float32))
    np.testing.assert_allclose(found[0, 0], 0.75 * np.array(MISSING) + 0.25 * np.array(EXTRA), atol=1)


def write(path, values):
    cv2.imwrite(str(path), values)
    return path


def test_missing_and_extra_do_not_cancel_in_a_small_view(tmp_path):
    truth, alpha = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    truth[:, 0::2], alpha[:, 1::2] = 255, 255
    look = compare(
        AlphaFile(write(tmp_path / "a.png", alpha), "a"), AlphaFile(write(tmp_path / "t.png", truth), "t"), 8
    )
    assert look.alpha.shape == (8, 8)
    for part in (look.alpha, look.missing, look.extra):
        np.testing.assert_allclose(part, 0.5, atol=1e-5)


def test_eight_and_sixteen_bits_and_another_size(tmp_path):
    truth = np.zeros((80, 120), np.uint16)
    truth[20:60, 30:90] = 65535
    exact = AlphaFile(write(tmp_path / "t.png", truth), "t")
    half = AlphaFile(write(tmp_path / "a.png", (truth[::2, ::2] >> 8).astype(np.uint8)), "a", exact.size)
    look = compare(half, exact, 120)
    assert look.alpha.shape == (80, 120)
    assert look.alpha[40, 60] == 1
    assert look.alpha[5, 5] == 0
    assert look.missing[22:58, 32:88].max() == 0


def test_the_same_alpha_has_no_error_and_no_worst_window(tmp_path):
    exact = AlphaFile(write(tmp_path / "t.png", np.eye(50, dtype=np.uint8) * 255), "t")
    look = compare(exact, exact, 50)
    assert look.worst is None
    assert look.worst_error == 0


@pytest.mark.parametrize(("height", "width"), [(700, 610), (256, 900), (100, 90), (300, 256)])
@pytest.mark.parametrize("strip", [1, 97, 256, 1000])
def test_the_worst_window_is_the_one_an_exhaustive_search_finds(height, width, strip):
    rng = np.random.default_rng(height * 7 + width)
    error = (rng.random((height, width)) ** 8).astype(np.float32)
    error[height // 3 : height // 3 + 20, width // 2 :] += 0.5
    found = WorstWindow(width, height)
    for y in range(0, height, strip):
        found.add(error[y : y + strip])
    h, w = min(WINDOW, height), min(WINDOW, width)
    sums = np.lib.stride_tricks.sliding_window_view(error.astype(np.float64).cumsum(0).cumsum(1), (1, 1))[..., 0, 0]
    table = np.pad(sums, ((1, 0), (1, 0)))
    every = table[h:, w:] - table[:-h, w:] - table[h:, :-w] + table[:-h, :-w]
    assert found.total == pytest.approx(every.max(), rel=1e-9)
    assert every[found.box.y0, found.box.x0] == pytest.approx(every.max(), rel=1e-9)
    assert (found.box.width, found.box.height) == (w, h)


def test_a_small_spot_lies_in_the_middle_of_its_window(tmp_path):
    truth = np.zeros((900, 1000), np.uint8)
    alpha = truth.copy()
    alpha[500:504, 610:614] = 255
    look = compare(
        AlphaFile(write(tmp_path / "a.png", alpha), "a"), AlphaFile(write(tmp_path / "t.png", truth), "t"), 100
    )
    assert look.worst == Box(612 - 128, 502 - 128, 612 + 128, 502 + 128)
    assert look.worst_error == pytest.approx(16)


def test_a_spot_in_the_corner_keeps_its_window_within_the_picture(tmp_path):
    truth = np.zeros((400, 500), np.uint8)
    alpha = truth.copy()
    alpha[-3:, -3:] = 255
    look = compare(
        AlphaFile(write(tmp_path / "a.png", alpha), "a"), AlphaFile(write(tmp_path / "t.png", truth), "t"), 100
    )
    assert look.worst == Box(500 - 256, 400 - 256, 500, 400)


def test_files_that_are_gone_or_hold_no_alpha_are_named(tmp_path):
    with pytest.raises(ReadError, match=r"the alpha of x for y is missing.*gone\.png"):
        AlphaFile(tmp_path / "gone.png", "the alpha of x for y")
    colours = write(tmp_path / "colour.png", np.dstack([np.zeros((4, 4)), np.ones((4, 4)), np.ones((4, 4))]) * 200)
    with pytest.raises(BadInput, match="no alpha"):
        AlphaFile(colours, "the truth")
