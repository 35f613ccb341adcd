"""Write the network as ONNX, with what a tiler has to know about it in the file's own metadata."""

from __future__ import annotations

from pathlib import Path

import torch

from models.training.common.onnxfile import make_graph, write_graph
from models.training.enhance.config import Network
from models.training.enhance.model import Enhancer, Exported, reach


def export(model: Enhancer, network: Network, file: Path) -> None:
    """Write `file`: input "image" (1, 3, H, W) float32 0..1, output "image_out" of the same size; checked by onnx."""
    axes = {name: {2: "height", 3: "width"} for name in ("image", "image_out")}
    graph = make_graph(Exported(model), torch.zeros(1, 3, 64, 64), (["image"], ["image_out"]), axes)
    entries = {
        "task": "edit",
        "scale": "1",
        "multiple_of": "1",
        "receptive_px": str(reach(network)),
        "author": "segtile, models/training/enhance",
        "license": "Apache-2.0",
        "description": "takes noise, JPEG's marks and a slight blur out of a photograph; trained on our own renders",
    }
    write_graph(graph, entries, file)
