"""Model cards: what a model is, what it may be used for, and everything an adapter needs to run it."""

from __future__ import annotations

import importlib.resources
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from segtile.errors import ModelError

#: What still has to be done to a network's output to make it a probability: the graph says "none" where it does it.
Activation = Literal["none", "sigmoid"]

_COLOURS = ("rgb", "bgr")


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: name in the weights folder, sha256, size in bytes, and where its makers offer it."""

    name: str
    sha256: str
    bytes: int
    url: str


@dataclass(frozen=True)
class ModelCard:
    """A model of the catalogue.

    `size` is the (width, height) the network was trained for; it is always run at that size. A network sees
    ``(colour * scale - mean) / std`` of sRGB-encoded values in [0, 1], channels in the order of `colour` ("rgb" or
    "bgr"). `output` is the name or the index of the graph's output; `activation` what turns it into a probability.
    `classes` are what a detector (task "detect") tells apart, in the order of its scores; () for other tasks. `scales`
    are the passes that it was trained for, where nothing else is asked for: "full" is the whole picture at once, 1.0
    slices of it as it is.
    Licences of code and weights are separate, and `data` says what the weights were trained on.
    """

    id: str
    task: str
    title: str
    source: str
    code_licence: str
    weights_licence: str
    data: str
    files: tuple[ModelFile, ...]
    size: tuple[int, int]
    colour: str
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output: str | int
    activation: Activation
    classes: tuple[str, ...] = ()
    scales: tuple[float | str, ...] = ()


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
        card = _build(raw)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is not valid: {error}"
        raise ModelError(f"the model card {path.name} {what}") from error
    if card.id != path.stem:
        raise ModelError(f"the model card {path.name} says id = '{card.id}': id and file name have to agree")
    return card


def _build(raw: dict[str, Any]) -> ModelCard:
    taken, given = raw["input"], raw["output"]
    files = tuple(ModelFile(f["name"], f["sha256"].lower(), int(f["bytes"]), f["url"]) for f in raw["files"])
    card = ModelCard(
        id=str(raw["id"]),
        task=str(raw["task"]),
        title=str(raw["title"]),
        source=str(raw["source"]),
        code_licence=str(raw["code_licence"]),
        weights_licence=str(raw["weights_licence"]),
        data=str(raw["data"]),
        files=files,
        size=_pair(taken["size"]),
        colour=str(taken["colour"]),
        scale=float(taken["scale"]),
        mean=_triple(taken["mean"]),
        std=_triple(taken["std"]),
        output=given["name"] if "name" in given else int(given["index"]),
        activation=given["activation"],
        classes=_names(given.get("classes", [])),
        scales=_scales(taken.get("scales", [])),
    )
    _check(card)
    return card


def _check(card: ModelCard) -> None:
    if not card.files:
        raise ValueError("it names no files")
    for file in card.files:
        if Path(file.name).name != file.name:
            raise ValueError(f"the file name '{file.name}' holds a folder")
        if len(file.sha256) != 64 or set(file.sha256) - set("0123456789abcdef"):
            raise ValueError(f"the sha256 of {file.name} is not 64 hexadecimal digits")
    if card.colour not in _COLOURS:
        raise ValueError(f"colour is '{card.colour}', it has to be one of {', '.join(_COLOURS)}")
    if card.activation not in get_args(Activation):
        raise ValueError(f"activation is '{card.activation}', it has to be one of {', '.join(get_args(Activation))}")
    if (card.task == "detect") != bool(card.classes):
        raise ValueError(f"its task is '{card.task}' and it has {len(card.classes)} classes: detectors alone have any")
    if min(card.size) < 1:
        raise ValueError(f"size is {card.size}, both sides have to be at least 1")
    if min(card.std) <= 0:
        raise ValueError("std has to be above 0")


def _pair(values: list[int]) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)


def _names(values: list[str]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(name, str) and name for name in values):
        raise ValueError("classes has to be a list of names")
    return tuple(values)


def _scales(values: list[Any]) -> tuple[float | str, ...]:
    if not isinstance(values, list) or not all(v == "full" or (isinstance(v, int | float) and v > 0) for v in values):
        raise ValueError('scales has to be a list of numbers above 0 and "full"')
    return tuple(v if v == "full" else float(v) for v in values)


def _triple(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return float(first), float(second), float(third)


def _models_folder() -> Path:
    """What the wheel carries as segtile/_models, or the checkout's models/ of an editable install."""
    packaged = Path(str(importlib.resources.files("segtile"))) / "_models"
    return packaged if packaged.is_dir() else packaged.parent.parent / "models"
