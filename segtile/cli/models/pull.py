"""`segtile models pull`: bring models from the network or a folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli import options as o
from segtile.cli.models.listing import megabytes
from segtile.cli.run import complain, log_to_stderr, print_line
from segtile.types import Progress, no_progress


def pull(
    models: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models of the catalogue.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="DIR", help="Copy from this folder, with no network.", show_default="the network"
        ),
    ] = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept a licence without commercial use; it is remembered.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a file on stdout.")] = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Bring models into the weights folder: resumed where it stopped, checked before a file gets its name."""
    from segtile.catalog import load_card
    from segtile.catalog.pull import pull as pull_card
    from segtile.errors import SegtileError

    log_to_stderr(verbose)
    failed = False
    for card in [load_card(name) for name in dict.fromkeys(models)]:
        try:
            with _shown(quiet) as on_progress:
                done = pull_card(card, accept_licence=accept_licence, source=source, on_progress=on_progress)
        except SegtileError as error:
            failed = True
            complain(f"{card.id}: {error}" if card.id not in str(error) else str(error))
            if as_json:
                print_line(json.dumps({"model": card.id, "error": str(error)}, ensure_ascii=False))
            continue
        for one in done:
            if one.trusted_first:
                sys.stderr.write(
                    f"segtile: warning: nobody published a hash of {one.file.name}: it is trusted as it came, and "
                    "has to stay the same from now on\n"
                )
            if as_json:
                row = {"model": card.id, "file": one.file.name, "path": str(one.path), "how": one.how, "error": None}
                print_line(json.dumps(row, ensure_ascii=False))
            else:
                print_line(f"{card.id}: {_HOW[one.how]} {one.path} ({megabytes(one.path.stat().st_size)})")
        if card.commercial != "yes" and not as_json:
            sys.stderr.write(f"segtile: warning: {card.id}: business use is {_USE[card.commercial]}: {card.data}\n")
    raise typer.Exit(1 if failed else 0)


_HOW = {"kept": "already here:", "fetched": "fetched", "copied": "copied", "shipped": "comes with segtile:"}
_USE = {"no": "not allowed by its licence", "unclear": "unclear"}


@contextmanager
def _shown(quiet: bool) -> Iterator[Progress]:
    """A progress callback that counts bytes: a bar on a terminal, one line a file elsewhere."""
    if quiet:
        yield no_progress
    elif not sys.stderr.isatty():
        yield _lines()
    else:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            tasks = {}

            def callback(done: int, total: int, stage: str) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total or None)
                bar.update(tasks[stage], completed=done, total=total or None)

            yield callback


def _lines() -> Progress:
    """A line where a file begins, and one at every tenth of it."""
    told: dict[str, int] = {}

    def callback(done: int, total: int, stage: str) -> None:
        tenth = 10 * done // total if total else 0
        if told.get(stage, -1) < tenth:
            told[stage] = tenth
            of = f"{megabytes(done)} of {megabytes(total)}" if total else "begun"
            sys.stderr.write(f"{stage}: {of}\n")
            sys.stderr.flush()

    return callback
