"""Rows in, a picture file out: libvips encodes in one thread while the rows are made in another.

libvips takes no rows from Python as they are, but it decodes pictures from a pipe. So the rows go through a pipe as a
PNG that is not compressed: grey, one sample wide for every sample, folded into bands on the other side. Nothing is kept
of the picture but the strips on their way, and no raw temporary file is needed.
"""

from __future__ import annotations

import queue
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvips

from segtile.errors import WriteError
from segtile.export.tiff_exif import attach_exif
from segtile.types import Array

_MM_PER_INCH = 25.4
_BIG_TIFF = 3_500_000_000
_WEBP_SIDE = 16383
_ASSUMED_DPI = 72.0  # every format but EXIF must state something; this is what readers assume when nothing is said
_INTERPRETATIONS = {
    ("grey", 8): "b-w",
    ("grey", 16): "grey16",
    ("rgb", 8): "srgb",
    ("rgb", 16): "rgb16",
    ("cmyk", 8): "cmyk",
    ("cmyk", 16): "cmyk",
}


@dataclass(frozen=True)
class Layout:
    """What is encoded: `bands` samples a pixel (alpha last, where there is one), `bits` 8 or 16, and its metadata.

    `space` is "grey", "rgb" or "cmyk"; `exif` is a block as JPEG carries it; `level` is the deflate level.
    """

    format: str
    width: int
    height: int
    bands: int
    bits: int
    space: str
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    level: int = 1


def check_layout(layout: Layout, path: Path) -> None:
    """Refuse what a format cannot hold, before any work is done.

    Raises:
        WriteError: a WebP of more than 16383 px on a side.
    """
    if layout.format == "webp" and max(layout.width, layout.height) > _WEBP_SIDE:
        raise WriteError(
            f"{path} cannot be written: WebP ends at {_WEBP_SIDE} px a side, this is {layout.width} x {layout.height}; "
            "choose PNG or TIFF, or crop"
        )


def encode(strips: Iterable[Array], layout: Layout, path: Path, name: Path) -> None:
    """Write strips of rows as one picture.

    Args:
        strips: (h, width, bands) arrays from top to bottom, uint8 or uint16 as `layout.bits`; together `height` rows.
        layout: what they are.
        path: the file; an existing one is replaced, and a broken one may be left behind by an error.
        name: what errors call the file.

    Raises:
        WriteError: the encoder failed, e.g. on a full disk.
    """
    pipe = _Pipe()
    failure: list[pyvips.Error] = []

    def work() -> None:
        try:
            _save(pipe, layout, path)
        except pyvips.Error as error:
            failure.append(error)
        finally:
            pipe.close_reader()

    worker = threading.Thread(target=work, name="segtile-encode", daemon=True)
    worker.start()
    try:
        for piece in _as_png(strips, layout):
            if not pipe.put(piece):
                break
        else:
            pipe.put(b"")
        worker.join()
    finally:
        pipe.abort()
        worker.join()
    if failure:
        raise WriteError(f"{name} cannot be written: {_gist(failure[0])}") from failure[0]
    if layout.format == "tiff" and layout.exif is not None:
        attach_exif(path, layout.exif)


class _Pipe:
    """Bytes from one thread to another, a few strips at most; either side may give up."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes] = queue.Queue(maxsize=2)
        self._aborted = threading.Event()
        self._gone = threading.Event()
        self._piece = memoryview(b"")
        self._ended = False

    def put(self, piece: bytes) -> bool:
        """Hand on a piece, b"" at the end; False where nobody reads any more."""
        while not self._gone.is_set():
            try:
                self._queue.put(piece, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end and after `abort`."""
        while not self._piece and not self._ended:
            if self._aborted.is_set():
                return b""
            try:
                self._piece = memoryview(self._queue.get(timeout=0.1))
            except queue.Empty:
                continue
            self._ended = not self._piece
        part = bytes(self._piece[:size])
        self._piece = self._piece[size:]
        return part

    def abort(self) -> None:
        """The writer gives up: the reader sees the end of the data."""
        self._aborted.set()

    def close_reader(self) -> None:
        """The reader is done or has failed: the writer need not wait."""
        self._gone.set()


def _as_png(strips: Iterable[Array], layout: Layout) -> Iterator[bytes]:
    """An uncompressed grey PNG of width * bands columns."""
    columns = layout.width * layout.bands
    header = struct.pack(">IIBBBBB", columns, layout.height, layout.bits, 0, 0, 0, 0)
    yield b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    deflate = zlib.compressobj(0)
    rows = 0
    for strip in strips:
        rows += len(strip)
        samples = strip.reshape(len(strip), columns).astype(">u2" if layout.bits == 16 else "u1", copy=False)
        lines = np.zeros((len(strip), 1 + columns * layout.bits // 8), np.uint8)  # column 0 is the line's filter: none
        lines[:, 1:] = samples.view(np.uint8)
        yield _chunk(b"IDAT", deflate.compress(lines.data))
    if rows != layout.height:
        raise ValueError(f"{rows} rows were given for a picture of {layout.height}")
    yield _chunk(b"IDAT", deflate.flush()) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))))


def _save(pipe: _Pipe, layout: Layout, path: Path) -> None:
    source = pyvips.SourceCustom()
    source.on_read(pipe.read)
    image = pyvips.Image.new_from_source(source, "", access="sequential", unlimited=True, fail_on="truncated")
    if layout.bands > 1:
        image = image.bandfold(factor=layout.bands)
    x, y = layout.dpi or (_ASSUMED_DPI, _ASSUMED_DPI)
    image = image.copy(
        interpretation=_INTERPRETATIONS[layout.space, layout.bits], xres=x / _MM_PER_INCH, yres=y / _MM_PER_INCH
    )
    image.set_type(pyvips.GValue.gint_type, "orientation", 1)
    if layout.icc is not None:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", layout.icc)
    if layout.exif is not None:
        image.set_type(pyvips.GValue.blob_type, "exif-data", layout.exif)
    if layout.format == "png":
        image.pngsave(str(path), compression=layout.level, filter="sub")
    elif layout.format == "tiff":
        size = layout.width * layout.height * layout.bands * layout.bits // 8
        image.tiffsave(
            str(path),
            compression="deflate",
            level=layout.level,
            predictor="horizontal",
            resunit="inch",
            bigtiff=size > _BIG_TIFF,
        )
    else:
        image.webpsave(str(path), lossless=True, exact=True, effort=2)


def _gist(error: pyvips.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "the encoder failed"
