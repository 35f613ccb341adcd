"""Picture files through libvips: the header first, the pixels once and whole into memory or a scratch file.

Whatever the format, a file is decoded exactly once, top to bottom, into raw samples: JPEG and PNG allow no random
access anyway, and only a decoder that runs to the end notices a damaged file before a result was built on it.
Up to `IN_MEMORY` bytes stay in memory, more go to an unnamed file in the folder of temporary files (TMPDIR).

This is the one place that changes libvips' global settings: its operation cache is switched off, because it would keep
windows alive that nobody needs again and would serve old pixels of a file that has changed since.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyvips

from segtile.errors import ReadError
from segtile.raster.pixels import ArrayPixels, PixelSource, ScratchPixels
from segtile.raster.sniff import Format
from segtile.types import Array

pyvips.cache_set_max(0)

#: Pictures of at most this many decoded bytes are kept in memory instead of a scratch file.
IN_MEMORY = 64 << 20

# Asked for by name: others hold free text, which may be in any encoding.
_FIELDS = (
    "icc-profile-data",
    "exif-data",
    "orientation",
    "resolution-unit",
    "xres",
    "yres",
    "n-pages",
    "bits-per-sample",
    "jpeg-multiscan",
    "interlaced",
    "tile-width",
    "tile-height",
)
_DTYPES: dict[str, np.dtype[Any]] = {"uchar": np.dtype(np.uint8), "ushort": np.dtype(np.uint16)}
_SPACES = {"b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb16": "rgb", "rgb": "rgb", "cmyk": "cmyk"}
_NAMES: dict[Format, str] = {"jpeg": "JPEG", "png": "PNG", "tiff": "TIFF", "webp": "WebP"}
_BANDS = {"grey": 1, "rgb": 3, "cmyk": 4}

# libvips notes what it read past (a missing TIFF tile, which it paints black; broken JPEG data) in one buffer for the
# whole process. Reading one file at a time tells whose note it is; libvips itself uses all cores meanwhile.
reading = threading.Lock()
# Stray bytes between JPEG segments: many cameras write them, but they also are what is left after a damaged scan.
STRAY = re.compile(r"extraneous bytes|unsupported marker|unknown Adobe|JFIF.*revision", re.IGNORECASE)
_PREFIX = re.compile(r"^(unable to call \w+|Vips\w+|vips\w+|tiff2vips|pngload\w*|webp\w*|jpegload\w*): *")


@dataclass(frozen=True)
class Header:
    """What a file says of itself; sizes as stored, before it is turned upright.

    `bands` colour bands and `extra` further ones behind them; `fields` are libvips' metadata by name, those of
    `_FIELDS` that the file has.
    """

    path: Path
    format: Format
    width: int
    height: int
    bands: int
    extra: int
    space: str
    dtype: np.dtype[Any]
    fields: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded pixels."""
        return self.width * self.height * (self.bands + self.extra) * self.dtype.itemsize


def held_while_decoding(header: Header) -> int:
    """Bytes the decoder must keep in memory at once; 0 where it works through the file in strips.

    A progressive JPEG is held as coefficients of 16 bits, an interlaced PNG and a WebP as the whole picture.
    """
    samples = header.width * header.height * (header.bands + header.extra)
    if header.format == "jpeg" and header.fields.get("jpeg-multiscan", 0):
        return 2 * samples
    whole = header.format == "webp" or bool(header.fields.get("interlaced", 0))
    return header.nbytes if whole else 0


def read_header(path: Path, kind: Format, max_pixels: int, *, by_tiles: bool = False) -> Header:
    """Read the header of a file that `sniff` recognised; no pixel is decoded.

    With `by_tiles` the limit does not hold for a TIFF in tiles: nobody is going to decode it whole.

    Raises:
        ReadError: a broken header, more than `max_pixels` pixels, or samples segtile does not work with.
    """
    with reading:
        try:
            image = _load(path, kind)
            fields = {name: image.get(name) for name in _FIELDS if image.get_typeof(name)}
        except pyvips.Error as error:
            raise ReadError(f"{str(path)!r} cannot be read as {_NAMES[kind]}: {gist(error.detail)}.") from error
    width, height = image.width, image.height
    if width * height > max_pixels and not (by_tiles and "tile-width" in fields):
        raise ReadError(
            f"{str(path)!r} claims {width} x {height} pixels, more than the limit of {max_pixels}; "
            "raise max_pixels if it is meant to be that large."
        )
    space = _SPACES.get(image.interpretation)
    if image.format not in _DTYPES or fields.get("bits-per-sample", 8) not in (1, 2, 4, 8, 16):
        bits = fields.get("bits-per-sample", "unknown")
        raise ReadError(
            f"{str(path)!r} holds {image.format} samples of {bits} bits; segtile reads unsigned 8 and 16 bits."
        )
    if space is None or image.bands < _BANDS[space]:
        raise ReadError(
            f"{str(path)!r} holds {image.bands} bands of {image.interpretation!r}; "
            "segtile reads grey, RGB and CMYK, each with or without alpha."
        )
    bands = _BANDS[space]
    return Header(path, kind, width, height, bands, image.bands - bands, space, _DTYPES[image.format], fields)


