"""A run's tables: one for each data set and slice, as Markdown, CSV and LaTeX.

Rows are systems, columns are figures with their intervals; the best of those that did all of the table's pictures is
bold. `n` is the pictures behind a row; a figure that fewer pictures define says so.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segtile.errors import BadInput, WriteError
from segtile.evaluation.config import Bootstrap
from segtile.evaluation.results import Row, read_results, read_run, write_text
from segtile.evaluation.statistics import Better, Interval, Settings, bootstrap_mean, paired, values_of

TABLES = "tables"
_ARROWS = {"lower": "↓", "higher": "↑", "zero": "→0"}
_CSV_HEAD = (
    "dataset slice system metric better unit mean low high n pictures failed against_first best seconds peak_rss_mb"
)
_TEX_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$", "zero": r"$\to 0$"}


@dataclass(frozen=True)
class Cell:
    """One figure of one system; `against` is the verdict of its difference to the table's first system."""

    value: Interval
    best: bool
    against: str | None


@dataclass(frozen=True)
class Line:
    """One system: `n` pictures, `failed` of them, mean seconds and largest peak memory (None where not measured)."""

    system: str
    n: int
    failed: int
    seconds: float | None
    peak_rss_mb: float | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One data set (or several together) and slice ("" for all its pictures); `metrics` are (name, better, unit)."""

    dataset: str
    slice: str
    about: str
    metrics: tuple[tuple[str, Better, str], ...]
    lines: tuple[Line, ...]
    level: float

    @property
    def pictures(self) -> int:
        """The most pictures that a system did."""
        return max((line.n for line in self.lines), default=0)


def settings_of(run: Mapping[str, Any]) -> Settings:
    """The bootstrap settings that a run's run.json gives, or the defaults."""
    try:
        return Settings(**Bootstrap.model_validate(run.get("bootstrap") or {}).model_dump())
    except ValidationError:
        raise BadInput("run.json holds settings of a bootstrap that make no sense") from None


def build_tables(run: Mapping[str, Any], rows: Sequence[Row]) -> list[Table]:
    """Every table of a run: of data sets that count together, then of each; a slice without pictures has none."""
    settings = settings_of(run)
    metrics = tuple((str(name), what["better"], what.get("unit", "")) for name, what in run["metrics"].items())
    tables = []
    for dataset, parts in {**run.get("together", {}), **{name: [name] for name in run["datasets"]}}.items():
        here = [row for row in rows if row.dataset in parts]
        for name, about in {"": "all pictures", **run["slices"]}.items():
            chosen = [row for row in here if not name or name in row.slices]
            if chosen:
                lines = _lines(run["systems"], chosen, metrics, settings)
                tables.append(Table(dataset, name, about, metrics, lines, settings.level))
    return tables


def _lines(
    systems: Sequence[str], rows: Sequence[Row], metrics: Sequence[tuple[str, Better, str]], settings: Settings
) -> tuple[Line, ...]:
    by = {name: [row for row in rows if row.system == name] for name in systems}
    by = {name: done for name, done in by.items() if done}
    most = max(len(done) for done in by.values())
    means = {
        (name, metric): bootstrap_mean(values_of(done, metric), settings)
        for name, done in by.items()
        for metric, _, _ in metrics
    }
    best = {
        metric: _best([means[name, metric].mean for name, done in by.items() if len(done) == most], better, unit)
        for metric, better, unit in metrics
    }
    first = next(iter(by))
    lines = []
    for name, done in by.items():
        cells = []
        for metric, better, unit in metrics:
            value = means[name, metric]
            is_best = len(by) > 1 and len(done) == most and show(value.mean, unit) == best[metric]
            verdict = None if name == first else paired(by[first], done, metric, better, settings).verdict
            cells.append(Cell(value, is_best, verdict))
        times = [row.seconds for row in done if row.seconds is not None]
        peaks = [row.peak_rss_mb for row in done if row.peak_rss_mb is not None]
        lines.append(
            Line(
                name,
                len(done),
                sum(row.error is not None for row in done),
                math.fsum(times) / len(times) if times else None,
                max(peaks, default=None),
                tuple(cells),
            )
        )
    return tuple(lines)


