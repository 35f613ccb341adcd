"""In which colours a picture is written: its own wherever the format can hold them, sRGB where it cannot."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyvips
from PIL import ImageCms

from segtile.export.options import ExportOptions
from segtile.types import Array, Box, ImageInfo, Raster

_SIGNATURES = {"grey": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}
_NAMES = {"grey": "grey", "rgb": "RGB", "cmyk": "CMYK"}
_BANDS = {"grey": 1, "rgb": 3, "cmyk": 4}


@dataclass(frozen=True)
class Colours:
    """Colours as they go into the file.

    `read` gives (h, w, bands) of a box in the picture's depth; `stored` says that these are the input's own values,
    else they are sRGB with the input's transparency laid on white. `icc` is the profile to embed.
    """

    space: str
    icc: bytes | None
    read: Callable[[Box], Array]
    stored: bool
    warnings: tuple[str, ...] = ()

    @property
    def bands(self) -> int:
        """Colour bands, without alpha."""
        return _BANDS[self.space]


def choose_colours(raster: Raster, options: ExportOptions) -> Colours:
    """Decide between the stored colours and sRGB.

    Grey stays grey with an alpha band (PNG and TIFF; Photoshop opens both), CMYK stays CMYK in TIFF. sRGB is taken for
    CMYK in PNG or WebP, for grey in WebP, and for grey on a coloured background.
    """
    info = raster.info
    icc, warnings = fitting_profile(info)
    coloured = options.background is not None and len(set(options.background)) > 1
    if info.space == "cmyk" and options.format != "tiff":
        why = f"{options.format.upper()} holds no CMYK"
    elif info.space == "grey" and options.format == "webp":
        why = "WebP holds no grey" if icc is not None else ""
    elif info.space == "grey" and coloured:
        why = "the background is coloured" if icc is not None else ""
    else:
        return Colours(info.space, icc, raster.native, stored=True, warnings=warnings)
    if why:
        warnings += (f"{why}: colours were converted from {_NAMES[info.space]} to sRGB.",)
    return Colours("rgb", _srgb_profile() if why else None, raster.window, stored=False, warnings=warnings)


def fitting_profile(info: ImageInfo) -> tuple[bytes | None, tuple[str, ...]]:
    """The embedded profile if it is sound and for the picture's kind of colours; else None and a sentence about it."""
    if info.icc is None:
        return None, ()
    if info.icc[16:20] != _SIGNATURES[info.space]:
        return None, (f"the embedded colour profile is not one for {_NAMES[info.space]} pictures and was left out.",)
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(info.icc))
    except (OSError, ImageCms.PyCMSError):
        return None, ("the embedded colour profile is damaged and was left out.",)
    return info.icc, ()


def background_value(colour: tuple[int, int, int], colours: Colours) -> tuple[Array, tuple[str, ...]]:
    """An 8-bit sRGB colour in the colours of the file: (bands,) float32 in [0, 1], and warnings.

    Goes through the embedded profile, relative colorimetric with black point compensation.
    """
    srgb = np.array(colour, np.float32) / 255
    warnings: tuple[str, ...] = ()
    if colours.icc is not None:
        try:
            return _through(colour, colours.icc, colours.space), ()
        except pyvips.Error:  # some sound profiles lead one way only
            warnings = ("the background's colour could not be taken through the embedded colour profile.",)
    if colours.space != "cmyk":
        return (srgb if colours.space == "rgb" else srgb[:1]), warnings
    return _through(colour, None, "cmyk"), (*warnings, "the background was converted with a general CMYK profile.")


def _through(colour: tuple[int, int, int], icc: bytes | None, space: str) -> Array:
    """Take sRGB through a profile (None: libvips' own for CMYK): (bands,) float32 in [0, 1]."""
    patch = pyvips.Image.new_from_memory(bytes(colour), 1, 1, 3, "uchar").copy(interpretation="srgb")
    depth = 8 if space == "cmyk" else 16
    how = {"depth": depth, "intent": "relative", "black_point_compensation": True}
    if icc is None:
        moved = patch.icc_transform("cmyk", input_profile="srgb", **how)
    else:
        connection = patch.icc_import(input_profile="srgb", intent="relative", black_point_compensation=True).copy()
        connection.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        moved = connection.icc_export(**how)
    return np.asarray(moved.numpy(), np.float32).reshape(-1) / np.float32(2**depth - 1)


def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
