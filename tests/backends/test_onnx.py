"""Sessions, providers and errors, on graphs of a few nodes made here."""

import sys

import numpy as np
import pytest

from segtile.backends.onnx import OnnxModel, available_providers
from segtile.errors import BackendMissing, BadInput, ModelError

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def make_graph(tmp_path):
    """A graph whose first output is the mean of the channels and whose second is its negative."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")

    def make(side=("h", "w"), half=False, channels=3):
        kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
        helper = onnx.helper
        nodes = [
            helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Neg", ["mean"], ["dark"]),
        ]
        taken = helper.make_tensor_value_info("picture", kind, [1, channels, *side])
        given = [helper.make_tensor_value_info(n, kind, [1, 1, *side]) for n in ("mean", "dark")]
        graph = helper.make_graph(nodes, "tiny", [taken], given)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        path = tmp_path / "tiny.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return make


@pytest.mark.parametrize("half", [False, True])
def test_names_and_types_come_from_the_graph(make_graph, half):
    model = OnnxModel(make_graph(half=half), "cpu")
    assert model.output_names == ("mean", "dark")
    assert model.input_size is None
    image = np.random.default_rng(1).random((3, 5, 7)).astype(np.float32)
    for output, sign in ((0, 1), ("mean", 1), (1, -1), ("dark", -1)):
        got = model.run(image, output)
        assert got.dtype == np.float32
        assert got.shape == (1, 5, 7)
        assert got[0] == pytest.approx(sign * image.mean(axis=0), abs=2e-3 if half else 1e-6)


def test_a_fixed_size_is_known(make_graph):
    assert OnnxModel(make_graph(side=(4, 6)), "cpu").input_size == (6, 4)


@pytest.mark.parametrize("output", [2, -1, "alpha"])
def test_an_output_that_is_not_there(make_graph, output):
    model = OnnxModel(make_graph(), "cpu")
    with pytest.raises(ModelError, match="mean, dark"):
        model.run(np.zeros((3, 4, 4), np.float32), output)


def test_a_picture_that_does_not_fit_the_graph(make_graph):
    model = OnnxModel(make_graph(side=(4, 6)), "cpu")
    with pytest.raises(ModelError, match="failed to run"):
        model.run(np.zeros((3, 5, 5), np.float32))


def test_what_is_no_graph(tmp_path):
    path = tmp_path / "no.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(ModelError, match=r"cannot load .*no\.onnx"):
        OnnxModel(path, "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:0", ""])
def test_unknown_devices(make_graph, device):
    with pytest.raises(BadInput, match="no device"):
        OnnxModel(make_graph(), device)


def test_cuda_where_there_is_none_says_how_to_get_it(make_graph):
    if "CUDAExecutionProvider" in available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(BackendMissing, match=r"segtile\[gpu\]"):
        OnnxModel(make_graph(), "cuda")


def test_without_onnxruntime_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert available_providers() == []
    with pytest.raises(BackendMissing, match=r"segtile\[cpu\]"):
        OnnxModel(tmp_path / "any.onnx")
