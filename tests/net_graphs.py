"""Graphs with the inputs and outputs of our own networks, made here: an object is what differs from the background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SOLAR = "signed,adaptive,adaptive+1/3,adaptive+2/3"
STRIDE = 8


def write_graph(
    path: Path,
    *,
    kind: str = "refine",
    channels: str = SOLAR,
    planes: int | None = None,
    outputs: int = 1,
    side: object = ("h", "w"),
    nan: bool = False,
    shown: int | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Alpha as the size of the first solar channel, else of the red plane, and a tenth of it as the mean over
    squares of STRIDE px, so that the place of the graph's own grid shows. `shown` is another plane to take it from.

    `planes`, `outputs`, `side` and `nan` make hostile ones.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    helper, kinds = onnx.helper, onnx.TensorProto
    solar = len([c for c in channels.split(",") if c])
    taken = planes if planes is not None else 3 + solar + (kind == "refine")
    shown = (3 if solar else 0) if shown is None else shown
    values = {
        "pick": np.eye(taken, dtype=np.float32)[shown].reshape(1, taken, 1, 1),
        "gain": np.array(np.nan if nan else 1.2, np.float32),
        "most": np.array(0.9, np.float32),
        "rest": np.array(0.1, np.float32),
        "zero": np.array(0.0, np.float32),
        "one": np.array(1.0, np.float32),
        "scales": np.array([1, 1, STRIDE, STRIDE], np.float32),
        "many": np.ones((outputs, 1, 1, 1), np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["planes", "pick"], ["first"], kernel_shape=[1, 1]),
        make("Abs", ["first"], ["size"]),
        make("Mul", ["size", "gain"], ["loud"]),
        make("Clip", ["loud", "zero", "one"], ["fine"]),
        make("AveragePool", ["fine"], ["cells"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2),
        make("Resize", ["cells", "", "scales"], ["rough"], mode="nearest"),
        make("Mul", ["fine", "most"], ["main"]),
        make("Mul", ["rough", "rest"], ["trace"]),
        make("Add", ["main", "trace"], ["mixed"]),
        make("Conv", ["mixed", "many"], ["alpha"], kernel_shape=[1, 1]),
    ]
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("planes", kinds.FLOAT, [1, taken, *side])],
        [helper.make_tensor_value_info("alpha", kinds.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    names = ",".join(["red,green,blue", *([channels] if channels else []), *(["prob"] if kind == "refine" else [])])
    said = {"channels": names, "multiple_of": str(STRIDE), "receptive_px": "10", **(metadata or {})}
    for key, value in said.items():
        model.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path
