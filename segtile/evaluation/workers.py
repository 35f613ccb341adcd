"""A peer kept running in a process and an environment of its own, one JSON line a job."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from segtile.errors import ModelError, ReadError
from segtile.evaluation.environments import ensure_environment
from segtile.export.atomic import atomic_target

LOAD_TIMEOUT = 600.0
TIMEOUT = 1800.0
_LONGEST_REPLY = 1 << 20
_LAST_LINES = 3


@dataclass(frozen=True)
class WorkerReply:
    """What came of one job.

    Attributes:
        seconds: the picture's own time as the peer measured it, from reading the photo to the written file, without
            the start of the process and the loading of its model.
        error: None, or one sentence saying why there is no output.
        peak_rss_mb: the peer's largest resident size while it worked on this picture (where the system cannot tell
            that, since its start), in 10^6 bytes; NaN where it died.
    """

    seconds: float
    error: str | None
    peak_rss_mb: float


class _Broken(Exception):
    """The worker cannot be used any further; the text says why."""


class Worker:
    """A peer that loads its model once and then answers job after job.

    Runs `folder`/peer.py. A job is a line of JSON on its stdin, `{"photo", "output", ...}`, the first one `{"load":
    true}`; the answer is a line on its stdout, `{"seconds", "peak_rss_mb", "error"}` (see eval/peers/protocol.py). A
    worker that dies, hangs or talks nonsense costs the picture it was at; the next picture gets a fresh one.
    """

    def __init__(
        self,
        folder: Path,
        python: Path | None = None,
        arguments: Sequence[str] = (),
        *,
        environ: Mapping[str, str] | None = None,
        load_timeout: float = LOAD_TIMEOUT,
        timeout: float = TIMEOUT,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """Describe a worker; it starts when the `with` block is entered.

        Args:
            folder: holds peer.py and, where `python` is None, requirements.txt.
            python: the interpreter; None makes or finds the environment that requirements.txt describes.
            arguments: for peer.py, as on a command line.
            environ: environment variables for it, added to ours.
            load_timeout: seconds allowed for its start and the loading of its model.
            timeout: seconds allowed for a picture.
            on_line: is given each line that pip prints while the environment is made.
        """
        self.folder = folder.absolute()
        self.load_seconds = math.nan  # from the start of the process to the loaded model, in s
        self._python = python
        self._arguments = tuple(arguments)
        self._environ = dict(environ or {})
        self._load_timeout = load_timeout
        self._timeout = timeout
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._said: deque[str] = deque(maxlen=40)
        self._listeners: list[threading.Thread] = []

    def __enter__(self) -> Worker:
        """Start the peer and have it load its model.

        Raises:
            ReadError: there is no peer.py in the folder.
            ModelError: it does not start, or cannot load its model (what is missing is in the message).
            BackendMissing: its environment cannot be made.
        """
        if not (self.folder / "peer.py").is_file():
            raise ReadError(f"{self.folder} holds no peer.py")
        if self._python is None:
            self._python = ensure_environment(self.folder, on_line=self._on_line)
        try:
            self._start()
        except _Broken as error:
            raise ModelError(str(error)) from None
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the peer: it is told by the end of its input, and killed where it does not listen."""
        process = self._process
        if process is not None and process.stdin is not None and kind is None:
            with contextlib.suppress(OSError):
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        self._kill()

    def run(self, photo: Path, output: Path, **fields: object) -> WorkerReply:
        """Have the peer read `photo` and write `output`, which appears whole or not at all and replaces what was there.

        Args:
            photo: the picture.
            output: an alpha as PNG, or for a detector the COCO results of this picture as JSON.
            fields: what else the peer is told, anything that JSON can hold (`truth`, `image_id`).

        Raises:
            WriteError: `output` cannot be written.
        """
        given = {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in fields.items()}
        reply = WorkerReply(math.nan, None, math.nan)
        try:
            with atomic_target(output.absolute(), overwrite=True) as temporary:
                reply = self._run({**given, "photo": str(photo.absolute()), "output": str(temporary)})
                if reply.error is None and not (temporary.is_file() and temporary.stat().st_size):
                    reply = WorkerReply(
                        reply.seconds, f"{self.folder.name} said that it was done but wrote nothing", reply.peak_rss_mb
                    )
                if reply.error is not None:
                    raise _Broken
        except _Broken:
            pass
        return reply

    def _run(self, job: Mapping[str, object]) -> WorkerReply:
        try:
            if self._process is None:
                self._start()
            return self._ask(job, self._timeout)
        except _Broken as error:
            return WorkerReply(math.nan, str(error), math.nan)

    def _start(self) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        began = time.perf_counter()
        self._replies, self._said = queue.SimpleQueue(), deque(maxlen=40)
        try:
            self._process = subprocess.Popen(
                [str(self._python), str(self.folder / "peer.py"), *self._arguments],
                cwd=self.folder,
                env={**environ, "PYTHONUTF8": "1", **self._environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that its own children can be ended with it
            )
        except OSError as error:
            raise _Broken(f"{self.folder.name} does not start: {error}") from error
        self._listeners = [
            threading.Thread(target=_listen, args=(self._process.stdout, self._replies), daemon=True),
            threading.Thread(target=_overhear, args=(self._process.stderr, self._said), daemon=True),
        ]
        for thread in self._listeners:
            thread.start()
        reply = self._ask({"load": True}, self._load_timeout)
        if reply.error is not None:
            self._kill()
            raise _Broken(f"{self.folder.name} cannot load its model: {reply.error}")
        self.load_seconds = time.perf_counter() - began

    def _ask(self, job: Mapping[str, object], timeout: float) -> WorkerReply:
        assert self._process is not None
        assert self._process.stdin is not None
        deadline = time.monotonic() + timeout
        name = self.folder.name
        try:
            if not self._replies.empty() and (early := self._replies.get()) is not None:
                raise _Broken(f"{name} answered before it was asked: {_shown(early)}")
            try:
                self._process.stdin.write(json.dumps(job).encode() + b"\n")
                self._process.stdin.flush()
            except OSError:
                raise _Broken(self._last_words()) from None
            try:
                line = self._replies.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise _Broken(f"{name} took longer than {timeout:g} s and was stopped") from None
            if line is None:
                raise _Broken(self._last_words())
            reply = _parse(line)
            if reply is None:
                raise _Broken(f"{name} answered with something that is no reply: {_shown(line)}")
        except BaseException:
            self._kill()
            raise
        return reply

    def _last_words(self) -> str:
        assert self._process is not None
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return f"{self.folder.name} closed its output and was stopped"
        self._listeners[1].join(5)
        said = "; ".join([line for line in self._said if line][-_LAST_LINES:])
        how = f"exit code {code}" if code >= 0 else f"killed by {_signal_name(-code)}"
        return f"{self.folder.name} died ({how}){': ' + said if said else ''}"

    def _kill(self) -> None:
        """End the peer and whatever it started, and forget it."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):  # its group may be gone, all of it
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
        for thread in self._listeners:
            thread.join(5)
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _listen(pipe: Any, replies: queue.SimpleQueue[bytes | None]) -> None:
    """Hand on the peer's lines; None is the end. A line beyond the limit comes in parts, none of which is a reply."""
    while line := pipe.readline(_LONGEST_REPLY):
        replies.put(line)
    replies.put(None)


def _overhear(pipe: Any, said: deque[str]) -> None:
    while line := pipe.readline(4096):
        said.append(line.decode("utf-8", "replace").strip()[:300])


def _parse(line: bytes) -> WorkerReply | None:
    try:
        reply = json.loads(line)
        seconds, peak, error = float(reply["seconds"]), float(reply["peak_rss_mb"]), reply["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sound = 0 <= seconds < math.inf and 0 <= peak < math.inf and (error is None or isinstance(error, str))
    return WorkerReply(seconds, error, peak) if sound else None


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
