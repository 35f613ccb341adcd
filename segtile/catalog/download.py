"""Brings one file from an address into a partial file, and goes on where an earlier try stopped.

Over requests and not pooch: that one neither resumes nor bounds what it takes, and follows redirects to any scheme; the
choice of a folder and a comparison of hashes would be what it does for us.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from segtile import __version__
from segtile.catalog.address import check_address
from segtile.errors import ModelError, WriteError

if TYPE_CHECKING:
    from requests import Response, Session

_log = logging.getLogger("segtile")

#: Called with the bytes that are there and those there will be, 0 where the server does not say.
OnBytes = Callable[[int, int], None]

_REDIRECTS = 10
_PIECE = 1 << 18
_SPAN = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")
#: A try that brought this much was worth another one.
_WORTH = 1 << 20


@dataclass(frozen=True)
class Patience:
    """How long is waited, in seconds: for a connection, for the next bytes; and how slow a server may be.

    A server that brings less than `slowest` bytes a second over `window` seconds counts as stalled. After a failure
    that may pass there are `tries` tries in all, `pause` seconds apart, twice as many each time.
    """

    connect: float = 15.0
    read: float = 30.0
    tries: int = 5
    pause: float = 1.0
    window: float = 60.0
    slowest: float = 500.0


@dataclass(frozen=True)
class Wanted:
    """What is to be brought: the exact size in bytes where it is known, and the most that is taken.

    `checkable`: a digest will show whether the file is whole. Without it and a size, the server has to say its length.
    """

    size: int | None
    limit: int
    checkable: bool


class _Passing(Exception):
    """A failure that may pass: worth another try, not before `wait` seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(url: str, part: Path, wanted: Wanted, patience: Patience, on_bytes: OnBytes) -> None:
    """Bring a file into `part`, which is complete afterwards and not checked against any digest.

    Where `part` holds the beginning from an earlier call, the rest is asked for, on the condition that the server's
    file is still the same; otherwise it starts over. A file beside it (NAME.json) says what `part` is the start of.

    Raises:
        ModelError: it could not be brought; the message is the last reason. What came stays in `part`.
        WriteError: the disk is full or read-only.
    """
    failures = 0
    with _session() as session:
        session.headers.update({"User-Agent": f"segtile/{__version__}", "Accept-Encoding": "identity"})
        while True:
            before = _size(part)
            try:
                return _try(session, url, part, wanted, patience, on_bytes)
            except _Passing as error:
                failures = 1 if _size(part) - before >= _WORTH else failures + 1
                if failures >= patience.tries:
                    raise ModelError(f"{error} ({failures} tries)") from None
                _log.info("%s: %s; trying again", url, error)
                time.sleep(max(error.wait, min(patience.pause * 2 ** (failures - 1), 60.0)))


def _try(session: Session, url: str, part: Path, wanted: Wanted, patience: Patience, on_bytes: OnBytes) -> None:
    import requests
    import urllib3

    there, state = _size(part), _read_state(part)
    if state.get("url") != url or not (state.get("etag") or state.get("modified")):
        there = 0
    if there and state.get("total") == there:
        return None
    headers = {"Range": f"bytes={there}-", "If-Range": str(state.get("etag") or state["modified"])} if there else {}
    try:
        with _open(session, url, headers, patience) as response:
            start, total = _begin(response, there, state, wanted)
            if start is None:
                _forget(part)
                raise _Passing("the server went on from elsewhere than it was asked to")
            if not start:
                _write_state(part, url, response, total)
            return _receive(response, part, start, total, wanted, patience, on_bytes)
    except requests.exceptions.SSLError as error:
        raise ModelError(f"the server's certificate does not hold: {_short(error)}") from None
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        raise _Passing("the server stopped answering") from None
    except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError) as error:
        raise _Passing(f"the connection failed: {_short(error)}") from None
    except requests.exceptions.RequestException as error:
        raise ModelError(f"the request failed: {_short(error)}") from None


def _session() -> Session:
    import requests

    class Direct(requests.Session):
        """Leaves redirects to us: requests reads the whole body of one before it may be looked at."""

        def get_redirect_target(self, resp: Response) -> str | None:
            return None

    return Direct()


def _open(session: Session, url: str, headers: dict[str, str], patience: Patience) -> Response:
    """The answer to a request; redirects are followed one by one, each checked."""
    check_address(url)
    for _ in range(_REDIRECTS + 1):
        timeout = (patience.connect, patience.read)
        response = session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout)
        if not response.is_redirect:
            return response
        response.close()
        onward = _join(url, response.headers["location"])
        check_address(onward, url)
        url = onward
    raise ModelError(f"the server redirects more than {_REDIRECTS} times")


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise ModelError(f"{url} leads to '{location[:200]}', which is no address: {error}") from None


