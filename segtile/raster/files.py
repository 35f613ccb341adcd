"""Picture files as rasters: what the header says becomes `ImageInfo`, odd cases become warnings."""

from __future__ import annotations

from pathlib import Path

from segtile.errors import ReadError
from segtile.raster import metadata
from segtile.raster.colour import plan_colour
from segtile.raster.orientation import upright_size, valid
from segtile.raster.picture import Picture
from segtile.raster.sniff import sniff
from segtile.raster.tiled import is_large_and_tiled, open_tiles
from segtile.raster.vips import Header, decode, held_while_decoding, read_header
from segtile.types import ImageInfo

# Worth a warning: memory that a file's way of being stored costs beyond what segtile keeps.
_MUCH = 512 << 20


def open_file(path: Path, max_pixels: int, *, lazy: bool = False) -> Picture:
    """The picture file at `path` as a raster; its pixels are decoded at the first read.

    With `lazy`, those of a large TIFF in tiles are decoded window by window instead, and may be any number.

    Raises:
        ReadError: missing, not a picture of a known kind, broken header, or more than `max_pixels` pixels.
    """
    header = read_header(path, sniff(path), max_pixels, by_tiles=lazy)
    by_tiles = lazy and is_large_and_tiled(header)
    try:
        info = _info(header, None if by_tiles else metadata.sha256_of(header.path))
    except OSError as error:
        raise ReadError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    to_srgb, warnings = plan_colour(info.space, info.icc, repr(str(path)))
    keep = info.bands + info.has_alpha
    read = open_tiles if by_tiles else decode
    return Picture(info, lambda: read(header, keep), to_srgb, _oddities(header, info) + warnings)


def _info(header: Header, sha256: str | None) -> ImageInfo:
    fields = header.fields
    orientation = valid(int(fields.get("orientation", 1)))
    width, height = upright_size(header.width, header.height, orientation)
    dpi = metadata.dpi_of(header.path, header.format, fields)
    if dpi is not None and (width, height) != (header.width, header.height):
        dpi = (dpi[1], dpi[0])
    icc = fields.get("icc-profile-data")
    return ImageInfo(
        width=width,
        height=height,
        bands=header.bands,
        dtype=header.dtype.name,
        space=header.space,
        has_alpha=_has_alpha(header),
        icc=icc if isinstance(icc, bytes) else None,
        dpi=dpi,
        exif=metadata.exif_of(header.path, header.format, fields),
        orientation_was=orientation,
        path=header.path,
        sha256=sha256,
    )


def _has_alpha(header: Header) -> bool:
    """True where the first further band is transparency; a TIFF may hold saved selections there instead."""
    if not header.extra:
        return False
    return header.format != "tiff" or metadata.tiff_extra_samples(header.path)[:1] != (0,)


def _oddities(header: Header, info: ImageInfo) -> tuple[str, ...]:
    name = repr(str(header.path))
    found = []
    unread = header.extra - info.has_alpha
    if unread:
        found.append(f"{name} holds {unread} further channel(s) not marked as transparency; they are not read.")
    pages = int(header.fields.get("n-pages", 1))
    if pages > 1:
        found.append(f"{name} holds {pages} pages or frames; the first is read.")
    elif header.format == "png" and b"acTL" in metadata.png_chunks(header.path):
        found.append(f"{name} is an animated PNG; its still picture is read.")
    held = held_while_decoding(header)
    if held > _MUCH:
        found.append(
            f"{name} takes up to {held / 2**20:.0f} MiB of memory at once to decode; a baseline JPEG, "
            "a PNG that is not interlaced or a TIFF would not."
        )
    return tuple(found)
