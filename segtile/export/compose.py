"""Strips of the finished picture: stored colours, cleaned under the soft edge, with alpha or on a background."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from segtile.export.alpha import existing_alpha, to_depth, with_existing
from segtile.export.colour import Colours
from segtile.export.foreground import ALIGN, REACH, estimate_foreground
from segtile.types import AlphaArray, AlphaSource, Array, BoolArray, Box, Progress, Raster

_SKIRT = 4  # px of the object's colour under alpha 0, so that scaling down by up to 8 does not draw in black
_PIECE = 384  # px; colours are cleaned by pieces of at most this width
_OPAQUE = 65535
_SAMPLES = 12_000_000  # samples of a strip, halo not counted
_ROWS = 160
_AHEAD = 2  # strips in the making while one is written


@dataclass(frozen=True)
class Composer:
    """Makes the rows of a cut-out.

    `box` is the part of the frame that is written, `bits` the depth, `background` (bands,) in [0, 1] in the colours of
    the file, or None for an alpha band. Where alpha (rounded to `bits`) is full, colours are the input's to the bit.
    Under a soft edge they are the object's own (see `estimate_foreground`) unless `clean` is False, in which case
    every colour stays as it is. Cleaned pictures are zero under alpha 0, except for a skirt of 4 px around the object
    that carries its colours outwards.
    """

    raster: Raster
    alpha: AlphaSource
    colours: Colours
    box: Box
    bits: int
    background: Array | None
    clean: bool

    @property
    def bands(self) -> int:
        """Bands of a row: colours, and alpha where there is no background."""
        return self.colours.bands + (self.background is None)

    def strips(self, on_progress: Progress, height: int | None = None) -> Iterator[Array]:
        """(h, box.width, bands) from top to bottom; `height` rows each, a bounded number by default."""
        rows = height or max(32, min(_ROWS, _SAMPLES // (self.box.width * self.bands)))
        on_progress(0, self.box.height, "write")
        coming: deque[tuple[int, Future[Array]]] = deque()
        starts = iter(range(self.box.y0, self.box.y1, rows))
        with ThreadPoolExecutor(_AHEAD, thread_name_prefix="segtile") as pool:
            try:
                while True:
                    for y0 in islice(starts, _AHEAD - len(coming)):
                        y1 = min(y0 + rows, self.box.y1)
                        coming.append((y1, pool.submit(self._strip, Box(self.box.x0, y0, self.box.x1, y1))))
                    if not coming:
                        break
                    y1, strip = coming.popleft()
                    done = strip.result()
                    del strip  # it keeps what it brought
                    yield done
                    on_progress(y1 - self.box.y0, self.box.height, "write")
            finally:
                for _, strip in coming:
                    strip.cancel()

    def _strip(self, out: Box) -> Array:
        frame = self.raster.info.frame
        read = _around(out, frame) if self.clean else out
        alpha = with_existing(self.raster, self.alpha).window(read)
        level = to_depth(alpha, self.bits)
        inside = out.within(read).slices
        if self.background is None and self.clean and not level.any():
            return np.zeros((out.height, out.width, self.bands), level.dtype)
        stored = self.colours.read(read)
        colour = to_depth(stored[inside], self.bits).copy()
        if self.clean:
            full = alpha == _OPAQUE if self.background is not None else level == np.iinfo(level.dtype).max
            self._clean(colour, stored, alpha, level > 0, full, out, read)
        if self.background is None:
            return np.dstack([colour, level[inside]])
        return self._on_background(colour, alpha[inside], self.background)

    def _clean(
        self, colour: Array, stored: Array, alpha: AlphaArray, seen: BoolArray, full: BoolArray, out: Box, read: Box
    ) -> None:
        """Replace the colours under the soft edge, in place; `colour` lies over `out`, the others over `read`."""
        near = cv2.dilate(seen.astype(np.uint8), np.ones((2 * _SKIRT + 1,) * 2, np.uint8)).astype(bool)
        existing = existing_alpha(self.raster, read) if self.colours.stored else None
        # Where the file is transparent already, its straight colours are the object's own.
        known = None if existing is None else existing == _OPAQUE
        wanted = near & ~full if known is None else near & ~full & known
        colour[~near[out.within(read).slices]] = 0
        depth = np.float32(np.iinfo(stored.dtype).max)
        for part in _parts(wanted[out.within(read).slices]):
            here = part.shift(out.x0, out.y0)
            wide = _around(here, self.raster.info.frame)
            around = wide.within(read).slices
            found = estimate_foreground(
                stored[around].astype(np.float32) / depth,
                alpha[around].astype(np.float32) / np.float32(_OPAQUE),
                None if known is None else known[around],
            )[here.within(wide).slices]
            chosen = wanted[here.within(read).slices]
            colour[part.slices][chosen] = np.rint(found[chosen] * np.iinfo(colour.dtype).max).astype(colour.dtype)

    def _on_background(self, colour: Array, alpha: AlphaArray, background: Array) -> Array:
        """Colours laid on the background; full alpha keeps them to the bit."""
        base = background * np.iinfo(colour.dtype).max
        result = np.empty_like(colour)
        result[:] = np.rint(base).astype(colour.dtype)
        result[alpha == _OPAQUE] = colour[alpha == _OPAQUE]
        soft = (alpha > 0) & (alpha < _OPAQUE)
        share = alpha[soft].astype(np.float32)[:, None] / np.float32(_OPAQUE)
        result[soft] = np.rint(colour[soft] * share + base * (1 - share)).astype(colour.dtype)
        return result


def _around(box: Box, frame: Box) -> Box:
    """The box with all that can change its colours, starting and ending on the grid that the averages hang on."""
    wide = box.expand(REACH, frame)
    x0, y0 = wide.x0 // ALIGN * ALIGN, wide.y0 // ALIGN * ALIGN
    return Box(x0, y0, -(-wide.x1 // ALIGN) * ALIGN, -(-wide.y1 // ALIGN) * ALIGN) & frame


def _parts(wanted: BoolArray) -> Iterator[Box]:
    """Boxes that cover the wanted pixels: pieces of a bounded width, trimmed."""
    for x0 in range(0, wanted.shape[1], _PIECE):
        piece = wanted[:, x0 : x0 + _PIECE]
        rows = np.flatnonzero(piece.any(axis=1))
        if len(rows):
            columns = np.flatnonzero(piece.any(axis=0))
            yield Box(x0 + int(columns[0]), int(rows[0]), x0 + int(columns[-1]) + 1, int(rows[-1]) + 1)
