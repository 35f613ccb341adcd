"""One picture of one system: made (or found made), measured, and put into a row."""

from __future__ import annotations

import json
import math
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from segtile.errors import SegtileError, WriteError
from segtile.evaluation import digests
from segtile.evaluation.config import EvalConfig, System
from segtile.evaluation.datasets import Item
from segtile.evaluation.results import Row, append_line, write_text
from segtile.evaluation.slices import Facts
from segtile.evaluation.systems import OWN_PATH, Made, Running, open_system
from segtile.evaluation.workers import Worker

_HERE = Path(__file__).resolve().parent
FACTS = "facts.jsonl"


@dataclass(frozen=True)
class Job:
    """One system on one picture. `made` names what the system's output depends on, `digest` what the figures do."""

    system: System
    item: Item
    made: str
    digest: str
    photo_sha256: str
    truth_sha256: str

    @property
    def output(self) -> Path:
        """Where the output is kept, relative to the run folder."""
        kind, ending = ("detections", "json") if self.item.image_id is not None else ("alphas", "png")
        return Path(kind, self.system.name, self.item.dataset, f"{self.item.picture}.{ending}")

    def row(self, **values: Any) -> Row:
        """A row of this job."""
        item = self.item
        return Row(
            digest=self.digest,
            dataset=item.dataset,
            picture=item.picture,
            system=self.system.name,
            task="matte" if item.image_id is None else "detect",
            photo=str(item.photo),
            truth=str(item.truth),
            photo_sha256=self.photo_sha256,
            truth_sha256=self.truth_sha256,
            **values,
        )


