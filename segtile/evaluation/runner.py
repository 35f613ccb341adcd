"""A whole run: every system on every picture, one row each, going on where a killed run stopped.

What a row depends on is in its digest (settings and code of the system, the picture's and the truth's bytes, the
metrics' definitions). Rows whose digest still holds are kept; where only the metrics or the truth changed, the output
that lies in the run folder is measured again and the system does not run. Failed pictures are tried again.
"""

from __future__ import annotations

import contextlib
import os
import platform
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import segtile
from segtile.errors import BadInput, SegtileError, WriteError
from segtile.evaluation import digests, measuring, slices
from segtile.evaluation.config import EvalConfig, load_config
from segtile.evaluation.datasets import Item, datasets_in, items_of
from segtile.evaluation.detecting import DETECT_METRICS, detected, finish_detect
from segtile.evaluation.results import (
    CONFIG,
    RESULTS,
    RUN,
    Row,
    append_line,
    mend,
    read_lines,
    read_results,
    read_run,
    write_lines,
    write_text,
)
from segtile.evaluation.systems import system_digest
from segtile.evaluation.tables import write_tables
from segtile.evaluation.work import FACTS, Hands, Job, Shared, clear_work, measured
from segtile.types import Progress, no_progress


@dataclass(frozen=True)
class Summary:
    """What a run did: rows of the whole run, how many were done now, how many of those asked for failed.

    `complete` is False where the report was asked for and could not be written; `notes` are sentences for the user.
    """

    folder: Path
    rows: tuple[Row, ...]
    done: int
    failed: int
    complete: bool
    notes: tuple[str, ...]


def run(
    config_path: Path,
    folder: Path,
    *,
    only: Sequence[str] = (),
    limit: int | None = None,
    jobs: int = 1,
    report: bool = True,
    on_row: Callable[[Row], None] = lambda row: None,
    on_progress: Progress = no_progress,
    on_line: Callable[[str], None] | None = None,
) -> Summary:
    """Do a run, or what is left of it.

    Args:
        config_path: the YAML file.
        folder: the run folder; it is made. One that holds anything but a run is refused.
        only: names of systems; the others' rows stay as they are.
        limit: only the first pictures of each data set.
        jobs: pictures at once; more than one makes seconds incomparable, and run.json says so.
        report: write report.html too.
        on_row: is given each row as it is done.
        on_progress: on_progress(done, total, "pictures"), and before it "scenes of NAME" where scenes are rendered.
        on_line: is given what installers print while environments are made, the peers' and the renderer's.

    Raises:
        ReadError, BadInput: the configuration or a data set is not sound.
        WriteError: the run folder cannot be written, or another run is at work in it.
    """
    folder = folder.absolute()  # systems run elsewhere
    config = load_config(config_path)
    names = tuple(config.metrics or measuring.default_metrics()) if config.task == "matte" else ()
    measuring.check_metrics(names)
    unknown = [name for name in only if name not in {system.name for system in config.systems}]
    if unknown:
        raise BadInput(f"{config_path}: there is no system named {unknown[0]}")
    _check_folder(folder)
    items = items_of(config, cache_folder(), on_progress=on_progress, on_line=on_line)
    plan = planned(config, config_path.resolve().parent, items, names)
    chosen = _chosen(plan, only, limit)
    _make(folder)
    with _alone(folder):
        notes = _prepare(folder, config_path, _info(config, plan, names, jobs))
        kept = _valid(folder, plan)
        todo = [job for job in chosen if _key(job) not in kept or kept[_key(job)].error is not None]
        with _shared(config, config_path, folder, names, on_line) as shared:
            _work_through(shared, todo, jobs, on_row, on_progress)
        rows = _finish(folder, config, plan)
        if digests.own_code.__wrapped__() != digests.own_code():
            notes.append("segtile's code was edited while the run went on: run again for figures of one version")
        missing = _report(folder) if report else None
    asked = {_key(job) for job in chosen}
    failed = sum(row.error is not None for row in rows if row.key in asked)
    return Summary(folder, rows, len(todo), failed, missing is None, (*notes, *([missing] if missing else ())))


def cache_folder() -> Path:
    """Where rendered scenes are kept: SEGTILE_HOME/renders, by default in the platform's cache folder."""
    from segtile.catalog import weights_folder

    return weights_folder().parent / "renders"


