import numpy as np
import pytest

from segtile.coarse.walker import walk


def dense_answer(resistance, for_object, for_background):
    """The same minimum, by a dense solver."""
    h, w = resistance.shape
    n = h * w
    a = np.zeros((n, n))
    number = np.arange(n).reshape(h, w)
    for first, second in ((number[:, 1:], number[:, :-1]), (number[1:], number[:-1])):
        for i, j in zip(first.ravel(), second.ravel(), strict=True):
            worst = max(resistance.ravel()[i], resistance.ravel()[j])
            c = np.exp(-4 * min(worst, 2.0) ** 4) + 1e-4
            a[i, i] += c
            a[j, j] += c
            a[i, j] -= c
            a[j, i] -= c
    a[np.diag_indices(n)] += (for_object + for_background).ravel() + 1e-6
    return np.linalg.solve(a, for_object.ravel() + 0.5e-6).reshape(h, w)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_solves_its_equations(seed):
    rng = np.random.default_rng(seed)
    resistance = (rng.random((14, 19)) * 1.5).astype(np.float32)
    for_object = (rng.random((14, 19)) < 0.1).astype(np.float32) * 0.3
    for_background = (rng.random((14, 19)) < 0.2).astype(np.float32) * 0.05
    got = walk(resistance, for_object, for_background)
    assert np.abs(got - dense_answer(resistance, for_object, for_background)).max() < 1e-2


def test_a_contour_with_a_gap_still_holds():
    resistance = np.zeros((200, 260), np.float32)
    resistance[50:150, 60] = resistance[50:150, 200] = 3
    resistance[50, 60:201] = resistance[149, 60:201] = 3
    resistance[50, 128:132] = 0
    for_object = np.zeros_like(resistance)
    for_object[95:105, 120:140] = 0.3
    for_background = np.zeros_like(resistance)
    for_background[:30] = for_background[-30:] = 0.03
    belief = walk(resistance, for_object, for_background)
    assert belief[60:140, 70:190].min() > 0.5
    assert belief[20:40].max() < 0.5
