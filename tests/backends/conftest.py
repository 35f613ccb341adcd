"""Graphs that answer as YOLO heads do, made here: what they say does not depend on what they see, unless asked to."""

import numpy as np
import pytest


@pytest.fixture
def make_yolo(tmp_path):
    """Write a graph that gives `output` (C, N) and `protos` (k, ph, pw) for every picture, and return its path.

    `sway` (C, N) times the picture's mean (0..1) is added to the output. `size` is (height, width), "h" and "w" for
    any; `batch` a number or "n". `metadata` goes into the file as it stands.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (extra 'dev')")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper

    def make(output, protos=None, *, sway=None, size=(320, 320), batch=1, half=False, metadata=None, name="tiny.onnx"):
        kind, dtype = (onnx.TensorProto.FLOAT16, np.float16) if half else (onnx.TensorProto.FLOAT, np.float32)
        output = np.asarray(output, np.float32)
        sway = np.zeros_like(output) if sway is None else np.asarray(sway, np.float32)
        values = {"rows": output[None], "sway": sway[None], "none": np.zeros(1)}
        nodes = [
            helper.make_node("ReduceMean", ["images"], ["mean4"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("ReduceMean", ["images"], ["mean3"], axes=[2, 3], keepdims=0),
            helper.make_node("ReduceMean", ["mean3"], ["mean2"], axes=[1], keepdims=1),
            helper.make_node("Unsqueeze", ["mean2", "axis"], ["mean"]),
            helper.make_node("Mul", ["sway", "mean"], ["swayed"]),
            helper.make_node("Add", ["rows", "swayed"], ["output0"]),
        ]
        given = [helper.make_tensor_value_info("output0", kind, [batch, *output.shape])]
        if protos is not None:
            values["protos"] = np.asarray(protos, np.float32)[None]
            nodes += [
                helper.make_node("Mul", ["mean4", "none"], ["zero"]),
                helper.make_node("Add", ["protos", "zero"], ["output1"]),
            ]
            given.append(helper.make_tensor_value_info("output1", kind, [batch, *protos.shape]))
        with np.errstate(over="ignore"):
            stored = [numpy_helper.from_array(value.astype(dtype), key) for key, value in values.items()]
        stored.append(numpy_helper.from_array(np.array([2], np.int64), "axis"))
        taken = [helper.make_tensor_value_info("images", kind, [batch, 3, *size])]
        graph = helper.make_graph(nodes, "tiny", taken, given, stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, metadata or {})
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    return make


@pytest.fixture
def says():
    """Metadata as ultralytics' exporter writes it."""

    def make(task="detect", names=("ring", "chain"), **other):
        entries = {"task": task, "names": str(dict(enumerate(names))), "stride": "32", "imgsz": "[320, 320]"}
        return entries | {"end2end": "False"} | other

    return make
