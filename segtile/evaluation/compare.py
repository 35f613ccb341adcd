"""Two runs side by side: what got better, what got worse, and whether more than noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segtile.errors import BadInput
from segtile.evaluation.results import Row, read_results, read_run
from segtile.evaluation.statistics import (
    Better,
    Interval,
    Paired,
    Settings,
    bootstrap_mean,
    pair_rows,
    paired,
    value_of,
)
from segtile.evaluation.tables import settings_of, show

_MOVERS = 3


@dataclass(frozen=True)
class Mover:
    """A picture and its figure in both runs."""

    picture: str
    a: float
    b: float


@dataclass(frozen=True)
class Change:
    """One figure of one system on one data set: in A, in B, their paired difference, the pictures that moved most."""

    system: str
    other: str
    dataset: str
    metric: str
    better: Better
    unit: str
    a: Interval
    b: Interval
    paired: Paired
    movers: tuple[Mover, ...]


@dataclass(frozen=True)
class Comparison:
    """All changes, and sentences on what makes the two runs less comparable."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def worse(self) -> int:
        """How many figures got worse by more than noise."""
        return sum(change.paired.verdict == "worse" for change in self.changes)

    def to_json(self) -> dict[str, Any]:
        """Plain values, NaN as null."""
        return {"changes": [_change_json(change) for change in self.changes], "notes": list(self.notes)}


def compare_runs(a: Path, b: Path) -> Comparison:
    """Compare two runs system by system, on the pictures both did.

    Systems go together by name. Where each run has a single system, these two are compared whatever their names.
    The bootstrap's settings are those of B.

    Raises:
        ReadError: one of the folders is no run.
        BadInput: the runs have no system, picture or figure in common.
    """
    run_a, run_b = read_run(a), read_run(b)
    rows_a, torn_a = read_results(a)
    rows_b, torn_b = read_results(b)
    systems = _common_systems(run_a, run_b, a, b)
    metrics = [name for name in run_a["metrics"] if name in run_b["metrics"]]
    if not metrics:
        raise BadInput(f"{a} and {b} have no figure in common")
    settings = settings_of(run_b)
    changes: list[Change] = []
    shared: list[tuple[Row, Row]] = []
    for system, other in systems:
        for dataset in (d for d in run_a["datasets"] if d in run_b["datasets"]):
            mine = [row for row in rows_a if row.system == system and row.dataset == dataset]
            theirs = [row for row in rows_b if row.system == other and row.dataset == dataset]
            pairs = pair_rows(mine, theirs)
            shared += pairs
            if pairs:
                changes += [_change(system, other, dataset, m, run_b["metrics"][m], pairs, settings) for m in metrics]
    if not shared:
        raise BadInput(f"{a} and {b} have no picture in common, so there is nothing to compare")
    notes = [f"{folder}: {torn}" for folder, torn in ((a, torn_a), (b, torn_b)) if torn]
    return Comparison(tuple(changes), (*notes, *_differences(run_a, run_b, rows_a, rows_b, shared)))


def _common_systems(run_a: Mapping[str, Any], run_b: Mapping[str, Any], a: Path, b: Path) -> list[tuple[str, str]]:
    common = [(name, name) for name in run_a["systems"] if name in run_b["systems"]]
    if common:
        return common
    if len(run_a["systems"]) == len(run_b["systems"]) == 1:
        return [(run_a["systems"][0], run_b["systems"][0])]
    raise BadInput(
        f"{a} and {b} have no system in common: {', '.join(run_a['systems'])} there, {', '.join(run_b['systems'])} here"
    )


def _change(
    system: str,
    other: str,
    dataset: str,
    metric: str,
    what: Mapping[str, Any],
    pairs: Sequence[tuple[Row, Row]],
    settings: Settings,
) -> Change:
    first, second = [x for x, _ in pairs], [y for _, y in pairs]
    moved = [Mover(x.picture, value_of(x, metric), value_of(y, metric)) for x, y in pairs]
    moved = [m for m in moved if math.isfinite(m.a) and math.isfinite(m.b) and m.a != m.b]
    moved.sort(key=lambda m: (-abs(m.b - m.a), m.picture))
    return Change(
        system,
        other,
        dataset,
        metric,
        what["better"],
        what.get("unit", ""),
        bootstrap_mean([value_of(row, metric) for row in first], settings),
        bootstrap_mean([value_of(row, metric) for row in second], settings),
        paired(first, second, metric, what["better"], settings),
        tuple(moved[:_MOVERS]),
    )


