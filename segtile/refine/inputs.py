"""What a refiner gets to see: the picture's window beside the coarse map, brought to the window's pixels."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.solar import LUMA, AdaptiveCurve, luma_of, network_channels
from segtile.solar.channels import curve_channels, needs_curve
from segtile.types import Array, Box, CoarseMap, FloatArray, Tile, TileInput

_JUST_BELOW_HALF = np.nextafter(np.float32(0.5), np.float32(0.0))


class Windows(Protocol):
    """A picture, as far as a refiner sees any of it."""

    def window(self, box: Box) -> Array:
        """As `Raster.window`."""
        ...


def make_input(
    raster: Windows,
    coarse: CoarseMap,
    tile: Tile,
    channels: tuple[str, ...] = (),
    sigma: float | None = None,
    curve: AdaptiveCurve | None = None,
) -> TileInput:
    """Read one tile of the picture and lay the coarse map over it.

    Probability and background tone are interpolated bilinearly; band and labels take the cell that holds the pixel's
    centre. Outside the band the interpolated probability stays on its cell's side of one half, so that every pixel's
    constant is the one that the rest of the frame has. A pixel has the same values in every tile that reads it.

    Args:
        raster: the picture, in the coarse map's frame.
        coarse: the coarse pass's answer for the same frame.
        tile: which window to read.
        channels: solar channels to add, by name; see `segtile.solar.channels`.
        sigma: noise of the picture's own pixels in luma, as channels around the background need it; None takes what
            the coarse pass carried over from its preview.
        curve: the picture's own, where a channel is taken through it; such channels come without others.

    Returns:
        The refiner's input over `tile.read`.

    Raises:
        ReadError: the picture cannot be read there.
        BadInput: a channel is unknown, or needs the curve that is not given.
    """
    rgb = _as_float(raster.window(tile.read))
    rows, cols = coarse.cells(tile.read)
    band = coarse.unsure[np.ix_(rows, cols)]
    prob = upsample(coarse.prob, coarse, tile.read)
    inside = coarse.prob[np.ix_(rows, cols)] >= 0.5
    one_sided = np.where(inside, np.maximum(prob, np.float32(0.5)), np.minimum(prob, _JUST_BELOW_HALF))
    prob = np.where(band, prob, one_sided).astype(np.float32)
    background = noise = None
    if coarse.background is not None:
        background = upsample(coarse.background.tone, coarse, tile.read)
        noise = np.asarray(coarse.background.noise, np.float32)
    extra = None
    if needs_curve(channels):
        if curve is None:
            raise BadInput(f"the channel {channels[0]!r} is taken through the picture's own curve, and none was given")
        extra = curve_channels(rgb, upsample(curve.tone, coarse, tile.read), curve, channels)
    elif channels:
        if sigma is None and noise is not None:
            sigma = float(np.sqrt(np.square(LUMA * noise).sum()))
        extra = solar_of(channels, rgb, background, sigma)
    return TileInput(
        tile=tile,
        rgb=rgb,
        prob=prob,
        band=band,
        scale=coarse.scale,
        frame=coarse.frame,
        background=background,
        noise=noise,
        channels=extra,
        sigma=sigma,
        labels=coarse.labels[np.ix_(rows, cols)],
        graded=coarse.graded,
    )


def solar_of(
    channels: tuple[str, ...], rgb: FloatArray, background: FloatArray | None, sigma: float | None
) -> FloatArray:
    """The channels of a window, (h, w, k) float32; neutral ones where the coarse pass modelled no background.

    Args:
        channels: names.
        rgb: (h, w, 3) float32 in [0, 1].
        background: the same shape, or None.
        sigma: noise of luma, or None.
    """
    if background is None or sigma is None:
        return network_channels(rgb, None, names=channels)
    return network_channels(rgb, luma_of(background), sigma, channels)


def upsample(values: FloatArray, coarse: CoarseMap, box: Box) -> FloatArray:
    """Bilinear values of a map over the frame pixels of `box`; beyond the outermost cell centres the edge cell's value.

    Args:
        values: (h, w) or (h, w, c) float32, a map over the frame; not always as fine as the coarse map.
        coarse: whose frame it is.
        box: frame px.

    Returns:
        (box.height, box.width[, c]) float32.
    """
    fx, fy = coarse.frame.width / values.shape[1], coarse.frame.height / values.shape[0]
    top, bottom, down = _neighbours(box.y0, box.y1, fy, values.shape[0])
    left, right, across = _neighbours(box.x0, box.x1, fx, values.shape[1])
    trailing = (1,) * (values.ndim - 2)
    down, across = down.reshape(-1, 1, *trailing), across.reshape(1, -1, *trailing)
    lines = np.arange(top[0], bottom[-1] + 1)
    # along x first, on the few map rows that the box needs
    near = values[lines[0] : lines[-1] + 1]
    near = near[:, left] + (near[:, right] - near[:, left]) * across
    upper, lower = near[top - lines[0]], near[bottom - lines[0]]
    result: FloatArray = (upper + (lower - upper) * down).astype(np.float32)
    return result


def _neighbours(
    start: int, stop: int, factor: float, cells: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """For each frame pixel of an axis: the cells before and after its centre, and how far it is towards the latter."""
    at = np.clip((np.arange(start, stop) + 0.5) / factor - 0.5, 0.0, cells - 1.0)
    before = np.floor(at).astype(np.intp)
    return before, np.minimum(before + 1, cells - 1), (at - before).astype(np.float32)


def _as_float(pixels: Array) -> FloatArray:
    top = 65535.0 if pixels.dtype == np.uint16 else 255.0
    return pixels.astype(np.float32) / np.float32(top)
