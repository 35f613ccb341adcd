"""Renders with Blender, tiny ones; skipped where its module is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eval.synth import composite
from eval.synth.objects import KINDS
from eval.synth.passes import render
from eval.synth.spec import Look, Quality, SceneSpec

pytest.importorskip("bpy", reason="Blender's module bpy is not installed (eval/synth/requirements.txt)")

TINY = Quality(beauty=2, background=2, alpha=32, background_scale=0.5, window=64)
HOLES = {"ring": 2, "necklace": 1, "pearls": 1, "cup": 1, "filigree": 12, "flatlay": 3, "earrings": 2}


def holes(alpha: np.ndarray) -> int:
    """Connected areas (4-neighbours) of background that do not touch the frame."""
    free = np.pad(alpha < 0.5, 1, constant_values=True)
    label = np.zeros(free.shape, int)
    count = 0
    for start in zip(*np.nonzero(free), strict=True):
        if label[start]:
            continue
        count += 1
        stack = [start]
        label[start] = count
        while stack:
            y, x = stack.pop()
            for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= q[0] < free.shape[0] and 0 <= q[1] < free.shape[1] and free[q] and not label[q]:
                    label[q] = count
                    stack.append(q)
    return count - 1


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_has_its_holes_and_a_soft_edge(kind: str, tmp_path: Path) -> None:
    size = (240, 180) if kind in ("necklace", "filigree") else (128, 96)
    layers = render(SceneSpec("tiny", kind, 2, *size, TINY), tmp_path)
    assert layers.alpha.shape == size[::-1]
    assert holes(layers.alpha) >= HOLES[kind]
    assert ((layers.alpha > 0) & (layers.alpha < 1)).any()
    assert layers.alpha[[0, -1]].max() == 0
    assert np.isfinite(layers.beauty).all()
    encoded = composite.develop(layers.alpha, layers.beauty, layers.background, Look())
    assert composite.quantise(composite.compose(encoded), 8).max() < 255


def test_links_of_the_chain_show_the_background_through_their_holes(tmp_path: Path) -> None:
    layers = render(SceneSpec("chain", "necklace", 2, 1400, 1050, TINY), tmp_path)
    assert holes(layers.alpha) > 60


def test_alpha_of_the_beauty_pass_agrees_and_windows_join(tmp_path: Path) -> None:
    layers = render(SceneSpec("join", "cup", 3, 128, 96, TINY), tmp_path)
    other = layers.beauty[..., 3].astype(np.float32)
    solid = layers.alpha > 0.999
    assert other[solid].min() > 0.9
    assert abs(float((other - layers.alpha).mean())) < 0.01


def test_same_seed_same_pixels_and_finished_passes_are_kept(tmp_path: Path) -> None:
    spec = SceneSpec("again", "ring", 5, 96, 72, TINY)
    first = render(spec, tmp_path / "a")
    second = render(spec, tmp_path / "b")
    assert np.array_equal(first.alpha, second.alpha)
    assert np.array_equal(first.background, second.background)
    assert np.array_equal(first.beauty, second.beauty)
    files = sorted((tmp_path / "a").rglob("*.npy"))
    before = [f.stat().st_mtime_ns for f in files]
    render(spec, tmp_path / "a")
    assert [f.stat().st_mtime_ns for f in files] == before
    assert not list((tmp_path / "a").rglob("*.part"))