def planned(config: EvalConfig, folder: Path, items: Sequence[Item], names: Sequence[str]) -> list[Job]:
    """Every job of a run, system by system, with the digests that say whether it has been done.

    Raises:
        ReadError: a file cannot be read.
    """
    settings = config.slice_settings.model_dump()
    figures = digests.text_digest([sorted(names), sorted(config.slices), settings, digests.definitions(config.task)])
    jobs = []
    for system in config.systems:
        # a fresh process for each picture is what makes its peak memory its own
        what = [system_digest(system, folder), config.memory if system.kind == "segtile" else None]
        for item in items:
            photo, truth = digests.file_sha256(item.photo), digests.file_sha256(item.truth)
            made = digests.text_digest([what, photo, item.image_id, truth if system.kind == "peer" else None])
            digest = digests.text_digest([made, truth, figures, item.groups])
            jobs.append(Job(system, item, made, digest, photo, truth))
    return jobs


def _prepare(folder: Path, config_path: Path, info: dict[str, Any]) -> list[str]:
    """Bring the folder into a state to go on from; sentences on what a kill had torn."""
    _write_info(folder, info)  # first, since it is what tells the folder of a run from any other
    write_text(folder / CONFIG, config_path.read_text(encoding="utf-8"))
    return [note for note in (mend(folder / RESULTS), mend(folder / FACTS)) if note]


@contextmanager
def _shared(
    config: EvalConfig,
    config_path: Path,
    folder: Path,
    names: tuple[str, ...],
    on_line: Callable[[str], None] | None,
) -> Iterator[Shared]:
    """What the threads share, with a folder for half-made files that is gone afterwards."""
    facts: dict[str, Mapping[str, Any]] = {str(raw.get("digest")): raw for raw in read_lines(folder / FACTS)[0]}
    work = clear_work(folder)
    try:
        yield Shared(config, config_path.resolve().parent, folder, work, names, facts, on_line)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _finish(folder: Path, config: EvalConfig, plan: list[Job]) -> tuple[Row, ...]:
    """Leave only rows that hold, in the order of the plan, whatever order they were done in; write the tables."""
    valid = _valid(folder, plan)
    rows = tuple(valid[_key(job)] for job in plan if _key(job) in valid)
    write_lines(folder / RESULTS, [row.to_json() for row in rows])
    _write_info(folder, {**read_run(folder), "finished": _now()})
    if config.task == "detect":
        finish_detect(folder, config, rows)
    write_tables(folder)
    return rows


def _key(job: Job) -> tuple[str, str, str]:
    return job.system.name, job.item.dataset, job.item.picture


def _valid(folder: Path, plan: list[Job]) -> dict[tuple[str, str, str], Row]:
    """The rows of the folder that still hold: planned, of the planned digest, with their output in its place."""
    if not (folder / RESULTS).is_file():
        return {}
    wanted = {_key(job): job for job in plan}
    rows, _ = read_results(folder)
    return {
        row.key: row
        for row in rows
        if row.key in wanted
        and row.digest == wanted[row.key].digest
        and (row.error is not None or (folder / wanted[row.key].output).is_file())
    }


def _chosen(plan: list[Job], only: Sequence[str], limit: int | None) -> list[Job]:
    seen: dict[tuple[str, str], int] = {}
    chosen = []
    for job in plan:
        if only and job.system.name not in only:
            continue
        place = (job.system.name, job.item.dataset)
        seen[place] = seen.get(place, 0) + 1
        if limit is None or seen[place] <= limit:
            chosen.append(job)
    return chosen


