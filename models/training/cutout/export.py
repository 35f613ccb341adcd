"""Write either network as ONNX, with what a tiler has to know about it in the file's own metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.training.common.onnxfile import make_graph, write_graph
from models.training.cutout import coarse_net, refine_net
from models.training.cutout.config import FAR, NEAR, STRIDE, Settings
from models.training.cutout.figures import ACTIVATION
from segtile.solar import SOLAR_CHANNELS

_SIDES = {"long_side": str(FAR), "close_side": str(NEAR)}
NAMES = {"coarse": ("image", "prob"), "refine": ("tile", "alpha")}
_WHAT = {
    "coarse": "finds a picture's objects; its encoder began with EfficientNet-Lite{lite}'s of ImageNet (Apache-2.0)",
    "refine": "finds the alpha of a tile at native resolution from the coarse answer; begun with the coarse network's",
}


class Exported(nn.Module):
    """The network with its answer as alpha or probability, 0..1."""

    def __init__(self, task: str, model: nn.Module) -> None:
        super().__init__()
        self.model, self.activation = model, ACTIVATION[task]

    def forward(self, x: Tensor) -> Tensor:
        """(1, c, H, W) to (1, 1, H, W)."""
        return self.activation(self.model(x))


def export(task: str, settings: Settings, model: nn.Module, file: Path, half: bool = False) -> None:
    """Write `file`: input (1, c, H, W) float32 with H, W free multiples, output (1, 1, H, W) float32 0..1.

    Without solar channels or coarse probability (ablations) the graph still takes these planes, and its metadata name
    them as neutral.
    """
    network, stage = {"coarse": coarse_net, "refine": refine_net}[task], settings.stage(task)
    inside, outside = NAMES[task]
    axes = {name: {2: "height", 3: "width"} for name in (inside, outside)}
    graph = make_graph(
        Exported(task, model.cpu()), torch.zeros(1, network.INPUTS, 128, 128), ([inside], [outside]), axes
    )
    if half:
        _halve(graph)
    planes = ("red", "green", "blue", *SOLAR_CHANNELS, *(("prob",) if task == "refine" else ()))
    entries = {
        "task": task,
        "channels": ",".join(planes),
        "multiple_of": str(STRIDE),
        "author": "segtile, models/training/cutout",
        "license": "Apache-2.0",
        "description": _WHAT[task].format(lite=stage.lite),
    }
    entries |= {"receptive_px": str(refine_net.reach(stage.lite))} if task == "refine" else _SIDES
    entries |= {"magnify": str(stage.magnify)} if stage.magnify > 1 else {}
    told = (*planes[:3], *stage.solar, *(("prob",) if stage.prob else ()))
    if neutral := [plane for plane in planes if plane not in told]:
        entries["neutral"] = ",".join(neutral)
    write_graph(graph, entries, file)


def _halve(graph: Any) -> None:
    """Store the weights as fp16 and cast them back where they are used: half the bytes, sums in fp32 as before."""
    import onnx
    from onnx import numpy_helper

    casts = []
    for weights in graph.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.size < 64:
            continue
        name = weights.name
        weights.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
