"""The run folder: what lies where, one line a picture, and how it is read back after a kill.

RUN/config.yaml                        as given
RUN/run.json                           versions, cores, systems, data sets, metrics, slices, digest of the configuration
RUN/results.jsonl                      one line for each (system, data set, picture)
RUN/facts.jsonl                        what was found once a picture: size and slices
RUN/alphas/SYSTEM/DATASET/PICTURE.png  8 or 16 bit grey; PICTURE.json beside it says what made it
RUN/tables/                            Markdown, CSV, LaTeX
RUN/report.html
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from segtile.errors import ReadError, WriteError
from segtile.export.atomic import atomic_target

RESULTS = "results.jsonl"
RUN = "run.json"
CONFIG = "config.yaml"

Task = Literal["matte", "detect"]
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """One system on one picture.

    `digest` names everything the figures depend on. `metrics` holds NaN where a figure is not defined (null in the
    file). `seconds` is what the system took, `peak_rss_mb` its process's own peak; None where not measured. `size` is
    (width, height) of the truth; `resized` is True where the system's alpha had another. `photo` and `truth` are
    absolute paths, `alpha` is relative to the run folder. A failed picture has `error` (one sentence), no metrics and
    no alpha; `stand_in` holds the figures of an empty answer, which count in its place so that failing never pays off.
    """

    digest: str
    dataset: str
    picture: str
    system: str
    task: Task = "matte"
    metrics: Mapping[str, float] = field(default_factory=dict)
    slices: tuple[str, ...] = ()
    seconds: float | None = None
    peak_rss_mb: float | None = None
    size: tuple[int, int] | None = None
    resized: bool = False
    error: str | None = None
    warnings: tuple[str, ...] = ()
    photo: str = ""
    truth: str = ""
    alpha: str | None = None
    photo_sha256: str = ""
    truth_sha256: str = ""
    stand_in: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """(system, dataset, picture): a run keeps one row for each."""
        return self.system, self.dataset, self.picture

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; NaN and infinities become null."""
        row = asdict(self)
        for name, figures in (("metrics", self.metrics), ("stand_in", self.stand_in)):
            row[name] = {k: v if math.isfinite(v) else None for k, v in figures.items()}
        row["slices"], row["warnings"] = list(self.slices), list(self.warnings)
        row["size"] = list(self.size) if self.size else None
        return row

    @classmethod
    def from_json(cls, raw: Any) -> Row:
        """The row of plain JSON values; null figures become NaN.

        Raises:
            ValueError: something is missing or of a wrong type.
        """
        if not isinstance(raw, dict):
            raise ValueError("is not a JSON object")
        for name in ("digest", "dataset", "picture", "system"):
            if not isinstance(raw.get(name), str) or not raw[name]:
                raise ValueError(f"has no {name}")
        figures = [raw.get(name) or {} for name in ("metrics", "stand_in")]
        if not all(isinstance(f, dict) and all(v is None or _is_number(v) for v in f.values()) for f in figures):
            raise ValueError("has metrics that are not numbers")
        metrics, stand_in = ({str(k): math.nan if v is None else float(v) for k, v in f.items()} for f in figures)
        for name in ("seconds", "peak_rss_mb"):
            if raw.get(name) is not None and not _is_number(raw[name]):
                raise ValueError(f"has {name} that is no number")
        for name in ("error", "alpha"):
            if raw.get(name) is not None and not isinstance(raw[name], str):
                raise ValueError(f"has {name} that is no text")
        lists = {name: raw.get(name) or [] for name in ("slices", "warnings")}
        if not all(isinstance(v, list) and all(isinstance(s, str) for s in v) for v in lists.values()):
            raise ValueError("has slices or warnings that are no lists of text")
        size = raw.get("size")
        if size is not None and not (isinstance(size, list) and len(size) == 2 and all(_is_number(v) for v in size)):
            raise ValueError("has a size that is not [width, height]")
        return cls(
            digest=raw["digest"],
            dataset=raw["dataset"],
            picture=raw["picture"],
            system=raw["system"],
            task="detect" if raw.get("task") == "detect" else "matte",
            metrics=metrics,
            slices=tuple(lists["slices"]),
            seconds=raw.get("seconds"),
            peak_rss_mb=raw.get("peak_rss_mb"),
            size=None if size is None else (int(size[0]), int(size[1])),
            resized=bool(raw.get("resized", False)),
            error=raw.get("error"),
            warnings=tuple(lists["warnings"]),
            photo=str(raw.get("photo", "")),
            truth=str(raw.get("truth", "")),
            alpha=raw.get("alpha"),
            photo_sha256=str(raw.get("photo_sha256", "")),
            truth_sha256=str(raw.get("truth_sha256", "")),
            stand_in=stand_in,
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Add one JSON object as a line; one write call and a flush to disk, so that a kill tears at most the last line.

    Raises:
        WriteError: the file cannot be written.
    """
    line = json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            data = line.encode()
            if os.write(fd, data) < len(data):
                raise WriteError(f"{path}: cannot be written: the disk is full")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as e:
        if isinstance(e, WriteError):
            raise
        raise WriteError(f"{path}: cannot be written: {e.strerror}") from None


def read_lines(path: Path) -> tuple[list[dict[str, Any]], str | None]:
    """The JSON objects of a file, and a sentence where its last line was torn (and is left out).

    A missing file has no lines.

    Raises:
        ReadError: the file cannot be read, or a line other than the last is not a JSON object.
    """
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as e:
        raise ReadError(f"{path}: cannot be read: {e.strerror}") from None
    rows: list[dict[str, Any]] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            if number == len(lines):  # nothing ends it: the write was cut off
                return rows, f"{path.name}: the last line was torn and is left out; its picture is done again"
            raise ReadError(f"{path}: line {number} is not a JSON object") from None
        rows.append(row)
    return rows, None


def mend(path: Path) -> str | None:
    """Cut off a torn last line, so that what is appended next starts a line; says so where it did.

    Raises:
        ReadError: the file cannot be read, or another line is broken.
        WriteError: the file cannot be written.
    """
    rows, torn = read_lines(path)
    ends_well = not path.exists() or path.stat().st_size == 0 or path.read_bytes().endswith(b"\n")
    if torn or not ends_well:
        write_lines(path, rows)
    return torn


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write all lines at once, atomically.

    Raises:
        WriteError: the file cannot be written.
    """
    text = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, replacing it.

    Raises:
        WriteError: the file cannot be written.
    """
    with atomic_target(path, overwrite=True) as part:
        part.write_text(text, encoding="utf-8")


def read_results(folder: Path) -> tuple[list[Row], str | None]:
    """The rows of a run, the newest of each (system, data set, picture), in the order of the file; see `read_lines`.

    Raises:
        ReadError: the folder holds no results, or they are broken.
    """
    path = folder / RESULTS
    if not path.is_file():
        raise ReadError(f"{folder}: holds no {RESULTS}, so it is no evaluation run")
    lines, torn = read_lines(path)
    rows: dict[Key, Row] = {}
    for number, raw in enumerate(lines, 1):
        try:
            row = Row.from_json(raw)
        except ValueError as e:
            raise ReadError(f"{path}: line {number} {e}") from None
        rows[row.key] = row
    return list(rows.values()), torn


def read_run(folder: Path) -> dict[str, Any]:
    """run.json of a run folder.

    Raises:
        ReadError: it is missing, broken, or not of an evaluation run.
    """
    path = folder / RUN
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise ReadError(f"{path}: cannot be read: {getattr(e, 'strerror', None) or 'it is not JSON'}") from None
    if not isinstance(run, dict) or not _is_run(run):
        raise ReadError(f"{path}: is not the run.json of an evaluation run")
    return run


def _is_run(run: dict[str, Any]) -> bool:
    """True where what tables and reports take for granted is there."""
    lists, about = (run.get("systems"), run.get("datasets")), (run.get("slices"), run.get("metrics"))
    if not all(isinstance(v, list) and all(isinstance(name, str) for name in v) for v in lists):
        return False
    slices, metrics = about
    if not isinstance(slices, dict) or not isinstance(metrics, dict):
        return False
    together = run.get("together", {})
    if not isinstance(together, dict) or not all(isinstance(parts, list) for parts in together.values()):
        return False
    told = [m for m in metrics.values() if isinstance(m, dict)]
    return (
        len(told) == len(metrics)
        and all(isinstance(text, str) for text in slices.values())
        and all(m.get("better") in ("lower", "higher", "zero") and isinstance(m.get("unit", ""), str) for m in told)
    )
