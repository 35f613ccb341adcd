"""The channels that refiners and networks may see beside RGB, one documented set and one function that makes it.

| order | name | range | what it is |
|---|---|---|---|
| 0 | `signed` | [-1, 1] | (luma - background's luma) / noise, clipped to +-SIGNED_RANGE sigmas, over it: no folds |
| 1 | `adaptive` | [0, 1] | zigzag around the background: one half at its tone, straight for 0.05 or 6 sigmas |
| 2 | `adaptive+1/3` | [0, 1] | the same with its folds moved outwards by a third of a segment |
| 3 | `adaptive+2/3` | [0, 1] | the same, moved by two thirds |

A fold line moves from channel 1 to 3, an edge does not. `solar1`, `solar4` and `solar6` (folds of the luma, [0, 1]) may
be asked for by name as well; they depend on nothing but the pixel.

`adaptive.adapt` sets its folds by the tones at an object's edge, so it needs a coarse answer first; in these they
follow from the noise alone. What is shown to a model that was not trained on them takes the picture's own, steeper
curve: VIEW_CHANNELS is the picture through it, colour by colour, for networks of three channels, and EDGE_CHANNELS its
luma at three phases, for edges. Every channel of a pixel is a function of the pixel's own colour, the background's tone
under it and one estimate for the whole picture, so a pixel has the same values in every tile that reads it, and a
coarse network, a refiner and the code that trains them see the same. 16-bit files are used at 16 bit.
"""

from __future__ import annotations

import numpy as np

from segtile.errors import BadInput
from segtile.solar.adaptive import AdaptiveCurve, knots_of
from segtile.solar.curves import CURVES, evaluate, luma_of
from segtile.types import FloatArray

#: What networks are trained with, in this order.
SOLAR_CHANNELS: tuple[str, ...] = ("signed", "adaptive", "adaptive+1/3", "adaptive+2/3")

#: The picture through its own curve (`adaptive.adapt`), colour by colour, and its luma at three phases; all [0, 1].
VIEW_CHANNELS: tuple[str, ...] = ("view-r", "view-g", "view-b")
EDGE_CHANNELS: tuple[str, ...] = ("edge", "edge+1/3", "edge+2/3")

#: What each of SOLAR_CHANNELS shows at the background's own tone, and everywhere where no background was found.
NEUTRAL: dict[str, float] = {"signed": 0.0, "adaptive": 0.5, "adaptive+1/3": 0.5, "adaptive+2/3": 0.5}

#: The signed channel is clipped to this many noise sigmas and divided by it.
SIGNED_RANGE = 32.0

#: Noise below half a code value of an 8-bit file cannot be told from none; above the other there is no studio shot.
LEAST_SIGMA, MOST_SIGMA = 0.5 / 255, 0.05

STRAIGHT = 0.05  # tone; half-width of the straight part, for a gain of 8
SIGMAS = 6.0  # and at least this many sigmas
_PHASES = {"adaptive": 0.0, "adaptive+1/3": 1 / 3, "adaptive+2/3": 2 / 3}


def needs_background(names: tuple[str, ...]) -> bool:
    """Whether any of the channels is taken around the background's tone."""
    return any(name not in CURVES for name in names)


def needs_curve(names: tuple[str, ...]) -> bool:
    """Whether any of the channels is taken through the picture's own curve."""
    return any(name in VIEW_CHANNELS or name in EDGE_CHANNELS for name in names)


def curve_channels(
    rgb: FloatArray, tone: FloatArray, curve: AdaptiveCurve, names: tuple[str, ...] = VIEW_CHANNELS
) -> FloatArray:
    """Some pixels through their picture's own curve.

    Args:
        rgb: (h, w, 3) float32 sRGB-encoded in [0, 1].
        tone: (h, w, 3) float32, `curve.tone` under each pixel.
        curve: the picture's.
        names: any of VIEW_CHANNELS and EDGE_CHANNELS.

    Returns:
        (h, w, len(names)) float32 in [0, 1], in the order of `names`.

    Raises:
        BadInput: an unknown name.
    """
    away = rgb - tone
    luma = luma_of(rgb) - luma_of(tone)
    out = np.empty((*luma.shape, len(names)), np.float32)
    for k, name in enumerate(names):
        if name in VIEW_CHANNELS:
            out[..., k] = curve.fold(away[..., VIEW_CHANNELS.index(name)])
        elif name in EDGE_CHANNELS:
            out[..., k] = curve.fold(luma, EDGE_CHANNELS.index(name) / 3)
        else:
            known = ", ".join((*VIEW_CHANNELS, *EDGE_CHANNELS))
            raise BadInput(f"no channel {name!r} of a picture's own curve: there are {known}")
    return out


def network_channels(
    rgb: FloatArray,
    tone: FloatArray | None,
    sigma: float = LEAST_SIGMA,
    names: tuple[str, ...] = SOLAR_CHANNELS,
) -> FloatArray:
    """The solar channels of some pixels.

    Args:
        rgb: (h, w, 3) float32 sRGB-encoded in [0, 1].
        tone: (h, w) float32, the background's luma (`curves.luma_of`) under each pixel, or None where none was found.
        sigma: standard deviation of these very pixels' luma around the background; clipped to [0.5/255, 0.05].
        names: any of SOLAR_CHANNELS and CURVES.

    Returns:
        (h, w, len(names)) float32 in the order of `names`; without a tone those of SOLAR_CHANNELS are `NEUTRAL`.

    Raises:
        BadInput: an unknown name, a tone that is not given for each pixel, or a noise that is no number.
    """
    unknown = [name for name in names if name not in SOLAR_CHANNELS and name not in CURVES]
    if unknown:
        raise BadInput(f"no solar channel {unknown[0]!r}: there are {', '.join((*SOLAR_CHANNELS, *CURVES))}")
    if tone is not None and (tone.shape != rgb.shape[:2] or not np.isfinite(sigma)):
        raise BadInput(f"a tone of {tone.shape} and a noise of {sigma} do not fit pixels of {rgb.shape}")
    sigma = float(np.clip(sigma, LEAST_SIGMA, MOST_SIGMA))
    straight = max(STRAIGHT, SIGMAS * sigma)
    first = 1.25 * straight  # where the straight line itself meets 0 and 1
    luma = luma_of(rgb)
    out = np.empty((*luma.shape, len(names)), np.float32)
    for k, name in enumerate(names):
        if name in CURVES:
            out[..., k] = evaluate(CURVES[name], luma)
        elif tone is None:
            out[..., k] = NEUTRAL[name]
        elif name == "signed":
            np.clip((luma - tone) / np.float32(sigma * SIGNED_RANGE), -1.0, 1.0, out=out[..., k])
        else:
            out[..., k] = np.interp(luma - tone, *knots_of(straight, first, first, _PHASES[name]))
    return out
