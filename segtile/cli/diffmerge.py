"""`segtile diffmerge`: what an edit changed, laid back on the original."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import log_to_stderr, one_picture, print_line, target_is_due, warn
from segtile.resources import Clock, peak_rss_mb

if TYPE_CHECKING:
    from segtile.edit.merged import DiffMerge


class ChangeBlend(StrEnum):
    """Values of --blend."""

    poisson = "poisson"
    feather = "feather"


def diffmerge(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The picture.")],
    edited: Annotated[Path, typer.Argument(metavar="EDITED", help="The same picture after an edit.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The result: png, tif or webp.")],
    blend: Annotated[ChangeBlend, typer.Option(help="How a change is laid on.")] = ChangeBlend.poisson,
    align: Annotated[bool, typer.Option("--align", help="Move an edit that is shifted back.")] = False,
    threshold: Annotated[float, typer.Option(min=0.1, metavar="DE", help="Least change of colour, delta E.")] = 2.0,
    area: Annotated[int, typer.Option(min=1, metavar="PX", help="Least area of a change.")] = 100,
    file_format: o.FileFormat = None,
    bits: o.BitsChoice = o.Bits.auto,
    overwrite: o.Overwrite = False,
    skip_existing: o.SkipExisting = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Merge only what an edit changed; every other pixel, the profile and the depth stay the original's."""
    from segtile.edit.diff import diffmerge as find
    from segtile.edit.written import format_of

    log_to_stderr(verbose)
    kind = format_of(output, None if file_format is None else file_format.value)
    if not target_is_due([original, edited], output, overwrite=overwrite, skip_existing=skip_existing):
        return
    clock = Clock()
    with one_picture(original, as_json), clock.stage("total"), shown(original.name, quiet) as progress:
        with clock.stage("compare"):
            found = find(
                original, edited, blend=blend.value, align=align, threshold=threshold, area=area, on_progress=progress
            )
        with found, clock.stage("write"):
            report = found.save(output, format=kind, bits=bits.depth, overwrite=overwrite, on_progress=progress)
    warnings = tuple(dict.fromkeys((*found.warnings, *report.warnings)))
    warn(original, warnings)
    row = {"input": str(original), "edited": str(edited), "output": str(output), **_row(found)}
    row |= {"seconds": clock.seconds, "peak_rss_mb": peak_rss_mb(), "warnings": list(warnings), "error": None}
    print_line(json.dumps(row, ensure_ascii=False) if as_json else _summary(row))


def _row(found: DiffMerge) -> dict[str, Any]:
    info, change = found.original.info, found.change
    return {
        "size": [info.width, info.height],
        "changes": [[b.x0, b.y0, b.x1, b.y1] for b in found.boxes],
        "changed_share": round(change.share, 6),
        "threshold": round(change.threshold, 3),
        "tone": change.tone.name,
        "shift": [round(found.registration.dx, 2), round(found.registration.dy, 2)],
    }


def _summary(row: dict[str, Any]) -> str:
    """One line for people."""
    memory = f", peak {row['peak_rss_mb']:.0f} MB" if row["peak_rss_mb"] is not None else ""
    whole = "" if row["tone"] == "none" else f"; a change of the whole picture ({row['tone']}) was left out"
    places = "1 change" if len(row["changes"]) == 1 else f"{len(row['changes'])} changes"
    width, height = row["size"]
    return (
        f"{row['output']}: {width}x{height} in {row['seconds']['total']:.1f} s{memory}, {places} over "
        f"{100 * row['changed_share']:.2f} % of the picture{whole}"
    )
