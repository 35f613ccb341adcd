"""The page's figures: the run's own tables, without columns that a data set has no figure for, and COCO's numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from segtile.errors import BadInput
from segtile.evaluation.report.run_data import MetricInfo, Run
from segtile.evaluation.statistics import Interval
from segtile.evaluation.tables import Table, build_tables, show

#: The metrics that a card shows and that curves are drawn of, in order of preference.
FIRST = ("biou2", "mae", "offset_p95", "holes", "ap")
_ON_A_CARD = 4


def tables(run: Run) -> list[Table]:
    """The tables as the run's Markdown has them: for each data set one of all its pictures, then one for each slice."""
    return [_without_empty(table) for table in build_tables(run.described(), run.rows)]


def _without_empty(table: Table) -> Table:
    """The table without metrics that no line has a figure for: a run may mix data sets of different metrics."""
    kept = [i for i in range(len(table.metrics)) if any(line.cells[i].value.n for line in table.lines)]
    lines = tuple(replace(line, cells=tuple(line.cells[i] for i in kept)) for line in table.lines)
    return replace(table, metrics=tuple(table.metrics[i] for i in kept), lines=lines)


def figure(value: float | None, unit: str = "px") -> str:
    """A figure for people, as the run's tables print it; the minus sign is as wide as a digit, a dash where none is."""
    text = show(math.nan if value is None else value, unit)
    return text.replace("-", "−")  # noqa: RUF001


def interval(value: Interval, unit: str) -> str:
    """A mean's interval for people, empty where there is none."""
    return "" if math.isnan(value.low) else f"[{figure(value.low, unit)}, {figure(value.high, unit)}]"


def plain(value: float | None) -> str:
    """A figure for the page's script, empty where there is none."""
    return "" if value is None or not math.isfinite(value) else repr(float(value))


def card_metrics(run: Run) -> tuple[MetricInfo, ...]:
    """The few metrics that stand on a card: those that matter most to a cut-out, then the run's first."""
    names = dict.fromkeys([*(n for n in FIRST if n in run.metrics), *run.metrics])
    return tuple(run.metrics[name] for name in list(names)[:_ON_A_CARD])


@dataclass(frozen=True)
class CocoLine:
    """One system on one COCO data set: the published numbers, and (recalls, precisions) at each IoU that is drawn.

    Precision is the mean over the classes that the truth has.
    """

    system: str
    pictures: int
    failed: int
    stats: dict[str, float]
    curves: dict[float, tuple[tuple[float, float], ...]]


@dataclass(frozen=True)
class CocoTable:
    """One COCO data set; the best of each number among `best` (name -> value)."""

    dataset: str
    kind: str
    names: tuple[str, ...]
    lines: tuple[CocoLine, ...]
    best: dict[str, float]


def coco_tables(run: Run) -> list[CocoTable]:
    """The numbers over whole data sets that a run of the task detect wrote under coco/; none for other runs.

    Raises:
        ReadError: a file is damaged.
        BadInput: a file does not hold what a run writes.
    """
    from segtile.evaluation.detecting import coco_figures

    found = []
    for dataset, systems in coco_figures(run.folder).items():
        names = [name for name in run.systems if name in systems]
        lines = tuple(_coco_line(f"{run.folder}/coco/{name}/{dataset}.json", name, systems[name]) for name in names)
        if not lines:
            continue
        kind = str(systems[names[0]].get("iou_type", ""))
        stats = tuple(lines[0].stats)
        best = {}
        for stat in stats:
            values = [v for line in lines if math.isfinite(v := line.stats.get(stat, math.nan))]
            if len(values) > 1:
                best[stat] = max(values)
        found.append(CocoTable(dataset, kind, stats, lines, best))
    return found


_DRAWN_AT = (0.5, 0.75)


def _coco_line(where: str, system: str, told: Any) -> CocoLine:
    try:
        stats = {str(k): math.nan if v is None else float(v) for k, v in told["stats"].items()}
        curves = {at: points for at in _DRAWN_AT if (points := _precision(told["report"].get("curves"), at))}
        return CocoLine(system, int(told["pictures"]), int(told["failed"]), stats, curves)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise BadInput(f"{where} does not hold what an evaluation run writes; run the evaluation again") from None


def _precision(curves: Any, at: float) -> tuple[tuple[float, float], ...]:
    """(recall, precision) at one IoU, mean over classes with truth; empty where the report has none."""
    if curves is None:
        return ()
    thresholds = [float(t) for t in curves["iou_thresholds"]]
    place = next((i for i, t in enumerate(thresholds) if abs(t - at) < 1e-6), None)
    if place is None:
        return ()
    rows = [row[place] for row in curves["precision"]]
    points = []
    for i, recall in enumerate(curves["recalls"]):
        values = [float(row[i]) for row in rows if row[i] is not None and float(row[i]) >= 0]
        if values:
            points.append((float(recall), math.fsum(values) / len(values)))
    return tuple(points)
