"""YAML from outside, read without trust: small, without tags, without bombs, without keys that hide each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segtile.errors import BadInput, ReadError

_MOST_BYTES = 2**20
_MOST_NODES = 100_000  # after aliases are followed


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML file: dicts, lists, strings, numbers, booleans, None.

    Raises:
        ReadError: it is missing, over 1 MiB, not UTF-8, not YAML, holds tags of other languages, or aliases that
            multiply into more than 100 000 values.
        BadInput: a key stands twice in one mapping.
    """
    import yaml

    text = _text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None:
            return None
        _weigh(path, root, {}, ())
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as e:
        if isinstance(e, BadInput):
            raise
        raise ReadError(f"{path}: cannot be read as YAML: {_first_line(e)}") from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ReadError(f"{path}: a configuration of more than {_MOST_BYTES} bytes is not read")
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ReadError(f"{path}: is not UTF-8 text") from None
    except OSError as e:
        if isinstance(e, ReadError):
            raise
        raise ReadError(f"{path}: cannot be read: {e.strerror or e}") from None


def _weigh(path: Path, node: Any, known: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a node stands for once its aliases are followed; each node is looked at once."""
    import yaml

    if id(node) in above:
        raise ReadError(f"{path}: a value that contains itself is not read")
    if id(node) in known:
        return known[id(node)]
    inside = (*above, id(node))
    if isinstance(node, yaml.MappingNode):
        _refuse_doubles(path, node)
        total = 1 + sum(_weigh(path, k, known, inside) + _weigh(path, v, known, inside) for k, v in node.value)
    elif isinstance(node, yaml.SequenceNode):
        total = 1 + sum(_weigh(path, v, known, inside) for v in node.value)
    else:
        total = 1
    if total > _MOST_NODES:
        raise ReadError(f"{path}: its aliases multiply into more than {_MOST_NODES} values")
    known[id(node)] = total
    return total


def _refuse_doubles(path: Path, node: Any) -> None:
    seen = set()
    for key, _ in node.value:
        name = key.value if isinstance(key.value, str) else None
        if name in seen and name != "<<":
            raise BadInput(f"{path}: the key {name} stands twice (line {key.start_mark.line + 1})")
        seen.add(name)


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"{getattr(error, 'problem', '')} (line {mark.line + 1})"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
