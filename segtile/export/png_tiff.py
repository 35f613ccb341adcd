"""Cut-outs, masks and drawings as PNG, TIFF and WebP files, written as a stream."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from segtile.errors import BadInput, NothingFound
from segtile.export.alpha import object_box, to_depth, with_existing
from segtile.export.atomic import atomic_target, check_target
from segtile.export.colour import background_value, choose_colours
from segtile.export.compose import Composer
from segtile.export.encode import Layout, check_layout, encode
from segtile.export.options import ENDINGS, ExportOptions, ExportReport
from segtile.export.tiff_exif import upright_exif
from segtile.types import AlphaSource, Array, Box, ImageInfo, Progress, Raster, no_progress

_log = logging.getLogger("segtile")
_MASK_ROWS = 256


def write_cutout(
    raster: Raster,
    alpha: AlphaSource,
    path: Path,
    options: ExportOptions | None = None,
    *,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> ExportReport:
    """Write a picture with its alpha as one file, or laid on a background.

    The alpha is straight; TIFF marks it unassociated. Colours under full alpha are the input's to the bit (at the
    input's depth), those under the soft edge are the object's own, and the picture's profile, dpi and EXIF go with
    them. Grey stays grey with an alpha band, CMYK stays CMYK in TIFF and becomes sRGB in PNG and WebP. WebP is 8 bit,
    lossless. Transparency the file already has is kept: the smaller of the two alphas is written. The whole picture is
    never in memory (except inside the WebP encoder), and the file appears whole or not at all.

    Args:
        raster: the picture.
        alpha: its alpha, of the same frame.
        path: the file to write; its ending is not looked at, `options.format` counts.
        options: format, depth, crop, background.
        overwrite: replace an existing file.
        on_progress: called as on_progress(rows, all rows, "write").

    Returns:
        The file, the frame box in it, its depth and what could not be kept.

    Raises:
        WouldOverwrite: the file exists and `overwrite` is False; before any work.
        WriteError: it cannot be written there, the disk is full, or the format cannot hold it.
        NothingFound: `options.crop` is set and there is no object.
        BadInput: the alpha is of another frame.
    """
    options = options or ExportOptions()
    info = raster.info
    if alpha.frame != info.frame:
        raise BadInput(f"an alpha of {alpha.frame} does not fit a picture of {info.width} x {info.height} px")
    check_target(path, overwrite=overwrite)
    box = _written_box(with_existing(raster, alpha), info, options)
    colours = choose_colours(raster, options)
    bits, warnings = _depth(info, options)
    warnings = colours.warnings + warnings
    background = None
    if options.background is not None:
        background, more = background_value(options.background, colours)
        warnings += more
    composer = Composer(raster, alpha, colours, box, bits, background, options.decontaminate)
    exif, more = _exif(info, box)
    layout = Layout(
        format=options.format,
        width=box.width,
        height=box.height,
        bands=composer.bands,
        bits=bits,
        space=colours.space,
        icc=colours.icc,
        dpi=info.dpi,
        exif=exif,
        level=options.compression,
    )
    return _write(composer.strips(on_progress), layout, path, box, warnings + more, overwrite)


def write_mask(
    alpha: AlphaSource,
    info: ImageInfo,
    path: Path,
    options: ExportOptions | None = None,
    *,
    overwrite: bool = False,
    on_progress: Progress = no_progress,
) -> ExportReport:
    """Write an alpha alone: one grey band, 0 background, full scale object.

    Takes the picture's dpi and EXIF, not its profile: that is one for colours. `with_existing` gives the alpha that
    `write_cutout` would write for a picture that has transparency already.

    Args:
        alpha: the alpha.
        info: the picture it belongs to.
        path: the file to write.
        options: format (PNG or TIFF), depth, crop; no background.
        overwrite: replace an existing file.
        on_progress: called as on_progress(rows, all rows, "write").

    Returns:
        The file, the frame box in it, its depth and what could not be kept.

    Raises:
        BadInput: a WebP mask, a mask on a background, or an alpha of another frame.
        WouldOverwrite: the file exists and `overwrite` is False; before any work.
        WriteError: it cannot be written there or the disk is full.
        NothingFound: `options.crop` is set and there is no object.
    """
    options = options or ExportOptions()
    if options.format == "webp":
        raise BadInput("WebP holds no grey pictures; write a mask as png or tiff")
    if options.background is not None:
        raise BadInput("a mask has no background colour; leave it out")
    if alpha.frame != info.frame:
        raise BadInput(f"an alpha of {alpha.frame} does not fit a picture of {info.width} x {info.height} px")
    check_target(path, overwrite=overwrite)
    box = _written_box(alpha, info, options)
    bits, warnings = _depth(info, options)
    exif, more = _exif(info, box)
    layout = Layout(
        options.format, box.width, box.height, 1, bits, "grey", dpi=info.dpi, exif=exif, level=options.compression
    )

    def strips() -> Iterator[Array]:
        for y0 in range(box.y0, box.y1, _MASK_ROWS):
            y1 = min(y0 + _MASK_ROWS, box.y1)
            yield to_depth(alpha.window(Box(box.x0, y0, box.x1, y1)), bits)[..., None]
            on_progress(y1 - box.y0, box.height, "write")

    return _write(strips(), layout, path, box, warnings + more, overwrite)


def write_picture(pixels: Array, path: Path, *, overwrite: bool = False) -> ExportReport:
    """Write an array as it is, for drawings and previews; the format follows the name's ending, PNG by default.

    Args:
        pixels: (h, w), (h, w, 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA) uint8 or uint16.
        path: the file to write.
        overwrite: replace an existing file.

    Returns:
        The file, its box and its depth.

    Raises:
        BadInput: another shape or dtype.
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """
    array = pixels[..., None] if pixels.ndim == 2 else pixels
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or array.dtype.name not in ("uint8", "uint16"):
        raise BadInput(f"an array of shape {pixels.shape} and {pixels.dtype} is not a picture that can be written")
    height, width, bands = array.shape
    return write_strips(iter([array]), (width, height), bands, array.dtype.itemsize * 8, path, overwrite=overwrite)


def write_strips(
    strips: Iterator[Array], size: tuple[int, int], bands: int, bits: int, path: Path, *, overwrite: bool = False
) -> ExportReport:
    """Write rows that are made one strip after the other; never the whole picture in memory but inside WebP's encoder.

    Args:
        strips: (h, width, bands) uint8 or uint16 from top to bottom, together `height` rows.
        size: (width, height).
        bands: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        bits: 8 or 16, as the strips' dtype.
        path: the file to write; the format follows the name's ending, PNG by default.
        overwrite: replace an existing file.

    Raises:
        BadInput: the format does not hold such pictures.
        WouldOverwrite: the file exists and `overwrite` is False; before the first strip is made.
        WriteError: it cannot be written there or the disk is full.
    """
    width, height = size
    kind = next((name for name, ending in ENDINGS.items() if path.suffix.lower() in (ending, f".{name}")), "png")
    if kind == "webp" and (bands < 3 or bits == 16):
        raise BadInput("WebP holds 8-bit RGB only; write this as png or tiff")
    layout = Layout(kind, width, height, bands, bits, "grey" if bands < 3 else "rgb", level=6)
    return _write(strips, layout, path, Box.frame(width, height), (), overwrite)


def _write(
    strips: Iterator[Array], layout: Layout, path: Path, box: Box, warnings: tuple[str, ...], overwrite: bool
) -> ExportReport:
    check_layout(layout, path)
    with atomic_target(path, overwrite=overwrite) as temporary:
        encode(strips, layout, temporary, path)
    for text in warnings:
        _log.warning("%s: %s", path, text)
    return ExportReport(path, box, layout.bits, warnings)


def _written_box(alpha: AlphaSource, info: ImageInfo, options: ExportOptions) -> Box:
    if options.crop is None:
        return info.frame
    box = object_box(alpha)
    if box.empty:
        raise NothingFound(f"{info.path or 'the picture'}: there is no object to crop to")
    return box.expand(options.crop, info.frame)


def _depth(info: ImageInfo, options: ExportOptions) -> tuple[int, tuple[str, ...]]:
    bits = options.bits or info.bits
    if options.format == "webp" and bits == 16:
        return 8, ("WebP holds 8 bits a channel: 16 were asked for and 8 written.",)
    return bits, ()


def _exif(info: ImageInfo, box: Box) -> tuple[bytes | None, tuple[str, ...]]:
    if info.exif is None:
        return None, ()
    found = upright_exif(info.exif, box.width, box.height)
    return found, () if found is not None else ("the picture's EXIF block is damaged and was left out.",)
