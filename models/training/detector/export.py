"""Write the network as ONNX with the inputs, outputs and metadata that readers of YOLO's segmentation heads expect."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from models.training.common.onnxfile import make_graph, write_graph
from models.training.detector.config import Network
from models.training.detector.figures import THRESHOLD
from models.training.detector.model import STRIDES, Detector

SIDE = 640


class Exported(nn.Module):
    """The network with its scores as probabilities and everything about a place in one column."""

    def __init__(self, model: Detector) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) 0..1 RGB to (B, 4 + classes + K, A) and (B, K, H / 4, W / 4)."""
        raw = self.model(images)
        said = torch.cat([raw.boxes, raw.logits.sigmoid(), raw.coefficients], 2)
        return said.transpose(1, 2), raw.prototypes


def settle(model: Detector, threshold: float) -> None:
    """Shift all scores, in the logarithm of their odds, so that `threshold` becomes the reader's own (THRESHOLD)."""
    shift = math.log(THRESHOLD / (1 - THRESHOLD)) - math.log(threshold / (1 - threshold))
    with torch.no_grad():
        for head in model.heads:
            head.score.bias += shift


def export(model: Detector, network: Network, file: Path) -> None:
    """Write `file`: input "images" (N, 3, 640, 640), outputs "output0" and "output1", N free; checked by onnx."""
    names = ["images", "output0", "output1"]
    axes = {name: {0: "batch"} for name in names}
    graph = make_graph(Exported(model), torch.zeros(1, 3, SIDE, SIDE), (names[:1], names[1:]), axes)
    places = sum((SIDE // s) ** 2 for s in STRIDES)
    said = (4 + len(network.names) + network.prototypes, places)
    for output, sides in zip(graph.graph.output, (said, (network.prototypes, SIDE // 4, SIDE // 4)), strict=True):
        for dimension, side in zip(output.type.tensor_type.shape.dim[1:], sides, strict=True):
            dimension.dim_value = side  # the exporter leaves all of them open once one is
    entries = {
        "task": "segment",
        "names": repr(dict(enumerate(network.names))),
        "stride": "32",
        "imgsz": repr([SIDE, SIDE]),
        "end2end": "False",
        "author": "segtile, models/training/detector",
        "license": "CC0-1.0",
        "description": "pieces of jewellery on flat lays, trained on this project's own renders",
    }
    write_graph(graph, entries, file)