def _best(values: Sequence[float], better: Better, unit: str) -> str | None:
    """The best value as it is printed, so that what reads the same is bold alike."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return None
    chosen = max(finite) if better == "higher" else min(finite, key=abs) if better == "zero" else min(finite)
    return show(chosen, unit)


def show(value: float, unit: str) -> str:
    """A figure for reading, "-" for NaN.

    Shares (no unit) have 4 decimals below 10 and 2 above, others as many as leave 4 digits.
    """
    if not math.isfinite(value):
        return "-"
    if unit in ("", "share", "0..1"):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"
    digits = 0 if value == 0 else math.floor(math.log10(abs(value)))
    text = f"{value:.{min(3, max(0, 3 - max(0, digits)))}f}"
    return text[1:] if float(text) == 0 and text.startswith("-") else text


def _interval(value: Interval, unit: str) -> str:
    if not math.isfinite(value.low):
        return ""
    return f"[{show(value.low, unit)}, {show(value.high, unit)}]"


def _title(table: Table) -> str:
    return f"{table.dataset}, {table.about if not table.slice else f'{table.slice}: {table.about}'}"


def _numbers(line: Line) -> list[str]:
    seconds = "-" if line.seconds is None else f"{line.seconds:.1f}"
    peak = "-" if line.peak_rss_mb is None else f"{line.peak_rss_mb:.0f}"
    return [str(line.n), str(line.failed), seconds, peak]


def to_markdown(table: Table) -> str:
    """The table with a heading and a line that says how to read it."""
    head = [
        "system",
        *(f"{name} {_ARROWS[better]}{f' {unit}' if unit else ''}" for name, better, unit in table.metrics),
    ]
    head += ["n", "failed", "s", "peak MB"]
    text = [f"### {_title(table)} ({table.pictures} pictures)", "", _row(head)]
    text.append("|" + "---|" + "---:|" * (len(head) - 1))
    for line in table.lines:
        cells = []
        for cell, (_, _, unit) in zip(line.cells, table.metrics, strict=True):
            mean = show(cell.value.mean, unit)
            mean = f"**{mean}**" if cell.best else mean
            short = f" (n {cell.value.n})" if 0 < cell.value.n < line.n else ""
            mark = {"better": " +", "worse": " -"}.get(cell.against or "", "")
            cells.append(f"{mean}{mark} {_interval(cell.value, unit)}{short}".replace("  ", " ").strip())
        text.append(_row([_plain(line.system), *cells, *_numbers(line)]))
    return "\n".join(text) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _plain(text: str) -> str:
    return text.replace("|", r"\|").replace("_", r"\_").replace("*", r"\*")


def explain(level: float) -> str:
    """How to read the tables, in a few sentences."""
    return (
        f"Brackets are {100 * level:g} % bootstrap intervals over pictures; + and - mark what is better or worse than "
        "the first system of the table by more than noise (paired by picture: interval without 0, sign-flip test). "
        "Figures with an arrow to 0 are means with their signs, while their differences compare sizes. A failed "
        "picture counts with the figures of an empty answer.\n"
    )


def to_csv(tables: Sequence[Table]) -> str:
    """All tables in one long list: a line for each data set, slice, system and figure, at full precision."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_HEAD.split())
    for table in tables:
        for line in table.lines:
            for cell, (name, better, unit) in zip(line.cells, table.metrics, strict=True):
                v = cell.value
                figures = ["" if math.isnan(x) else repr(x) for x in (v.mean, v.low, v.high)]
                rest = ["" if x is None else f"{x:.3f}" for x in (line.seconds, line.peak_rss_mb)]
                ends = [v.n, line.n, line.failed, cell.against or "", int(cell.best), *rest]
                writer.writerow([table.dataset, table.slice, line.system, name, better, unit, *figures, *ends])
    return out.getvalue()


_TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def escape_tex(text: str) -> str:
    """Text that LaTeX prints as it is written."""
    return text.translate(_TEX)


def to_latex(table: Table) -> str:
    """The table for booktabs, with intervals in small type; needs nothing but that package."""
    columns = "l" + "r" * (len(table.metrics) + 1)
    head = ["system", *(f"{escape_tex(name)} {_TEX_ARROWS[better]}" for name, better, _ in table.metrics), "$n$"]
    label = re.sub(r"[^A-Za-z0-9]+", "-", f"{table.dataset}-{table.slice or 'all'}")
    text = [r"\begin{table}", r"\centering", rf"\caption{{{escape_tex(_title(table))}.}}", rf"\label{{tab:{label}}}"]
    text += [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(head) + r" \\", r"\midrule"]
    for line in table.lines:
        cells = [escape_tex(line.system)]
        for cell, (_, _, unit) in zip(line.cells, table.metrics, strict=True):
            mean = escape_tex(show(cell.value.mean, unit))
            mean = rf"\textbf{{{mean}}}" if cell.best else mean
            bounds = _interval(cell.value, unit)
            cells.append(rf"{mean} {{\scriptsize {bounds}}}" if bounds else mean)
        text.append(" & ".join([*cells, str(line.n)]) + r" \\")
    text += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(text) + "\n"


def write_tables(folder: Path) -> list[Path]:
    """Write RUN/tables/tables.md, tables.csv, tables.tex and one Markdown file for each table.

    Returns:
        The files, those for all tables first.

    Raises:
        ReadError: the folder is no run.
        WriteError: a file cannot be written.
    """
    run = read_run(folder)
    rows, _ = read_results(folder)
    tables = build_tables(run, rows)
    target = folder / TABLES
    try:
        target.mkdir(exist_ok=True)
        for old in [*target.glob("*.md"), *target.glob("*.csv"), *target.glob("*.tex")]:
            old.unlink()
    except OSError as e:
        raise WriteError(f"{target}: cannot be written: {e.strerror}") from None
    level = settings_of(run).level
    files = {
        "tables.md": "\n".join([*map(to_markdown, tables), *_coco(folder), explain(level)]),
        "tables.csv": to_csv(tables),
        "tables.tex": "\n".join(map(to_latex, tables)),
        **{f"{_file_name(table)}.md": to_markdown(table) for table in tables},
    }
    for name, text in files.items():
        write_text(target / name, text)
    return [target / name for name in files]


def _file_name(table: Table) -> str:
    """Of a folder that came from elsewhere, names are not trusted to be file names."""
    return re.sub(r"[^A-Za-z0-9._+-]+|^\.+", "-", f"{table.dataset}-{table.slice or 'all'}")


def _coco(folder: Path) -> list[str]:
    """The published twelve numbers, one table for each data set of the task detect."""
    from segtile.evaluation.detecting import STATS, coco_figures

    texts = []
    for dataset, systems in coco_figures(folder).items():
        kind = next(iter(systems.values()))["iou_type"]
        lines = [f"### {dataset}, COCO over the whole data set ({kind})", "", _row(["system", *STATS, "n", "failed"])]
        lines.append("|---|" + "---:|" * (len(STATS) + 2))
        for name, found in systems.items():
            numbers = [show(math.nan if (v := found["stats"].get(s)) is None else v, "") for s in STATS]
            lines.append(_row([_plain(name), *numbers, str(found["pictures"]), str(found["failed"])]))
        texts.append("\n".join(lines) + "\n")
    return texts
