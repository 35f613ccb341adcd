"""Refiners by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from segtile.catalog import graph_path
from segtile.errors import ModelError
from segtile.refine.base import Refiner
from segtile.refine.matting import MattingRefiner
from segtile.refine.network import load_network
from segtile.refine.none import NoRefiner

_BUILT_IN: dict[str, Callable[[], Refiner]] = {"matting": MattingRefiner, "none": NoRefiner}


#: The catalogue's name of our own refinement network.
OWN = "net-refine"


def get_refiner(name: str) -> Refiner:
    """The refiner of that name: "auto" (matting), "matting", "none", "net", or the path of a network (.onnx).

    Raises:
        BackendMissing: a network was asked for, and onnxruntime is not installed.
        ModelError: the name belongs to none of them, or the weights are missing, wrong, or no refinement network.
    """
    chosen = "matting" if name == "auto" else name
    if chosen in _BUILT_IN:
        return _BUILT_IN[chosen]()
    if chosen == "net" or chosen.endswith(".onnx"):
        return load_network(graph_path(chosen, OWN), chosen if chosen == "net" else Path(chosen).stem)
    raise ModelError(
        f"there is no refiner {name!r}: use auto, matting or none, which work without weights, net, which comes with "
        "its own, or the path of a network (.onnx)"
    )
