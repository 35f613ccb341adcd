"""One door for every kind of picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from segtile.errors import BadInput
from segtile.raster.files import open_file
from segtile.raster.memory import open_array, open_pillow
from segtile.types import Array, Raster

#: Pictures that claim more pixels than this are refused before they are decoded, unless the caller allows more.
MAX_PIXELS = 2**30

PictureSource: TypeAlias = str | os.PathLike[str] | Array | Image.Image | Raster


def open_raster(source: PictureSource, *, max_pixels: int = MAX_PIXELS, lazy: bool = False) -> Raster:
    """Open a picture for reading by windows and strips.

    Args:
        source: the path of a JPEG, PNG, TIFF or WebP file (grey, RGB or CMYK, with or without alpha, 8 or 16 bits;
            palettes and 1 bit become 8 bits); an (h, w), (h, w, 3) or (h, w, 4) array, uint8 or uint16, sRGB, straight
            alpha; a Pillow image; or a raster, which is given back as it is.
        max_pixels: refuse files and Pillow images that claim more pixels than this.
        lazy: read a large TIFF that is stored in tiles window by window, whatever its size, and never whole. For runs
            that look at a few windows only: damage elsewhere in the file is not noticed, and it gets no `sha256`.

    Returns:
        The raster. A file's pixels are decoded once, at the first read; until then only its header has been looked at.
        `warnings` says what had to be assumed. Close it, or use it as a context manager.

    Raises:
        ReadError: the file is missing, damaged, too large or of a kind segtile does not read.
        BadInput: the source is none of the above, or an array or Pillow image of a kind segtile does not take.
    """
    if isinstance(source, Raster):
        return source
    if isinstance(source, np.ndarray):
        return open_array(source)
    if isinstance(source, Image.Image):
        return open_pillow(source, max_pixels)
    if isinstance(source, str | os.PathLike):
        return open_file(Path(source), max_pixels, lazy=lazy)
    raise BadInput(
        f"a picture is opened from a path, an array, a Pillow image or a raster, not from {type(source).__name__}."
    )
