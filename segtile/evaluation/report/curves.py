"""Curves as SVG drawings that stand in the page; colours come from the page's style sheet by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from segtile.evaluation.report.figures import CocoTable
from segtile.evaluation.report.run_data import MetricInfo, Run
from segtile.evaluation.results import Row
from segtile.evaluation.statistics import values_of

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 40
#: Colours before they repeat with another dash; the style sheet has as many.
COLOURS = 8


@dataclass(frozen=True)
class Curve:
    """A line from point to point; x and y in [0, 1]. `index` is the system's place, which gives the colour."""

    name: str
    index: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """A drawing with its title; `note` says what is drawn."""

    title: str
    note: str
    svg: Markup
    legend: tuple[tuple[str, str], ...]


def line_class(index: int) -> str:
    """The style sheet's classes of a system's lines and swatches."""
    return f"c{index % COLOURS} d{index // COLOURS % 3}"


def share_charts(run: Run) -> list[Chart]:
    """For each data set: which share of its pictures reaches each value of the metric that matters most.

    Only a metric in [0, 1] of which more is better can be drawn so. A failed picture counts with the figure of an empty
    answer, as in the tables; one whose figure is not defined reaches no value.
    """
    charts = []
    for dataset in run.datasets:
        rows = [row for row in run.rows if row.dataset == dataset and row.task == "matte"]
        metric = _drawable(run, rows)
        count = len({row.picture for row in rows})
        if metric is None or count < 2:
            continue
        curves = []
        for index, system in enumerate(run.systems):
            mine = [row for row in rows if row.system == system]
            if mine:
                values = values_of(mine, metric.name).tolist()
                curves.append(Curve(system, index, share_points(values, len(mine))))
        note = f"Share of the {count} pictures at or above each {metric.name}; further right and up is better."
        charts.append(chart(dataset, note, metric.name, "share of pictures", curves))
    return charts


def precision_charts(run: Run, tables: Sequence[CocoTable]) -> list[Chart]:
    """Precision over recall of each COCO data set, at an IoU of 0.5 and of 0.75."""
    charts = []
    for table in tables:
        for at in sorted({at for line in table.lines for at in line.curves}):
            curves = [
                Curve(line.system, run.systems.index(line.system), line.curves[at])
                for line in table.lines
                if at in line.curves
            ]
            note = f"Precision over recall at an IoU of {at:g} ({table.kind}), mean over classes."
            charts.append(chart(table.dataset, note, "recall", "precision", curves))
    return charts


def share_points(values: Sequence[float], count: int) -> tuple[tuple[float, float], ...]:
    """The step line of "share of `count` pictures with a value >= x", from x = 0 to 1."""
    points = [(0.0, len(values) / count)]
    left = len(values)
    for value in sorted(min(max(v, 0.0), 1.0) for v in values):
        points.append((value, left / count))
        left -= 1
        points.append((value, left / count))
    if left or not values:
        points.append((1.0, left / count))
    return tuple(points)


def chart(title: str, note: str, x_name: str, y_name: str, curves: Sequence[Curve]) -> Chart:
    """Draw lines over the unit square with its axes."""
    parts = [_axes(x_name, y_name)]
    for curve in reversed(curves):  # ours, the first, on top
        points = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in curve.points)
        parts.append(
            f'<polyline class="curve {line_class(curve.index)}" points="{points}"><title>{escape(curve.name)}</title>'
            "</polyline>"
        )
    label = escape(f"{title}: {note}")
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    return Chart(title, note, Markup(svg), tuple((c.name, line_class(c.index)) for c in curves))


def _drawable(run: Run, rows: Sequence[Row]) -> MetricInfo | None:
    """biou2 where the run has it, else the first metric of which more is better and that stays in [0, 1]."""
    names = ["biou2", *(name for name, info in run.metrics.items() if info.better == "higher")]
    for name in names:
        values = values_of(rows, name)
        if name in run.metrics and values.size and values.min() >= 0 and values.max() <= 1:
            return run.metrics[name]
    return None


def _x(value: float) -> float:
    return _LEFT + value * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float) -> float:
    return _HEIGHT - _BOTTOM - value * (_HEIGHT - _TOP - _BOTTOM)


def _axes(x_name: str, y_name: str) -> str:
    parts = []
    for i in range(0, 11, 2):
        value = i / 10
        parts.append(f'<line class="rule" x1="{_x(0)}" x2="{_x(1)}" y1="{_y(value):.1f}" y2="{_y(value):.1f}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 7}" y="{_y(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>')
        parts.append(f'<line class="rule" x1="{_x(value):.1f}" x2="{_x(value):.1f}" y1="{_y(0)}" y2="{_y(1)}"/>')
        tick = f'<text class="tick" x="{_x(value):.1f}" y="{_y(0) + 16:.1f}" text-anchor="middle">{value:.1f}</text>'
        parts.append(tick)
    middle_x, middle_y = _x(0.5), _y(0.5)
    turned = f'transform="translate(12 {middle_y}) rotate(-90)"'
    parts.append(f'<text class="axis" x="{middle_x}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_name)}</text>')
    parts.append(f'<text class="axis" {turned} text-anchor="middle">{escape(y_name)}</text>')
    return "".join(parts)
