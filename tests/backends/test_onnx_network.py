"""A coarse pass by a network from card and graph, on a graph made here: no weights needed."""

import dataclasses
import hashlib

import numpy as np
import pytest

from segtile.catalog import load_card, weights_folder
from segtile.coarse.network import network_pass
from segtile.errors import ModelError
from segtile.types import Box

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def redness(tmp_path, monkeypatch):
    """A card and its graph: logits that are high where a picture is red and low elsewhere."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weight = np.array([20, -20, -20], np.float32).reshape(1, 3, 1, 1)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["sum"]),
        helper.make_node("Add", ["sum", "b"], ["logits"]),
        helper.make_node("Neg", ["logits"], ["other"]),
    ]
    graph = helper.make_graph(
        nodes,
        "redness",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1, 1, 64, 64]) for n in ("other", "logits")],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([-8], np.float32), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content = model.SerializeToString()
    monkeypatch.setenv("SEGTILE_HOME", str(tmp_path))
    weights_folder().mkdir(parents=True)
    (weights_folder() / "redness.onnx").write_bytes(content)
    base = load_card("u2netp")
    file = dataclasses.replace(
        base.files[0], name="redness.onnx", sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)
    )
    return dataclasses.replace(
        base,
        id="redness",
        files=(file,),
        size=(64, 64),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        output="logits",
        activation="sigmoid",
    )


def picture(box=(60, 150, 90, 220), colour=(0.9, 0.1, 0.1)):
    preview = np.full((240, 320, 3), 0.8, np.float32)
    y0, y1, x0, x1 = box
    preview[y0:y1, x0:x1] = colour
    return preview


def test_the_network_decides_and_the_band_covers_its_cells(redness):
    found = network_pass(picture(), Box.frame(960, 720), redness)
    assert found.source == "redness"
    assert found.scale == pytest.approx(3)
    assert found.prob[100, 150] > 0.99
    assert not found.unsure[100, 150]
    assert found.prob[20, 20] == 0
    cell = 320 / 64
    for x in (90, 219):
        assert found.unsure[105, int(x - cell) : int(x + cell)].all()
    assert found.labels.max() == 1


def test_a_faint_answer_is_not_stretched_into_an_object(redness):
    pale = picture(colour=(0.8, 0.42, 0.3))  # logits a little above the rest's, far below 0
    found = network_pass(pale, Box.frame(320, 240), redness)
    assert not found.labels.any()


def test_colour_order_is_the_cards(redness):
    other = dataclasses.replace(redness, colour="bgr")
    assert not network_pass(picture(), Box.frame(320, 240), other).labels.any()
    assert network_pass(picture(colour=(0.1, 0.1, 0.9)), Box.frame(320, 240), other).labels.any()


def test_card_and_graph_have_to_agree_on_the_size(redness):
    with pytest.raises(ModelError, match="64"):
        network_pass(picture(), Box.frame(320, 240), dataclasses.replace(redness, size=(32, 32)))


def test_the_card_may_name_an_output_by_index(redness):
    by_index = dataclasses.replace(redness, output=1)
    one = network_pass(picture(), Box.frame(320, 240), redness)
    two = network_pass(picture(), Box.frame(320, 240), by_index)
    assert np.array_equal(one.prob, two.prob)
