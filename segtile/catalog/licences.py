"""Licences that do not let everybody use a model: accepted once, and remembered."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from segtile.catalog.card import ModelCard
from segtile.catalog.home import data_folder, read_table, remember
from segtile.errors import LicenceError


def accepted(card: ModelCard) -> bool:
    """True where nothing has to be accepted, or this very licence was.

    Raises:
        ReadError: the file of accepted licences is damaged.
    """
    if card.commercial != "no":
        return True
    return read_table(_path()).get(card.id, {}).get("licence") == card.weights_licence


def accept(card: ModelCard) -> None:
    """Remember that the user accepts the licence of a model's weights.

    Raises:
        ReadError, WriteError: the file of accepted licences is damaged or cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    remember(_path(), card.id, {"licence": card.weights_licence, "accepted": now})


def require_accepted(card: ModelCard) -> None:
    """Refuse a model whose licence allows no commercial use until that was accepted.

    Raises:
        LicenceError: it was not.
        ReadError: the file of accepted licences is damaged.
    """
    if not accepted(card):
        raise LicenceError(
            f"the weights of {card.id} are under {card.weights_licence}, which allows no commercial use: "
            f"'segtile models pull {card.id} --accept-licence' accepts that once"
        )


def _path() -> Path:
    return data_folder() / "licences.json"
