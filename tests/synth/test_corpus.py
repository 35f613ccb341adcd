"""Pictures of the corpus, rendered tiny with Blender; skipped where its module is not installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eval.synth import corpus
from eval.synth.layers import Draft

pytest.importorskip("bpy", reason="Blender's module bpy is not installed (eval/synth/requirements.txt)")


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "DRAFT", Draft(beauty=2, shadow=2, alpha=16, coarser=3, window=128))


@pytest.mark.parametrize("kind", ["stacking_rings", "folded_cloth"])
def test_a_picture_has_colour_alpha_shadow_and_what_it_is(kind: str, tmp_path: Path) -> None:
    file = corpus.render(kind, 0, 96, tmp_path)
    with np.load(file) as found:
        assert list(found["names"]) == [kind]
        rgb, alpha, shadow = found["rgb0"], found["alpha0"], found["shadow0"]
        meta = json.loads(str(found["meta"]))
    assert rgb.dtype == alpha.dtype == shadow.dtype == np.uint8
    assert rgb.shape == (*alpha.shape, 3)
    assert shadow.shape == alpha.shape
    assert max(alpha.shape) == 96
    assert alpha.max() == 255, "solid pixels"
    assert ((alpha > 0) & (alpha < 255)).any(), "and a soft edge"
    assert rgb[alpha == 255].std() > 1, "no black picture"
    assert rgb[(alpha > 0) & (alpha < 255)].max(axis=1).min() > 0, "colour reaches the edge"
    assert np.median(shadow) > 100, "the table is lit"
    assert (meta["kind"], meta["seed"], meta["split"]) == (kind, 0, "train")
    assert meta["coverage"] == pytest.approx(float((alpha > 0).mean()), abs=1e-3)
    written = file.stat().st_mtime_ns
    assert corpus.render(kind, 0, 96, tmp_path).stat().st_mtime_ns == written, "what is finished is kept"


def test_the_command_makes_what_is_missing_and_refuses_a_kind_of_another_split(tmp_path: Path) -> None:
    asked = ["--split", "validation", "--side", "48", "-o", str(tmp_path)]
    assert corpus.main([*asked, "--count", "1", "--only", "bangle"]) == 0
    assert [f.name for f in tmp_path.iterdir()] == ["bangle-000.npz"]
    with pytest.raises(SystemExit):
        corpus.main([*asked, "--only", "ring"])
