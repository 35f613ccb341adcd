"""`segtile.edit` and `segtile.diffmerge`: callable, lazy, typed, and the same as the command."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segtile
from segtile.errors import BadInput, ModelError

FAST = {"tile": 160, "halo": 8, "feather": 8}


@pytest.fixture
def picture(photo):
    return np.ascontiguousarray(photo[:200, :300])


def darker(tile):
    return tile // 2


def test_the_package_is_called_and_what_is_in_it_can_be_reached(picture):
    from segtile.edit.engine import edit_tiled

    with segtile.edit(picture, darker, **FAST, drift="none") as found:
        assert isinstance(found, segtile.Edited)
        np.testing.assert_array_equal(found.array, picture // 2)
    assert segtile.edit.engine.edit_tiled is edit_tiled


def test_whoever_is_imported_first_it_is_called():
    code = (
        "import {first}\nimport numpy as np, segtile\n"
        "a = np.full((40, 50, 3), 90, np.uint8)\n"
        "with segtile.edit(a, lambda t: t) as e: assert (e.array == a).all()\n"
        "with segtile.diffmerge(a, a) as d: assert (d.array == a).all()\n"
    )
    for first in ("segtile.edit.engine", "segtile"):
        done = subprocess.run([sys.executable, "-c", code.format(first=first)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_naming_them_imports_no_runtime():
    code = "import segtile, sys; segtile.edit; print(*sorted({'cv2', 'onnxruntime', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_stub_names_what_the_package_has():
    stub = ast.parse(Path(segtile.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    names = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names | {"__version__"} == set(segtile.__all__)


@pytest.mark.parametrize("kind", ["path", "PIL", "Raster"])
def test_pictures_of_every_kind(picture, tmp_path, kind):
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    given = {"path": str(path), "PIL": Image.fromarray(picture), "Raster": segtile.open_raster(path)}[kind]
    with segtile.edit(given, darker, **FAST, drift="none") as found:
        np.testing.assert_array_equal(found.array, picture // 2)
    changed = picture.copy()
    changed[50:120, 60:160] //= 2
    given = {"path": path, "PIL": Image.fromarray(picture), "Raster": segtile.open_raster(path)}[kind]
    with segtile.diffmerge(given, changed) as merged:
        assert len(merged.boxes) == 1
        assert np.abs(merged.array.astype(int) - changed)[60:110, 70:150].mean() < 1
        merged.save(tmp_path / "m.tif")
    with segtile.open_raster(tmp_path / "m.tif") as saved:
        np.testing.assert_array_equal(saved.strip(0, 200), merged_array(picture, changed))


def merged_array(before, after):
    with segtile.diffmerge(before, after) as merged:
        return merged.array


def test_a_failure_lets_go_of_the_pictures_that_it_opened(picture, tmp_path, monkeypatch):
    closed = []
    for name in "ab":
        Image.fromarray(picture[: 200 if name == "a" else 150]).save(tmp_path / f"{name}.png")
    own = segtile.open_raster(tmp_path / "a.png")
    close = type(own).close
    monkeypatch.setattr(type(own), "close", lambda self: (closed.append(self.info.path), close(self)))
    with pytest.raises(BadInput, match="300x150"):
        segtile.diffmerge(own, tmp_path / "b.png")
    assert closed == [tmp_path / "b.png"], "a Raster of the caller's stays the caller's"
    own.strip(0, 1)


def test_a_float_picture_is_edited_in_memory_only(picture, tmp_path):
    values = picture.astype(np.float32) / 255
    with segtile.edit(values, lambda t: t, **FAST) as found:
        assert found.array.tobytes() == values.tobytes()
        with pytest.raises(BadInput, match="float array"):
            found.save(tmp_path / "a.png")


def test_names_and_graphs(picture):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    with segtile.edit(picture, "enhance", tile=160, halo=16, feather=8, device="cpu") as found:
        assert found.array.shape == picture.shape
    with pytest.raises(ModelError, match="no-such-thing"):
        segtile.edit(picture, "no-such-thing")
    with pytest.raises(BadInput, match="int is no editing model"):
        segtile.edit(picture, 7)


def test_a_torch_module_is_taken_as_it_is(picture):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'torch')")
    with segtile.edit(picture, torch.nn.Upsample(scale_factor=2, mode="nearest"), **FAST, device="cpu") as found:
        np.testing.assert_array_equal(found.array, picture.repeat(2, 0).repeat(2, 1))


def test_the_heat_map_is_a_picture_of_the_whole(picture):
    with segtile.edit(picture, darker, **FAST, drift="none", reference=False) as found:
        assert found.heat_map(150).shape == (100, 150, 3)
        assert found.seams().warning is None
