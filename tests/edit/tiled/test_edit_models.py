"""Models as callables: ONNX graphs and torch modules, their scale, their multiples, their depth."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from edit_graphs import save_graph
from edit_scenes import DTYPES, full_scale, picture

from segtile.backends.image_ops import OnnxEdit, TorchEdit, open_edit, run_planes
from segtile.edit.engine import edit_tiled
from segtile.errors import BadInput, ModelError

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(16, 24), (13, 5), (1, 1)])
def test_an_identity_graph_gives_every_bit_back(tmp_path, dtype, shape):
    model = OnnxEdit(save_graph(tmp_path / "id.onnx"), device="cpu")
    tile = picture(*shape, dtype)
    assert model.scale == 1
    np.testing.assert_array_equal(model(tile), tile)
    batch = np.stack([tile, tile // 2 if dtype is not np.float32 else tile / 2])
    np.testing.assert_array_equal(model(batch), batch)


def test_scale_and_multiple_are_the_graphs_own(tmp_path):
    model = OnnxEdit(save_graph(tmp_path / "up.onnx", scale=3, multiple=5), device="cpu")
    assert (model.scale, model.multiple_of, model.input_size) == (3, 5, None)
    tile = picture(7, 11)
    np.testing.assert_array_equal(model(tile), tile.repeat(3, 0).repeat(3, 1))


def test_a_graph_of_one_size_takes_smaller_tiles_and_refuses_larger_ones(tmp_path):
    model = OnnxEdit(save_graph(tmp_path / "fixed.onnx", side=(40, 48)), device="cpu")
    assert model.input_size == (48, 40)
    tile = picture(31, 48)
    np.testing.assert_array_equal(model(tile), tile)
    with pytest.raises(ModelError, match=r"48 x 40.*50 x 20.*tiles of 40"):
        model(picture(20, 50))


def test_padding_mirrors_so_that_borders_do_not_darken(tmp_path):
    kernel = np.full((5, 5), 1 / 25)
    model = OnnxEdit(save_graph(tmp_path / "blur.onnx", kernel), device="cpu", multiple_of=16)
    tile = np.full((20, 20, 3), 200, np.uint8)
    assert (model(tile)[4:, 4:] == 200).all(), "right and lower borders lie inside the padded tile"


def test_values_beyond_the_range_are_clipped(tmp_path):
    model = OnnxEdit(save_graph(tmp_path / "bright.onnx", bias=0.5), device="cpu")
    assert model(np.array([[[0, 100, 200]]], np.uint8)).tolist() == [[[128, 228, 255]]]


def test_a_network_that_gives_no_numbers_is_named_as_such():
    with pytest.raises(ModelError, match="NaN"):
        run_planes(lambda p: np.full_like(p, np.nan), picture(8, 8), Fraction(1), 8)


@pytest.mark.parametrize(("name", "says"), [("nothing.onnx", "no such file"), ("no-such-model", "catalogue")])
def test_models_that_are_not_there(name, says):
    with pytest.raises(ModelError, match=says):
        open_edit(name)


def test_a_model_for_something_else_is_refused():
    with pytest.raises(BadInput, match="u2netp is a coarse model, none for editing"):
        open_edit("u2netp")


def test_a_picture_through_a_blurring_graph_shows_no_tiles(tmp_path):
    kernel = cv2.getGaussianKernel(9, 2) @ cv2.getGaussianKernel(9, 2).T
    model = OnnxEdit(save_graph(tmp_path / "blur.onnx", kernel), device="cpu")
    whole = picture(190, 260, np.uint16)
    with edit_tiled(whole, model, tile=96, halo=16, feather=8, drift="none") as found:
        apart = np.abs(found.array.astype(int) - model(whole))
    assert apart[8:-8, 8:-8].max() <= full_scale(np.uint16) / 255


def test_torch_modules():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra 'torch')")
    tile = picture(13, 22)
    up = TorchEdit(torch.nn.Upsample(scale_factor=2, mode="nearest"))
    assert up.scale == 2
    np.testing.assert_array_equal(up(tile), tile.repeat(2, 0).repeat(2, 1))
    with pytest.raises(ModelError, match="Linear failed"):
        TorchEdit(torch.nn.Linear(3, 3))
    with pytest.raises(BadInput, match=r"torch\.nn\.Module"):
        TorchEdit(lambda x: x)
