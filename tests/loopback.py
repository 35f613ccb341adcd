"""A web server on this machine that does to downloads what servers elsewhere do."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What is served: begins as an ONNX graph does.
CONTENT = b"\x08\x08" + bytes(range(256)) * 200
#: Answers one request; chosen by how many came before it.
Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request, with the few ways to answer that the tests are made of."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        self.close_connection = True
        with self.server.guard:
            number = len(self.server.requests)
            self.server.requests.append((self.path, dict(self.headers)))
        answers = self.server.answers
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client had enough
            answers[min(number, len(answers) - 1)](self)

    def start(self, code: int, **headers: str | int) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Gives the first request the first answer, the second the second, and the last one to all that follow."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *answers: Answer):
        super().__init__(("127.0.0.1", 0), Request)
        self.answers, self.requests, self.guard = answers, [], threading.Lock()
        self.stopped = threading.Event()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.requests]


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    server = Server(*answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()


def tag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def good(content: bytes, *, tag: str | None = None, ranges: bool = True) -> Answer:
    """What an honest server does: the whole file, or the rest of it where it is still the same."""
    tag = tag_of(content) if tag is None else tag

    def answer(request: Request) -> None:
        wanted, condition = request.headers.get("Range"), request.headers.get("If-Range")
        named = {"ETag": tag} if tag else {}
        if ranges and wanted and condition == tag:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            span = f"bytes {first}-{len(content) - 1}/{len(content)}"
            request.start(206, Content_Length=len(content) - first, Content_Range=span, **named)
            request.wfile.write(content[first:])
        else:
            request.start(200, Content_Length=len(content), **named)
            request.wfile.write(content)

    return answer


def cut(content: bytes, at: int, *, tag: str | None = None, length: int | None = None) -> Answer:
    """Says the whole length, closes the connection after `at` bytes."""

    def answer(request: Request) -> None:
        named = {"ETag": tag_of(content) if tag is None else tag} if tag != "" else {}
        request.start(200, Content_Length=len(content) if length is None else length, **named)
        request.wfile.write(content[:at])

    return answer


def cut_rest(content: bytes, at: int) -> Answer:
    """Goes on where it is asked to, and closes the connection after `at` more bytes."""

    def answer(request: Request) -> None:
        first = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        span = f"bytes {first}-{len(content) - 1}/{len(content)}"
        request.start(206, Content_Length=len(content) - first, Content_Range=span, ETag=tag_of(content))
        request.wfile.write(content[first : first + at])

    return answer


def stall(content: bytes, at: int) -> Answer:
    """Sends `at` bytes, then nothing more, and keeps the connection open."""

    def answer(request: Request) -> None:
        request.start(200, Content_Length=len(content), ETag=tag_of(content))
        request.wfile.write(content[:at])
        request.wfile.flush()
        request.server.stopped.wait(20)

    return answer


def drip(content: bytes, pause: float) -> Answer:
    """Sends a byte now and then, so that no single read times out."""

    def answer(request: Request) -> None:
        request.start(200, Content_Length=len(content), ETag=tag_of(content))
        for byte in content:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            if request.server.stopped.wait(pause):
                return

    return answer


def endless(request: Request) -> None:
    """Sends without a length, and does not stop."""
    request.start(200)
    while not request.server.stopped.is_set():
        request.wfile.write(b"\x08" * 65536)


def says(code: int, body: bytes = b"", **headers: str | int) -> Answer:
    """A fixed answer."""

    def answer(request: Request) -> None:
        request.start(code, **{"Content_Length": len(body), **headers})
        request.wfile.write(body)

    return answer


def leads_to(url: str) -> Answer:
    return says(302, Location=url)
