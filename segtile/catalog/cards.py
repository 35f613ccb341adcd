"""Reads and checks the cards of the catalogue: models/cards/ID.toml."""

from __future__ import annotations

import importlib.resources
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from segtile.catalog.address import check_address
from segtile.catalog.card import ModelCard, ModelFile
from segtile.errors import ModelError

#: Tables of a card that are for readers: what it was measured to do, and what its graph says itself.
_NOTES = ("figures", "edit")
_DIGITS = {"sha256": 64, "md5": 32, "git_blob": 40}
_PARTS = ("model", "encoder", "decoder", "checkpoint")
_SUFFIXES = (".onnx", ".pth", ".pt", ".safetensors")


def cards_folder() -> Path:
    """The folder of the cards: inside an installed package, or models/cards of a checkout."""
    return _models_folder() / "cards"


def list_cards() -> list[ModelCard]:
    """Every card of the catalogue, by id.

    Raises:
        ModelError: a card is not what a card has to be.
    """
    return [read_card(path) for path in sorted(cards_folder().glob("*.toml"))]


def load_card(model_id: str) -> ModelCard:
    """The card of a model.

    Raises:
        ModelError: the catalogue has no such model; the message names those it has.
    """
    known = {path.stem: path for path in sorted(cards_folder().glob("*.toml"))}
    if model_id not in known:
        raise ModelError(f"the catalogue has no model named '{model_id}'; it has {', '.join(known) or 'none'}")
    return read_card(known[model_id])


def read_card(path: Path) -> ModelCard:
    """Read and check one card file.

    Raises:
        ModelError: the file is not TOML, lacks something, or holds a value that no card may have.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        card = _validator().validate_python(_flat(raw))
        _check(card)
    except ValidationError as error:
        raise ModelError(f"the model card {path.name} is not valid: {_first(error)}") from None
    except (OSError, ValueError, ModelError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ModelError(f"the model card {path.name} is not valid: {error}") from error
    if card.id != path.stem:
        raise ModelError(f"the model card {path.name} says id = '{card.id}': id and file name have to agree")
    return card


@cache
def _validator() -> TypeAdapter[ModelCard]:
    return TypeAdapter(ModelCard)


def _flat(raw: dict[str, Any]) -> dict[str, Any]:
    """The card's fields: the tables [input] and [output] are there for people to find their way."""
    fields = {key: value for key, value in raw.items() if key not in ("input", "output", *_NOTES)}
    for table in ("input", "output"):
        part = raw.get(table, {})
        if not isinstance(part, dict):
            raise ValueError(f"{table} is no table")
        part = dict(part)
        if table == "output":
            given = [part.pop(key) for key in ("name", "index") if key in part]
            if len(given) > 1:
                raise ValueError("its output has both a name and an index")
            fields |= {"output": given[0]} if given else {}
        if twice := fields.keys() & part.keys():
            raise ValueError(f"{', '.join(sorted(twice))} stands twice")
        fields |= part
    return fields


def _first(error: ValidationError) -> str:
    """The first fault as part of a sentence, with where it is."""
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "missing":
        return f"it lacks {place}"
    return f"{place}: {fault['msg'][:1].lower()}{fault['msg'][1:]}, not {fault['input']!r}"


def _check(card: ModelCard) -> None:
    """What types alone do not say.

    Raises:
        ValueError: the first fault.
        ModelError: an address that weights must not come from.
    """
    if not re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", card.id):
        raise ValueError(f"the id '{card.id}' has to be small letters and digits, joined by -, _ or .")
    for name in ("family", "title", "source", "code_licence", "weights_licence", "data"):
        if not str(getattr(card, name)).strip():
            raise ValueError(f"{name} is empty")
    _check_files(card.files)
    if (card.role == "detect") != bool(card.classes):
        raise ValueError(f"its role is '{card.role}' and it has {len(card.classes)} classes: detectors alone have any")
    if not all(card.classes):
        raise ValueError("a class has no name")
    if card.prompts and card.role != "refine":
        raise ValueError(f"its role is '{card.role}' and it takes prompts: refiners alone do")
    if min(card.size) < 1 or (card.multiple_of is not None and card.multiple_of < 1):
        raise ValueError(f"size is {card.size}, sides and multiple_of have to be at least 1")
    if any(side % (card.multiple_of or 1) for side in card.size):
        raise ValueError(f"size is {card.size}, which is no multiple of {card.multiple_of}")
    if not all(value > 0 for value in card.std):
        raise ValueError("std has to be above 0")
    if not all(scale == "full" or scale > 0 for scale in card.scales):
        raise ValueError('scales has to be numbers above 0 and "full"')
    if card.auto < 0 or (card.auto and card.commercial == "no"):
        raise ValueError(f"auto is {card.auto}: a model that is not free to use is never taken by itself")
    _check_channels(card.channels)


def _check_files(files: tuple[ModelFile, ...]) -> None:
    if not files:
        raise ValueError("it names no files")
    for file in files:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", file.name):
            raise ValueError(f"the file name '{file.name}' holds a folder or odd characters")
        if not file.name.endswith(_SUFFIXES):
            raise ValueError(f"the file name '{file.name}' ends in none of {', '.join(_SUFFIXES)}")
        if file.part not in _PARTS:
            raise ValueError(f"the part of {file.name} is '{file.part}', it has to be one of {', '.join(_PARTS)}")
        for kind, digits in _DIGITS.items():
            digest = getattr(file, kind)
            if digest and not re.fullmatch(f"[0-9a-f]{{{digits}}}", digest):
                raise ValueError(f"the {kind} of {file.name} is not {digits} small hexadecimal digits")
        if file.bytes is not None and file.bytes < 1:
            raise ValueError(f"the size of {file.name} is {file.bytes} bytes")
        if file.shipped == bool(file.urls):
            raise ValueError(f"{file.name} has to be shipped or to have addresses, and not both")
        if file.shipped and not file.sha256:
            raise ValueError(f"{file.name} is shipped without its sha256")
        for url in file.urls:
            check_address(url)
    for what in ("name", "part"):
        if len({getattr(file, what) for file in files}) < len(files):
            raise ValueError(f"two of its files have the same {what}")


def _check_channels(names: tuple[str, ...]) -> None:
    if not names:
        return
    from segtile.solar import SOLAR_CHANNELS  # brings OpenCV, which a list of cards can do without

    if unknown := [name for name in names if name not in SOLAR_CHANNELS]:
        raise ValueError(f"there is no solar channel '{unknown[0]}': there are {', '.join(SOLAR_CHANNELS)}")


def _models_folder() -> Path:
    """What the wheel carries as segtile/_models, or the checkout's models/ of an editable install."""
    packaged = Path(str(importlib.resources.files("segtile"))) / "_models"
    return packaged if packaged.is_dir() else packaged.parent.parent / "models"
