from __future__ import annotations

import json
import math

import cv2
import numpy as np
import pytest
from eval_scenes import disc
from scipy import ndimage

from segtile.errors import BadInput, ReadError
from segtile.evaluation.alphas import keep_alpha, read_alpha
from segtile.evaluation.config import SliceSettings
from segtile.evaluation.slices import Facts, facts_of
from segtile.raster import open_raster

SETTINGS = SliceSettings()


def facts(picture: np.ndarray, alpha: np.ndarray) -> Facts:
    with open_raster(np.ascontiguousarray(picture[..., ::-1])) as raster:
        return facts_of(raster, alpha, SETTINGS)


def flat(inside: np.ndarray, on: tuple[int, int, int], off: tuple[int, int, int]) -> np.ndarray:
    return np.where(inside[..., None], np.array(on, np.uint8), np.array(off, np.uint8))


def square(h: int = 120, w: int = 140) -> np.ndarray:
    inside = np.zeros((h, w), bool)
    inside[40:90, 30:100] = True
    return inside


@pytest.mark.parametrize(("on", "white"), [((250, 250, 250), True), ((226, 240, 240), True), ((240, 240, 200), False)])
def test_contrast_is_the_largest_channels_step_across_the_edge(on, white):
    inside = square()
    off = (240, 240, 240)
    found = facts(flat(inside, on, off), inside.astype(np.uint8) * 255)
    assert found.contrast == pytest.approx(max(abs(a - b) for a, b in zip(on, off, strict=True)) / 255, abs=1e-5)
    assert ("white_on_white" in found.slices(SETTINGS)) is white


def test_contrast_is_the_median_over_the_edge_and_local():
    inside = square(600, 140)  # several strips
    inside[40:560, 30:100] = True
    picture = flat(inside, (200, 200, 200), (240, 240, 240))
    picture[inside & (np.arange(600)[:, None] < 200)] = 0  # a third of the edge is dark
    picture[300, 60] = 0  # far inside: not near any edge
    found = facts(picture, inside.astype(np.uint8) * 255)
    assert found.contrast == pytest.approx(40 / 255, abs=1e-5)


def test_contrast_equals_a_plain_loop():
    picture, alpha = disc(3)
    inside = alpha >= 128
    tone = picture[..., 0].astype(float) / 255
    values = []
    edge = inside & ~ndimage.binary_erosion(inside, np.ones((3, 3)), border_value=1)
    for y, x in np.argwhere(edge):
        rows, cols = slice(max(0, y - 8), y + 9), slice(max(0, x - 8), x + 9)
        m = inside[rows, cols]
        values.append(abs(tone[rows, cols][m].mean() - tone[rows, cols][~m].mean()))
    assert facts(picture, alpha).contrast == pytest.approx(np.median(values), abs=1e-5)


def test_thin_share_equals_a_distance_to_the_outside():
    picture, alpha = disc(2, hole=14)
    padded = np.pad(alpha >= 128, 1)
    near = ndimage.distance_transform_cdt(padded, "chessboard")
    share = float(((near > 0) & (near <= 3)).sum() / padded.sum())
    assert facts(picture, alpha).thin_share == pytest.approx(share)


def test_an_object_at_the_frame_is_thin_there_but_has_no_edge_there():
    inside = np.ones((40, 50), bool)
    inside[:, 25:] = False
    found = facts(flat(inside, (200,) * 3, (240,) * 3), inside.astype(np.uint8) * 255)
    assert found.thin_share == pytest.approx(1 - (25 - 6) * (40 - 6) / (25 * 40))
    assert found.contrast == pytest.approx(40 / 255, abs=1e-5)


def test_holes_are_counted_from_12_px_and_not_at_the_frame():
    inside = square()
    inside[50:53, 40:44] = False  # 12 px
    inside[60:63, 40:43] = False  # 9 px
    inside[70:74, 50:53] = False  # 12 px, and open to a neighbour by a corner only
    inside[74, 53] = False
    inside[80:90, 60:64] = False  # open at the object's side
    found = facts(flat(inside, (0,) * 3, (240,) * 3), inside.astype(np.uint8) * 255)
    assert found.holes == 2
    assert "holes" in found.slices(SETTINGS)


@pytest.mark.parametrize("value", [0, 255])
def test_no_object_and_no_background_belong_to_no_slice(value):
    found = facts(np.full((30, 40, 3), 200, np.uint8), np.full((30, 40), value, np.uint8))
    assert math.isnan(found.contrast)
    assert "white_on_white" not in found.slices(SETTINGS)
    assert found.holes == 0


def test_large_is_the_truths_long_side():
    assert "large" in Facts((4001, 10), 1, 0, 0).slices(SETTINGS)
    assert "large" not in Facts((4000, 4000), 1, 0, 0).slices(SETTINGS)


def test_the_samples_say_the_same_of_themselves(data_samples):
    """The table's flag is the renderer's own setting; the slice is measured. They agree where they can."""
    rows = {row["file"]: row for row in json.loads((data_samples / "samples.json").read_text())}
    for name, row in rows.items():
        if row["width"] > 4000 or row["kind"] in ("flatlay", "filigree"):
            continue  # for time
        with open_raster(data_samples / name) as raster:
            found = facts_of(raster, read_alpha(data_samples / row["alpha"]), SETTINGS)
        assert found.size == (row["width"], row["height"])
        assert ("white_on_white" in found.slices(SETTINGS)) == row["white_on_white"], name


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["grey", "three", "rgba"])
def test_what_systems_write_is_kept_as_grey(tmp_path, dtype, kind):
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, np.iinfo(dtype).max, (20, 30), dtype=dtype, endpoint=True)
    layers = {"grey": alpha, "three": np.dstack([alpha] * 3), "rgba": np.dstack([alpha // 3] * 3 + [alpha])}
    cv2.imwrite(str(tmp_path / "given.png"), layers[kind])
    assert keep_alpha(tmp_path / "given.png", tmp_path / "kept.png") == (30, 20)
    kept = cv2.imread(str(tmp_path / "kept.png"), cv2.IMREAD_UNCHANGED)
    assert kept.dtype == dtype
    assert np.array_equal(kept, alpha)


def test_colours_and_rubbish_are_no_alpha(tmp_path):
    cv2.imwrite(str(tmp_path / "c.png"), np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8))
    (tmp_path / "r.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    with pytest.raises(BadInput, match="colour"):
        keep_alpha(tmp_path / "c.png", tmp_path / "kept.png")
    with pytest.raises(ReadError):
        keep_alpha(tmp_path / "r.png", tmp_path / "kept.png")
    assert not (tmp_path / "kept.png").exists()
