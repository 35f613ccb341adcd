"""What a file is by its first bytes, before any decoder sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from segtile.errors import ReadError

Format = Literal["jpeg", "png", "tiff", "webp"]

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_REFUSED = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"8BPS", "a Photoshop document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"PK\x03\x04", "a ZIP archive"),
)


def sniff(path: Path) -> Format:
    """The format of the picture file at `path`, from its first bytes alone; its name plays no part.

    Raises:
        ReadError: the file is missing, a folder, not a regular file, unreadable, empty, or of a format segtile does not
            read. Nothing but the first bytes has been looked at by then.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ReadError(f"{str(path)!r} has a name that is not UTF-8; rename it.") from error
    try:
        if path.is_dir():
            raise ReadError(f"{str(path)!r} is a folder, not a picture.")
        if path.exists() and not path.is_file():
            raise ReadError(f"{str(path)!r} is not a regular file.")
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise ReadError(f"{str(path)!r} does not exist.") from error
    except PermissionError as error:
        raise ReadError(f"{str(path)!r} cannot be read: permission denied.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, ReadError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadError(f"{str(path)!r} cannot be read: {reason}.") from error
    return _recognise(path, head)


def _recognise(path: Path, head: bytes) -> Format:
    if not head:
        raise ReadError(f"{str(path)!r} is empty (0 bytes).")
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(_TIFF):
        return "tiff"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    raise ReadError(f"{str(path)!r} is {_guess(head)}; segtile reads JPEG, PNG, TIFF and WebP.")


def _guess(head: bytes) -> str:
    for magic, name in _REFUSED:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "an HEIC picture" if head[8:12] in _HEIF_BRANDS else "an AVIF picture or a film"
    if b"<svg" in head.lower():
        return "an SVG drawing"
    try:
        head[:256].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head[:256]) - 4:  # a character cut at the end of the sample is still text
            return "not a picture of a known kind"
    return "not a picture of a known kind" if b"\0" in head[:256] else "a text file, not a picture"
