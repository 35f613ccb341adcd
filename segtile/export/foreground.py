"""The object's own colours under its soft edge.

A pixel of the edge shows a mixture, I = a F + (1 - a) B. Cut out with I itself, a ring shot on white carries a white
fringe onto every other background. So F is estimated from what can be seen next to the edge: the opaque object on one
side, the bare background on the other.
"""

from __future__ import annotations

import cv2
import numpy as np

from segtile.types import BoolArray, FloatArray

#: How far, in px, a pixel outside a window can change a result inside it. Windows with this halo agree to the bit, but
#: for the last columns before the frame's border, which windows of another width may round otherwise (under 2e-6).
REACH = 88
#: Windows must start at multiples of this in the frame, or the coarse averages would lie differently.
ALIGN = 4

_FINE = 2  # px, radius of the box that is applied twice (a tent)
_COARSE = (2, 6)  # the same, in cells of ALIGN px
_SHARP, _BROAD = 8, 4  # power of alpha that weighs a pixel as a sample of the object, in the first and second round
_FALLBACK = 1e-6  # weight of half transparent pixels where nothing clearer is in reach
_LEAN = 1e-3  # share of clear samples at which the finer average outweighs the next coarser one
_NOISE = 0.01  # standard deviation of a stored value, in full scale
_ALPHA_ERROR = 0.02  # standard deviation of alpha itself
_TINY = 1e-30  # keeps the average of nothing at zero
_TEXTURE = 2e-3  # smallest variance granted to the object's colours


def estimate_foreground(colour: FloatArray, alpha: FloatArray, known: BoolArray | None = None) -> FloatArray:
    """Estimate the object's colour at every pixel.

    Local means and variances of object and background come from averages weighted by powers of alpha, at three sizes,
    the finest that has clear samples counting most. Given these as normal distributions, with noise in the pixel and
    in alpha, the object's colour is the mean of its posterior: where the background is plain it is subtracted and the
    object's texture stays, where alpha is small or the background busy the local mean takes over, so nothing explodes.
    A second round repeats this with the first round's colours as samples.

    Args:
        colour: (h, w, c) float32 in [0, 1], the stored colours, in whatever space they are stored.
        alpha: (h, w) float32 in [0, 1].
        known: (h, w) bool, False where a pixel is no mixture of object and background and must not be a sample.

    Returns:
        (h, w, c) float32 in [0, 1]; where alpha is 0, the colours of the object next to it.

    Source:
        The posterior mean follows Chuang et al., A Bayesian Approach to Digital Matting, CVPR 2001, for a given alpha;
        the weighted averages follow Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021.
    """
    beta = 1 - alpha
    mask = None if known is None else known.astype(np.float32)
    front, back = colour, colour
    for power, sizes in ((_SHARP, _COARSE), (_BROAD, _COARSE[:1])):
        front_mean, front_variance = _local(front, _weights(alpha, power, mask), sizes)
        back_mean, back_variance = _local(back, _weights(beta, power, mask), sizes)
        front_variance += _TEXTURE
        contrast = np.square(front_mean - back_mean).mean(axis=-1)
        spread = np.square(alpha) * front_variance + np.square(beta) * back_variance
        spread += _NOISE**2 + _ALPHA_ERROR**2 * contrast
        rest = colour - alpha[..., None] * front_mean - beta[..., None] * back_mean
        front = np.clip(front_mean + (alpha * front_variance / spread)[..., None] * rest, 0, 1)
        back = np.clip(back_mean + (beta * back_variance / spread)[..., None] * rest, 0, 1)
    result: FloatArray = front
    return result


def _weights(alpha: FloatArray, power: int, mask: FloatArray | None) -> FloatArray:
    weights = alpha**power + _FALLBACK * alpha
    return weights if mask is None else weights * mask


def _local(colour: FloatArray, weights: FloatArray, sizes: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Weighted local mean (h, w, c) and variance (h, w), the latter averaged over the channels."""
    height, width = weights.shape
    sums: FloatArray = np.dstack([weights, weights * np.square(colour).mean(axis=-1), weights[..., None] * colour])
    # Cells hang on the frame's grid; what is missing to a whole cell at the right and bottom has no weight.
    padded = np.pad(sums, ((0, -height % ALIGN), (0, -width % ALIGN), (0, 0)))
    size = padded.shape[1], padded.shape[0]
    cells = _resize(padded, (size[0] // ALIGN, size[1] // ALIGN), cv2.INTER_AREA)
    found = _lean(_smooth(cells, sizes[-1]), None)
    for radius in reversed(sizes[:-1]):
        found = _lean(_smooth(cells, radius), found)
    found = _lean(_smooth(sums, _FINE), _resize(found, size, cv2.INTER_LINEAR)[:height, :width])
    mean = found[..., 1:]
    return mean, np.maximum(found[..., 0] - np.square(mean).mean(axis=-1), 0)


def _smooth(array: FloatArray, radius: int) -> FloatArray:
    """Average by a tent 4 * radius + 1 wide, which is a box twice; zero outside the window.

    Boxes would be summed running along, and what such a sum rounds off depends on where the window begins.
    """
    box = np.full(2 * radius + 1, 1 / (2 * radius + 1))
    tent = np.convolve(box, box).astype(np.float32)
    return np.asarray(cv2.sepFilter2D(array, -1, tent, tent, borderType=cv2.BORDER_CONSTANT), np.float32)


def _resize(array: FloatArray, size: tuple[int, int], method: int) -> FloatArray:
    return np.asarray(cv2.resize(array, size, interpolation=method), np.float32)


def _lean(sums: FloatArray, coarser: FloatArray | None) -> FloatArray:
    """Weighted sums (weight first) to averages, leaning on the coarser averages where there is little weight."""
    if coarser is None:
        return np.asarray(sums[..., 1:] / np.maximum(sums[..., :1], np.float32(_TINY)), np.float32)
    return np.asarray((sums[..., 1:] + _LEAN * coarser) / (sums[..., :1] + _LEAN), np.float32)
