"""Model cards and where their weights are."""

from segtile.catalog.card import Activation, Commercial, Fit, ModelCard, ModelFile, Prompt, Role
from segtile.catalog.cards import cards_folder, list_cards, load_card, read_card
from segtile.catalog.weights import find_parts, find_weights, installed, weights_folder

__all__ = [
    "Activation",
    "Commercial",
    "Fit",
    "ModelCard",
    "ModelFile",
    "Prompt",
    "Role",
    "cards_folder",
    "find_parts",
    "find_weights",
    "installed",
    "list_cards",
    "load_card",
    "read_card",
    "weights_folder",
]
