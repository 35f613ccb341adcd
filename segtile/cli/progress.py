"""Progress on stderr: a bar on a terminal, a plain line per stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from segtile.types import Progress, no_progress


@contextmanager
def shown(label: str, quiet: bool) -> Iterator[Progress]:
    """A progress callback that draws for as long as the block lasts."""
    if quiet:
        yield no_progress
    elif sys.stderr.isatty():
        with _bar(label) as callback:
            yield callback
    else:
        yield _lines(label)


def _lines(label: str) -> Progress:
    started: dict[str, float] = {}

    def callback(done: int, total: int, stage: str) -> None:
        begin = started.setdefault(stage, time.perf_counter())
        if done == total:
            sys.stderr.write(f"{label}: {stage} {done}/{total} in {time.perf_counter() - begin:.1f} s\n")
            sys.stderr.flush()

    return callback


@contextmanager
def _bar(label: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, int] = {}

        def callback(done: int, total: int, stage: str) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(f"{label}: {stage}", total=total)
            bar.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield callback
