"""manifest.jsonl: one row per picture, beside what was written."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segtile.errors import ReadError, WriteError
from segtile.types import CutoutResult

if TYPE_CHECKING:
    from segtile.detection import DetectionRow

MANIFEST = "manifest.jsonl"


def row_of(result: CutoutResult | DetectionRow, error: str | None = None) -> dict[str, Any]:
    """A result as plain JSON values, with the keys that `--json` prints."""
    row = dataclasses.asdict(result)
    size = [row.pop("width"), row.pop("height")]
    tiles = {name.removeprefix("tiles_"): row.pop(name) for name in list(row) if name.startswith("tiles_")}
    row["warnings"] = list(result.warnings)
    return {"input": row.pop("input"), "output": row.pop("output"), "size": size, "tiles": tiles, **row, "error": error}


def failed_row(source: str, error: str) -> dict[str, Any]:
    """The row of a picture that could not be done."""
    return {"input": source, "output": None, "error": error}


def append_row(folder: Path, row: dict[str, Any]) -> None:
    """Add a row to a folder's manifest; one write call a row, so that a killed run leaves whole lines.

    Raises:
        WriteError: the manifest cannot be written.
    """
    line = json.dumps(row, ensure_ascii=False) + "\n"
    path = folder / MANIFEST
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(fd, line.encode())
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as e:
        raise WriteError(f"{path}: cannot be written: {e.strerror}") from None


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a folder's manifest, in order.

    Raises:
        ReadError: there is none, or a line is not JSON.
    """
    path = folder / MANIFEST
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as e:
        raise ReadError(f"{path}: cannot be read: {e}") from None
