"""A sheet of sprites, rendered small with Blender; skipped where its module is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.training.sprites import sheet

pytest.importorskip("bpy", reason="Blender's module bpy is not installed (eval/synth/requirements.txt)")


def test_a_sheet_is_cut_into_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "CELL", 56)
    monkeypatch.setattr(sheet, "BEAUTY", 2)
    monkeypatch.setattr(sheet, "SHADOW", 2)
    file = sheet.render(0, 3, tmp_path)
    with np.load(file) as found:
        assert list(found["names"]) == sheet.kinds_of(0)
        for i in range(len(found["names"])):
            rgb, alpha, shadow = found[f"rgb{i}"], found[f"alpha{i}"], found[f"shadow{i}"]
            assert rgb.shape == (*alpha.shape, 3)
            assert shadow.shape == alpha.shape
            assert alpha.max() == 255, "a piece has solid pixels"
            assert alpha[[0, -1]].max() == 0, "and is not cut off"
            assert np.median(shadow[alpha == 0]) > 150, "most of the table is lit"
    written = file.stat().st_mtime_ns
    assert sheet.render(0, 3, tmp_path).stat().st_mtime_ns == written, "a finished sheet is not rendered again"
