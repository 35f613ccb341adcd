"""A network as an ONNX file that says in its own metadata how it wants to be run."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

OPSET = 17


def make_graph(
    module: nn.Module, example: Tensor, names: tuple[list[str], list[str]], axes: dict[str, dict[int, str]]
) -> Any:
    """The graph of a module in its answering state.

    The exporter is torch's older one, since the newer needs onnxscript and makes a graph that is no better.

    Args:
        module: what is exported.
        example: an input of any valid size.
        names: of the inputs and of the outputs.
        axes: by name, the axes whose length stays open.
    """
    with tempfile.TemporaryDirectory() as scratch:
        rough = Path(scratch) / "graph.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "Constant folding", UserWarning)
            torch.onnx.export(
                module.eval(),
                (example,),
                str(rough),
                input_names=names[0],
                output_names=names[1],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        return onnx.load(rough)


def write_graph(graph: Any, entries: dict[str, str], file: Path) -> None:
    """Set the metadata, have onnx check the graph, and write the file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    graph.producer_name, graph.producer_version = "segtile", ""
    del graph.metadata_props[:]
    for key, value in entries.items():
        graph.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(graph, full_check=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(graph.SerializeToString())
    part.replace(file)
