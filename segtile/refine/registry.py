"""Refiners by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from segtile.backends.open_promptable import open_promptable
from segtile.backends.promptable import Promptable
from segtile.catalog import ModelCard, graph_path, list_cards
from segtile.errors import BadInput, ModelError
from segtile.refine.base import Refiner
from segtile.refine.matting import MattingRefiner
from segtile.refine.network import load_network
from segtile.refine.none import NoRefiner
from segtile.refine.prompted import PromptedRefiner

_BUILT_IN: dict[str, Callable[[], Refiner]] = {"matting": MattingRefiner, "none": NoRefiner}
#: The catalogue's role whose models refine tiles.
_ROLE = "refine"
#: The catalogue's name of our own refinement network.
OWN = "net-refine"


def get_refiner(name: str, *, device: str = "auto", second_look: bool = False, solar_edges: bool = False) -> Refiner:
    """The refiner of that name.

    Args:
        name: "auto" (matting), "matting", "none", "net" (our own network), a model of the catalogue for this job
            ("sam-vit-b"), or the path of a network like our own (.onnx).
        device: where a network runs; see `segtile.backends.onnx.OnnxGraph`.
        second_look: for networks that are asked about objects; see `PromptedRefiner`.
        solar_edges: the same.

    Raises:
        BackendMissing: what runs the network is not installed.
        BadInput: a setting for networks that are asked about objects, with another refiner.
        ModelError: the name belongs to none of them, or its weights are missing, wrong, or no such network.
    """
    chosen = "matting" if name == "auto" else name
    own = chosen in ("net", OWN) or chosen.endswith(".onnx")
    if (own or chosen in _BUILT_IN) and (second_look or solar_edges):
        what = "second_look" if second_look else "solar_edges"
        raise BadInput(f"{what} is for networks that are asked about objects; the refiner {chosen} is none of them")
    if chosen in _BUILT_IN:
        return _BUILT_IN[chosen]()
    if own:
        chosen = "net" if chosen == OWN else chosen
        return load_network(graph_path(chosen, OWN), chosen if chosen == "net" else Path(chosen).stem, device)
    card = _card(chosen)
    network, note = _open(card, device)
    notes = (note,) if note else ()
    return PromptedRefiner(card.id, network, second_look=second_look, solar_edges=solar_edges, notes=notes)


def _card(name: str) -> ModelCard:
    cards = {card.id: card for card in list_cards()}
    models = [card.id for card in cards.values() if card.role == _ROLE and card.id != OWN]
    if name not in models:
        what = f"{name} is a model for another job ({cards[name].role})" if name in cards else f"no refiner {name!r}"
        raise ModelError(
            f"{what}: auto, matting and none work without weights, net comes with its own; with weights of the "
            f"catalogue {', '.join(models)}; or the path of a network (.onnx)"
        )
    return cards[name]


@lru_cache(maxsize=1)
def _open(card: ModelCard, device: str) -> tuple[Promptable, str]:
    """A network is kept: a folder of pictures loads it once."""
    return open_promptable(card, device)
