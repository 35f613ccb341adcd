"""The pictures in data_samples: complete, exact, exposed, and as small as promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips

from eval.synth import composite
from eval.synth.samples import SAMPLES

FOLDER = Path(__file__).parents[2] / "data_samples"
ROWS: list[dict[str, Any]] = json.loads((FOLDER / "samples.json").read_text())
each = pytest.mark.parametrize("row", ROWS, ids=[r["file"] for r in ROWS])


def load(name: str) -> np.ndarray:
    """Every second row and column of a picture, whole numbers: (h, w, C) or (h, w)."""
    image = pyvips.Image.new_from_file(str(FOLDER / name))
    return np.asarray(image.subsample(2, 2).numpy()).squeeze()


def test_table_lists_every_sample_and_all_is_under_25_mb() -> None:
    assert [r["file"] for r in ROWS] == [f"{s.spec.name}{s.suffix}" for s in SAMPLES]
    assert len(ROWS) >= 6
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) < 25_000_000
    assert max(max(r["width"], r["height"]) for r in ROWS) >= 6000
    assert any(r["white_on_white"] for r in ROWS)
    assert (FOLDER / "README.md").exists()


@each
def test_picture_and_alpha_agree_in_size_and_depth(row: dict[str, Any]) -> None:
    picture = pyvips.Image.new_from_file(str(FOLDER / row["file"]))
    alpha = pyvips.Image.new_from_file(str(FOLDER / row["alpha"]))
    assert (picture.width, picture.height) == (alpha.width, alpha.height) == (row["width"], row["height"])
    assert picture.bands == 3
    assert alpha.bands == 1
    assert picture.format == alpha.format == ("ushort" if row["bits"] == 16 else "uchar")
    assert picture.get_typeof("icc-profile-data") != 0
    assert picture.xres * 25.4 == pytest.approx(300, abs=1)


@each
def test_alpha_is_soft_at_the_edge_and_certain_elsewhere(row: dict[str, Any]) -> None:
    alpha = load(row["alpha"])
    top = 65535 if row["bits"] == 16 else 255
    between = float(((alpha > 0) & (alpha < top)).mean())
    assert 0 < between < 0.05
    assert (alpha == top).mean() > 0.005
    assert alpha[0].max() == alpha[-1].max() == alpha[:, 0].max() == alpha[:, -1].max() == 0


@each
def test_exposure_is_not_clipped_and_the_sweep_is_light(row: dict[str, Any]) -> None:
    pixels = load(row["file"])
    alpha = load(row["alpha"])
    top = 65535 if row["bits"] == 16 else 255
    assert float((pixels == top).mean()) < 2e-3  # what rings over in JPEG at bright glints
    white = np.percentile(pixels[alpha == 0].mean(axis=-1), composite.WHITE_RANK) / top
    assert 0.88 < white < 0.98


@each
def test_contrast_is_as_the_table_says(row: dict[str, Any]) -> None:
    pixels = load(row["file"])
    alpha = load(row["alpha"])
    top = 65535 if row["bits"] == 16 else 255
    luma = pixels.astype(np.float32) @ composite.LUMA / top
    white = float(np.percentile(luma[alpha == 0], composite.WHITE_RANK))
    got = float(np.median(np.abs(luma[alpha == top] - white)) / white)
    assert got == pytest.approx(row["contrast"], abs=0.012)
    if row["white_on_white"]:
        assert got < 0.06
