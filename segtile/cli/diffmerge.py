"""`segtile diffmerge`: what an edit changed, laid back on the original."""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import log_to_stderr, make_folder, print_line
from segtile.errors import BadInput, WouldOverwrite


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
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Merge only what an edit changed; every other pixel, the profile and the depth stay the original's."""
    from segtile.edit.diff import diff_merge
    from segtile.edit.save import save_like
    from segtile.export.atomic import check_target
    from segtile.raster import open_raster

    log_to_stderr(verbose)
    if output.resolve() in {original.resolve(), edited.resolve()}:
        raise BadInput(f"{output} is a picture to be read: choose another name for the result")
    if output.exists() and not overwrite:
        raise WouldOverwrite(f"{output} exists already: give --overwrite to replace it")
    make_folder(output.parent)
    check_target(output, overwrite=overwrite)
    start = time.perf_counter()
    with shown(original.name, quiet) as progress, open_raster(original) as before, open_raster(edited) as after:
        found = diff_merge(
            before, after, blend=blend.value, align=align, threshold=threshold, area=area, on_progress=progress
        )
        report = save_like(found.rows(progress), before, output, overwrite=overwrite)
    seconds = time.perf_counter() - start
    warnings = tuple(dict.fromkeys((*found.warnings, *report.warnings)))
    for sentence in warnings:
        sys.stderr.write(f"segtile: warning: {sentence}\n")
    info, change = before.info, found.change
    if as_json:
        row = {
            "original": str(original),
            "edited": str(edited),
            "output": str(output),
            "size": [info.width, info.height],
            "changes": [[b.x0, b.y0, b.x1, b.y1] for b in found.boxes],
            "changed_share": round(change.share, 6),
            "threshold": round(change.threshold, 3),
            "tone": change.tone.name,
            "shift": [round(found.registration.dx, 2), round(found.registration.dy, 2)],
            "seconds": round(seconds, 3),
            "warnings": list(warnings),
        }
        print_line(json.dumps(row, ensure_ascii=False))
        return
    whole = "" if change.tone.identity else f"; a change of the whole picture ({change.tone.name}) was left out"
    places = "1 change" if len(found.boxes) == 1 else f"{len(found.boxes)} changes"
    print_line(
        f"{output}: {info.width}x{info.height} in {seconds:.1f} s, {places} over "
        f"{100 * change.share:.2f} % of the picture{whole}"
    )
