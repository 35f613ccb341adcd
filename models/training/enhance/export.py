"""Write the network as ONNX, with what a tiler has to know about it in the file's own metadata."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import onnx
import torch

from models.training.enhance.config import Network
from models.training.enhance.model import Enhancer, Exported, reach

OPSET = 17


def export(model: Enhancer, network: Network, file: Path) -> None:
    """Write `file`: input "image" (1, 3, H, W) float32 0..1, output "image_out" of the same size; checked by onnx.

    The exporter is torch's older one, since the newer needs onnxscript and makes a graph that is no better.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        rough = Path(scratch) / "graph.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "Constant folding", UserWarning)
            torch.onnx.export(
                Exported(model).eval(),
                (torch.zeros(1, 3, 64, 64),),
                str(rough),
                input_names=["image"],
                output_names=["image_out"],
                dynamic_axes={name: {2: "height", 3: "width"} for name in ("image", "image_out")},
                opset_version=OPSET,
                dynamo=False,
            )
        graph = onnx.load(rough)
    graph.producer_name, graph.producer_version = "segtile", ""
    entries = {
        "task": "edit",
        "scale": "1",
        "multiple_of": "1",
        "receptive_px": str(reach(network)),
        "author": "segtile, models/training/enhance",
        "license": "Apache-2.0",
        "description": "takes noise, JPEG's marks and a slight blur out of a photograph; trained on our own renders",
    }
    del graph.metadata_props[:]
    for key, value in entries.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(graph, full_check=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(graph.SerializeToString())
    part.replace(file)