def decode(header: Header, keep: int) -> tuple[PixelSource, tuple[str, ...]]:
    """Decode the whole file, keeping the first `keep` bands; also gives warnings about oddities that were read past.

    Raises:
        ReadError: the file is truncated or damaged, or the folder of temporary files is too small.
    """
    name = str(header.path)
    needed = header.nbytes // (header.bands + header.extra) * keep
    failure = None
    with reading:
        try:
            source, notes = _run(header, keep, needed)
        except pyvips.Error as error:
            failure = str(error.detail)
    # Raised here, where nothing refers to the decoder any more: one that outlives its log handler writes to stderr.
    if failure is not None:
        raise ReadError(_no_room(name, needed) if "No space left" in failure else broken(name, failure))
    damage = [line for line in notes.splitlines() if line.strip() and not STRAY.search(line)]
    if damage:
        source.close()
        raise ReadError(broken(name, damage[0]))
    warnings = (f"{name!r} may be damaged, its decoder reported: {gist(notes)}.",) if notes.strip() else ()
    return source, warnings


def _run(header: Header, keep: int, needed: int) -> tuple[PixelSource, str]:
    """Decode, and what libvips noted meanwhile without failing."""
    image = load_bands(header, keep)
    take_notes()
    source = _to_memory(image) if needed <= IN_MEMORY else _to_scratch(image, header, needed, keep)
    return source, take_notes()


def load_bands(header: Header, keep: int, *, sequential: bool = True) -> pyvips.Image:
    """The first `keep` bands of a file, not yet decoded; to be used while `reading` is held.

    Raises:
        ReadError: it is not the file whose header was read.
    """
    image = _load(header.path, header.format, sequential)
    if image.width != header.width or image.height != header.height or image.bands < keep:
        raise ReadError(f"{str(header.path)!r} has changed since it was opened.")
    return image.extract_band(0, n=keep) if image.bands > keep else image


def gist(detail: str) -> str:
    """The one line of libvips' words that says what went wrong."""
    lines = [_PREFIX.sub("", line.strip()).rstrip(".") for line in detail.splitlines()]
    return next((line for line in lines if line), "the decoder gives no reason")


def take_notes() -> str:
    """What libvips has noted without failing; the buffer is empty afterwards."""
    return str(pyvips.Error("").detail)


def _load(path: Path, kind: Format, sequential: bool = True) -> pyvips.Image:
    access = "sequential" if sequential else "random"
    options: dict[str, Any] = {"access": access, "fail_on": "error", "revalidate": True}
    name = str(path)
    if kind == "jpeg":
        return pyvips.Image.jpegload(name, **options)
    if kind == "png":
        return pyvips.Image.pngload(name, **options)
    if kind == "webp":
        return pyvips.Image.webpload(name, **options)
    return pyvips.Image.tiffload(name, **options)


def _to_memory(image: pyvips.Image) -> ArrayPixels:
    array = cast(Array, image.numpy())
    return ArrayPixels(array.reshape(image.height, image.width, image.bands))


def _to_scratch(image: pyvips.Image, header: Header, needed: int, keep: int) -> ScratchPixels:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise ReadError(_no_room(str(header.path), needed))
    file = cast(IO[bytes], tempfile.TemporaryFile(prefix="segtile-", buffering=0))  # noqa: SIM115 - outlives the call
    try:
        image.rawsave_target(pyvips.Target.new_to_descriptor(file.fileno()))
        written = file.seek(0, 2)
        if written != needed:
            raise ReadError(f"{str(header.path)!r} gave {written} bytes of pixels where {needed} were expected.")
    except BaseException:
        file.close()
        raise
    return ScratchPixels(file, (header.height, header.width, keep), header.dtype)


def broken(name: str, detail: str) -> str:
    """The sentence for a file that libvips gave up on, in which `detail` are libvips' words."""
    reason = gist(detail)
    if "not supported" in reason or "unsupported" in reason:
        return f"{name!r} is stored in a way that segtile does not read: {reason}; save it anew in a common layout."
    return f"{name!r} is damaged or incomplete: {reason}."


def _no_room(name: str, needed: int) -> str:
    return (
        f"{name!r} needs {needed / 2**20:.0f} MiB in the folder of temporary files ({tempfile.gettempdir()}) and there "
        "is less; free some, or point TMPDIR at a larger disc."
    )
