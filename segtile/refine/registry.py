"""Refiners by name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from segtile.backends.onnx import available_providers
from segtile.backends.open_promptable import open_promptable
from segtile.backends.own_sam import open_own_sam
from segtile.backends.promptable import Promptable
from segtile.catalog import ModelCard, graph_path, is_path, list_cards
from segtile.errors import BadInput, ModelError
from segtile.refine.base import Refiner
from segtile.refine.matting import MattingRefiner
from segtile.refine.network import load_network
from segtile.refine.none import NoRefiner
from segtile.refine.prompted import PromptedRefiner
from segtile.types import Looks

_BUILT_IN = ("matting", "none")
#: The catalogue's role whose models refine tiles.
_ROLE = "refine"
#: The catalogue's name of our own refinement network.
OWN = "net-refine"


def get_refiner(
    name: str, *, device: str = "auto", looks: Looks = "auto", second_look: bool = False, solar_edges: bool = False
) -> Refiner:
    """The refiner of that name.

    Args:
        name: "auto" ("net", and where onnxruntime is not installed "matting", said in its notes), "matting", "none",
            "net" (our own network), a model of the catalogue for this job ("sam-vit-b"), the path of a network like
            our own (.onnx), or of one of SAM's architecture: a checkpoint (.pth, .pt, .safetensors) or the folder of
            its graphs, which has a slash in it.
        device: where a network runs; see `segtile.backends.onnx.OnnxGraph`.
        looks: how often a network like our own looks at each tile, told its own answer from the second look on; see
            `segtile.refine.network.NetworkRefiner`.
        second_look: for networks that are asked about objects; see `PromptedRefiner`.
        solar_edges: the same.

    Raises:
        BackendMissing: what runs the network is not installed.
        BadInput: a setting for networks that are asked about objects, with another refiner, or the reverse.
        ModelError: the name belongs to none of them, or its weights are missing, wrong, or no such network.
    """
    chosen, note = _choose() if name == "auto" else (name, "")
    own = chosen in ("net", OWN) or chosen.endswith(".onnx")
    if (own or chosen in _BUILT_IN) and (second_look or solar_edges):
        what = "second_look" if second_look else "solar_edges"
        raise BadInput(f"{what} is for networks that are asked about objects; the refiner {chosen} is none of them")
    if looks not in ("auto", 1) and not own:
        raise BadInput(f"looks = {looks} is for networks like our own (net); the refiner {chosen} looks once")
    if chosen == "matting":
        return MattingRefiner((note,) if note else ())
    if chosen == "none":
        return NoRefiner()
    if own:
        chosen = "net" if chosen == OWN else chosen
        return load_network(graph_path(chosen, OWN), chosen if chosen == "net" else Path(chosen).stem, device, looks)
    if is_path(chosen):
        shown = Path(chosen).stem
        network, note = _open_own(Path(chosen), device, _changed(Path(chosen)))
    else:
        card = _card(chosen)
        shown, (network, note) = card.id, _open(card, device)
    notes = (note,) if note else ()
    return PromptedRefiner(shown, network, second_look=second_look, solar_edges=solar_edges, notes=notes)


def _choose() -> tuple[str, str]:
    """The refiner for those who named none, and what they should know of it."""
    if available_providers():
        return "net", ""
    return "matting", f"The network {OWN} cannot be run here (pip install segtile[cpu]): edges were found by matting."


def _card(name: str) -> ModelCard:
    cards = {card.id: card for card in list_cards()}
    models = [card.id for card in cards.values() if card.role == _ROLE and card.id != OWN]
    if name not in models:
        what = f"{name} is a model for another job ({cards[name].role})" if name in cards else f"no refiner {name!r}"
        raise ModelError(
            f"{what}: auto, matting and none work without weights, net comes with its own; with weights of the "
            f"catalogue {', '.join(models)}; or the path of a network: .onnx like our own, .pth of SAM's architecture"
        )
    return cards[name]


@lru_cache(maxsize=1)
def _open(card: ModelCard, device: str) -> tuple[Promptable, str]:
    """A network is kept: a folder of pictures loads it once."""
    return open_promptable(card, device)


@lru_cache(maxsize=1)
def _open_own(path: Path, device: str, _changed: tuple[int, ...]) -> tuple[Promptable, str]:
    """The same by path, as long as its files stay what they are."""
    return open_own_sam(path, device)


def _changed(path: Path) -> tuple[int, ...]:
    """When what lies at a path was changed last; () where there is nothing."""
    files = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
    return tuple(file.stat().st_mtime_ns for file in files if file.is_file())
