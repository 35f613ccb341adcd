"""Arrays and Pillow images as rasters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from segtile.errors import BadInput, ReadError
from segtile.raster.colour import plan_colour
from segtile.raster.orientation import upright_size, valid
from segtile.raster.picture import Picture
from segtile.raster.pixels import ArrayPixels
from segtile.types import Array, ImageInfo

_SPACES = {1: ("grey", False), 2: ("grey", True), 3: ("rgb", False), 4: ("rgb", True)}
# Pillow mode -> the mode whose array is taken. Modes that are not here lose something on the way and are refused.
_MODES = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "CMYK": "CMYK",
    "YCbCr": "RGB",
}


def open_array(array: Array) -> Picture:
    """An array as a raster: (h, w) or (h, w, 1) grey, (h, w, 2) grey and alpha, (h, w, 3) RGB, (h, w, 4) RGBA.

    uint8 or uint16, sRGB-encoded, straight alpha. The array is held, not copied: change it and the picture changes.

    Raises:
        BadInput: another shape or dtype.
    """
    pixels = array[..., None] if array.ndim == 2 else array
    if pixels.ndim != 3 or pixels.shape[2] not in _SPACES:
        raise BadInput(f"an array of shape {array.shape} is no picture; segtile takes (h, w) or (h, w, 1 to 4).")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadInput(f"an array of {array.dtype} is not taken; scale it to uint8 or uint16 first.")
    if 0 in pixels.shape:
        raise BadInput(f"an array of shape {array.shape} holds no pixels.")
    space, has_alpha = _SPACES[pixels.shape[2]]
    return _picture(pixels, space, has_alpha, "the array")


def open_pillow(image: Image.Image, max_pixels: int) -> Picture:
    """A Pillow image as a raster, with its profile, resolution, EXIF and orientation.

    Palettes and 1 bit become 8 bits; I;16 modes stay 16 bits.

    Raises:
        BadInput: more than `max_pixels` pixels, none at all, or a mode that is neither 8 nor 16 bits.
        ReadError: the image's file turns out truncated or damaged.
    """
    name = repr(str(getattr(image, "filename", "") or "the Pillow image"))
    if image.width * image.height > max_pixels:
        raise BadInput(f"{name} has {image.width} x {image.height} pixels, more than the limit of {max_pixels}.")
    if 0 in image.size:
        raise BadInput(f"{name} holds no pixels.")
    mode = image.mode
    wanted = "RGBA" if "transparency" in image.info and mode in ("P", "L", "RGB") else _MODES.get(mode)
    if wanted is None and not mode.startswith("I;16"):
        raise BadInput(f"{name} has the Pillow mode {mode!r}; convert it to an 8 bit mode or to I;16 first.")
    try:
        pixels = np.asarray(image if wanted in (None, mode) else image.convert(wanted))
    except (OSError, SyntaxError) as error:
        raise ReadError(f"{name} is damaged or incomplete: {error}.") from error
    if wanted is None:
        pixels = pixels.astype(np.uint16, copy=False)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    space, has_alpha = ("cmyk", False) if wanted == "CMYK" else _SPACES[pixels.shape[2]]
    return _picture(pixels, space, has_alpha, name, image)


def _picture(pixels: Array, space: str, has_alpha: bool, name: str, image: Image.Image | None = None) -> Picture:
    about = image.info if image is not None else {}
    orientation = valid(int(image.getexif().get(ExifTags.Base.Orientation, 1))) if image is not None else 1
    width, height = upright_size(pixels.shape[1], pixels.shape[0], orientation)
    icc = about.get("icc_profile") or None
    filename = getattr(image, "filename", None)
    info = ImageInfo(
        width=width,
        height=height,
        bands=pixels.shape[2] - has_alpha,
        dtype=pixels.dtype.name,
        space=space,
        has_alpha=has_alpha,
        icc=icc,
        dpi=_dpi(about.get("dpi"), orientation),
        exif=_exif(about.get("exif")),
        orientation_was=orientation,
        path=Path(filename) if filename else None,
    )
    to_srgb, warnings = plan_colour(space, icc, name)
    return Picture(info, lambda: (ArrayPixels(pixels), ()), to_srgb, warnings)


def _dpi(found: object, orientation: int) -> tuple[float, float] | None:
    if not isinstance(found, tuple) or len(found) != 2:
        return None
    x, y = float(found[0]), float(found[1])
    if not (x > 0 and y > 0):
        return None
    return (y, x) if orientation >= 5 else (x, y)


def _exif(found: object) -> bytes | None:
    if not isinstance(found, bytes) or not found:
        return None
    return found if found.startswith(b"Exif\0\0") else b"Exif\0\0" + found