def _differences(
    run_a: Mapping[str, Any],
    run_b: Mapping[str, Any],
    rows_a: Sequence[Row],
    rows_b: Sequence[Row],
    shared: Sequence[tuple[Row, Row]],
) -> list[str]:
    notes = []
    if run_a.get("definitions") != run_b.get("definitions"):
        notes.append(
            f"the metrics' definitions differ ({run_a.get('definitions')} and {run_b.get('definitions')}): run the "
            "older configuration again into its folder, which measures its alphas anew"
        )
    for what, one in (("picture", "photo_sha256"), ("truth", "truth_sha256")):
        names = [f"{x.dataset}/{x.picture}" for x, y in shared if getattr(x, one) != getattr(y, one)]
        if names:
            listed = ", ".join(dict.fromkeys(names[:5]))
            notes.append(f"the {what} differs between the runs for {len(dict.fromkeys(names))} pictures: {listed}")
    for name, rows, others in (("A", rows_a, rows_b), ("B", rows_b, rows_a)):
        there = {(row.dataset, row.picture) for row in others}
        alone = {(row.dataset, row.picture) for row in rows} - there
        if alone:
            notes.append(f"{len(alone)} pictures are in {name} only and are left out")
    failed = [sum(row.error is not None for row in side) for side in zip(*shared, strict=True)]
    if any(failed):
        notes.append(f"failed pictures count with the figures of an empty answer: {failed[0]} in A, {failed[1]} in B")
    missing = [name for name in {**run_a["metrics"], **run_b["metrics"]} if name not in run_a["metrics"]]
    missing += [name for name in run_a["metrics"] if name not in run_b["metrics"]]
    if missing:
        notes.append(f"only one of the runs has the figures {', '.join(missing)}")
    return notes


def to_text(comparison: Comparison) -> str:
    """The comparison for reading, one line a figure and the pictures that moved most under those that changed."""
    lines: list[str] = []
    place = None
    for change in comparison.changes:
        here = (change.system, change.other, change.dataset)
        if here != place:
            name = change.system if change.system == change.other else f"{change.system} -> {change.other}"
            lines += ([""] if lines else []) + [
                f"{name} on {change.dataset}, {change.paired.difference.n} pictures or fewer"
            ]
            place = here
        d, unit = change.paired.difference, change.unit
        sign = "" if d.mean < 0 or not math.isfinite(d.mean) else "+"
        bounds = f" [{show(d.low, unit)}, {show(d.high, unit)}]" if math.isfinite(d.low) else ""
        lines.append(
            f"  {change.metric:<16} {show(change.a.mean, unit):>10} -> {show(change.b.mean, unit):>10}  "
            f"{sign}{show(d.mean, unit)}{bounds}  p {change.paired.p:.3f}  n {d.n}  {change.paired.verdict}"
        )
        if change.paired.verdict in ("better", "worse"):
            moved = ", ".join(f"{m.picture} {show(m.a, unit)} -> {show(m.b, unit)}" for m in change.movers)
            lines.append(f"    most: {moved}")
    counts = {v: sum(c.paired.verdict == v for c in comparison.changes) for v in ("better", "worse", "noise", "same")}
    lines += ["", ", ".join(f"{count} {verdict}" for verdict, count in counts.items())]
    lines += [f"note: {note}" for note in comparison.notes]
    return "\n".join(lines) + "\n"


def _change_json(change: Change) -> dict[str, Any]:
    def interval(value: Interval) -> dict[str, Any]:
        return {"mean": _finite(value.mean), "low": _finite(value.low), "high": _finite(value.high), "n": value.n}

    return {
        "system": change.system,
        "other": change.other,
        "dataset": change.dataset,
        "metric": change.metric,
        "better": change.better,
        "unit": change.unit,
        "a": interval(change.a),
        "b": interval(change.b),
        "difference": interval(change.paired.difference),
        "p": _finite(change.paired.p),
        "verdict": change.paired.verdict,
        "movers": [{"picture": m.picture, "a": m.a, "b": m.b} for m in change.movers],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
