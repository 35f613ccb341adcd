"""The systems under test, each behind one call: a picture in, what it wrote, how long and how much memory."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import segtile
from segtile.errors import SegtileError
from segtile.evaluation import digests
from segtile.evaluation.config import CommandSystem, PeerSystem, SegtileSystem, System
from segtile.evaluation.datasets import Item
from segtile.evaluation.workers import Worker, WorkerReply

_HERE = Path(__file__).resolve().parent
#: Processes of ours find the package that this run is of, installed or not.
OWN_PATH = {"PYTHONPATH": str(Path(segtile.__file__).resolve().parents[1])}
_LAST_BYTES = 4096


@dataclass(frozen=True)
class Made:
    """What a system did with one picture.

    `seconds` is its own time (a command's whole, with its start; else without the loading of its model). `peak_rss_mb`
    (10^6 bytes) is its process's own peak, None where not measured. `cores` are the tile cores [x0, y0, x1, y1] of its
    plan, where it has one. `error` is one sentence where nothing was written.
    """

    seconds: float | None
    peak_rss_mb: float | None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    cores: tuple[tuple[int, int, int, int], ...] = ()


class Running(Protocol):
    """A system that is ready for pictures."""

    #: True where it writes grey PNG itself, which needs no second look.
    exact: bool

    def run(self, item: Item, output: Path) -> Made:
        """Have `output` written for the item's photo; what fails is in the answer, not raised."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_system(system: System, folder: Path, *, memory: bool, on_line: Callable[[str], None] | None = None) -> Running:
    """A system, to be used in a with statement; entering it starts what it needs.

    Args:
        system: its settings.
        folder: of the configuration, where commands run.
        memory: a fresh process for each picture of ours.
        on_line: is given the lines of an environment that has to be made.
    """
    if isinstance(system, SegtileSystem):
        return _Own(system, memory)
    return _Command(system, folder) if isinstance(system, CommandSystem) else _Peer(system, on_line)


def system_digest(system: System, folder: Path) -> str:
    """What a system's output depends on, besides the picture.

    Ours: the recipe and the networks that it names, the code, the libraries' versions, the catalogue. A command: its
    argv and the content of every file that stands in it. A peer: its code, its arguments and the files they name,
    Python's version, and with `ours` what ours depends on too.

    Raises:
        ReadError: a file of it cannot be read.
    """
    if isinstance(system, SegtileSystem):
        parts: list[Any] = [
            system.recipe.model_dump(mode="json"),
            digests.own_code(),
            digests.versions(),
            digests.models(),
            digests.named_files(map(str, system.weights), folder),
        ]
    elif isinstance(system, CommandSystem):
        parts = [system.argv, digests.named_files(system.argv, folder)]
    else:
        parts = [digests.peer_digest(system.folder), system.arguments, sys.version_info[:3]]
        parts.append(digests.named_files(system.arguments, system.folder))
        parts += [digests.own_code(), digests.versions(), digests.models()] if system.ours else []
    return digests.text_digest([system.kind, *parts])


class _Own:
    """segtile in a process of its own."""

    exact = True

    def __init__(self, system: SegtileSystem, memory: bool) -> None:
        self._argument, self._fresh = system.recipe.model_dump_json(), memory
        self._stack = ExitStack()
        self._kept: Worker | None = None
        self._busy: Worker | None = None

    def _worker(self) -> Worker:
        return Worker(_HERE / "own", Path(sys.executable), [self._argument], environ=OWN_PATH)

    def run(self, item: Item, output: Path) -> Made:
        photo = item.photo
        report = output.with_suffix(".report.json")
        try:
            if self._fresh:
                with self._worker() as worker:
                    self._busy = worker
                    reply = worker.run(photo, output, report=report)
            else:
                self._kept = self._kept or self._stack.enter_context(self._worker())
                reply = self._kept.run(photo, output, report=report)
            said = json.loads(report.read_text(encoding="utf-8")) if reply.error is None else {}
        except SegtileError as e:
            return Made(None, None, str(e))
        finally:
            report.unlink(missing_ok=True)
        made = _made(reply)
        cores = tuple((c[0], c[1], c[2], c[3]) for c in said.get("cores", ()))
        # a process that has done other pictures before has a peak that is not this picture's
        return Made(
            made.seconds,
            made.peak_rss_mb if self._fresh else None,
            made.error,
            tuple(said.get("warnings", ())),
            cores,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # an interrupt comes from another thread than the one that waits for the worker: ending it ends the waiting
        if self._busy is not None and kind is not None:
            self._busy.__exit__(kind, error, trace)
        self._stack.__exit__(kind, error, trace)


class _Peer:
    """Another project's program, or ours on a detector that peers share, kept running."""

    exact = False

    def __init__(self, system: PeerSystem, on_line: Callable[[str], None] | None) -> None:
        python, environ = (Path(sys.executable), OWN_PATH) if system.ours else (None, {})
        self._worker = Worker(system.folder, python, system.arguments, environ=environ, on_line=on_line)

    def run(self, item: Item, output: Path) -> Made:
        # the truth is for peers that need what no program can know, such as a trimap; they say so in their names
        fields: dict[str, object] = {"truth": item.truth} if item.image_id is None else {"image_id": item.image_id}
        return _made(self._worker.run(item.photo, output, **fields))

    def __enter__(self) -> Self:
        self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)


def _made(reply: WorkerReply) -> Made:
    seconds = reply.seconds if reply.seconds == reply.seconds else None
    peak = reply.peak_rss_mb if reply.peak_rss_mb == reply.peak_rss_mb else None
    return Made(seconds, peak or None, reply.error)


class _Command:
    """A program that is started anew for each picture."""

    exact = False

    def __init__(self, system: CommandSystem, folder: Path) -> None:
        self._system, self._folder = system, folder
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, item: Item, output: Path) -> Made:
        places = {"input": str(item.photo), "output": str(output), "python": sys.executable}
        argv = [re.sub(r"\{(input|output|python)\}", lambda m: places[m.group(1)], part) for part in self._system.argv]
        told = output.with_name(f".told-{secrets.token_hex(6)}")
        try:
            made = self._launch(argv, told)
        finally:
            told.unlink(missing_ok=True)
        if made.error is None and not (output.is_file() and output.stat().st_size):
            return Made(made.seconds, made.peak_rss_mb, f"{argv[0]} ended well but wrote no output")
        return made

    def _launch(self, argv: list[str], told: Path) -> Made:
        launcher = [sys.executable, "-I", "-S", str(_HERE / "launch.py"), str(told), *argv]
        process = subprocess.Popen(
            launcher, cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._process = process
        try:
            said = _wait(process, self._system.timeout)
        except subprocess.TimeoutExpired:
            return Made(None, None, f"{argv[0]} took longer than {self._system.timeout:g} s and was stopped")
        last = "; ".join(said[-_LAST_BYTES:].decode("utf-8", "replace").strip().splitlines()[-3:])
        try:
            reply = json.loads(told.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Made(None, None, last or f"{argv[0]} could not be run")
        code = reply["code"]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        error = None if code == 0 else f"{argv[0]} {how}{': ' + last if last else ''}"
        return Made(reply["seconds"], reply["peak_rss_mb"], error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # as above; the end of its stdin is what the launcher ends the command by
        if kind is not None and self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _wait(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """Wait for the launcher without ending its stdin, which would end the command.

    Raises:
        subprocess.TimeoutExpired: it took too long; the command and all it started are ended.
    """
    said: list[bytes] = []
    assert process.stdin is not None
    assert process.stderr is not None
    listener = threading.Thread(target=lambda: said.append(_tail(process.stderr)), daemon=True)
    listener.start()
    try:
        process.wait(timeout)
    finally:
        process.stdin.close()  # ends a command that still runs
        if process.poll() is None:
            process.wait(30)
        listener.join(5)
        process.stderr.close()
    return b"".join(said)


def _tail(pipe: Any) -> bytes:
    """The last bytes of a stream, however much comes."""
    kept = b""
    while part := pipe.read1(65536):
        kept = (kept + part)[-_LAST_BYTES:]
    return kept