def _begin(response: Response, there: int, state: dict[str, Any], wanted: Wanted) -> tuple[int | None, int | None]:
    """Where the answer's body starts (None: not where it may) and how big the whole file is (None: not said)."""
    code = response.status_code
    if code in (408, 425, 429) or code >= 500:
        wait = response.headers.get("retry-after", "")
        raise _Passing(f"the server answers {code} {response.reason}", min(_number(wait) or 0, 60))
    if code == 416 and there:
        return None, None
    if code not in (200, 206):
        raise ModelError(f"the server answers {code} {response.reason}")
    if response.headers.get("content-encoding", "identity") not in ("", "identity"):
        raise ModelError(f"the server sends it packed ({response.headers['content-encoding']})")
    start, total = 0, _number(response.headers.get("content-length", ""))
    if code == 206:
        span = _SPAN.fullmatch(response.headers.get("content-range", ""))
        if span is None or int(span[1]) != there:
            return None, None
        start, total = there, int(span[3]) if span[3] != "*" else int(span[2]) + 1
        tag = response.headers.get("etag", "")
        if (state.get("tag") and tag and tag != state["tag"]) or state.get("total") not in (None, total):
            return None, None
    if wanted.size is not None and total not in (None, wanted.size):
        raise ModelError(f"the server's file has {total} bytes, it should have {wanted.size}")
    if total is not None and total > wanted.limit:
        raise ModelError(f"the server's file has {total} bytes, at most {wanted.limit} are taken")
    if total is None and wanted.size is None and not wanted.checkable:
        raise ModelError("the server does not say how long the file is, and nobody published a hash that would show it")
    return start, total


def _receive(
    response: Response, part: Path, start: int, total: int | None, wanted: Wanted, patience: Patience, on_bytes: OnBytes
) -> None:
    """Write the body behind the first `start` bytes of `part`."""
    done, most = start, wanted.size or wanted.limit
    since, mark = time.monotonic(), start
    try:
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            on_bytes(done, total or 0)
            while done <= most and (piece := _next(response, done, total)):
                stream.write(piece)
                done += len(piece)
                on_bytes(done, total or 0)
                if (now := time.monotonic()) - since >= patience.window:
                    if done - mark < patience.slowest * (now - since):
                        raise _Passing(f"the server sends less than {patience.slowest:.0f} bytes a second")
                    since, mark = now, done
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:  # of the file alone: what the connection raises comes as urllib3's own
        raise WriteError(f"{part} cannot be written: {error.strerror}") from None
    if done > most:
        _forget(part)
        raise ModelError(f"the server sends more than {most} bytes")
    expected = wanted.size if total is None else total
    if expected is not None and done < expected:
        raise _Passing(f"the connection ended after {done} of {expected} bytes")


def _next(response: Response, done: int, total: int | None) -> bytes:
    """The bytes that came next; none where the body has ended."""
    from urllib3.exceptions import IncompleteRead, ProtocolError

    try:
        # read1 and not iter_content: that would wait for a whole piece, however slowly it drips
        return response.raw.read1(_PIECE) or b""
    except ProtocolError as error:
        if any(isinstance(reason, IncompleteRead) for reason in (error, *error.args)):
            of = f" of {total}" if total is not None else ""
            raise _Passing(f"the connection ended after {done}{of} bytes") from None
        raise


def _write_state(part: Path, url: str, response: Response, total: int | None) -> None:
    """Note what `part` becomes the beginning of; without a strong validator it cannot be gone on with."""
    tag = response.headers.get("etag", "")
    state = {
        "url": url,
        "tag": tag,
        "etag": "" if tag.startswith("W/") else tag,
        "modified": response.headers.get("last-modified", ""),
        "total": total,
    }
    try:
        part.unlink(missing_ok=True)  # never the old beginning beside the new note
        _state(part).write_text(json.dumps(state), "utf-8")
    except OSError as error:
        raise WriteError(f"{_state(part)} cannot be written: {error.strerror}") from None


def _read_state(part: Path) -> dict[str, Any]:
    try:
        found = json.loads(_state(part).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # without it the file is fetched from its beginning, which is never wrong
    return found if isinstance(found, dict) else {}


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _state(part).unlink(missing_ok=True)


def _state(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except OSError:
        return 0


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _short(error: BaseException) -> str:
    """The innermost reason of a chain of network errors, on one line."""
    while (inner := getattr(error, "reason", None) or next(iter(getattr(error, "args", ())), None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())[:200]
