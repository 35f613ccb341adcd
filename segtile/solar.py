"""Solar curves: zigzags that fold the tone scale so that a difference of one code value becomes a visible jump.

The three fixed curves are those that retouchers use as a Curves layer; (input, output) points on 0..255, read linearly
(a triangle wave with exact folds, which is what a model should get).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.types import FloatArray

CURVES: dict[str, tuple[tuple[int, int], ...]] = {
    "solar1": ((0, 0), (128, 255), (255, 0)),
    "solar4": ((0, 0), (51, 255), (101, 0), (152, 255), (203, 0), (255, 255)),
    "solar6": ((0, 0), (36, 255), (72, 0), (109, 255), (145, 0), (181, 255), (218, 0), (255, 255)),
}

# Rec. 709 weights, taken on encoded values: the tone that a Curves layer on a grey copy would fold.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)

#: The signed channel is clipped to this many noise sigmas and divided by it.
SIGNED_RANGE = 32.0


def fold(name: str, tone: npt.ArrayLike) -> FloatArray:
    """Send tones through one of the fixed curves.

    Args:
        name: a key of CURVES.
        tone: any shape, float in [0, 1].

    Returns:
        float32 in [0, 1], same shape.

    Raises:
        BadInput: no curve of that name.
    """
    if name not in CURVES:
        raise BadInput(f"no solar curve {name!r}: there are {', '.join(CURVES)}")
    points = np.array(CURVES[name], np.float64) / 255.0
    return np.interp(np.asarray(tone), points[:, 0], points[:, 1]).astype(np.float32)


def channels(
    names: tuple[str, ...], rgb: FloatArray, background: FloatArray | None, noise: FloatArray | None
) -> FloatArray:
    """The solar channels that a refiner asked for; a pixel has the same value in every tile that reads it.

    Args:
        names: any of CURVES (folds of the luma) and "signed": (luma - background luma) / noise, clipped to
            +-SIGNED_RANGE sigmas and scaled to [-1, 1].
        rgb: (h, w, 3) float32 sRGB-encoded in [0, 1].
        background: (h, w, 3) float32 background tone, needed by "signed".
        noise: (3,) float32 standard deviation, needed by "signed".

    Returns:
        (h, w, len(names)) float32 in the order of `names`.

    Raises:
        BadInput: unknown name, or "signed" without a modelled background.
    """
    luma = rgb @ _LUMA
    out = np.empty((*luma.shape, len(names)), np.float32)
    for k, name in enumerate(names):
        if name != "signed":
            out[..., k] = fold(name, luma)
            continue
        if background is None or noise is None:
            raise BadInput("the signed solar channel needs a coarse pass that models the background (studio)")
        sigma = max(float(np.sqrt(np.square(noise * _LUMA).sum())), 1e-4)
        out[..., k] = np.clip((luma - background @ _LUMA) / sigma / SIGNED_RANGE, -1.0, 1.0)
    return out