def _work_through(
    shared: Shared, todo: list[Job], jobs: int, on_row: Callable[[Row], None], on_progress: Progress
) -> None:
    """Do the jobs with `jobs` threads, each with processes of its own; a row is on disk before it is told."""
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in todo:
        waiting.put(job)
    stop, faults, done = threading.Event(), list[BaseException](), 0
    on_progress(0, len(todo), "pictures")

    def note(row: Row) -> None:
        nonlocal done
        with shared.lock:
            if stop.is_set():
                return
            append_line(shared.folder / RESULTS, row.to_json())
            done += 1
            on_row(row)
            on_progress(done, len(todo), "pictures")

    def work(hands: Hands) -> None:
        do = detected if shared.config.task == "detect" else measured
        try:
            while not stop.is_set():
                note(do(hands, waiting.get_nowait()))
        except queue.Empty:
            pass
        except BaseException as e:
            faults.append(e)
            stop.set()
            if threading.current_thread() is threading.main_thread():
                raise

    if jobs <= 1:
        with Hands(shared) as hands:
            work(hands)
        return
    _in_threads(shared, min(jobs, len(todo)), work, stop)
    if faults:
        raise faults[0]


def _in_threads(shared: Shared, count: int, work: Callable[[Hands], None], stop: threading.Event) -> None:
    crew = [Hands(shared) for _ in range(count)]
    threads = [threading.Thread(target=work, args=(hands,), name=f"segtile-{k}") for k, hands in enumerate(crew)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException as e:
        # an interrupt: ending their processes lets the threads come back at once; what they say then is not written
        stop.set()
        for hands in crew:
            with contextlib.suppress(OSError):
                hands.__exit__(type(e), e, None)
        for thread in threads:
            thread.join()
        raise
    for hands in crew:
        hands.__exit__(None, None, None)


def _info(config: EvalConfig, plan: list[Job], names: tuple[str, ...], jobs: int) -> dict[str, Any]:
    known = measuring.known_metrics() if config.task == "matte" else DETECT_METRICS
    shown = names if config.task == "matte" else tuple(known)
    told = slices.sentences(config.slice_settings)
    ours = [s.name for s in config.systems if s.kind == "segtile"]
    groups = dict.fromkeys(group for job in plan for group in job.item.groups)
    return {
        "segtile": segtile.__version__,
        "code": digests.own_code(),
        "definitions": digests.definitions(config.task),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "libraries": digests.versions(),
        "config_digest": digests.text_digest(config.model_dump(mode="json")),
        "task": config.task,
        "jobs": jobs,
        "memory": config.memory,
        "systems": ours + [s.name for s in config.systems if s.name not in ours],
        "system_digests": {job.system.name: system for job, system in _one_each(plan)},
        "datasets": datasets_in(job.item for job in plan),
        "together": {name: list(parts) for name, parts in config.together.items()},
        "pictures": len({(job.item.dataset, job.item.picture) for job in plan}),
        "metrics": {
            name: {"better": known[name].better, "unit": known[name].unit, "summary": known[name].summary}
            for name in shown
        },
        "slices": {name: told[name] for name in config.slices}
        | {group: f"pairs of the group {group}" for group in groups},
        "bootstrap": config.bootstrap.model_dump(),
        "started": _now(),
        "finished": None,
    }


def _one_each(plan: list[Job]) -> Iterator[tuple[Job, dict[str, Any]]]:
    seen = set()
    for job in plan:
        if job.system.name not in seen:
            seen.add(job.system.name)
            yield job, job.system.model_dump(mode="json")


def _write_info(folder: Path, info: dict[str, Any]) -> None:
    import json

    write_text(folder / RUN, json.dumps(info, indent=1, ensure_ascii=False) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _report(folder: Path) -> str | None:
    """Write the HTML report; None, or a sentence on why there is none."""
    from segtile.evaluation.report import write_report

    try:
        write_report(folder)
    except SegtileError as e:  # the figures are there and the tables are written: that much is not lost
        return f"the HTML report is not written: {e}"
    return None


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WriteError(f"{folder} is a file, not a run folder")
    held = {path.name for path in folder.iterdir()} - {".lock"} if folder.is_dir() else set()
    if held and RUN not in held:
        raise BadInput(f"{folder} holds other things than an evaluation run: choose another folder")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise WriteError(f"{folder}: the run folder cannot be made: {e.strerror}") from None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the run folder; the system takes the lock back when the run dies, so that no kill leaves it locked."""
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as e:
        raise WriteError(f"{folder}: cannot be written: {e.strerror}") from None
    try:
        with contextlib.suppress(ImportError):  # Windows has none; there, two runs in one folder are not noticed
            import fcntl

            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise WriteError(f"{folder}: another run is at work in this folder") from None
        yield
    finally:
        os.close(handle)
