"""`segtile eval run`: every system of a configuration on every picture, with tables and a report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import complain, log_to_stderr, print_line

if TYPE_CHECKING:
    from segtile.evaluation.results import Row


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="What to measure, on what.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="RUN", help="Run folder; it is made.", show_default="runs/CONFIG"),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="SYSTEM", help="Only this system; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="First pictures of each data set.", show_default="all")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Pictures at once; more than 1 blurs the seconds.")] = 1,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write report.html.")] = True,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Run systems over data sets; a killed run goes on where it was, a changed one re-does what changed."""
    from segtile.evaluation.runner import run as run_all

    log_to_stderr(verbose)

    def on_row(row: Row) -> None:
        if as_json:
            print_line(json.dumps(row.to_json(), ensure_ascii=False))
        if row.error is not None:
            complain(f"{row.system}, {row.dataset}/{row.picture}: {row.error}")

    def on_line(line: str) -> None:
        if verbose:
            sys.stderr.write(f"segtile: {line}\n")

    folder = output or Path("runs", config.stem)
    with shown(config.stem, quiet) as progress:
        done = run_all(
            config,
            folder,
            only=only or (),
            limit=limit,
            jobs=jobs,
            report=report,
            on_row=on_row,
            on_progress=progress,
            on_line=on_line,
        )
    for note in done.notes:
        sys.stderr.write(f"segtile: warning: {note}\n")
    if not as_json:
        print_line((folder / "tables" / "tables.md").read_text(encoding="utf-8").rstrip())
        kept = len(done.rows) - done.done
        print_line(f"{folder}: {done.done} pictures done, {max(0, kept)} kept from before, {done.failed} failed")
    raise typer.Exit(0 if done.complete and not done.failed else 1)
