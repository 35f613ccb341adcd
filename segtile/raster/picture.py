"""The raster: one picture, whatever its pixels are kept in, read upright by windows and strips."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType

import numpy as np

from segtile.errors import BadInput, ReadError
from segtile.raster.colour import ToSrgb, over_white
from segtile.raster.orientation import to_stored, upright
from segtile.raster.pixels import PixelSource
from segtile.raster.preview import AreaAverage, as_uint16, preview_size, strip_bounds
from segtile.types import AlphaArray, Array, Box, FloatArray, ImageInfo

_log = logging.getLogger("segtile")

#: Decodes a picture: the pixels, and warnings about damage that was read past.
Decode = Callable[[], tuple[PixelSource, tuple[str, ...]]]


class Picture:
    """A `Raster` over a pixel source; pixels are decoded once, at the first read, and released by `close`.

    Safe to use from several threads. Works as a context manager.
    """

    def __init__(self, info: ImageInfo, decode: Decode, to_srgb: ToSrgb, warnings: tuple[str, ...] = ()) -> None:
        """`decode` gives the stored pixels that `info` describes, colour bands first, then alpha where there is one."""
        self._info = info
        self._decode = decode
        self._to_srgb = to_srgb
        self._warnings: tuple[str, ...] = ()
        self._source: PixelSource | None = None
        self._failure: str | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._warn(warnings)

    @property
    def info(self) -> ImageInfo:
        """Size, depth, colour space and metadata."""
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user about what had to be assumed; more may come with the first read."""
        return self._warnings

    def window(self, box: Box) -> Array:
        """What models see: (h, w, 3) sRGB, uint8 or uint16 as the file's depth, existing transparency laid on white.

        Raises:
            BadInput: the box reaches outside the picture.
            ReadError: the pixels cannot be decoded.
        """
        pixels = self._read(box)
        rgb = self._to_srgb(pixels[..., : self._info.bands])
        if self._info.has_alpha:
            rgb = over_white(rgb, pixels[..., -1])
        return _own(rgb)

    def strip(self, y0: int, y1: int) -> Array:
        """What is written out: (y1 - y0, width, bands) stored colour values, untouched, upright, without alpha.

        Raises:
            BadInput: the rows reach outside the picture.
            ReadError: the pixels cannot be decoded.
        """
        return self.native(Box(0, y0, self._info.width, y1))

    def native(self, box: Box) -> Array:
        """As `strip`, for any box: (h, w, bands) stored colour values (CMYK: 0 is no ink).

        Raises:
            BadInput: the box reaches outside the picture.
            ReadError: the pixels cannot be decoded.
        """
        return _own(self._read(box)[..., : self._info.bands])

    def alpha_strip(self, y0: int, y1: int) -> AlphaArray | None:
        """The transparency the file already has, (y1 - y0, width) uint16 scaled to 0..65535; None where it has none.

        Raises:
            BadInput: the rows reach outside the picture.
            ReadError: the pixels cannot be decoded.
        """
        if not self._info.has_alpha:
            return None
        alpha = self._read(Box(0, y0, self._info.width, y1))[..., -1].astype(np.uint16)
        return alpha if self._info.bits == 16 else alpha * np.uint16(257)

    def preview(self, long_side: int) -> FloatArray:
        """The whole picture scaled down (never up) so that its longer side is at most `long_side`.

        (h, w, 3) float32 sRGB-encoded in [0, 1], transparency on white. Stored values are averaged over the exact area
        of each preview pixel in float32 (colours weighted by alpha), then taken to sRGB at 16 bits: nothing is rounded
        to 8 bits on the way, so differences below one step of the file survive.

        Raises:
            BadInput: `long_side` is below 1.
            ReadError: the pixels cannot be decoded.
        """
        if long_side < 1:
            raise BadInput(f"a preview's long side must be at least 1 px, not {long_side}.")
        info, source = self._info, self._pixels()
        top = int(np.iinfo(info.dtype).max)
        # Rows as stored, turned upright at the end: stored rows lie together, upright ones may be stored columns.
        height, width, channels = source.shape
        size = preview_size(width, height, long_side)
        mean = AreaAverage(width, height, *size, channels)
        for y0, y1 in strip_bounds(height, width * channels):
            rows = source.read(Box(0, y0, width, y1)).astype(np.float32)
            if info.has_alpha:
                rows[..., :-1] *= rows[..., -1:] / top
            mean.add(y0, rows)
        return _own(upright(self._finish(mean.result, top), info.orientation_was))

    def _finish(self, mean: FloatArray, top: int) -> FloatArray:
        """Averaged stored values (premultiplied where there is alpha) -> sRGB on white in [0, 1]; overwrites `mean`."""
        mean /= top
        colour = mean[..., : self._info.bands]
        alpha = mean[..., -1:] if self._info.has_alpha else None
        if alpha is not None:
            np.divide(colour, alpha, out=colour, where=alpha > 0)
        if self._to_srgb.moves_colours:
            rgb = self._to_srgb(as_uint16(colour)).astype(np.float32)
            rgb /= 65535
        else:
            rgb = self._to_srgb(colour)
        if alpha is not None:
            rgb = rgb * alpha + (1 - alpha)
        return np.clip(rgb, 0, 1, out=rgb)

    def close(self) -> None:
        """Release the pixels and the scratch file; reading is an error from then on."""
        with self._lock:
            self._closed = True
            if self._source is not None:
                self._source.close()
                self._source = None

    def __enter__(self) -> Picture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, box: Box) -> Array:
        """Upright pixels of the box, (h, w, bands + alpha); may be a view."""
        info = self._info
        if box.x1 < box.x0 or box.y1 < box.y0 or not info.frame.contains(box):
            raise BadInput(
                f"the box ({box.x0}, {box.y0}, {box.x1}, {box.y1}) reaches outside the picture "
                f"of {info.width} x {info.height}."
            )
        if box.empty:
            return np.empty((box.height, box.width, info.bands + info.has_alpha), info.dtype)
        stored = to_stored(box, info.width, info.height, info.orientation_was)
        return upright(self._pixels().read(stored), info.orientation_was)

    def _pixels(self) -> PixelSource:
        """The decoded pixels, decoding them when asked for the first time."""
        with self._lock:
            if self._closed:
                raise BadInput("the picture is closed.")
            if self._failure is not None:
                raise ReadError(self._failure)
            if self._source is None:
                try:
                    self._source, warnings = self._decode()
                except ReadError as error:
                    self._failure = str(error)
                    raise
                self._warn(warnings)
            return self._source

    def _warn(self, warnings: tuple[str, ...]) -> None:
        for text in warnings:
            _log.warning("%s", text)
        self._warnings += warnings


def _own(array: Array) -> Array:
    """The array itself where it is whole and writeable, else a copy: callers may write to what they get."""
    return array if array.flags.c_contiguous and array.flags.writeable else array.copy()
