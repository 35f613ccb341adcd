"""Puts the page together: one file, no network, nothing from outside the run trusted."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from segtile import __version__
from segtile.errors import BadInput
from segtile.evaluation.report import figures
from segtile.evaluation.report.curves import line_class, precision_charts, share_charts
from segtile.evaluation.report.images import SMALLEST, Budget
from segtile.evaluation.report.run_data import MetricInfo, Run, load_run
from segtile.evaluation.report.sheet import Sheet, data_of, make_sheet, order
from segtile.evaluation.results import write_text

REPORT = "report.html"


def write_report(run_folder: Path, *, long_side: int = 1400, limit: int | None = None) -> Path:
    """Write one self-contained HTML page on a run: tables, curves, and its pictures with error maps, worst first.

    The page asks for nothing from a network. Its pictures are scaled down so that they fit into 25 MB; the
    page says where that was needed. One picture's arrays are held at a time.

    Args:
        run_folder: what `segtile eval run` wrote: run.json, results.jsonl and alphas/.
        long_side: of the photos and alphas in the page, px; at least 64.
        limit: show only this many pictures, the worst ones of the first system; None shows all.

    Returns:
        The path of the page, RUN/report.html; it appears whole or not at all, and replaces an earlier one.

    Raises:
        ReadError: the folder is no run folder, or a photo, truth or alpha that its results name cannot be read.
        BadInput: a setting is out of range, or the run's files do not hold what a run writes.
        WriteError: the page cannot be written.
    """
    if long_side < 64:
        raise BadInput(f"the long side must be at least 64 px, not {long_side}")
    if limit is not None and limit < 0:
        raise BadInput(f"the number of pictures to show cannot be negative ({limit})")
    run = load_run(run_folder)
    pictures = run.pictures()
    names = order(run, run.systems[0], _first_metric(run))[:limit]
    budget = Budget(long_side, len(names))
    sheets = [make_sheet(run, name, pictures[name], budget) for name in names]
    page = _render(run, sheets, budget, len(pictures))
    target = run_folder / REPORT
    write_text(target, page.encode("utf-8", "replace").decode("utf-8"))  # a name may hold half a surrogate pair
    return target


def _first_metric(run: Run) -> MetricInfo | None:
    return next(iter(figures.card_metrics(run)), None)


def _render(run: Run, sheets: list[Sheet], budget: Budget, pictures: int) -> str:
    style, script = _own_file("page.css"), _own_file("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"figure": figures.figure, "interval": figures.interval, "plain": figures.plain}
    template = environment.from_string(_own_file("page.html.j2"))
    first = _first_metric(run)
    coco = figures.coco_tables(run)
    return template.render(
        version=__version__,
        run=run,
        name=run.folder.resolve().name,
        facts=_facts(run),
        pictures=pictures,
        tables=figures.tables(run),
        coco=coco,
        charts=share_charts(run) + precision_charts(run, coco),
        colours={system: line_class(i) for i, system in enumerate(run.systems)},
        card_metrics=figures.card_metrics(run),
        first=first,
        sheets=sheets,
        data=as_json(_data(run, sheets, first)),
        alphas=[_alphas(sheet) for sheet in sheets],
        notes=_notes(run, budget, len(sheets), pictures),
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )


def _own_file(name: str) -> str:
    return resources.files("segtile.evaluation.report").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """The page's Content-Security-Policy: its own style and script by digest, pictures from inside it, nothing else."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"

    return (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; script-src {digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def as_json(values: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element or start a comment."""
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _data(run: Run, sheets: Iterable[Sheet], first: MetricInfo | None) -> dict[str, Any]:
    return {
        "systems": list(run.systems),
        "metrics": [{"name": m.name, "better": m.better, "unit": m.unit} for m in run.metrics.values()],
        "first": None if first is None else first.name,
        "pictures": [data_of(sheet) for sheet in sheets],
    }


def _alphas(sheet: Sheet) -> Markup:
    """A picture's alphas for the viewer, by system; the photo and the truth stand in the page as pictures already."""
    return as_json({card.row.system: card.alpha for card in sheet.cards if card.alpha})


def _facts(run: Run) -> list[tuple[str, str]]:
    """What run.json says of versions, machine and configuration, as pairs of words; lists and objects flattened."""
    found: list[tuple[str, str]] = []
    for key, value in run.about.items():
        if key == "system_digests" and isinstance(value, dict):  # how each system was run; its name says the rest
            found += [(f"system {name}", _flat(settings)) for name, settings in value.items()]
        else:
            found.append((_words(key), _flat(value)))
    return [(key, value) for key, value in found if value]


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items() if v not in (None, "", [], {}, ()))
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return "" if value is None else _short(value)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 200 else f"{text[:199]}…"


def _notes(run: Run, budget: Budget, shown: int, pictures: int) -> list[str]:
    """What the reader must know of how the page was made."""
    notes = [] if run.note is None else [f"{run.note}."]
    if shown < pictures:
        notes.append(f"The sheet shows the {shown} worst of {pictures} pictures by {run.systems[0]}; tables count all.")
    if budget.smallest < budget.asked:
        notes.append(
            f"Pictures are kept under {budget.total / 1e6:.0f} MB in all, so some were made smaller than the "
            f"{budget.asked} px that were asked for, down to {budget.smallest} px. Worst windows stay pixel by pixel."
        )
    if budget.left_out:
        notes.append(f"{budget.left_out} worst windows had no room; those of the first systems stay.")
    if budget.spent > budget.total:
        notes.append(
            f"At {SMALLEST} px, below which a picture says too little, they still take {budget.spent / 1e6:.0f} MB; "
            "give --limit for fewer pictures."
        )
    return notes
