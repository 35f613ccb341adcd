"""Runs one verb over many pictures: each gets its turn, its row and its line, whatever happened to the others."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from segtile.cli.pictures import Job
from segtile.cli.progress import shown
from segtile.errors import BadInput, SegtileError, WouldOverwrite, WriteError
from segtile.manifest import append_row, failed_row, row_of
from segtile.types import CutoutResult, Progress

if TYPE_CHECKING:
    from segtile.detection import DetectionRow

Row = TypeVar("Row", bound="CutoutResult | DetectionRow")
#: Does one job and says how it went; the row's `output` and "total" seconds are filled in here.
Worker = Callable[[Job, Progress], tuple[Row, tuple[str, ...]]]


def run(
    jobs: list[Job], out: Path, worker: Worker[Row], summary: Callable[[Row], str], *, as_json: bool, quiet: bool
) -> int:
    """Do all jobs, each with a row and its `summary` line; returns the exit code: 0 all done, 1 some failed."""
    make_folder(out)
    failed = 0
    for job in jobs:
        start = time.perf_counter()
        try:
            make_folder(job.target.parent)
            with shown(job.source.name, quiet) as progress:
                result, notes = worker(job, progress)
        except (SegtileError, MemoryError) as e:
            failed += 1
            sentence = str(e) or "out of memory"
            append_row(out, failed_row(str(job.source), sentence))
            if as_json:
                print_line(json.dumps(failed_row(str(job.source), sentence), ensure_ascii=False))
            complain(sentence if str(job.source) in sentence else f"{job.source}: {sentence}")
            continue
        total = time.perf_counter() - start
        seconds = {**result.seconds, "total": round(total, 3)}
        result = dataclasses.replace(
            result,
            input=str(job.source),
            output=str(job.target),
            seconds=seconds,
            warnings=tuple(dict.fromkeys((*result.warnings, *notes))),
        )
        row = row_of(result)
        append_row(out, row)
        print_line(json.dumps(row, ensure_ascii=False) if as_json else summary(result))
        warn(job.source, result.warnings)
    return 1 if failed else 0


@contextmanager
def one_picture(source: Path, as_json: bool) -> Iterator[None]:
    """Around the work of a verb with one picture: a failure of it, which exits with 1, gets its row with --json too.

    Raises:
        SegtileError: what the block raised; one that says so where memory ran out.
    """
    try:
        yield
    except (BadInput, WouldOverwrite):
        raise
    except (SegtileError, MemoryError) as e:
        sentence = str(e) or "out of memory"
        if as_json:
            print_line(json.dumps(failed_row(str(source), sentence), ensure_ascii=False))
        raise (e if isinstance(e, SegtileError) else SegtileError(f"{source}: {sentence}")) from None


def warn(source: Path, sentences: tuple[str, ...]) -> None:
    """Warnings about a picture, on stderr."""
    for sentence in sentences:
        sys.stderr.write(f"segtile: warning: {source.name}: {' '.join(sentence.split())}\n")


def target_is_due(inputs: list[Path], target: Path, *, overwrite: bool, skip_existing: bool) -> bool:
    """Whether the one file of a verb has to be made; its folder is made, and it is tried that it can be written.

    Args:
        inputs: the pictures that are read.
        target: the file.
        overwrite: replace it if it exists.
        skip_existing: leave it if it exists.

    Raises:
        BadInput: the target is one of the inputs, or both options were given.
        WouldOverwrite: it exists and neither was given.
        WriteError: it cannot be written there.
    """
    from segtile.export.atomic import check_target

    if overwrite and skip_existing:
        raise BadInput("--overwrite and --skip-existing exclude each other")
    if target.resolve() in {path.resolve() for path in inputs}:
        raise BadInput(f"{target} is a picture to be read: choose another name for the result")
    if target.exists() and not overwrite:
        if skip_existing:
            return False
        raise WouldOverwrite(f"{target} exists already: give --overwrite to replace it or --skip-existing")
    make_folder(target.parent)
    check_target(target, overwrite=overwrite)
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and its parents.

    Raises:
        WriteError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise WriteError(f"{folder}: the output folder cannot be made: {e.strerror}") from None


def print_line(text: str) -> None:
    """A result on stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(sentence: str) -> None:
    """An error on stderr, in the one form that all of them have."""
    sys.stderr.write(f"segtile: error: {' '.join(sentence.split())}\n")


def log_to_stderr(verbose: bool) -> None:
    """With -v, what is decided on the way; warnings reach people through the results otherwise."""
    if verbose:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("segtile: %(message)s"))
        logger = logging.getLogger("segtile")
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
