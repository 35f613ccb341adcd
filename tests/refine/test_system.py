import numpy as np
import pytest

from segtile.backends.pymatting import load_kernel
from segtile.refine import system
from segtile.refine.system import matting_system, solve, solve_band


def scene(seed=0, h=60, w=300):
    rng = np.random.default_rng(seed)
    rgb = rng.random((h, w, 3), np.float32)
    unknown = rng.random((h, w)) < 0.3
    unknown[20:40, 100:260] = True
    unknown[:, :3] = False
    alpha = (rng.random((h, w)) < 0.5).astype(np.float32)
    return rgb, unknown, alpha


def test_blocks_assemble_the_whole_laplacian():
    rgb, unknown, alpha = scene()
    built = matting_system(rgb, unknown, alpha, 1e-5)
    full = load_kernel("laplacian/cf_laplacian.py").cf_laplacian(rgb.astype(np.float64), epsilon=1e-5)
    at = unknown.ravel()
    full = full.tocsr()
    expected = full[at][:, at]
    assert abs(built.matrix - expected).max() < 1e-9
    np.testing.assert_allclose(built.rhs, -(full[at][:, ~at] @ alpha.ravel()[~at]), atol=1e-9)


def test_strips_meet_without_a_step(monkeypatch):
    """A smooth problem solved at once and in strips of few rows."""
    y, x = np.mgrid[:160, :90]
    edge = 45 + 8 * np.sin(y / 15)
    alpha = np.clip((x - edge) / 3 + 0.5, 0, 1).astype(np.float32)
    rng = np.random.default_rng(1)
    rgb = alpha[..., None] * np.array([0.8, 0.6, 0.2]) + (1 - alpha[..., None]) * 0.95
    rgb = (rgb + rng.normal(0, 0.01, rgb.shape)).astype(np.float32)
    unknown = np.abs(x - edge) < 10
    known = np.where(unknown, 0, np.rint(alpha)).astype(np.float32)
    guess, weight = np.full(alpha.shape, 0.5, np.float32), np.full(alpha.shape, 1e-3, np.float32)
    at_once, settled = solve_band(rgb, unknown, known, guess, weight, 1e-4)
    assert settled
    monkeypatch.setattr(system, "_STRIP", 700)
    in_strips, settled = solve_band(rgb, unknown, known, guess, weight, 1e-4)
    assert settled
    assert np.abs(in_strips - at_once).max() < 0.02
    assert np.abs(at_once - alpha)[unknown].mean() < 0.05


def test_a_solve_that_is_cut_short_says_so_and_stays_finite():
    rgb, unknown, alpha = scene(2)
    built = matting_system(rgb, unknown, alpha, 1e-7)
    start = np.full(built.rhs.size, 0.5)
    solution, converged = solve(built.matrix, built.rhs, start, limit=1)
    assert not converged
    assert np.isfinite(solution).all()


def test_a_broken_system_keeps_the_first_guess():
    rgb, unknown, alpha = scene(3)
    built = matting_system(rgb, unknown, alpha, 1e-7)
    start = np.full(built.rhs.size, 0.25)
    solution, converged = solve(built.matrix, np.full(built.rhs.size, np.nan), start)
    assert not converged
    np.testing.assert_array_equal(solution, start)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (3, 3)])
def test_tiles_too_small_for_a_window_take_the_guess(shape):
    ones = np.ones(shape, np.float32)
    solved, settled = solve_band(np.zeros((*shape, 3), np.float32), ones > 0, ones, 0.3 * ones, 0.1 * ones, 1e-5)
    assert settled
    np.testing.assert_allclose(solved, 0.3, atol=1e-3)
