"""Rows of an edited picture as a file: the original's profile, resolution, EXIF and transparency go with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from segtile.edit.source import out_frame, scaled_rows
from segtile.edit.tiles import Rows
from segtile.errors import BadInput
from segtile.export.alpha import to_depth
from segtile.export.atomic import atomic_target, check_target
from segtile.export.colour import Colours
from segtile.export.encode import Layout, check_layout, encode
from segtile.export.options import ENDINGS, ExportReport
from segtile.export.tiff_exif import upright_exif
from segtile.types import Array, Box, ImageInfo, Progress, Raster, no_progress

_SAME = Fraction(1)


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
    original: Raster,
    colours: Colours,
    path: Path,
    *,
    scale: Fraction = _SAME,
    kind: str | None = None,
    bits: int | None = None,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> ExportReport:
    """Write rows in the colours of the picture that they are an edit of.

    Args:
        rows: begins the rows, (y0, (n, W, bands)) in the picture's depth; only called once nothing stands in the way.
        original: the picture; its resolution, EXIF and, with stored colours, its transparency go into the file.
        colours: what the rows' bands are: the picture's stored colours, or sRGB.
        path: the file.
        scale: px of the rows for one of the picture.
        kind: "png", "tiff" or "webp"; None takes the name's ending.
        bits: 8, 16, or None for the picture's own depth.
        overwrite: replace an existing file.
        on_progress: called as on_progress(rows, all rows, "write").

    Returns:
        The file, its frame and depth, and what could not be kept.

    Raises:
        BadInput: no such format or depth, or CMYK in a format that holds none.
        WouldOverwrite: the file exists and `overwrite` is False; before the first row is made.
        WriteError: it cannot be written there or the disk is full.
    """
    kind = format_of(path, kind)
    if bits not in (None, 8, 16):
        raise BadInput(f"bits must be 8, 16 or left open (as the input), not {bits}")
    if colours.space == "cmyk" and kind != "tiff":
        raise BadInput(f"{path}: {kind} does not hold CMYK pictures: use .tif")
    check_target(path, overwrite=overwrite)
    info, frame = original.info, out_frame(original.info.frame, scale)
    layout, warnings = _layout(info, colours, kind, bits or info.bits, frame)
    check_layout(layout, path)
    with_alpha = info.has_alpha and colours.stored
    alpha = scaled_rows(lambda y0, y1: _alpha(original, y0, y1), info.frame, scale) if with_alpha else None
    tripled = layout.bands - with_alpha > colours.bands

    def strips() -> Iterator[Array]:
        for y0, part in rows():
            pixels = to_depth(np.repeat(part, 3, axis=2) if tripled else part, layout.bits)
            if alpha is not None:
                pixels = np.dstack([pixels, to_depth(alpha(y0, y0 + len(part)), layout.bits)])
            yield pixels
            on_progress(y0 + len(part), frame.height, "write")

    with atomic_target(path, overwrite=overwrite) as temporary:
        encode(strips(), layout, temporary, path)
    return ExportReport(path, frame, layout.bits, warnings)


def _layout(info: ImageInfo, colours: Colours, kind: str, bits: int, frame: Box) -> tuple[Layout, tuple[str, ...]]:
    """What the file holds, and sentences about what it cannot."""
    warnings = colours.warnings
    if kind == "webp" and bits == 16:
        bits = 8
        warnings += ("WebP holds 8 bits a channel: 16 were asked for and 8 written.",)
    space, icc, bands = colours.space, colours.icc, colours.bands
    if kind == "webp" and space == "grey":
        space, bands = "rgb", 3
        if icc is not None:
            icc = None
            warnings += ("WebP holds no grey: it was written as RGB, without the embedded profile for grey.",)
    exif = None if info.exif is None else upright_exif(info.exif, frame.width, frame.height)
    if info.exif is not None and exif is None:
        warnings += ("the picture's EXIF block is damaged and was left out.",)
    bands += info.has_alpha and colours.stored
    return Layout(kind, frame.width, frame.height, bands, bits, space, icc, info.dpi, exif), warnings


def _alpha(original: Raster, y0: int, y1: int) -> Array:
    alpha = original.alpha_strip(y0, y1)
    if alpha is None:
        raise BadInput(f"{original.info.path or 'the array'} has no transparency")
    return alpha
