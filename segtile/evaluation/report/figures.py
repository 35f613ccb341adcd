"""The tables' figures: mean and bootstrap interval of each system and metric, over a data set or one slice of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from segtile.evaluation.report.run_data import MetricInfo, Run
from segtile.evaluation.results import Row

#: The metrics that a card shows and that curves are drawn of, in order of preference.
FIRST = ("biou2", "mae", "holes", "offset_p95", "sad", "iou", "ap", "AP")
_ON_A_CARD = 4


@dataclass(frozen=True)
class Cell:
    """One figure: `mean` with its interval, NaN where not defined; `best` where no other system's mean is better."""

    mean: float
    low: float
    high: float
    best: bool = False

    @property
    def text(self) -> str:
        """The mean for people."""
        return number(self.mean)

    @property
    def interval(self) -> str:
        """The interval for people, empty where there is none (one picture, or none)."""
        if math.isnan(self.low) or math.isnan(self.high):
            return ""
        return f"[{number(self.low)}, {number(self.high)}]"

    @property
    def value(self) -> str:
        """The mean for the page's script, empty where not defined."""
        return "" if math.isnan(self.mean) else repr(self.mean)


@dataclass(frozen=True)
class Line:
    """One system: how many of the pictures it did, its cells by metric, its mean seconds a picture."""

    system: str
    done: int
    failed: int
    cells: dict[str, Cell]
    seconds: Cell


@dataclass(frozen=True)
class Table:
    """One data set, or one slice of it."""

    dataset: str
    slice: str | None
    summary: str
    pictures: int
    metrics: tuple[MetricInfo, ...]
    lines: tuple[Line, ...]


def tables(run: Run) -> list[Table]:
    """For each data set one table of all its pictures, then one for each slice that has any."""
    found = []
    for dataset in run.datasets:
        rows = [row for row in run.rows if row.dataset == dataset]
        found.append(_table(run, dataset, None, rows))
        for name in run.slices:
            members = {row.picture for row in rows if name in row.slices}
            if members:
                found.append(_table(run, dataset, name, [row for row in rows if row.picture in members]))
    return found


def _table(run: Run, dataset: str, of: str | None, rows: list[Row]) -> Table:
    metrics = tuple(info for name, info in run.metrics.items() if any(name in row.metrics for row in rows))
    lines = [_line(system, [row for row in rows if row.system == system], metrics) for system in run.systems]
    lines = _with_best([line for line in lines if line.done or line.failed], metrics)
    summary = "" if of is None else run.slices.get(of, "")
    return Table(dataset, of, summary, len({row.picture for row in rows}), metrics, tuple(lines))


def _line(system: str, rows: list[Row], metrics: tuple[MetricInfo, ...]) -> Line:
    done = [row for row in rows if row.error is None]
    cells = {info.name: _cell(row.metrics.get(info.name, math.nan) for row in done) for info in metrics}
    seconds = _cell(math.nan if row.seconds is None else row.seconds for row in done)
    return Line(system, len(done), len(rows) - len(done), cells, seconds)


def _cell(values: Iterable[float]) -> Cell:
    return Cell(*mean_and_interval([v for v in values if math.isfinite(v)]))


def _with_best(lines: list[Line], metrics: tuple[MetricInfo, ...]) -> list[Line]:
    """The lines with the best mean of each metric marked; none is best where only one system has a figure."""
    best: dict[str, float] = {}
    for info in metrics:
        badness = [info.badness(c.mean) for line in lines if not math.isnan((c := line.cells[info.name]).mean)]
        if len(badness) > 1:
            best[info.name] = min(badness)

    def marked(info: MetricInfo, cell: Cell) -> Cell:
        wins = info.name in best and not math.isnan(cell.mean) and info.badness(cell.mean) <= best[info.name]
        return Cell(cell.mean, cell.low, cell.high, wins)

    return [
        Line(x.system, x.done, x.failed, {i.name: marked(i, x.cells[i.name]) for i in metrics}, x.seconds)
        for x in lines
    ]


def mean_and_interval(values: list[float]) -> tuple[float, float, float]:
    """Mean, and the bounds of its 95 % bootstrap interval over pictures; NaN where there is nothing to take them of.

    2000 draws from a fixed seed: the same figures give the same interval each time.
    """
    import numpy as np

    if not values:
        return math.nan, math.nan, math.nan
    sample = np.array(values, np.float64)
    if len(sample) == 1:
        return float(sample[0]), math.nan, math.nan
    draws = np.random.default_rng(0).integers(0, len(sample), (2000, len(sample)))
    low, high = np.quantile(sample[draws].mean(1), (0.025, 0.975))
    return float(sample.mean()), float(low), float(high)


def number(value: float) -> str:
    """A figure for people: four significant digits, an exponent only where very small or large, a dash for NaN.

    The page's script has the same rules (`shown` in page.js).
    """
    if math.isnan(value):
        return "–"  # noqa: RUF001 - the sign for "no figure"
    size = abs(value)
    if size < 1e-12:  # what is left of a sum that should be nothing
        return "0"
    if size < 1e-3 or size >= 1e7:
        mantissa, _, exponent = f"{size:.2e}".partition("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{size:.{min(4, max(0, 3 - math.floor(math.log10(size))))}f}"
        text = text.removesuffix("." + "0" * len(text.partition(".")[2]))
    return f"−{text}" if value < 0 else text  # noqa: RUF001 - the minus sign is as wide as a digit


def card_metrics(run: Run) -> tuple[MetricInfo, ...]:
    """The few metrics that stand on a card: those that matter most to a cut-out, then the run's first."""
    names = dict.fromkeys([*(n for n in FIRST if n in run.metrics), *run.metrics])
    return tuple(run.metrics[name] for name in list(names)[:_ON_A_CARD])
