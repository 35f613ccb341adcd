"""Photoshop curve files (.acv): bytes to curves and back; `segtile.view.save_curve` writes the file.

Big endian int16 throughout: version (1 or 4), number of curves, then for each curve its number of points (2 to 19) and
for each point output, then input, both 0 to 255. The first curve is the composite, the next ones are the channels'.
What Photoshop adds behind the last curve repeats it in another form and is passed over.

Source: Adobe Photoshop File Formats Specification, section "Curves".
"""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path

from segtile.errors import BadInput, ReadError
from segtile.solar.curves import IDENTITY, Curve

_VERSIONS = (1, 4)
_FEWEST, _MOST = 2, 19
_MOST_CURVES = 57  # composite and the 56 channels a document may have
_LARGEST = 1 << 20


def decode_acv(data: bytes, name: str = "curve file") -> tuple[Curve, ...]:
    """The curves of a file's bytes, composite first.

    Args:
        data: the whole file.
        name: what errors call it.

    Raises:
        ReadError: not a curve file, cut short, or with counts or values that the format does not allow.
    """
    at = 0

    def shorts(count: int, what: str) -> tuple[int, ...]:
        nonlocal at
        if at + 2 * count > len(data):
            raise ReadError(f"{name}: the file ends within {what}")
        values: tuple[int, ...] = struct.unpack_from(f">{count}h", data, at)
        at += 2 * count
        return values

    version, count = shorts(2, "its header")
    if version not in _VERSIONS:
        raise ReadError(f"{name}: version {version} is not one of a Photoshop curve file (1 or 4)")
    if not 1 <= count <= _MOST_CURVES:
        raise ReadError(f"{name}: {count} curves; a curve file has 1 to {_MOST_CURVES}")
    curves = []
    for index in range(count):
        (points,) = shorts(1, f"curve {index}")
        if not _FEWEST <= points <= _MOST:
            raise ReadError(f"{name}: curve {index} has {points} points; {_FEWEST} to {_MOST} are allowed")
        values = shorts(2 * points, f"curve {index}")
        if min(values) < 0 or max(values) > 255:
            raise ReadError(f"{name}: curve {index} has a value outside 0..255")
        pairs = tuple((float(x), float(y)) for y, x in zip(values[::2], values[1::2], strict=True))
        try:
            curves.append(Curve(f"{name}:{index}", pairs))
        except BadInput as error:
            raise ReadError(f"{name}: curve {index}: {str(error).split(': ', 1)[1]}") from None
    return tuple(curves)


def encode_acv(curves: tuple[Curve, ...], version: int = 4) -> bytes:
    """The bytes of a curve file.

    Args:
        curves: composite first. A single one is followed by identity curves for R, G and B, which loads everywhere.
        version: 1 or 4.

    Raises:
        BadInput: a curve has too many points, or points that are not whole numbers once rounded apart.
    """
    if version not in _VERSIONS:
        raise BadInput(f"curve files have version 1 or 4, not {version}")
    if not 1 <= len(curves) <= _MOST_CURVES:
        raise BadInput(f"a curve file holds 1 to {_MOST_CURVES} curves, not {len(curves)}")
    if len(curves) == 1:
        curves = (*curves, IDENTITY, IDENTITY, IDENTITY)
    out = struct.pack(">2h", version, len(curves))
    for curve in curves:
        points = [(round(x), round(y)) for x, y in curve.points]
        if len(points) > _MOST:
            raise BadInput(
                f"curve {curve.name!r} has {len(points)} points; a curve file takes {_MOST}: use fewer folds"
            )
        if any(b[0] <= a[0] for a, b in pairwise(points)):
            raise BadInput(f"curve {curve.name!r}: two of its points fall on one input once rounded to whole numbers")
        out += struct.pack(">h", len(points)) + b"".join(struct.pack(">2h", y, x) for x, y in points)
    return out


def read_acv(path: str | os.PathLike[str]) -> tuple[Curve, ...]:
    """The curves of a file, composite first.

    Raises:
        ReadError: the file is missing or not a curve file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ReadError(f"{path}: the curve file cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise ReadError(f"{path}: too large for a curve file")
    return decode_acv(data, path.name)
