"""Pixel values as the numbers that blends calculate with: encoded as they are, or in linear light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from segtile.types import Array, FloatArray


@dataclass(frozen=True)
class Light:
    """Both ways between stored values and float32 in 0..1.

    `into` takes uint8, uint16 or float32 pixels of any shape to float32 (float pixels may leave 0..1 and keep that);
    `back` takes them to the dtype, rounded to nearest and clipped where that is an integer one.
    """

    into: Callable[[Array], FloatArray]
    back: Callable[[FloatArray], Array]


def light_of(dtype: np.dtype[np.generic], linear: bool) -> Light:
    """The conversions for pixels of a dtype.

    Args:
        dtype: uint8, uint16 or float32.
        linear: calculate in linear light, taking the values for sRGB-encoded ones (IEC 61966-2-1); else as they are.
    """
    if dtype.kind == "f":
        if linear:
            return Light(decode, encode)
        return Light(lambda pixels: pixels.astype(np.float32, copy=False), lambda values: values)
    top = np.iinfo(dtype).max  # type: ignore[type-var]
    if linear:
        table = _decoded(dtype.itemsize)
        return Light(lambda pixels: table[pixels], lambda values: to_levels(encode(np.maximum(values, 0)), dtype))
    one = np.float32(1 / top)
    return Light(lambda pixels: np.multiply(pixels, one, dtype=np.float32), lambda v: to_levels(v, dtype))


def to_levels(values: FloatArray, dtype: np.dtype[np.generic]) -> Array:
    """float32 in 0..1 to an integer dtype, rounded to nearest and clipped; overwrites `values`."""
    top = np.iinfo(dtype).max  # type: ignore[type-var]
    values *= np.float32(top)
    np.rint(values, out=values)
    return np.clip(values, 0, top, out=values).astype(dtype)


def to_dtype(pixels: Array, dtype: np.dtype[np.generic]) -> Array:
    """Pixels at another depth, full scale kept: integers rounded to nearest and clipped, float32 is 0..1."""
    if pixels.dtype == dtype:
        return pixels
    if pixels.dtype.kind != "f":
        if dtype == np.uint16:
            return pixels.astype(np.uint16) * np.uint16(257)
        top = np.iinfo(pixels.dtype).max
        values = np.multiply(pixels, np.float32(1 / top), dtype=np.float32)
        if dtype.kind == "f":
            return values
        pixels = values
    top = np.iinfo(dtype).max  # type: ignore[type-var]
    return np.clip(np.rint(pixels * np.float32(top)), 0, top).astype(dtype)


def decode(encoded: Array) -> FloatArray:
    """sRGB-encoded to linear light, float32; values below 0 are continued as an odd function."""
    size = np.abs(encoded.astype(np.float32, copy=False))
    above = ((size + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    linear = np.where(size <= 0.04045, size / np.float32(12.92), above)
    return np.copysign(linear, encoded).astype(np.float32, copy=False)


def encode(linear: FloatArray) -> FloatArray:
    """Linear light to sRGB-encoded, float32; values below 0 are continued as an odd function."""
    size = np.abs(linear)
    encoded = np.where(
        size <= 0.0031308, size * np.float32(12.92), np.float32(1.055) * size ** np.float32(1 / 2.4) - np.float32(0.055)
    )
    return np.copysign(encoded, linear).astype(np.float32, copy=False)


@cache
def _decoded(itemsize: int) -> FloatArray:
    """Linear light of every stored value of 1 or 2 bytes."""
    count = 256**itemsize
    return decode(np.arange(count, dtype=np.float32) / np.float32(count - 1))
