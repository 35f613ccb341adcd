"""Rows as a picture file that keeps what the original file carried: profile, resolution, EXIF, transparency."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segtile.edit.tiles import Rows
from segtile.errors import BadInput
from segtile.export.alpha import to_depth
from segtile.export.atomic import atomic_target, check_target
from segtile.export.colour import fitting_profile
from segtile.export.encode import Layout, check_layout, encode
from segtile.export.options import ENDINGS, ExportReport
from segtile.export.tiff_exif import upright_exif
from segtile.types import Array, Raster


def save_like(rows: Rows, original: Raster, path: Path, *, overwrite: bool = False, level: int = 1) -> ExportReport:
    """Write rows in the original's stored colours, with its metadata and its own transparency.

    Args:
        rows: (y0, (n, W, bands)) in the original's colours, size and depth.
        original: the picture they are an edit of.
        path: the file to write; the format follows the name's ending: .png, .tif or .webp.
        overwrite: replace an existing file.
        level: deflate level.

    Raises:
        BadInput: the ending is not known, or the format does not hold such a picture.
        WouldOverwrite: the file exists and `overwrite` is False; before the first row is made.
        WriteError: it cannot be written there or the disk is full.
    """
    info = original.info
    kind = next((k for k, ending in ENDINGS.items() if path.suffix.lower() in (ending, f".{k}")), None)
    if kind is None:
        raise BadInput(f"{path}: no format is known for {path.suffix!r}; end the name in .png, .tif or .webp")
    if (kind != "tiff" and info.space == "cmyk") or (kind == "webp" and (info.space == "grey" or info.bits == 16)):
        raise BadInput(f"{path}: {kind} does not hold {info.bits}-bit {info.space} pictures: use .tif")
    check_target(path, overwrite=overwrite)
    icc, warnings = fitting_profile(info)
    exif = None if info.exif is None else upright_exif(info.exif, info.width, info.height)
    if info.exif is not None and exif is None:
        warnings += ("the picture's EXIF block is damaged and was left out.",)
    layout = Layout(
        format=kind,
        width=info.width,
        height=info.height,
        bands=info.bands + info.has_alpha,
        bits=info.bits,
        space=info.space,
        icc=icc,
        dpi=info.dpi,
        exif=exif,
        level=level,
    )
    check_layout(layout, path)
    with atomic_target(path, overwrite=overwrite) as temporary:
        encode(_with_alpha(rows, original), layout, temporary, path)
    return ExportReport(path, info.frame, info.bits, warnings)


def _with_alpha(rows: Rows, original: Raster) -> Iterator[Array]:
    for y0, part in rows:
        alpha = original.alpha_strip(y0, y0 + len(part))
        yield part if alpha is None else np.dstack([part, to_depth(alpha, original.info.bits)])
