"""Reading and writing that several peers share; needs NumPy and Pillow, and tifffile for 16-bit TIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Rgb = npt.NDArray[np.uint8]

Image.MAX_IMAGE_PIXELS = None  # the pictures are large by intent


def read_rgb(path: Path) -> Rgb:
    """A picture as (h, w, 3) uint8, upright.

    Pillow does not read 16-bit RGB TIFF: such a picture is cut to its upper 8 bits, as a user would convert it first.
    """
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        pixels = tifffile.imread(path)
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        return np.ascontiguousarray(pixels[..., :3])
    with Image.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def write_alpha(alpha: npt.NDArray[np.uint8], path: Path) -> None:
    """An alpha (h, w) uint8 as a grey PNG."""
    Image.fromarray(alpha).save(path, format="PNG", compress_level=1)
