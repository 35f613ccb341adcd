"""What a preview shows at each cell: sharp edges, and how far a cell is from a background tone.

Everything is measured in an opponent space of the sRGB-encoded values: tone (luma) and two chroma axes, in levels
(1/255 of the range). It is linear in the encoded values, so noise stays what it was, and a shadow, which multiplies
all channels by nearly the same factor, moves a colour along the ray through black: chroma is always compared after
scaling the background's chroma by the tone ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.types import BoolArray, FloatArray

#: Rows: tone, red against green, yellow against blue; columns: R, G, B.
OPPONENT = np.array([[0.30, 0.59, 0.11], [0.70, -0.70, 0.0], [0.40, 0.40, -0.80]], np.float32) * 255

#: The finest and the comparing scale of the edge measure, in map cells.
FINE_SIGMA, WIDE_SIGMA = 1.2, 5.0

#: The weakest edge that is believed in a picture without noise: rounding to 8 bits makes steps of one level, whose
#: gradient at the fine scale is 0.26 levels per cell.
EDGE_FLOOR = 0.33


@dataclass(frozen=True)
class Edges:
    """Sharp edges of a preview.

    `strength` (h, w) float32: gradient at the fine scale beyond what the wide scale sees there, levels per cell; slow
    ramps (lighting, soft shadows) give 0 however steep. `weak` and `strong` are the thresholds of hysteresis that
    belong to this picture's noise; `mask` (h, w) bool the edges they leave.
    """

    strength: FloatArray
    weak: float
    strong: float
    mask: BoolArray


def opponent(preview: FloatArray) -> FloatArray:
    """Tone and two chroma axes, (h, w, 3) float32 in levels, of a (h, w, 3) sRGB-encoded preview in [0, 1]."""
    return np.asarray(cv2.transform(preview, OPPONENT), np.float32)


def tone_and_chroma(opp: FloatArray, background: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Signed tone difference and chroma distance to a background, both (h, w) float32 in levels.

    Both inputs are (h, w, 3) in the opponent space. The background's chroma is scaled by the tone ratio first, so that
    a shadow of whatever depth has chroma distance 0.
    """
    tone = opp[..., 0] - background[..., 0]
    ratio = opp[..., 0] / np.maximum(background[..., 0], 8.0)
    first = opp[..., 1] - background[..., 1] * ratio
    second = opp[..., 2] - background[..., 2] * ratio
    return tone, cv2.magnitude(first, second)


def blur(image: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur with mirrored borders, float32."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def gradient(image: FloatArray, sigma: float) -> FloatArray:
    """Gradient magnitude at scale `sigma` over all channels together, (h, w) float32 in levels per cell."""
    smooth = blur(image, sigma)
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=0.125, borderType=cv2.BORDER_REFLECT_101)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=0.125, borderType=cv2.BORDER_REFLECT_101)
    np.multiply(dx, dx, out=dx)
    dx += dy * dy
    total = dx if dx.ndim == 2 else cv2.transform(dx, np.ones((1, 3), np.float32))
    return np.sqrt(np.asarray(total, np.float32))


def find_edges(opp: FloatArray) -> Edges:
    """Sharp edges of a preview in the opponent space, (h, w, 3), with thresholds from its own noise."""
    fine = gradient(opp, FINE_SIGMA)
    strength = np.maximum(fine - 1.5 * gradient(opp, WIDE_SIGMA), 0.0)
    noise = _gradient_noise(fine)
    weak = max(EDGE_FLOOR, 4.0 * noise)
    strong = 1.1 * weak
    return Edges(strength, weak, strong, hysteresis(strength, weak, strong))


def hysteresis(strength: FloatArray, weak: float, strong: float) -> BoolArray:
    """Cells above `weak` in 8-connected components that reach `strong`, (h, w) bool."""
    count, labels = cv2.connectedComponents((strength > weak).astype(np.uint8), connectivity=8)
    keep = np.zeros(count, bool)
    keep[labels[strength > strong]] = True
    keep[0] = False
    return np.asarray(keep[labels])


def _gradient_noise(fine: FloatArray) -> float:
    """The gradient's own noise level (Rayleigh scale over three channels) in the quiet half of the picture.

    Blocks are compared by their median, so that edges and texture, which fill a part of the picture only, do not
    count; the lower quartile of the blocks is background or another smooth surface.
    """
    h, w = fine.shape
    side = 16
    if h < 2 * side or w < 2 * side:
        return float(np.median(fine)) / 1.5
    rows, cols = h // side, w // side
    blocks = fine[: rows * side, : cols * side].reshape(rows, side, cols, side).swapaxes(1, 2).reshape(rows, cols, -1)
    return float(np.percentile(np.median(blocks, axis=2), 40)) / 1.5
