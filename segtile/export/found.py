"""What the writers of detections take: a picture, what was found in it, and the classes' names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from segtile.detected import Instance
from segtile.errors import BadInput
from segtile.export.atomic import atomic_target
from segtile.types import ImageInfo


class Found(Protocol):
    """The instances of one picture; `segtile.detection.DetectionResult` is one."""

    @property
    def info(self) -> ImageInfo:
        """The picture: size and, where it is a file, its path."""
        ...

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What was found, masks in px of the whole frame."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The classes' names, in the order of their indices."""
        ...


def file_name(info: ImageInfo) -> str:
    """The picture's file name; empty where it is no file."""
    return info.path.name if info.path else ""


def json_text(value: Any, what: str) -> str:
    """JSON in one line, other letters as they are.

    Raises:
        BadInput: a number in it is not finite, which JSON cannot say; `what` names the thing.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise BadInput(f"{what} has a number that is not finite, which no JSON file can hold; leave it out") from None


def write_texts(path: Path, texts: Iterable[str], *, overwrite: bool) -> None:
    """Write pieces of text one after the other as UTF-8; the file appears whole or not at all.

    Raises:
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """
    with (
        atomic_target(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as f,
    ):
        f.writelines(texts)
