"""What all tests share: where the real pictures are, and small pictures made by code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# a busy machine is no failure: nothing here is a timed test
settings.register_profile("segtile", deadline=None)
settings.load_profile("segtile")

# a shell's background jobs ignore interrupts, and so would the processes that tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests"))  # for what tests in several folders share


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def data_samples() -> Path:
    return REPO / "data_samples"


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = Path(os.environ.get("SEGTILE_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared pictures and weights at {folder} (set SEGTILE_SHARED)")
    return folder


@pytest.fixture(scope="session")
def ring_scene() -> tuple[np.ndarray, np.ndarray]:
    """A gold ring with an open hole on a lit off-white sweep: (700, 900, 3) uint8, and its exact alpha as float."""
    h, w, fine = 700, 900, 4
    yy, xx = (np.mgrid[: h * fine, : w * fine] + 0.5) / fine
    r = np.hypot(xx - 450, yy - 350)
    inside = ((r < 230) & (r > 160)).astype(np.float32)
    alpha = inside.reshape(h, fine, w, fine).mean((1, 3))
    y, x = np.mgrid[:h, :w]
    back = 0.93 - 0.05 * (y / h)[..., None] - np.array([0.0, 0.004, 0.012])
    theta = np.arctan2(y - 350, x - 450)
    gold = np.array([0.72, 0.55, 0.25]) * (0.75 + 0.25 * np.cos(3 * theta))[..., None]
    rng = np.random.default_rng(7)
    picture = back * (1 - alpha[..., None]) + gold * alpha[..., None] + rng.normal(0, 0.004, (h, w, 3))
    return (np.clip(picture, 0, 1) * 255).round().astype(np.uint8), alpha


@pytest.fixture
def run(capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the program in this process: (exit code, stdout, stderr)."""
    # here and not above: Blender's environment has these fixtures, but not what the program needs
    from segtile.cli.main import main

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call
