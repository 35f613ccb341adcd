"""A run folder as the page needs it.

The folder may come from somebody else, so nothing in it is trusted: run.json is checked when it is read, and the
path of an alpha must stay inside the folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from segtile.errors import BadInput, ReadError
from segtile.evaluation.results import RESULTS, RUN, Row, read_results, read_run
from segtile.evaluation.statistics import Settings

Better = Literal["lower", "higher", "zero"]


@dataclass(frozen=True)
class MetricInfo:
    """What run.json says of a metric: which direction is better, its unit and its definition in a sentence."""

    name: str
    better: Better
    unit: str
    summary: str

    def badness(self, value: float) -> float:
        """`value` on a scale on which greater is worse, whatever the metric's direction."""
        if self.better == "higher":
            return -value
        return abs(value) if self.better == "zero" else value


@dataclass(frozen=True)
class Run:
    """A run: systems in the order of the tables (ours first), data sets, metrics, slices with a sentence each, rows.

    `about` is the rest of run.json (versions, cores, digest of the configuration); `note` a sentence for the reader
    where the results' last line was torn.
    """

    folder: Path
    systems: tuple[str, ...]
    datasets: tuple[str, ...]
    metrics: dict[str, MetricInfo]
    slices: dict[str, str]
    about: dict[str, Any]
    rows: tuple[Row, ...]
    bootstrap: Settings = field(default_factory=Settings)
    note: str | None = None

    def pictures(self) -> dict[tuple[str, str], dict[str, Row]]:
        """(data set, picture) -> system -> its row; in the order in which the pictures first occur."""
        found: dict[tuple[str, str], dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault((row.dataset, row.picture), {})[row.system] = row
        return found

    def described(self) -> dict[str, Any]:
        """What the tables' code reads of run.json, checked and with what only the results name."""
        return {
            "systems": list(self.systems),
            "datasets": list(self.datasets),
            "metrics": {name: {"better": m.better, "unit": m.unit} for name, m in self.metrics.items()},
            "together": self.about.get("together", {}),
            "slices": self.slices,
            "bootstrap": dataclasses.asdict(self.bootstrap),
        }

    def alpha_of(self, row: Row) -> Path | None:
        """The alpha a system wrote.

        Raises:
            BadInput: its path leads out of the run folder.
        """
        if row.alpha is None:
            return None
        path = (self.folder / row.alpha).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise BadInput(f"{self.folder / RESULTS}: the alpha {row.alpha!r} lies outside the run folder")
        return path


def load_run(folder: Path) -> Run:
    """Read run.json and results.jsonl of a run folder.

    Raises:
        ReadError: the folder or one of the two files is missing, or cannot be read.
        BadInput: there is no result in it yet, or run.json has odd bootstrap settings.
    """
    if not folder.is_dir():
        raise ReadError(f"{folder} is not a run folder: there is no such folder")
    about = read_run(folder)
    rows, note = read_results(folder)
    if not rows:
        raise BadInput(f"{folder / RESULTS} holds no result yet: let `segtile eval run` measure a picture first")
    slices = {str(name): str(sentence) for name, sentence in about["slices"].items()}
    for name in dict.fromkeys(s for row in rows for s in row.slices):
        slices.setdefault(name, "")
    return Run(
        folder=folder,
        systems=_in_order(about["systems"], (row.system for row in rows)),
        datasets=_in_order(about["datasets"], (row.dataset for row in rows)),
        metrics=_metrics(about["metrics"], rows),
        slices=slices,
        about={k: v for k, v in about.items() if k not in {"metrics", "systems", "datasets", "slices"}},
        rows=tuple(rows),
        bootstrap=_bootstrap(about.get("bootstrap"), folder / RUN),
        note=note,
    )


def _metrics(told: Mapping[str, Any], rows: list[Row]) -> dict[str, MetricInfo]:
    """The metrics that occur, in run.json's order, then any that only the results name (those count as lower)."""
    used = dict.fromkeys(name for row in rows for name in (*row.metrics, *row.stand_in))
    found: dict[str, MetricInfo] = {}
    for name, info in told.items():
        unit, summary = str(info.get("unit", "")), str(info.get("summary", ""))
        found[name] = MetricInfo(name, cast(Better, info["better"]), unit, summary)
    for name in used:
        found.setdefault(name, MetricInfo(name, "lower", "", "run.json does not define it; lower is taken as better."))
    return {name: info for name, info in found.items() if name in used}


def _bootstrap(told: object, where: Path) -> Settings:
    if told is None:
        return Settings()
    kinds = {"samples": int, "level": float, "seed": int}
    if not isinstance(told, dict) or any(type(v) is not kinds.get(k) for k, v in told.items()):
        raise BadInput(f"{where}: the bootstrap settings are not samples, level and seed")
    return Settings(**told)


def _in_order(told: Iterable[object], used: Iterable[str]) -> tuple[str, ...]:
    """The names that occur, those that were told first and in that order."""
    occurring = dict.fromkeys(used)
    return tuple(dict.fromkeys([*(name for name in map(str, told) if name in occurring), *occurring]))
