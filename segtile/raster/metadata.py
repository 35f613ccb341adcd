"""What a file says beside its pixels: resolution, EXIF, orientation, profile, how alpha is meant."""

from __future__ import annotations

import hashlib
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from segtile.raster.sniff import Format

_EXIF = b"Exif\0\0"
_MM_PER_INCH = 25.4
_EXTRA_SAMPLES = 338
# TIFF tags that say something about the picture rather than about how the file lays out its samples.
_DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 33432)
_BROKEN = (SyntaxError, OSError, ValueError, TypeError, KeyError, IndexError, struct.error, EOFError, OverflowError)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dpi_of(path: Path, kind: Format, fields: Mapping[str, Any]) -> tuple[float, float] | None:
    """(x, y) pixels per inch as stored, None where the file does not say or gives only an aspect ratio.

    `fields` are libvips' metadata; it fills in a resolution where there is none, so its word counts only beside a unit.
    """
    if kind == "png":
        physical = png_chunks(path).get(b"pHYs")
        if physical is not None and len(physical) == 9:
            x, y, unit = struct.unpack(">IIB", physical)
            if unit == 1 and x and y:
                return round(x * _MM_PER_INCH / 1000, 2), round(y * _MM_PER_INCH / 1000, 2)
    if "resolution-unit" not in fields:
        return None
    x, y = round(fields["xres"] * _MM_PER_INCH, 4), round(fields["yres"] * _MM_PER_INCH, 4)
    return (x, y) if x > 0 and y > 0 else None


def exif_of(path: Path, kind: Format, fields: Mapping[str, Any]) -> bytes | None:
    """The EXIF block as JPEG carries it ("Exif", two zero bytes, a TIFF structure), None where there is none.

    Bytes are the file's own, except for TIFF, where EXIF is part of the file itself: there the descriptive tags, the
    EXIF and the GPS directory are put into a block of their own.
    """
    if kind == "tiff":
        return _exif_of_tiff(path)
    raw = fields.get("exif-data")
    if not isinstance(raw, bytes) or len(raw) < 8:
        return None
    return raw if raw.startswith(_EXIF) else _EXIF + raw


def _exif_of_tiff(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's about damaged tags; what cannot be read is left out
            found = Image.Exif()
            found.load_from_fp(file)
            block = Image.Exif()
            for tag in _DESCRIPTIVE:
                if tag in found:
                    block[tag] = found[tag]
            for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                entries = found.get_ifd(directory)
                if entries:
                    block[directory] = dict(entries)
            return block.tobytes() if len(block) else None
    except _BROKEN:
        return None


def tiff_extra_samples(path: Path) -> tuple[int, ...]:
    """What a TIFF says of each band behind its colours: 0 unspecified, 1 associated alpha, 2 straight alpha."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = file.read(8)
            if head[2:3] == b"+" or head[3:4] == b"+":
                head += file.read(8)
            directory = ImageFileDirectory_v2(head)
            file.seek(directory.next)
            directory.load(file)
            found = directory.get(_EXTRA_SAMPLES, ())
            return tuple(int(value) for value in (found if isinstance(found, tuple) else (found,)))
    except _BROKEN:
        return ()


def png_chunks(path: Path) -> dict[bytes, bytes]:
    """The small chunks that stand before a PNG's pixels, by name."""
    chunks: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", head)
            if name == b"IDAT":
                break
            if length <= 1024:
                chunks[name] = file.read(length)
                file.seek(4, 1)
            else:
                file.seek(length + 4, 1)
    return chunks
