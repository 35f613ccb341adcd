"""`segtile eval report`: the page of a finished run, made again."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli.run import complain, print_line


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `segtile eval run` wrote.")],
    open_it: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=0, help="Show only this many pictures, the worst ones.", show_default="all")
    ] = None,
    long_side: Annotated[int, typer.Option(min=64, max=8000, help="Of the pictures in the page, px.")] = 1400,
) -> None:
    """Make the HTML report of a run again: tables, curves, and every picture with its error maps, worst first."""
    from segtile.evaluation.report import write_report

    page = write_report(run, long_side=long_side, limit=limit)
    print_line(str(page))
    if open_it and not webbrowser.open(page.resolve().as_uri()):
        complain(f"no browser could be started; open {page} in one")
