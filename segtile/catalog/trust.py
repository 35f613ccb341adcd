"""Whether a file of weights is the one its card means: by published digest, or by what was seen first."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from segtile.catalog.card import ModelCard, ModelFile
from segtile.catalog.content import check_kind, digest, published
from segtile.catalog.home import data_folder, read_table, remember
from segtile.errors import ModelError

_log = logging.getLogger("segtile")


def lock_file() -> Path:
    """weights.lock.json in the user's data folder: the digests of files for which nobody published any."""
    return data_folder() / "weights.lock.json"


def check_file(card: ModelCard, file: ModelFile, path: Path, shown: str = "") -> None:
    """Check that a file is what the card names, without changing anything.

    Args:
        card: the model.
        file: which of its files.
        path: where the file lies; its name may be another.
        shown: what messages call it, its path by default.

    Raises:
        ModelError: its content is of another kind than its name, its size or digest is not the published one, or,
            where none was published, not that of the file that was seen first.
        ReadError: the lock file is damaged.
    """
    shown = shown or str(path)
    check_kind(path, file.name)
    size = path.stat().st_size
    if file.bytes is not None and size != file.bytes:
        raise ModelError(f"{shown} has {size} bytes, the card of {card.id} says {file.bytes}")
    expected = published(file)
    if expected is not None:
        kind, value = expected
        found = digest(path, kind)
        if found != value:
            raise ModelError(
                f"{shown} is not the file that the card of {card.id} names: its {kind} is {found}, it should be {value}"
            )
        return
    seen = read_table(lock_file()).get(file.name)
    if seen is None:
        return
    found = digest(path, "sha256")
    if found != seen.get("sha256"):
        raise ModelError(
            f"{shown} is not the file that was trusted as {file.name} at first: its sha256 is {found}, {lock_file()} "
            f"says {seen.get('sha256')}; if its makers replaced it, take that row out of {lock_file().name}"
        )


def proof(file: ModelFile) -> str:
    """What a file is checked against, for people.

    Raises:
        ReadError: the lock file is damaged.
    """
    expected = published(file)
    if expected is not None:
        return f"published {expected[0]}"
    return "sha256 as first seen" if file.name in read_table(lock_file()) else "nothing to check it against yet"


def trust_first(card: ModelCard, file: ModelFile, path: Path, source: str) -> bool:
    """Keep the digest of a file for which none was published, where it is seen for the first time.

    Args:
        card: the model.
        file: which of its files; nothing happens where a digest was published.
        path: the file, checked by `check_file`.
        source: where it came from, for people who read the lock file.

    Returns:
        True where it was seen for the first time, and is trusted now.

    Raises:
        ReadError, WriteError: the lock file is damaged or cannot be written.
    """
    if file.pinned or file.name in read_table(lock_file()):
        return False
    value = digest(path, "sha256")
    _log.warning(
        "nobody published a hash of %s: it is trusted now, and has to keep the sha256 %s from here on", file.name, value
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    row = {"model": card.id, "sha256": value, "bytes": path.stat().st_size, "from": source, "first_seen": now}
    remember(lock_file(), file.name, row)
    return True
