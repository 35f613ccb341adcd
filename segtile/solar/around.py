"""What networks see beside RGB: SOLAR_CHANNELS as a function of colour, background tone and noise, and nothing else.

`adaptive.adapt` sets its folds by the tones at an object's edge, so it needs a coarse answer; here they follow from the
noise alone, so that a coarse network, a refiner and the code that trains them see the same values of the same pixel.
"""

from __future__ import annotations

import numpy as np

from segtile.errors import BadInput
from segtile.solar.adaptive import knots_of
from segtile.solar.channels import SIGNED_RANGE, SOLAR_CHANNELS
from segtile.solar.curves import luma_of
from segtile.types import FloatArray

#: Noise below half a code value of an 8-bit file cannot be told from none; above the other there is no studio shot.
LEAST_SIGMA, MOST_SIGMA = 0.5 / 255, 0.05

#: What every channel shows at the background's own tone, and everywhere where no background was found.
NEUTRAL: tuple[float, ...] = (0.0, 0.5, 0.5, 0.5)

_STRAIGHT = 0.05  # tone; half-width of the straight part, for a gain of 8
_SIGMAS = 6.0  # and at least this many sigmas
_PHASES = (0.0, 1 / 3, 2 / 3)


def network_channels(rgb: FloatArray, tone: FloatArray | None, sigma: float = LEAST_SIGMA) -> FloatArray:
    """The channels SOLAR_CHANNELS of some pixels.

    Args:
        rgb: (h, w, 3) float32 sRGB-encoded in [0, 1].
        tone: (h, w) float32, the background's luma (`curves.luma_of`) under each pixel, or None where none was found.
        sigma: standard deviation of these very pixels' luma around the background; clipped to [0.5/255, 0.05].

    Returns:
        (h, w, 4) float32: `signed` in [-1, 1], then three phases in [0, 1]; `NEUTRAL` throughout without a tone.

    Raises:
        BadInput: the tone is not given for each pixel, or the noise is no number.
    """
    if tone is None:
        return np.broadcast_to(np.array(NEUTRAL, np.float32), (*rgb.shape[:2], len(SOLAR_CHANNELS))).copy()
    if tone.shape != rgb.shape[:2] or not np.isfinite(sigma):
        raise BadInput(f"a tone of {tone.shape} and a noise of {sigma} do not fit pixels of {rgb.shape}")
    sigma = float(np.clip(sigma, LEAST_SIGMA, MOST_SIGMA))
    straight = max(_STRAIGHT, _SIGMAS * sigma)
    first = 1.25 * straight  # where the straight line itself meets 0 and 1
    difference = luma_of(rgb) - tone
    out = np.empty((*tone.shape, len(SOLAR_CHANNELS)), np.float32)
    np.clip(difference / np.float32(sigma * SIGNED_RANGE), -1.0, 1.0, out=out[..., 0])
    for k, phase in enumerate(_PHASES, start=1):
        x, y = knots_of(straight, first, first, phase)
        out[..., k] = np.interp(difference, x, y)
    return out
