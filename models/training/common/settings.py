"""Settings as frozen dataclasses, filled from the tables of a TOML file."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def fill(kind: type[T], raw: dict[str, Any]) -> T:
    """A dataclass from a table; lists become tuples.

    Raises:
        ValueError: the table has a name that is not a setting.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(raw) - known):
        raise ValueError(f"{kind.__name__.lower()} has no setting '{unknown[0]}'; it has {', '.join(sorted(known))}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()})
