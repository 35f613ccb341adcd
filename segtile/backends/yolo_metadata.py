"""What a YOLO graph says about itself: task, classes, size. The text comes with the file and is believed in nothing."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segtile.errors import ModelError

#: Bounds on what a file may claim: characters of one entry, classes, characters of a class's name, px of a side.
LONGEST_TEXT, MOST_CLASSES, LONGEST_NAME, LARGEST_SIDE = 1_000_000, 100_000, 200, 16384
_TASKS = ("detect", "segment")


@dataclass(frozen=True)
class YoloMetadata:
    """The checked metadata of a graph; an entry that the file lacks is None, or empty for `names`.

    `task` is "detect" or "segment"; `size` is (width, height); `rows` tells whether the head gives finished rows
    (end-to-end heads and exports with their own suppression) or raw predictions.
    """

    task: str | None
    names: tuple[str, ...]
    size: tuple[int, int] | None
    stride: int
    rows: bool | None


def read_metadata(raw: dict[str, str], path: Path) -> YoloMetadata:
    """Read the metadata that ultralytics' exporter writes (its keys: task, names, imgsz, stride, end2end, args, head).

    Args:
        raw: the graph's metadata.
        path: the file, for messages.

    Raises:
        ModelError: an entry is not what it has to be, or the model is for another task.
    """
    task = raw.get("task")
    if task is not None and task not in _TASKS:
        raise ModelError(f"{path} is a model for the task '{task[:40]}'; segtile runs {' and '.join(_TASKS)}")
    if "rtdetr" in raw.get("head", "").lower() or "rtdetr" in raw.get("description", "").lower():
        raise ModelError(f"{path} is an RT-DETR; segtile runs the YOLO heads, an RT-DETR runs through SAHI's adapter")
    stride = _literal(raw, "stride", path)
    if stride is not None and not _is_side(stride):
        raise ModelError(f"{path}: its metadata says stride = {raw['stride'][:40]!r}; a whole number is expected")
    return YoloMetadata(
        task=task,
        names=_names(_literal(raw, "names", path), path),
        size=_size(_literal(raw, "imgsz", path), path),
        stride=32 if stride is None else stride,
        rows=_rows(raw, path),
    )


def _literal(raw: dict[str, str], key: str, path: Path) -> Any:
    """One entry as a Python literal; None where it is missing."""
    if key not in raw:
        return None
    text = raw[key]
    if len(text) > LONGEST_TEXT:
        raise ModelError(f"{path}: '{key}' of its metadata has {len(text)} characters; at most {LONGEST_TEXT} are read")
    try:
        return ast.literal_eval(text)  # builds values and runs nothing
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise ModelError(f"{path}: '{key}' of its metadata is no plain value: {text[:60]!r}") from error


def _names(value: Any, path: Path) -> tuple[str, ...]:
    """Class names from {index: name} or [name, ...]; a class that the file leaves out is called by its index."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    wrong = f"{path}: 'names' of its metadata has to be the classes as {{index: name}}"
    if not isinstance(value, dict) or not value:
        raise ModelError(wrong)
    for index, name in value.items():
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < MOST_CLASSES:
            raise ModelError(f"{wrong}; it has the index {index!r:.60}")
        if not isinstance(name, str):
            raise ModelError(f"{wrong}; the name of {index} is a {type(name).__name__}")
    return tuple(_printable(value.get(index, str(index))) for index in range(max(value) + 1))


def _printable(name: str) -> str:
    """A name as it may be printed on a terminal and written into files: no control characters, no novels."""
    return "".join(c if c.isprintable() else " " for c in name[:LONGEST_NAME])


def _size(value: Any, path: Path) -> tuple[int, int] | None:
    """(width, height) from a side or from [height, width]."""
    if value is None:
        return None
    sides = [value, value] if isinstance(value, int) else value
    if not isinstance(sides, list | tuple) or len(sides) != 2 or not all(_is_side(side) for side in sides):
        raise ModelError(
            f"{path}: 'imgsz' of its metadata is {value!r:.60}; [height, width] up to {LARGEST_SIDE} is expected"
        )
    return sides[1], sides[0]


def _is_side(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST_SIDE


def _rows(raw: dict[str, str], path: Path) -> bool | None:
    """Whether the head gives finished rows; None where the file does not say."""
    if raw.get("end2end") == "True":
        return True
    try:
        args = _literal(raw, "args", path)
    except ModelError:  # the exporter's own settings: they may hold objects, and nothing else is read from them
        args = None
    if isinstance(args, dict) and args.get("nms") is True:
        return True
    return False if "end2end" in raw else None
