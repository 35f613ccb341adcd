"""What a file of weights really is: its digest, and whether its first bytes fit its name."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from segtile.catalog.card import ModelFile
from segtile.errors import ModelError

Digest = Literal["sha256", "git_blob", "md5"]

#: Files that come where weights were asked for, by their first bytes, and the endings that may begin so.
_KINDS: tuple[tuple[str, tuple[bytes, ...], tuple[str, ...]], ...] = (
    ("a pickle, which could run code when it is opened", (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), ()),
    ("a zip archive, as torch writes them", (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"), (".pth", ".pt")),
    ("a packed file (gzip)", (b"\x1f\x8b",), ()),
    ("a web page", (b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML", b"<?xml"), ()),
    ("a Git LFS pointer, not the file that it stands for", (b"version https://git-lfs",), ()),
)
#: Older checkpoints of torch are pickles; those who load them do so without running what they ask for.
_PICKLES = (".pth", ".pt")
_PICKLE_PARTS = (b"c__builtin__\n", b"cbuiltins\n", b"cos\n", b"cposix\n", b"csubprocess\n", b"csys\n", b"(dp", b"(lp")


def published(file: ModelFile) -> tuple[Digest, str] | None:
    """The strongest digest that was published for a file, None where there is none."""
    kinds: tuple[Digest, ...] = ("sha256", "git_blob", "md5")
    return next(((kind, getattr(file, kind)) for kind in kinds if getattr(file, kind)), None)


def digest(path: Path, kind: Digest) -> str:
    """The digest of a file, hexadecimal; worked out again only when its time or size has changed.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        state = path.stat()
        return _digest(path, kind, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=256)
def _digest(path: Path, kind: Digest, _mtime_ns: int, size: int) -> str:
    with path.open("rb") as stream:
        if kind != "git_blob":
            return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=kind == "sha256")).hexdigest()
        # what git calls a blob: a header with the size before the content
        blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        while part := stream.read(1 << 20):
            blob.update(part)
        return blob.hexdigest()


def check_kind(path: Path, name: str) -> None:
    """Refuse a file that is plainly not what its name says: a pickle or an archive where a graph is expected.

    Args:
        path: the file.
        name: the name that it has or is to have; its ending says what it should be.

    Raises:
        ModelError: it is something else, or empty, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    ending = Path(name).suffix
    wanted = {".onnx": "an ONNX graph", ".safetensors": "safetensors"}.get(ending, "a checkpoint")
    if not head:
        raise ModelError(f"{name} is empty, where {wanted} is expected")
    if ending == ".safetensors" and head[8:9] == b"{":  # the eight bytes before are a number, and may be anything
        return
    for what, starts, endings in _KINDS:
        pickled = what.startswith("a pickle")
        if head.startswith(starts) or (pickled and head.startswith(_PICKLE_PARTS)):
            if ending in endings or (pickled and ending in _PICKLES):
                return
            raise ModelError(f"{name} is {what}, where {wanted} is expected; it is not opened")
