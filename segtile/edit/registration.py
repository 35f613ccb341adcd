"""Whether two pictures lie on each other: phase correlation of windows all over them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.types import Array, Box, FloatArray, Raster

_SIDE, _LEAST = 512, 64
_GRID = 4  # windows are looked for in this many rows and columns
_SURE = 0.25  # response of a correlation that means something
_PREVIEW = 1024
_AGREE = 0.75  # px within which windows tell of the same shift


@dataclass(frozen=True)
class Registration:
    """How an edit lies on its original.

    `dx`, `dy` px: the edit's content lies this far to the right and below; 0 where nothing could be told. `windows`
    counts those that had something to tell, `agree` how many of them tell of this shift.
    """

    dx: float
    dy: float
    windows: int
    agree: int

    @property
    def shifted(self) -> bool:
        """True where the pictures lie apart by half a px or more and most windows say so."""
        return max(abs(self.dx), abs(self.dy)) >= 0.5 and 2 * self.agree > self.windows

    @property
    def warped(self) -> bool:
        """True where windows tell of shifts, but of different ones: scaled, turned or warped."""
        return self.windows >= 4 and 2 * self.agree <= self.windows


def register(original: Raster, edited: Raster) -> Registration:
    """Measure the shift between two pictures of one size.

    First roughly, on small versions, then at full size in the windows with most structure; each window votes, so an
    edit of less than half of them decides nothing.

    Source: C. Kuglin, D. Hines, The Phase Correlation Image Alignment Method, 1975.
    """
    frame = original.info.frame
    rough = _rough(original, edited)
    votes = []
    for box in _windows(original, frame):
        other = box.shift(*rough) & frame
        box = other.shift(-rough[0], -rough[1])
        if min(box.width, box.height) < 32:
            continue
        (dx, dy), response = _correlate(_grey(original.window(box)), _grey(edited.window(other)))
        if response >= _SURE:
            votes.append((rough[0] + dx, rough[1] + dy))
    if not votes:
        return Registration(0.0, 0.0, 0, 0)
    found = np.array(votes)
    near = np.abs(found[:, None] - found[None]).max(axis=2) <= _AGREE
    best = near[near.sum(axis=1).argmax()]
    # a window in which nothing moved counts for that wherever it is, so that a moved object does not move the picture
    dx, dy = np.median(found[best], axis=0)
    return Registration(float(dx), float(dy), len(votes), int(best.sum()))


def _rough(original: Raster, edited: Raster) -> tuple[int, int]:
    """The shift to within some px, from the whole pictures; (0, 0) where they do not tell."""
    small = original.preview(_PREVIEW)
    scale = original.info.width / small.shape[1]
    (dx, dy), response = _correlate(_grey(small), _grey(edited.preview(_PREVIEW)))
    return (round(dx * scale), round(dy * scale)) if response >= _SURE else (0, 0)


def _windows(raster: Raster, frame: Box) -> list[Box]:
    """The window with most structure in each part of the picture."""
    small = _grey(raster.preview(_PREVIEW))
    scale = frame.width / small.shape[1]
    energy = np.abs(cv2.Laplacian(cv2.GaussianBlur(small, (0, 0), 1.0), cv2.CV_32F))
    whole = min(_SIDE, max(_LEAST, min(frame.width, frame.height) // _GRID))
    side = max(1, round(whole / scale))
    mean = cv2.boxFilter(energy, -1, (side, side), borderType=cv2.BORDER_CONSTANT)
    found = []
    for rows in np.array_split(np.arange(mean.shape[0]), _GRID):
        for columns in np.array_split(np.arange(mean.shape[1]), _GRID):
            if not len(rows) or not len(columns):
                continue
            part = mean[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            y, x = np.unravel_index(int(part.argmax()), part.shape)
            cx, cy = round((columns[0] + x + 0.5) * scale), round((rows[0] + y + 0.5) * scale)
            x0 = min(max(cx - whole // 2, 0), max(frame.width - whole, 0))
            y0 = min(max(cy - whole // 2, 0), max(frame.height - whole, 0))
            found.append(Box(x0, y0, x0 + whole, y0 + whole) & frame)
    return list(dict.fromkeys(found))


def _grey(pixels: Array) -> FloatArray:
    """(h, w) float32 in 0..1."""
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0]
    return np.asarray(grey, np.float32) / np.float32(top)


def _correlate(a: FloatArray, b: FloatArray) -> tuple[tuple[float, float], float]:
    """The shift of b against a and how sure it is (0..1); flat pictures and lines of one px tell nothing."""
    if min(a.shape) < 2:
        return (0.0, 0.0), 0.0
    height, width = (_transformed(side) for side in a.shape)
    a, b = a[:height, :width], b[:height, :width]
    # slow light is no structure, and its step at the border would be found before anything else
    a, b = (v - cv2.GaussianBlur(v, (0, 0), 8.0) for v in (a, b))
    if a.std() < 1e-4 or b.std() < 1e-4:
        return (0.0, 0.0), 0.0
    window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_32F)
    (dx, dy), response = cv2.phaseCorrelate(a, b, window)
    if response >= _SURE and max(abs(dx), abs(dy)) > 0.05:  # the peak's centroid falls short of a fractional shift
        move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        size = (b.shape[1], b.shape[0])
        moved = cv2.warpAffine(
            b, move, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT
        )
        (more_x, more_y), _ = cv2.phaseCorrelate(a, moved, window)
        if max(abs(more_x), abs(more_y)) < 1:
            dx, dy = dx + more_x, dy + more_y
    return (float(dx), float(dy)), float(response)


def _transformed(side: int) -> int:
    """The largest even side up to this that OpenCV transforms as it is: with odd ones its peak lies a px beside."""
    return next(n for n in range(side - side % 2, 0, -2) if cv2.getOptimalDFTSize(n) == n)
