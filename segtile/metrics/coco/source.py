"""JSON from outside: read whole or refused, with every fault named by file, list and place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from segtile.errors import BadInput, ReadError

Id = int | str


@dataclass(frozen=True)
class Source:
    """Where data came from; a fault in a file is a `ReadError`, in an argument a `BadInput`."""

    name: str
    is_file: bool

    def refuse(self, sentence: str) -> NoReturn:
        """Raise the fitting error, its sentence beginning with the source's name."""
        raise (ReadError if self.is_file else BadInput)(f"{self.name}: {sentence}")


def load(given: Path | str | Mapping[str, Any] | list[Any], name: str) -> tuple[Any, Source]:
    """(the data, its source); paths are read as JSON, dicts and lists are taken as they are.

    Args:
        given: a path, or data that is loaded already.
        name: what loaded data is called in messages.

    Raises:
        ReadError: the file is missing, cannot be read, or is not JSON.
        BadInput: `given` is neither a path nor a dict nor a list.
    """
    if isinstance(given, Mapping | list | tuple):
        return given, Source(name, is_file=False)
    if not isinstance(given, str | Path):
        raise BadInput(f"{name}: a path, a dict or a list is needed, not {type(given).__name__}")
    source = Source(str(given), is_file=True)
    try:
        text = Path(given).read_bytes()
    except OSError as error:
        source.refuse(f"cannot be read: {error.strerror or error}")
    except ValueError as error:  # a zero byte in the name
        source.refuse(f"cannot be read: {error}")
    try:
        return json.loads(text.decode("utf-8-sig")), source
    except UnicodeDecodeError:
        source.refuse("is not a JSON file: it is not UTF-8 text")
    except json.JSONDecodeError as error:
        if not text.strip():
            source.refuse("is empty")
        cut = " (the file may be cut off)" if error.pos >= len(error.doc.rstrip()) - 1 else ""
        source.refuse(f"is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}{cut}")
    except RecursionError:
        source.refuse("is nested deeper than any COCO file")
    except ValueError:  # a whole number of thousands of digits
        source.refuse("holds a number that is too long to read")


def listed(data: Mapping[str, Any], key: str, source: Source) -> list[Mapping[str, Any]]:
    """The list of objects under `key`.

    Raises:
        ReadError, BadInput: it is missing, no list, or holds something that is no object.
    """
    if key not in data:
        source.refuse(f"has no `{key}`, so it is not a COCO file")
    rows = data[key]
    if not isinstance(rows, list | tuple):
        source.refuse(f"`{key}` must be a list, not {kind(rows)}")
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            source.refuse(f"{key}[{i}] must be an object, not {kind(row)}")
    return list(rows)


def identity(row: Mapping[str, Any], key: str, what: str, source: Source) -> Id:
    """A whole number or a text under `key`; 3.0 counts as 3, as tables write it.

    Raises:
        ReadError, BadInput: it is missing or of another type.
    """
    value: Any = row.get(key)
    if type(value) is int or type(value) is str:
        return value
    if hasattr(value, "item"):  # a numpy scalar of a caller's own table
        value = value.item()
        if type(value) is int or type(value) is str:
            return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None:
        source.refuse(f"{what} has no `{key}`")
    source.refuse(f"{what}: `{key}` must be a whole number or a text, not {value!r:.60}")


def number(value: Any, what: str, source: Source) -> float:
    """A finite number.

    Raises:
        ReadError, BadInput: it is not one; `what` says which in the message.
    """
    kind_of = type(value)
    if kind_of is float or kind_of is int or (kind_of is not bool and isinstance(value, int | float)):
        pass
    elif hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    else:
        source.refuse(f"{what} must be a number, not {kind(value)}")
    try:
        found = float(value)
    except (OverflowError, ValueError, TypeError):
        source.refuse(f"{what} must be a number that fits into 64 bits")
    if not math.isfinite(found):
        source.refuse(f"{what} must be finite, not {found}")
    return found


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "an object"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", tuple: "a list"}
    return names.get(type(value), type(value).__name__)
