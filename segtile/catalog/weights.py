"""Where weights lie, and whether they may be used and are what their card says."""

from __future__ import annotations

from pathlib import Path

from segtile.catalog.card import ModelCard, ModelFile
from segtile.catalog.cards import cards_folder, load_card
from segtile.catalog.home import weights_folder
from segtile.catalog.licences import require_accepted
from segtile.catalog.trust import check_file, trust_first
from segtile.errors import ModelError

#: How files of weights end.
_ENDINGS = (".onnx", ".pth", ".pt", ".safetensors")


def installed(card: ModelCard) -> bool:
    """True where every file of a model lies in one of the folders that are searched; their content is not checked."""
    return all(locate(file) is not None for file in card.files)


def find_weights(card: ModelCard) -> list[Path]:
    """The files of a model, in the card's order, ready to be run.

    Each is checked against its published digest, or against the one that it had when it was seen first.

    Raises:
        LicenceError: the licence allows no commercial use, and nobody has accepted that.
        ModelError: a file is missing or is not what the card says; the message names the command that brings it.
    """
    return list(find_parts(card).values())


def is_path(name: str) -> bool:
    """Whether the name of a network is the path of its weights: it ends as they do, or has a slash in it."""
    return name.endswith(_ENDINGS) or "/" in name or "\\" in name


def graph_path(name: str, own: str) -> Path:
    """The graph that is meant by "net" (the catalogue's model `own`) or by a path that ends in .onnx.

    Raises:
        ModelError: there is no such file, or the model's weights are missing or not what their card says.
    """
    if name == "net":
        return find_weights(load_card(own))[0]
    path = Path(name)
    if not path.is_file():
        raise ModelError(f"{name}: no such file")
    return path


def find_parts(card: ModelCard) -> dict[str, Path]:
    """The files of a model by part ("encoder", "decoder", ...), checked as by `find_weights`.

    Raises:
        LicenceError: the licence allows no commercial use, and nobody has accepted that.
        ModelError: a file is missing or is not what the card says; the message names the command that brings it.
    """
    found = require_present(card)
    require_accepted(card)
    for file in card.files:
        path = found[file.part]
        try:
            check_file(card, file, path)
        except ModelError as error:
            raise ModelError(f"{error}; {_way_out(card)}") from error
        trust_first(card, file, path, str(path))
    return found


def require_present(card: ModelCard) -> dict[str, Path]:
    """Where the files of a model lie, by part; neither their content nor the licence is looked at.

    Raises:
        ModelError: a file is missing; the message names the command that brings it.
    """
    return {file.part: _present(card, file) for file in card.files}


def locate(file: ModelFile) -> Path | None:
    """Where a file lies: in the user's folder, or in this package; None where it is in neither."""
    for folder in (weights_folder(), cards_folder().parent / "weights"):
        path = folder / file.name
        if path.is_file():
            return path
    return None


def _present(card: ModelCard, file: ModelFile) -> Path:
    path = locate(file)
    if path is not None:
        return path
    if file.shipped:
        raise ModelError(f"the weights of {card.id} are not where they belong; {_way_out(card)}")
    accepting = f" --accept-licence' brings them, if you accept {card.weights_licence}, which allows no commercial use"
    pull = f"'segtile models pull {card.id}" + (accepting if card.commercial == "no" else "' brings them")
    size = f" ({card.bytes / 1e6:.0f} MB)" if card.bytes else ""
    raise ModelError(f"the weights of {card.id} are not installed ({file.name}): {pull}{size}")


def _way_out(card: ModelCard) -> str:
    return "reinstall segtile" if card.shipped else f"'segtile models pull {card.id}' fetches it anew"
