"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segtile.errors import WouldOverwrite, WriteError


@contextmanager
def atomic_target(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends well, removed when it does not.

    The temporary file exists from the start, so a folder that cannot be written to is found before any work is done.

    Raises:
        WouldOverwrite: `path` exists and `overwrite` is False (at the start, or by the time of the rename).
        WriteError: the folder is missing or read-only, the name is a folder's, or the disk is full.
    """
    check_target(path, overwrite=overwrite)
    temporary = path.with_name(f".segtile-{secrets.token_hex(6)}{path.suffix}")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise _sentence(path, error) from error
    try:
        yield temporary
        _flush(temporary)
        check_target(path, overwrite=overwrite)
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        if isinstance(error, WriteError | WouldOverwrite) or error.errno not in _OF_THE_DISK:
            raise
        raise _sentence(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a target that could not be written, before any work is done for it.

    Raises:
        WouldOverwrite: it exists and `overwrite` is False.
        WriteError: it is a folder, or its folder is missing, is a file, or cannot be written to.
    """
    try:
        _check(path, overwrite)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        if isinstance(error, WriteError | WouldOverwrite):
            raise
        raise _sentence(path, error) from error


def _check(path: Path, overwrite: bool) -> None:
    folder = path.parent
    if path.is_dir():
        raise WriteError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not overwrite:
        raise WouldOverwrite(f"{path} exists already: allow overwriting or choose another name")
    if not folder.is_dir():
        missing = "is a file, not a folder" if folder.exists() else "does not exist"
        raise WriteError(f"{path} cannot be written: {folder} {missing}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise WriteError(f"{path} cannot be written: the folder {folder} is read-only")


_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG}


def _sentence(path: Path, error: OSError) -> WriteError:
    return WriteError(f"{path} cannot be written: {os.strerror(error.errno) if error.errno else error}")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable; not every system lets a folder be opened for that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
