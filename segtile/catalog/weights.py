"""Where weights lie, and whether they are what their card says."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import platformdirs

from segtile.catalog.card import ModelCard, ModelFile
from segtile.catalog.cards import cards_folder
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
    """The files of a model, in the card's order, each checked against its digest (once per process and file state).

    Raises:
        ModelError: a file is missing or is not what the card says; the message says what belongs where.
    """
    return [_checked(card, file) for file in card.files]


def find_parts(card: ModelCard) -> dict[str, Path]:
    """The files of a model by part ("encoder", "decoder", ...), checked as by `find_weights`.

    Raises:
        ModelError: a file is missing or is not what the card says; the message says what belongs where.
    """
    return {file.part: _checked(card, file) for file in card.files}


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
            f"the weights of {card.id} are not installed: 'segtile models pull {card.id}' brings them, or put "
            f"{file.name} into {weights_folder()}"
        )
    state = path.stat()
    digest = _sha256(path, state.st_mtime_ns, state.st_size)
    if file.sha256 and digest != file.sha256:
        raise ModelError(
            f"{path} is not the file that the card of {card.id} names: its sha256 is {digest}, "
            f"the card says {file.sha256}; replace it with the one from {', '.join(file.urls)}"
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
