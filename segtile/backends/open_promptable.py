"""Which runtime a prompted model of the catalogue runs through, and what the user is told of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from segtile.backends.promptable import Promptable
from segtile.backends.sam_export import DECODER, ENCODER, FAMILY_KEY, SOURCE_KEY
from segtile.backends.sam_network import PACKAGES
from segtile.backends.sam_onnx import OnnxPromptable
from segtile.backends.sam_torch import TorchSam
from segtile.catalog import ModelCard, find_weights, installed, weights_folder
from segtile.catalog.content import digest
from segtile.catalog.licences import require_accepted
from segtile.errors import BackendMissing, ModelError


def open_promptable(card: ModelCard, device: str = "auto", threads: int = 0) -> tuple[Promptable, str]:
    """Load a prompted model by the best way there is.

    Graphs run through onnxruntime. A checkpoint of SAM, MobileSAM or SAM-HQ runs through its own package where that and
    torch are installed, else through graphs that `segtile models export` made of it.

    Args:
        card: a model with prompts.
        device: see `OnnxGraph` and `TorchSam`.
        threads: the same.

    Returns:
        The network, and a sentence for the user about what runs it; "" where there is one way alone.

    Raises:
        BackendMissing: what runs it is not installed.
        LicenceError: its licence has to be accepted first.
        ModelError: weights are missing or wrong; the message says what to do.
    """
    if all(file.part != "checkpoint" for file in card.files):
        return OnnxPromptable(card, find_weights(card), device, threads), ""
    packages = PACKAGES.get(card.family)
    if packages is None:
        raise ModelError(f"{card.id} is of the family '{card.family}', of which no checkpoint is loaded here")
    lacking = _lacking(packages)
    if lacking is None and (installed(card) or not _has_export(card)):
        checkpoint = find_weights(card)[0]
        try:
            through = f"{', '.join(packages)} and torch"
            return TorchSam(card, checkpoint, device, threads), f"{card.id} ran through {through}"
        except BackendMissing as error:
            if not _has_export(card):
                raise
            lacking = str(error)
    why = lacking or "its checkpoint is not installed"
    note = f"{card.id} ran through the ONNX export of its checkpoint, not through {' and '.join(packages)}: {why}"
    return _exported(card, device, threads), note


def export_folder(card: ModelCard) -> Path:
    """Where the graphs of a model lie whose weights are a checkpoint."""
    return weights_folder() / card.id


def _has_export(card: ModelCard) -> bool:
    return all((export_folder(card) / name).is_file() for name in (ENCODER, DECODER))


def _exported(card: ModelCard, device: str, threads: int) -> OnnxPromptable:
    folder = export_folder(card)
    if not _has_export(card):
        raise ModelError(
            f"{card.id} needs {ENCODER} and {DECODER} in {folder}: 'segtile models export {card.id}' makes them where "
            "the extra torch is installed"
        )
    require_accepted(card)
    network = OnnxPromptable(card, [folder / ENCODER, folder / DECODER], device, threads)
    _check_source(card, network)
    return network


def _check_source(card: ModelCard, network: OnnxPromptable) -> None:
    """Both graphs have to be of one checkpoint, and of the published or the installed one where that is known.

    Raises:
        ModelError: they are not.
    """
    sources = {entries.get(SOURCE_KEY, "") for entries in network.metadata}
    families = {entries.get(FAMILY_KEY, card.family) for entries in network.metadata}
    wanted = card.files[0].sha256 or (digest(find_weights(card)[0], "sha256") if installed(card) else "")
    if len(sources) > 1 or families != {card.family} or (wanted and sources != {wanted}):
        raise ModelError(
            f"the graphs in {export_folder(card)} were not made from the checkpoint of {card.id}: make them again with "
            f"'segtile models export {card.id} --overwrite'"
        )


def _lacking(packages: tuple[str, ...]) -> str | None:
    """Which package of the torch path is not installed; None where all are there. Nothing is imported to find out."""
    # segment_anything_hq imports timm, which it does not ask for when it is installed
    needed = ("torch", *packages, *(("timm",) if "segment_anything_hq" in packages else ()))
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed (pip install segtile[torch])" if missing else None
