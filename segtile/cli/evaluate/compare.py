"""`segtile eval compare`: what got better or worse between two runs, and whether more than noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli.run import print_line


def compare(
    before: Annotated[Path, typer.Argument(metavar="RUN", help="The run to compare with.")],
    after: Annotated[Path, typer.Argument(metavar="RUN", help="The run in question.")],
    fail_on_worse: Annotated[
        bool, typer.Option("--fail-on-worse", help="Exit with 1 where a figure got worse by more than noise.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say what got better or worse from the first run to the second, picture by picture, and whether it is noise."""
    from segtile.evaluation.compare import compare_runs, to_text

    found = compare_runs(before, after)
    print_line(json.dumps(found.to_json(), ensure_ascii=False) if as_json else to_text(found).rstrip())
    raise typer.Exit(1 if fail_on_worse and found.worse else 0)
