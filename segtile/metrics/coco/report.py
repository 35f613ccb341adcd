"""What a COCO evaluation found, and how it is written down."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from segtile.metrics.coco.fragments import FragmentReport
from segtile.metrics.coco.source import Id

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassRow:
    """One class: AP over all thresholds, at 0.5 and at 0.75, AR at the largest limit, and how much there was of it.

    A figure is NaN where the truth holds no object of the class that counts. `truths` are objects without crowds.
    """

    id: Id
    name: str
    ap: float
    ap50: float
    ap75: float
    ar: float
    truths: int
    crowds: int
    results: int


@dataclass(frozen=True)
class Curves:
    """Precision over recall, for all sizes of object at the largest limit of results.

    Attributes:
        iou_thresholds: (T,) 0.5 to 0.95.
        recalls: (101,) 0 to 1.
        classes: K names.
        precision: (T, 101, K) in [0, 1], made monotone as COCO does; NaN for a class without truth.
        scores: (T, 101, K) the score at which that recall is reached; 0 where it never is, NaN without truth.
    """

    iou_thresholds: Doubles
    recalls: Doubles
    classes: tuple[str, ...]
    precision: Doubles = field(repr=False)
    scores: Doubles = field(repr=False)


@dataclass(frozen=True)
class CocoReport:
    """The figures of one evaluation.

    `stats` holds COCO's 12 numbers by name, in COCO's order: AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm,
    ARl (further limits and ranges of other names give AR<limit>, AP_<name>, AR_<name>). All in [0, 1], higher is
    better, NaN where the truth has nothing to find; AP and the ranges are at the largest limit of results.
    `settings` says how it was measured, `notes` what had to be assumed about the data, one sentence each.
    """

    stats: Mapping[str, float]
    per_class: tuple[ClassRow, ...]
    curves: Curves
    settings: Mapping[str, Any]
    notes: tuple[str, ...]

    @property
    def coco_stats(self) -> tuple[float, ...]:
        """The numbers as COCOeval.stats has them: in order, -1 in place of NaN."""
        return tuple(-1.0 if math.isnan(v) else v for v in self.stats.values())

    def to_json(self, *, curves: bool = True) -> dict[str, Any]:
        """Everything as plain JSON values, NaN as None; without the curves where they would be too much."""
        found: dict[str, Any] = {
            "settings": dict(self.settings),
            "stats": _plain(self.stats),
            "per_class": [_plain(vars(row)) for row in self.per_class],
            "notes": list(self.notes),
        }
        if curves:
            c = self.curves
            found["curves"] = {
                "iou_thresholds": c.iou_thresholds.tolist(),
                "recalls": c.recalls.tolist(),
                "classes": list(c.classes),
                "precision": _nested(np.moveaxis(c.precision, 2, 0)),
                "scores": _nested(np.moveaxis(c.scores, 2, 0)),
                "axes": ["class", "iou_threshold", "recall"],
            }
        return found

    def to_markdown(self, *, per_class: bool = True) -> str:
        """The tables as Markdown."""
        return markdown([self], per_class=per_class)

    def to_csv(self) -> str:
        """Rows of iou_type, class, metric, value; class is empty for the figures over all classes."""
        return csv_text([self])


def stats_of(
    precision: Doubles, recall: Doubles, area_names: Sequence[str], max_dets: Sequence[int]
) -> dict[str, float]:
    """The summary numbers, in COCO's order, from its arrays.

    Unlike COCOeval.summarize, AP is taken at the largest limit whatever that is; there it is -1 without a limit of 100.

    Args:
        precision: (10, R, K, A, M), -1 where there is no truth.
        recall: (10, K, A, M), the same.
        area_names: A names, "all" first.
        max_dets: M limits, ascending.
    """
    stats = {"AP": mean(precision[:, :, :, 0, -1])}
    stats["AP50"] = mean(precision[0:1, :, :, 0, -1])
    stats["AP75"] = mean(precision[5:6, :, :, 0, -1])
    for a, name in enumerate(area_names[1:], 1):
        stats[f"AP{_short(name)}"] = mean(precision[:, :, :, a, -1])
    for m, limit in enumerate(max_dets):
        stats[f"AR{limit}"] = mean(recall[:, :, 0, m])
    for a, name in enumerate(area_names[1:], 1):
        stats[f"AR{_short(name)}"] = mean(recall[:, :, a, -1])
    return stats


def mean(values: Doubles) -> float:
    """Mean of what is not -1; NaN where nothing is left."""
    kept = values[values > -1]
    return float(np.mean(kept)) if kept.size else math.nan


def _short(name: str) -> str:
    return {"small": "s", "medium": "m", "large": "l"}.get(name, f"_{name}")


def markdown(reports: Sequence[CocoReport], *, per_class: bool = True) -> str:
    """One table with a column for each report, one by class for each, and the notes."""
    names = list(dict.fromkeys(name for r in reports for name in r.stats))
    lines = ["| | " + " | ".join(_title(r) for r in reports) + " |", "|---|" + "---:|" * len(reports)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(shown(r.stats.get(name, math.nan)) for r in reports) + " |")
    if per_class:
        for r in reports:
            lines += [
                "",
                f"By class, {_title(r)}:",
                "",
                "| class | AP | AP50 | AP75 | AR | truths | crowds | results |",
            ]
            lines.append("|---|" + "---:|" * 7)
            for c in r.per_class:
                figures = " | ".join(shown(v) for v in (c.ap, c.ap50, c.ap75, c.ar))
                lines.append(f"| {_cell(c.name)} | {figures} | {c.truths} | {c.crowds} | {c.results} |")
    for note in dict.fromkeys(note for r in reports for note in r.notes):
        lines += ["", f"Note: {note}"]
    return "\n".join(lines) + "\n"


def csv_text(reports: Sequence[CocoReport], broken: Sequence[FragmentReport] = ()) -> str:
    """All figures as rows of iou_type, class, metric, value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["iou_type", "class", "metric", "value"])
    for r in reports:
        kind = r.settings["iou_type"]
        writer.writerows([kind, "", name, _number(value)] for name, value in r.stats.items())
        for c in r.per_class:
            row = {"AP": c.ap, "AP50": c.ap50, "AP75": c.ap75, "AR": c.ar}
            counts = {"truths": c.truths, "crowds": c.crowds, "results": c.results}
            writer.writerows([kind, c.name, name, _number(value)] for name, value in (row | counts).items())
    for b in broken:
        counts = {"found_whole": b.whole, "in_pieces": b.in_pieces, "as_one": b.merged, "missed": b.missed}
        writer.writerows([b.iou_type, "", name, _number(value)] for name, value in counts.items())
    return out.getvalue()


def json_text(reports: Sequence[CocoReport], broken: Sequence[FragmentReport] = ()) -> str:
    """All reports as one JSON object: {"reports": [...], "fragments": [...]}."""
    body = {"reports": [r.to_json() for r in reports], "fragments": [b.to_json() for b in broken]}
    return json.dumps(body, ensure_ascii=False, allow_nan=False) + "\n"


def shown(value: float) -> str:
    """A figure for people; a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def _title(report: CocoReport) -> str:
    band = report.settings.get("band")
    return f"{report.settings['iou_type']}" + (f" ({band})" if band else "")


def _cell(text: str) -> str:
    """A name from a file, kept from breaking the table."""
    return " ".join(text.split()).replace("|", "\\|")


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def _nested(values: Doubles) -> list[Any]:
    """Nested lists, six decimals, with None for NaN."""
    rounded = np.round(values, 6).astype(object)
    rounded[np.isnan(values)] = None
    return rounded.tolist()
