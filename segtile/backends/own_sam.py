"""SAM, MobileSAM or SAM-HQ of any size that a user names by its path: a checkpoint, or the folder of its graphs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from segtile.backends.promptable import Promptable
from segtile.backends.sam_export import DECODER, ENCODER, FAMILY_KEY, SOURCE_KEY
from segtile.backends.sam_network import PACKAGES
from segtile.backends.sam_onnx import OnnxPromptable
from segtile.backends.sam_torch import TorchSam
from segtile.catalog import load_card
from segtile.errors import ModelError

#: The model of the catalogue whose card says how networks of this architecture want their pictures.
_LIKE = "sam-vit-b"


def open_own_sam(path: Path, device: str = "auto", threads: int = 0) -> tuple[Promptable, str]:
    """Load a network of SAM's architecture, MobileSAM's or SAM-HQ's, of any dimensions, by the path of its weights.

    Args:
        path: a checkpoint (.pth, .pt, .safetensors), or a folder with encoder.onnx and decoder.onnx as
            `segtile models export` makes them, which need no torch.
        device: see `OnnxGraph` and `TorchSam`.
        threads: the same.

    Returns:
        The network, and a sentence for the user about what runs it.

    Raises:
        BackendMissing: what runs it is not installed.
        ModelError: there is nothing there, or it holds no such network.
    """
    card = replace(load_card(_LIKE), id=path.stem, files=(), size=(0, 0))  # the weights say their size
    if path.is_dir():
        missing = [name for name in (ENCODER, DECODER) if not (path / name).is_file()]
        if missing:
            raise ModelError(
                f"{path} lacks {' and '.join(missing)}: 'segtile models export CHECKPOINT -o DIR' makes them"
            )
        graphs = OnnxPromptable(card, [path / ENCODER, path / DECODER], device, threads)
        if not graphs.side:
            raise ModelError(f"{path / ENCODER} does not say what size of picture it takes")
        _check_pair(path, graphs)
        return graphs, f"{path} ran through onnxruntime"
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    network = TorchSam(replace(card, family=""), path, device, threads)  # the weights say which of them it is
    return network, f"{path} ran through {network.packages} and torch"


def _check_pair(folder: Path, network: OnnxPromptable) -> None:
    """What the graphs say of themselves: of a family that is asked as SAM is, and both of one checkpoint.

    Raises:
        ModelError: they say otherwise.
    """
    for key, what in ((FAMILY_KEY, "families"), (SOURCE_KEY, "checkpoints")):
        said = {entries.get(key, "") for entries in network.metadata}
        if len(said) > 1:
            raise ModelError(f"the graphs in {folder} were made from two {what}; export them again")
        if key == FAMILY_KEY and said - {"", *PACKAGES}:
            raise ModelError(f"the graphs in {folder} are of the family {said.pop()!r}, which is not run by a path")
