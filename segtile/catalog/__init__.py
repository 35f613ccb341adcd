"""Model cards, their licences, and where their weights are."""

from segtile.catalog.card import Activation, Commercial, Fit, ModelCard, ModelFile, Prompt, Role
from segtile.catalog.cards import cards_folder, list_cards, load_card, read_card
from segtile.catalog.home import data_folder, weights_folder
from segtile.catalog.licences import accept, accepted
from segtile.catalog.weights import find_parts, find_weights, graph_path, installed, is_path, locate

__all__ = [
    "Activation",
    "Commercial",
    "Fit",
    "ModelCard",
    "ModelFile",
    "Prompt",
    "Role",
    "accept",
    "accepted",
    "cards_folder",
    "data_folder",
    "find_parts",
    "find_weights",
    "graph_path",
    "installed",
    "is_path",
    "list_cards",
    "load_card",
    "locate",
    "read_card",
    "weights_folder",
]
