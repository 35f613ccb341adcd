"""Fixed curves: points, the general zigzag, both readings, and tables for 8 and 16 bit.

Points are (input, output) on 0..255 as a Curves dialog shows them. Two readings are in use: *linear* between the points
(exact folds, what a model should get) and Photoshop's *spline* (a natural cubic through the points, clipped, what a
retoucher sees on the screen). Outside the outermost points both hold the outermost value.

Source of the named points: the zigzag layers that retouchers publish as "solar curve" (4 and 6 inner points), and the
inversion of the mid-tones (one).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.types import Array, FloatArray

Reading = Literal["linear", "spline"]

#: Rec. 709 weights, taken on encoded values: the tone that a Curves layer on a grey copy would fold.
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luma_of(rgb: FloatArray) -> FloatArray:
    """The tone of (..., 3) float32 colours, (...) float32; a pixel's is the same to the bit in every array it is in."""
    # a matrix product sums in another order for another size
    return np.asarray(rgb[..., 0] * LUMA[0] + rgb[..., 1] * LUMA[1] + rgb[..., 2] * LUMA[2], np.float32)


#: More folds than this put less than four 8-bit code values between two of them.
MOST_FOLDS = 62


@dataclass(frozen=True)
class Curve:
    """A tone curve: `points` are (input, output) on 0..255, at least two, inputs strictly rising.

    Raises:
        BadInput: the points are no curve.
    """

    name: str
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        at = np.array(self.points, np.float64).reshape(-1, 2)
        if len(at) < 2 or not np.isfinite(at).all() or at.min() < 0 or at.max() > 255:
            raise BadInput(f"curve {self.name!r}: at least 2 points, inputs and outputs on 0..255")
        if not (np.diff(at[:, 0]) > 0).all():
            raise BadInput(f"curve {self.name!r}: inputs must rise strictly from point to point")


CURVES: dict[str, Curve] = {
    curve.name: curve
    for curve in (
        Curve("solar1", ((0, 0), (128, 255), (255, 0))),
        Curve("solar4", ((0, 0), (51, 255), (101, 0), (152, 255), (203, 0), (255, 255))),
        Curve("solar6", ((0, 0), (36, 255), (72, 0), (109, 255), (145, 0), (181, 255), (218, 0), (255, 255))),
    )
}

IDENTITY = Curve("identity", ((0, 0), (255, 255)))


def zigzag(folds: int, phase: float = 0.0) -> Curve:
    """A triangle wave with any number of folds.

    Args:
        folds: inner extrema at phase 0, 0 to MOST_FOLDS; 4 and 6 are solar4 and solar6 but for rounding.
        phase: moves the wave along the input by this share of its period (two segments); any real number.

    Returns:
        The curve, its slope folds + 1 everywhere.

    Raises:
        BadInput: `folds` out of range or `phase` not finite.
    """
    if not 0 <= folds <= MOST_FOLDS or not np.isfinite(phase):
        raise BadInput(f"a zigzag has 0 to {MOST_FOLDS} folds and a finite phase, not {folds} and {phase}")
    shift = 2.0 * (phase % 1.0)
    inner = [k - shift for k in range(folds + 4) if 1e-9 < k - shift < folds + 1 - 1e-9]
    at = np.array([0.0, *inner, folds + 1.0])
    wave = np.abs((at + shift + 1.0) % 2.0 - 1.0)
    inputs = 255.0 * at / (folds + 1)
    name = f"zigzag{folds}" + (f"+{phase:g}" if phase else "")
    return Curve(name, tuple((float(x), float(y)) for x, y in zip(inputs, 255.0 * wave, strict=True)))


def evaluate(curve: Curve, tone: npt.ArrayLike, reading: Reading = "linear") -> FloatArray:
    """Send tones through a curve.

    Args:
        curve: the curve.
        tone: any shape, float in [0, 1].
        reading: between the points linear, or Photoshop's spline.

    Returns:
        float32 in [0, 1], same shape.
    """
    points = np.array(curve.points, np.float64) / 255.0
    tones = np.asarray(tone, np.float64)
    if reading == "linear" or len(points) == 2:
        return np.interp(tones, points[:, 0], points[:, 1]).astype(np.float32)
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(points[:, 0], points[:, 1], bc_type="natural")
    held = np.clip(tones, points[0, 0], points[-1, 0])
    return np.clip(spline(held), 0.0, 1.0).astype(np.float32)


def fold(name: str, tone: npt.ArrayLike) -> FloatArray:
    """Send tones through one of the named curves, read linearly; see `evaluate`.

    Raises:
        BadInput: no curve of that name.
    """
    return evaluate(named(name), tone)


def named(name: str) -> Curve:
    """One of CURVES.

    Raises:
        BadInput: no curve of that name.
    """
    if name not in CURVES:
        raise BadInput(f"no solar curve {name!r}: there are {', '.join(CURVES)}")
    return CURVES[name]


def table(curve: Curve, dtype: npt.DTypeLike, reading: Reading = "linear") -> Array:
    """The curve at every code value of a depth, rounded.

    Args:
        curve: the curve.
        dtype: uint8 or uint16.
        reading: see `evaluate`.

    Returns:
        (256,) uint8 or (65536,) uint16.

    Raises:
        BadInput: another dtype.
    """
    kind = np.dtype(dtype)
    if kind not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise BadInput(f"tone tables are for uint8 and uint16, not {kind}")
    top = np.iinfo(kind).max
    # rounded in double: float32 cannot hold the half steps of 16 bit
    values = evaluate(curve, np.arange(top + 1) / top, reading).astype(np.float64)
    return np.rint(values * top).astype(kind)


def apply_table(pixels: Array, lut: Array) -> Array:
    """Look every sample up in a table.

    Args:
        pixels: any shape, uint8 or uint16.
        lut: (256,) or (65536,), of the pixels' dtype.

    Returns:
        The same shape and dtype.

    Raises:
        BadInput: pixels and table are of different depths.
    """
    if pixels.dtype != lut.dtype or lut.shape != (np.iinfo(lut.dtype).max + 1,):
        raise BadInput(f"a table of {lut.dtype} with {lut.size} entries does not fit pixels of {pixels.dtype}")
    pixels = np.ascontiguousarray(pixels)
    flat = pixels.reshape(1, -1)
    if lut.dtype == np.uint8 and flat.size % 2 == 0 and flat.size > 1 << 20:
        # two samples at a time: the table of all pairs stays in the cache, and half the look-ups are left
        flat, lut = flat.view(np.uint16), _pairs(lut)
    if flat.size == 0:
        return pixels.copy()
    looked = cv2.LUT(flat, lut) if _wide_tables() or lut.dtype == np.uint8 else lut[flat]
    return np.asarray(looked).view(pixels.dtype).reshape(pixels.shape)


def _pairs(lut: Array) -> Array:
    """(65536,) uint16: a table for two bytes at once, in any byte order."""
    both = np.arange(65536, dtype=np.uint16).view(np.uint8)
    return lut[both].view(np.uint16)


def _wide_tables() -> bool:
    """Whether OpenCV looks up 16-bit samples (since 4.12); NumPy's indexing takes three times as long."""
    return tuple(int(part) for part in cv2.__version__.split(".")[:2]) >= (4, 12)
