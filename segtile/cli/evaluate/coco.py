"""`segtile eval coco`: average precision of boxes, masks and boundaries against a COCO truth."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli import options as o
from segtile.cli.run import make_folder, print_line
from segtile.errors import BadInput

if TYPE_CHECKING:
    from segtile.metrics.coco import CocoReport, FragmentReport

_KINDS = ("bbox", "segm", "boundary")


class Engine(StrEnum):
    """Values of --engine."""

    pycocotools = "pycocotools"
    fast = "fast"


class Ranges(StrEnum):
    """Values of --areas."""

    coco = "coco"
    frame = "frame"


def coco(
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.json", help="COCO file with the truth.")],
    results: Annotated[Path, typer.Argument(metavar="RESULTS.json", help="COCO results, or a COCO file with scores.")],
    types: Annotated[str, typer.Option("--type", metavar="LIST", help="Of bbox, segm, boundary.")] = "bbox",
    band: Annotated[str, typer.Option(help="Boundary band: 2px, or 0.02 of the diagonal as in papers.")] = "2px",
    engine: Annotated[Engine, typer.Option(help="fast: for bbox and segm, needs the extra fastcoco.")] = (
        Engine.pycocotools
    ),
    areas: Annotated[Ranges, typer.Option(help="Size ranges: COCO's px, or shares of the frame.")] = Ranges.coco,
    recompute_area: Annotated[
        bool, typer.Option("--recompute-area", help="Areas from masks or boxes, not from the truth's fields.")
    ] = False,
    per_class: Annotated[bool, typer.Option("--per-class", help="A table by class.")] = False,
    fragments: Annotated[bool, typer.Option("--fragments", help="Objects found in pieces or as one.")] = False,
    min_score: Annotated[float, typer.Option(help="Lowest score that --fragments looks at.")] = 0.5,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a .md, .csv or .json file.")
    ] = None,
    overwrite: o.Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a type on stdout.")] = False,
) -> None:
    """Average precision of detections: COCO's 12 numbers for boxes, masks or boundaries."""
    from segtile.export.atomic import check_target
    from segtile.metrics.coco import AREAS_COCO, AREAS_FRAME, FragmentRules, band_of, evaluate
    from segtile.metrics.coco import fragments as count_fragments

    kinds = _kinds(types)
    width = band_of(band)
    if output is not None:
        if output.suffix.lower() not in (".md", ".csv", ".json"):
            raise BadInput(f"{output}: the output is written as .md, .csv or .json; choose one of these endings")
        make_folder(output.parent)
        check_target(output, overwrite=overwrite)
    reports = []
    for kind in kinds:
        chosen = engine
        if kind == "boundary" and engine is Engine.fast:
            chosen = Engine.pycocotools
            sys.stderr.write("segtile: warning: the fast engine is for bbox and segm; boundary runs in pycocotools\n")
        reports.append(
            evaluate(
                truth,
                results,
                iou_type=kind,  # type: ignore[arg-type]
                engine=chosen.value,
                band=width,
                areas=AREAS_FRAME if areas is Ranges.frame else AREAS_COCO,
                recompute_area=recompute_area,
            )
        )
    broken: list[FragmentReport] = []
    if fragments:
        rules = FragmentRules(score=min_score)
        broken += [
            count_fragments(truth, results, iou_type=kind, rules=rules)
            for kind in dict.fromkeys("bbox" if kind == "bbox" else "segm" for kind in kinds)
        ]
    _write(output, reports, broken, overwrite)
    _show(reports, broken, as_json, per_class)


def _kinds(types: str) -> list[str]:
    kinds = list(dict.fromkeys(part.strip() for part in types.split(",") if part.strip()))
    if not kinds or not set(kinds) <= set(_KINDS):
        raise BadInput(f"--type is a list of {', '.join(_KINDS)}, not {types!r}")
    return kinds


def _show(reports: list[CocoReport], broken: list[FragmentReport], as_json: bool, per_class: bool) -> None:
    from segtile.metrics.coco import markdown

    if as_json:
        for report in reports:
            row: dict[str, Any] = report.to_json(curves=False)
            kind = "bbox" if row["settings"]["iou_type"] == "bbox" else "segm"
            row["fragments"] = next((b.to_json() for b in broken if b.iou_type == kind), None)
            print_line(json.dumps(row, ensure_ascii=False, allow_nan=False))
        return
    print_line("\n".join([markdown(reports, per_class=per_class), *(b.to_markdown() for b in broken)]).rstrip())


def _write(output: Path | None, reports: list[CocoReport], broken: list[FragmentReport], overwrite: bool) -> None:
    from segtile.export.atomic import atomic_target
    from segtile.metrics.coco import csv_text, json_text, markdown

    if output is None:
        return
    if output.suffix.lower() == ".md":
        text = "\n".join([markdown(reports), *(b.to_markdown() for b in broken)])
    elif output.suffix.lower() == ".csv":
        text = csv_text(reports, broken)
    else:
        text = json_text(reports, broken)
    with atomic_target(output, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