@dataclass
class Shared:
    """What all threads of a run use: where things lie, what is known of the pictures."""

    config: EvalConfig
    config_folder: Path
    folder: Path
    work: Path
    names: tuple[str, ...]
    facts: dict[str, Mapping[str, Any]]
    on_line: Callable[[str], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Hands:
    """One thread's processes: the measuring worker, and the system it is busy with."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._stack = ExitStack()
        self._measurer: Worker | None = None
        self._system: tuple[System, Running] | None = None
        self._broken: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._system is not None:
            self._system[1].__exit__(kind, error, trace)
        self._stack.__exit__(kind, error, trace)

    def make(self, job: Job) -> Made:
        """Have the job's output lie in its place, made now or before; an error is in the answer."""
        target = self.shared.folder / job.output
        record = _record(target, job.made)
        if record is not None:
            return record
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise WriteError(f"{target.parent}: cannot be made: {e.strerror}") from None
        part = self.shared.work / f"{secrets.token_hex(6)}{target.suffix}"
        try:
            made, exact = self._run(job, part)
            if made.error is None:
                error = self._keep(part, target, exact or job.item.image_id is not None)
                made = Made(made.seconds, made.peak_rss_mb, error, made.warnings, made.cores)
        finally:
            part.unlink(missing_ok=True)
        if made.error is None:
            _write_record(target, job.made, made)
        return made

    def _run(self, job: Job, part: Path) -> tuple[Made, bool]:
        name = job.system.name
        if name not in self._broken and (self._system is None or self._system[0] != job.system):
            self._change(job.system)
        if name in self._broken:
            return Made(None, None, self._broken[name]), False
        assert self._system is not None
        running = self._system[1]
        try:
            return running.run(job.item, part), running.exact
        except (SegtileError, OSError) as e:
            return Made(None, None, str(e)), running.exact

    def _change(self, system: System) -> None:
        """Close the system at hand and start another; one that does not start fails each of its pictures at once."""
        if self._system is not None:
            old, self._system = self._system, None
            old[1].__exit__(None, None, None)
        shared = self.shared
        running = open_system(system, shared.config_folder, memory=shared.config.memory, on_line=shared.on_line)
        try:
            self._system = (system, running.__enter__())
        except SegtileError as e:
            self._broken[system.name] = str(e)

    def _keep(self, part: Path, target: Path, as_it_is: bool) -> str | None:
        if as_it_is:
            part.replace(target)
            return None
        return self._ask(part, target, job="keep")

    def _ask(self, photo: Path, output: Path, **fields: object) -> str | None:
        """One job of the measuring worker; None, or why it failed."""
        if self._measurer is None:
            worker = Worker(_HERE / "measurer", Path(sys.executable), environ=OWN_PATH)
            self._measurer = self._stack.enter_context(worker)
        return self._measurer.run(photo, output, **fields).error

    def values(self, photo: Path, **fields: object) -> tuple[dict[str, Any], str | None]:
        """The measuring worker's JSON answer, or why there is none."""
        part = self.shared.work / f"{secrets.token_hex(6)}.json"
        try:
            error = self._ask(photo, part, **fields)
            return ({}, error) if error else (json.loads(part.read_text(encoding="utf-8")), None)
        finally:
            part.unlink(missing_ok=True)

    def facts(self, job: Job) -> tuple[Facts | None, str | None]:
        """What is known of the job's picture and truth, measured once a run; or why it is not."""
        shared, item = self.shared, job.item
        settings = shared.config.slice_settings
        key = digests.text_digest(
            [job.photo_sha256, job.truth_sha256, settings.thin_px, digests.definitions(shared.config.task)]
        )
        raw = shared.facts.get(key)
        if raw is None:
            raw, error = self.values(item.photo, truth=item.truth, job="facts", settings=settings.model_dump())
            if error:
                return None, error
            with shared.lock:
                shared.facts[key] = raw
                append_line(shared.folder / FACTS, {"digest": key, "picture": item.picture, **raw})
        thin = _or_nan(raw["thin_share"])
        return Facts((raw["size"][0], raw["size"][1]), _or_nan(raw["contrast"]), thin, int(raw["holes"])), None


def measured(hands: Hands, job: Job) -> Row:
    """Do one job of the task matte: the row, with the figures or with an error."""
    shared, item = hands.shared, job.item
    facts, error = hands.facts(job)
    if facts is None:
        return job.row(error=error)
    slices = (*(s for s in facts.slices(shared.config.slice_settings) if s in shared.config.slices), *item.groups)
    common: dict[str, Any] = {"slices": slices, "size": facts.size}
    made = hands.make(job)
    common |= {"seconds": made.seconds, "peak_rss_mb": made.peak_rss_mb, "warnings": made.warnings}
    if made.error is None:
        alpha = shared.folder / job.output
        fields = {"truth": item.truth, "job": "figures", "names": shared.names, "cores": made.cores}
        raw, error = hands.values(alpha, **fields)
        if error is None:
            metrics = {name: _or_nan(value) for name, value in raw["metrics"].items()}
            return job.row(metrics=metrics, resized=raw["resized"], alpha=job.output.as_posix(), **common)
    else:
        error = made.error
    raw, missing = hands.values(item.truth, truth=item.truth, job="empty", names=shared.names)
    stand_in = {} if missing else {name: _or_nan(value) for name, value in raw["metrics"].items()}
    return job.row(error=error, stand_in=stand_in, **common)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _record_path(target: Path) -> Path:
    return target.with_name(f"{target.stem}.made.json")


def _record(target: Path, made: str) -> Made | None:
    """What is known of an output that lies there already; None where it was made otherwise, or is not whole."""
    try:
        raw = json.loads(_record_path(target).read_text(encoding="utf-8"))
        if raw["made"] != made or raw["sha256"] != digests.file_sha256(target):
            return None
        cores = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in raw["cores"])
        return Made(raw["seconds"], raw["peak_rss_mb"], None, tuple(map(str, raw["warnings"])), cores)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_record(target: Path, digest: str, made: Made) -> None:
    values = {
        "made": digest,
        "sha256": digests.file_sha256(target),
        "seconds": made.seconds,
        "peak_rss_mb": made.peak_rss_mb,
        "warnings": made.warnings,
        "cores": made.cores,
    }
    write_text(_record_path(target), json.dumps(values) + "\n")


def clear_work(folder: Path) -> Path:
    """A new empty folder for half-made files; those that killed runs left are removed."""
    for old in folder.glob(".work-*"):
        shutil.rmtree(old, ignore_errors=True)
    work = folder / f".work-{secrets.token_hex(4)}"
    work.mkdir()
    return work
