"""EXIF blocks: made true for the pixels written, and put into TIFF files, where EXIF is part of the file itself."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_HEAD = b"Exif\0\0"
_ORIENTATION, _EXIF, _GPS, _INTEROP, _MAKER_NOTE = 0x0112, 0x8769, 0x8825, 0xA005, 0x927C
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
# What a TIFF's first directory may take over: words about the picture, not about how samples are laid out.
_DESCRIPTIVE = {270, 271, 272, 305, 306, 315, 33432}
# Bytes a value of each TIFF type takes, and the unit that is swapped when the byte order changes.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNITS = {5: 4, 10: 4}
_MOST_ENTRIES = 1000


@dataclass(frozen=True)
class _Entry:
    """One directory entry: `field` is where its value, or the value's offset, stands in the block."""

    tag: int
    type: int
    count: int
    field: int


def upright_exif(exif: bytes, width: int, height: int) -> bytes | None:
    """An EXIF block that is true of an upright picture of width x height; None where the block is damaged.

    Orientation becomes 1, the thumbnail (of other pixels) is cut off, the pixel dimensions are the new ones. Everything
    else stays byte by byte where it was, maker notes with their absolute offsets included.
    """
    block = bytearray(exif[len(_HEAD) :] if exif.startswith(_HEAD) else exif)
    try:
        order = _order(block)
        start = struct.unpack_from(order + "I", block, 4)[0]
        entries = _entries(block, start, order)
        struct.pack_into(order + "I", block, start + 2 + 12 * len(entries), 0)  # no further directory: no thumbnail
        for entry in entries:
            if entry.tag == _ORIENTATION:
                _set_number(block, entry, 1, order)
            elif entry.tag in (_EXIF, _GPS):
                for inner in _entries(block, struct.unpack_from(order + "I", block, entry.field)[0], order):
                    if inner.tag in (_PIXEL_X, _PIXEL_Y):
                        _set_number(block, inner, width if inner.tag == _PIXEL_X else height, order)
    except (struct.error, ValueError):
        return None
    return _HEAD + bytes(block)


def attach_exif(path: Path, exif: bytes) -> None:
    """Put an EXIF block's descriptive tags, EXIF and GPS directories into a finished TIFF or BigTIFF file.

    They are appended with a new copy of the file's first directory; what that directory already says is kept.
    """
    block = exif[len(_HEAD) :] if exif.startswith(_HEAD) else exif
    with path.open("r+b") as file:
        head = file.read(16)
        tiff = _Tiff(_order(head), big=head[2 if head[:2] == b"II" else 3] == 43)
        first = struct.unpack_from(tiff.order + tiff.pointer, head, 8 if tiff.big else 4)[0]
        file.seek(first)
        (count,) = struct.unpack(tiff.order + tiff.counter, file.read(struct.calcsize(tiff.counter)))
        known = {raw[:2]: raw for raw in (file.read(tiff.entry_size) for _ in range(count))}
        end = file.seek(0, 2)
        file.write(b"\0" * (end % 2))
        new, data = _translate(block, tiff, end + end % 2)
        file.write(data)
        at = file.tell()
        merged = {**{raw[:2]: raw for raw in new}, **known}
        rows = sorted(merged.values(), key=lambda raw: int(struct.unpack(tiff.order + "H", raw[:2])[0]))
        file.write(struct.pack(tiff.order + tiff.counter, len(rows)) + b"".join(rows))
        file.write(struct.pack(tiff.order + tiff.pointer, 0))
        file.seek(8 if tiff.big else 4)
        file.write(struct.pack(tiff.order + tiff.pointer, at))


@dataclass(frozen=True)
class _Tiff:
    """How a TIFF file writes numbers: byte order "<" or ">", and 64-bit offsets or not."""

    order: str
    big: bool

    @property
    def pointer(self) -> str:
        return "Q" if self.big else "I"

    @property
    def counter(self) -> str:
        return "Q" if self.big else "H"

    @property
    def entry_size(self) -> int:
        return 20 if self.big else 12

    def entry(self, tag: int, kind: int, count: int, field: bytes) -> bytes:
        width = struct.calcsize(self.pointer)
        return struct.pack(self.order + "HH" + self.pointer, tag, kind, count) + field.ljust(width, b"\0")


