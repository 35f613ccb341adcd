"""Where weights lie, and whether they are what their card says."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import platformdirs

from segtile.catalog.cards import ModelCard, ModelFile, cards_folder, load_card
from segtile.errors import ModelError


def weights_folder() -> Path:
    """The user's folder for weights: SEGTILE_HOME/weights, by default in the platform's cache folder."""
    home = os.environ.get("SEGTILE_HOME")
    base = Path(home).expanduser() if home else Path(platformdirs.user_cache_dir("segtile", appauthor=False))
    return base / "weights"


def installed(card: ModelCard) -> bool:
    """True where every file of a model lies in one of the folders that are searched; their content is not checked."""
    return all(_locate(file) is not None for file in card.files)


def find_weights(card: ModelCard) -> list[Path]:
    """The files of a model, in the card's order, each checked against its sha256 (once per process and file state).

    Raises:
        ModelError: a file is missing or is not what the card says; the message says what belongs where.
    """
    return [_checked(card, file) for file in card.files]


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


def _locate(file: ModelFile) -> Path | None:
    for folder in (weights_folder(), cards_folder().parent / "weights"):
        path = folder / file.name
        if path.is_file():
            return path
    return None


def _checked(card: ModelCard, file: ModelFile) -> Path:
    path = _locate(file)
    if path is None:
        raise ModelError(
            f"the weights of {card.id} are not installed: put {file.name} (sha256 {file.sha256}, "
            f"{file.bytes / 1e6:.1f} MB, from {file.url}) into {weights_folder()}"
        )
    state = path.stat()
    digest = _sha256(path, state.st_mtime_ns, state.st_size)
    if digest != file.sha256:
        raise ModelError(
            f"{path} is not the file that the card of {card.id} names: its sha256 is {digest}, "
            f"the card says {file.sha256}; replace it with the one from {file.url}"
        )
    return path


@lru_cache(maxsize=64)
def _sha256(path: Path, _mtime_ns: int, _size: int) -> str:
    """The digest of a file; asked for again only when its time or size has changed."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
