"""Image-to-image ONNX graphs of a node or two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def save_graph(
    path: Path,
    kernel=None,
    scale: int = 1,
    side=("h", "w"),
    multiple: int | None = None,
    bias: float = 0,
    drift: float = 0,
) -> Path:
    """A convolution (default: the identity), plus `drift` times the tile's own mean, then enlarging by repeating px."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    if kernel is None:
        kernel = np.ones((1, 1))
    weights = np.zeros((3, 3, *kernel.shape), np.float32)
    weights[range(3), range(3)] = kernel
    values = {"k": weights, "b": np.full(3, bias, np.float32)}
    nodes = [helper.make_node("Conv", ["x", "k", "b"], ["y"], pads=[kernel.shape[0] // 2] * 4)]
    if drift:
        values["d"] = np.array(drift, np.float32)
        nodes[0].output[0] = "c"
        nodes += [
            helper.make_node("GlobalAveragePool", ["c"], ["m"]),
            helper.make_node("Mul", ["m", "d"], ["e"]),
            helper.make_node("Add", ["c", "e"], ["y"]),
        ]
    if scale != 1:
        values["s"] = np.array([1, 1, scale, scale], np.float32)
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        nodes.append(helper.make_node("Resize", ["y", "", "s"], ["z"], **how))
    taken = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, *side])
    given = helper.make_tensor_value_info("y" if scale == 1 else "z", onnx.TensorProto.FLOAT, ["n", 3, None, None])
    graph = helper.make_graph(nodes, "tiny", [taken], [given], [array(v, k) for k, v in values.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if multiple is not None:
        onnx.helper.set_model_props(model, {"multiple_of": str(multiple)})
    path.write_bytes(model.SerializeToString())
    return path