def _translate(block: bytes, tiff: _Tiff, at: int) -> tuple[list[bytes], bytes]:
    """The entries for a TIFF's first directory, and the bytes at offset `at` that they point to."""
    order = _order(block)
    data = bytearray()

    def carry(entries: Iterable[_Entry]) -> list[bytes]:
        rows = []
        for entry in entries:
            value = _value(block, entry, order, tiff.order)
            if len(value) <= struct.calcsize(tiff.pointer):
                rows.append(tiff.entry(entry.tag, entry.type, entry.count, value))
                continue
            offset = struct.pack(tiff.order + tiff.pointer, at + len(data))
            data.extend(value + b"\0" * (len(value) % 2))
            rows.append(tiff.entry(entry.tag, entry.type, entry.count, offset))
        return rows

    first = _entries(block, struct.unpack_from(order + "I", block, 4)[0], order)
    rows = carry(entry for entry in first if entry.tag in _DESCRIPTIVE)
    for pointer in (entry for entry in first if entry.tag in (_EXIF, _GPS)):
        inside = _entries(block, struct.unpack_from(order + "I", block, pointer.field)[0], order)
        # A maker note's own offsets count from the old block's start and would lead nowhere; so would Interoperability.
        inner = carry(entry for entry in inside if entry.tag not in (_INTEROP, _MAKER_NOTE))
        offset = struct.pack(tiff.order + tiff.pointer, at + len(data))
        data.extend(struct.pack(tiff.order + tiff.counter, len(inner)) + b"".join(inner))
        data.extend(struct.pack(tiff.order + tiff.pointer, 0))
        data.extend(b"\0" * (len(data) % 2))
        rows.append(tiff.entry(pointer.tag, 18 if tiff.big else 4, 1, offset))
    return rows, bytes(data)


def _order(block: bytes | bytearray) -> str:
    try:
        return {b"II": "<", b"MM": ">"}[bytes(block[:2])]
    except KeyError:
        raise ValueError("no TIFF structure") from None


def _entries(block: bytes | bytearray, start: int, order: str) -> list[_Entry]:
    (count,) = struct.unpack_from(order + "H", block, start)
    if count > _MOST_ENTRIES:
        raise ValueError(f"{count} entries in one directory")
    found = []
    for index in range(count):
        at = start + 2 + 12 * index
        tag, kind, number = struct.unpack_from(order + "HHI", block, at)
        if kind in _SIZES:
            size = _SIZES[kind] * number
            field = at + 8 if size <= 4 else struct.unpack_from(order + "I", block, at + 8)[0]
            if field + size > len(block):
                raise ValueError(f"tag {tag} points outside the block")
        found.append(_Entry(tag, kind, number, at + 8))
    return found


def _value(block: bytes, entry: _Entry, order: str, wanted: str) -> bytes:
    """An entry's bytes in the wanted byte order; nothing for a type that TIFF does not know."""
    size = _SIZES.get(entry.type, 0) * entry.count
    at = entry.field if size <= 4 else struct.unpack_from(order + "I", block, entry.field)[0]
    value = block[at : at + size]
    unit = _UNITS.get(entry.type, _SIZES.get(entry.type, 1))
    if order == wanted or unit == 1:
        return value
    return b"".join(value[i : i + unit][::-1] for i in range(0, size, unit))


def _set_number(block: bytearray, entry: _Entry, value: int, order: str) -> None:
    """Overwrite a single SHORT or LONG in place."""
    if entry.type == 3 and entry.count == 1 and value < 65536:
        struct.pack_into(order + "HH", block, entry.field, value, 0)
    elif entry.type == 4 and entry.count == 1:
        struct.pack_into(order + "I", block, entry.field, value)
