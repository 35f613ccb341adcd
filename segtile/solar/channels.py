"""The channels that a refiner may see beside RGB, one documented set.

| order | name | range | what it is |
|---|---|---|---|
| 0 | `signed` | [-1, 1] | (luma - background's luma) / noise, clipped to +-SIGNED_RANGE sigmas, over it: no folds |
| 1 | `adaptive` | [0, 1] | the adaptive curve: one half at the background's tone, no fold up to the edge's tones |
| 2 | `adaptive+1/3` | [0, 1] | the same with its folds moved outwards by a third of a segment |
| 3 | `adaptive+2/3` | [0, 1] | the same, moved by two thirds |

A fold line moves from channel 1 to 3, an edge does not. `solar1`, `solar4` and `solar6` (folds of the luma, [0, 1]) may
be asked for by name as well; they depend on nothing but the pixel.

Every channel of a pixel is a function of the pixel's own colour and of one field and one noise estimate for the whole
picture, so a pixel has the same values in every tile that reads it. 16-bit files are used at 16 bit.
"""

from __future__ import annotations

import numpy as np

from segtile.errors import BadInput
from segtile.solar.adaptive import AdaptiveCurve
from segtile.solar.curves import CURVES, evaluate, luma_of
from segtile.types import FloatArray

#: What networks are trained with, in this order.
SOLAR_CHANNELS: tuple[str, ...] = ("signed", "adaptive", "adaptive+1/3", "adaptive+2/3")

#: The signed channel is clipped to this many noise sigmas and divided by it.
SIGNED_RANGE = 32.0

_PHASES = {"adaptive": 0.0, "adaptive+1/3": 1 / 3, "adaptive+2/3": 2 / 3}


def needs_background(names: tuple[str, ...]) -> bool:
    """Whether any of the channels is taken around the background's tone."""
    return any(name not in CURVES for name in names)


def channels(
    names: tuple[str, ...], rgb: FloatArray, tone: FloatArray | None = None, curve: AdaptiveCurve | None = None
) -> FloatArray:
    """The solar channels that a refiner asked for.

    Args:
        names: any of SOLAR_CHANNELS and CURVES.
        rgb: (h, w, 3) float32 sRGB-encoded in [0, 1].
        tone: (h, w) float32, `curve.luma` over the same pixels; needed by all but the fixed curves.
        curve: the picture's adaptive curve; needed likewise.

    Returns:
        (h, w, len(names)) float32 in the order of `names`.

    Raises:
        BadInput: unknown name, or a channel around the background without one.
    """
    luma = luma_of(rgb)
    out = np.empty((*luma.shape, len(names)), np.float32)
    for k, name in enumerate(names):
        if name in CURVES:
            out[..., k] = evaluate(CURVES[name], luma)
        elif name not in SOLAR_CHANNELS:
            raise BadInput(f"no solar channel {name!r}: there are {', '.join((*SOLAR_CHANNELS, *CURVES))}")
        elif tone is None or curve is None:
            raise BadInput(f"the solar channel {name!r} needs the background's tone and the picture's adaptive curve")
        elif name == "signed":
            out[..., k] = np.clip((luma - tone) / np.float32(curve.sigma * SIGNED_RANGE), -1.0, 1.0)
        else:
            out[..., k] = curve.fold(luma - tone, _PHASES[name])
    return out
