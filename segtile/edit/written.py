"""Rows of an edited picture as a file: the original's profile, resolution, EXIF and transparency go with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from segtile.edit.source import Source, scaled_rows
from segtile.edit.tiles import Rows
from segtile.errors import BadInput
from segtile.export.alpha import to_depth
from segtile.export.atomic import atomic_target, check_target
from segtile.export.encode import Layout, check_layout, encode
from segtile.export.options import ENDINGS, ExportReport
from segtile.export.tiff_exif import upright_exif
from segtile.types import Array, Box, Progress, no_progress


def format_of(path: Path, kind: str | None = None) -> str:
    """The file format: the one asked for, else by the name's ending.

    Raises:
        BadInput: neither says png, tiff or webp.
    """
    if kind is not None:
        if kind not in ENDINGS:
            raise BadInput(f"format {kind!r} cannot be written; choose one of {', '.join(ENDINGS)}")
        return kind
    for name, ending in ENDINGS.items():
        if path.suffix.lower() in (ending, f".{name}"):
            return name
    raise BadInput(f"{path}: there is no format for the ending {path.suffix!r}: use .png, .tif or .webp, or name one")


def write_rows(
    rows: Callable[[], Rows],
    source: Source,
    out: Box,
    scale: Fraction,
    path: Path,
    *,
    kind: str | None = None,
    bits: int | None = None,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> ExportReport:
    """Write rows in the colours of the picture that they are an edit of.

    Args:
        rows: begins the rows, (y0, (n, W, bands)) in the picture's dtype; only called once nothing stands in the way.
        source: the picture.
        out: the frame of the rows.
        scale: px of the rows for one of the picture.
        path: the file.
        kind: "png", "tiff" or "webp"; None takes the name's ending.
        bits: 8, 16, or None for the picture's own depth.
        overwrite: replace an existing file.
        on_progress: called as on_progress(rows, all rows, "write").

    Returns:
        The file, its frame and depth, and what could not be kept.

    Raises:
        BadInput: no such format or depth, or the picture is a float array, which no file here holds.
        WouldOverwrite: the file exists and `overwrite` is False; before the first row is made.
        WriteError: it cannot be written there or the disk is full.
    """
    kind = format_of(path, kind)
    if source.raster is None or source.colours is None:
        raise BadInput("a float array has no file format here: scale the result's array to uint8 or uint16 first")
    if bits not in (None, 8, 16):
        raise BadInput(f"bits must be 8, 16 or left open (as the input), not {bits}")
    check_target(path, overwrite=overwrite)
    info, colours = source.raster.info, source.colours
    warnings: tuple[str, ...] = ()
    depth = bits or info.bits
    if kind == "webp" and depth == 16:
        depth, warnings = 8, ("WebP holds 8 bits a channel: 16 were asked for and 8 written.",)
    icc, space, tripled = colours.icc, colours.space, False
    if kind == "webp" and space == "grey":
        space, tripled = "rgb", True
        if icc is not None:
            icc = None
            warnings += ("WebP holds no grey: it was written as RGB, without the embedded profile for grey.",)
    exif = None if info.exif is None else upright_exif(info.exif, out.width, out.height)
    if info.exif is not None and exif is None:
        warnings += ("the picture's EXIF block is damaged and was left out.",)
    with_alpha = info.has_alpha and colours.stored
    bands = (3 if space == "rgb" else 1) + with_alpha
    layout = Layout(kind, out.width, out.height, bands, depth, space, icc, info.dpi, exif)
    check_layout(layout, path)
    alpha = scaled_rows(_alpha_rows(source), source.frame, scale) if with_alpha else None

    def strips() -> Iterator[Array]:
        for y0, part in rows():
            pixels = to_depth(np.repeat(part, 3, axis=2) if tripled else part, depth)
            if alpha is not None:
                pixels = np.dstack([pixels, to_depth(alpha(y0, y0 + len(part)), depth)])
            yield pixels
            on_progress(y0 + len(part), out.height, "write")

    with atomic_target(path, overwrite=overwrite) as temporary:
        encode(strips(), layout, temporary, path)
    return ExportReport(path, out, depth, warnings)


def _alpha_rows(source: Source) -> Callable[[int, int], Array]:
    def rows(y0: int, y1: int) -> Array:
        raster = source.raster
        alpha = None if raster is None else raster.alpha_strip(y0, y1)
        if alpha is None:
            raise BadInput(f"{source.name} has no transparency")
        return alpha

    return rows
