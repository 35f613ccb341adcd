"""Model cards and where their weights are."""

from segtile.catalog.cards import Activation, ModelCard, ModelFile, cards_folder, list_cards, load_card, read_card
from segtile.catalog.weights import find_weights, graph_path, installed, weights_folder

__all__ = [
    "Activation",
    "ModelCard",
    "ModelFile",
    "cards_folder",
    "find_weights",
    "graph_path",
    "installed",
    "list_cards",
    "load_card",
    "read_card",
    "weights_folder",
]
