"""The user's folders: weights that can be fetched again, and what has to be remembered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from segtile.errors import ReadError, WriteError


def weights_folder() -> Path:
    """The user's folder for weights: SEGTILE_HOME/weights, by default in the platform's cache folder."""
    home = os.environ.get("SEGTILE_HOME")
    base = Path(home).expanduser() if home else Path(platformdirs.user_cache_dir("segtile", appauthor=False))
    return base / "weights"


def data_folder() -> Path:
    """The user's folder for what a cache must not forget: SEGTILE_HOME, by default the platform's data folder."""
    home = os.environ.get("SEGTILE_HOME")
    return Path(home).expanduser() if home else Path(platformdirs.user_data_dir("segtile", appauthor=False))


def read_table(path: Path) -> dict[str, dict[str, Any]]:
    """A file of remembered things: JSON, one object of objects; {} where there is none.

    Raises:
        ReadError: it is not that, or cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise ReadError(f"{path} cannot be read: {what}; mend or remove it") from None
    if not isinstance(found, dict) or not all(isinstance(row, dict) for row in found.values()):
        raise ReadError(f"{path} is no table of remembered things; mend or remove it")
    return found


def remember(path: Path, key: str, row: dict[str, Any]) -> None:
    """Put one row into a file of remembered things; other runs may do the same at the same time.

    Raises:
        ReadError: the file is there and is none.
        WriteError: it cannot be written.
    """
    with locked(path.with_name(f".{path.name}.lock")):
        table = {**read_table(path), key: row}
        temporary = path.with_name(f".{path.name}.part")
        try:
            temporary.write_text(json.dumps(table, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
            temporary.replace(path)
        except OSError as error:
            raise WriteError(f"{path} cannot be written: {error.strerror}") from None


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock file, whose folder is made; the system takes it back when the process dies.

    Args:
        path: the lock file; it stays behind.
        on_wait: called once, without arguments, where another process holds it; then it is waited for.

    Raises:
        WriteError: it cannot be made.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None:
                on_wait()
            lock.acquire()
    except OSError as error:
        raise WriteError(f"{path.parent} cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()
