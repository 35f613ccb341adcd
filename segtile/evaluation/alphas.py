"""Alphas as files: read without trust, and kept as grey PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segtile.errors import BadInput, ReadError
from segtile.export.png_tiff import write_picture
from segtile.raster import open_raster
from segtile.types import Array


def read_alpha(path: Path) -> Array:
    """The alpha that a picture file holds: its alpha channel where it has one, else its grey values.

    Returns:
        (h, w) uint8 or uint16, as the file's depth, upright.

    Raises:
        ReadError: the file is missing, broken or too large.
        BadInput: it is a colour picture without an alpha channel.
    """
    with open_raster(path) as raster:
        info = raster.info
        if info.has_alpha:
            alpha = raster.alpha_strip(0, info.height)
            if alpha is None:
                raise ReadError(f"{path}: its alpha channel cannot be read")
            return alpha if info.bits == 16 else _narrow(alpha)
        pixels = np.ascontiguousarray(raster.strip(0, info.height))
    if pixels.ndim == 2:
        return pixels
    grey = pixels[..., 0]
    if any(not np.array_equal(grey, pixels[..., band]) for band in range(1, pixels.shape[2])):
        raise BadInput(f"{path}: is a colour picture without an alpha channel, so it holds no alpha")
    return np.ascontiguousarray(grey)


def _narrow(alpha: Array) -> Array:
    """uint16 values that came from 8 bits, back to them, by strips."""
    out = np.empty(alpha.shape, np.uint8)
    for y in range(0, len(alpha), 512):
        out[y : y + 512] = (alpha[y : y + 512].astype(np.uint32) + 128) // 257
    return out


def keep_alpha(given: Path, target: Path) -> tuple[int, int]:
    """Keep what a system wrote as `target`, a grey PNG; returns its (width, height).

    The folder of `target` exists. `given` is left where it is.

    Raises:
        ReadError: what the system wrote is no picture.
        BadInput: it is a colour picture without an alpha channel.
        WriteError: `target` cannot be written.
    """
    alpha = read_alpha(given)
    write_picture(alpha, target, overwrite=True)
    return alpha.shape[1], alpha.shape[0]
