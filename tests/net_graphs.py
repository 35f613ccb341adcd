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
    whole: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Alpha as |signed| over a fifth of its range (of the first solar channel, else of the red plane), slightly
    averaged, and mixed with its mean over squares of STRIDE px, so that the grid's place shows.

    `whole` adds what depends on everything the graph sees; `planes`, `outputs`, `side` and `nan` make hostile ones.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    helper, kinds = onnx.helper, onnx.TensorProto
    solar = len([c for c in channels.split(",") if c])
    taken = planes if planes is not None else 3 + solar + (kind == "refine")
    values = {
        "pick": np.eye(taken, dtype=np.float32)[3 if solar else 0].reshape(1, taken, 1, 1),
        "five": np.array(np.nan if nan else 5.0, np.float32),
        "half": np.array(0.5, np.float32),
        "zero": np.array(0.0, np.float32),
        "one": np.array(1.0, np.float32),
        "scales": np.array([1, 1, STRIDE, STRIDE], np.float32),
        "many": np.ones((outputs, 1, 1, 1), np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["planes", "pick"], ["first"], kernel_shape=[1, 1]),
        make("Abs", ["first"], ["size"]),
        make("Mul", ["size", "five"], ["loud"]),
        make("AveragePool", ["loud"], ["soft"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=0),
        make("Clip", ["soft", "zero", "one"], ["fine"]),
        make("AveragePool", ["fine"], ["cells"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2),
        make("Resize", ["cells", "", "scales"], ["rough"], mode="nearest"),
        make("Add", ["fine", "rough"], ["sum"]),
        make("Mul", ["sum", "half"], ["mixed"]),
        make("GlobalAveragePool", ["fine"], ["mean"]),
        make("Mul" if whole else "Identity", ["mixed", "mean"] if whole else ["mixed"], ["out"]),
        make("Conv", ["out", "many"], ["alpha"], kernel_shape=[1, 1]),
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
