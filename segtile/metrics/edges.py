"""How well edges agree: IoU, boundary IoU in pixels or as a share of the diagonal, mean boundary accuracy.

All take `(pred, truth)`: two alphas of one size, uint8, uint16, bool or float in [0, 1]; P and G are where they are at
least 0.5. Higher is better, 1 on equal inputs (also where both are empty), 0 where one of two is empty.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from segtile.errors import BadInput
from segtile.metrics.pair import Mask, Pair, PairFunction, tiles

#: The boundary IoU paper's band as a share of the diagonal.
PAPER_RATIO = 0.02

_TILE = 1024
# Above this a distance transform is faster than the erosion with a square of 2 d + 1 px, which is the same to the bit.
_ERODE_UP_TO = 24


def _ratio(common: int, either: int) -> float:
    return common / either if either else 1.0


@PairFunction
def iou(pair: Pair) -> float:
    """Intersection over union of P and G."""
    p, g = pair.masks
    return _ratio(cv2.countNonZero(p & g), cv2.countNonZero(p | g))


def inner_band(mask: Mask, d: int) -> Mask:
    """The pixels of a mask at chessboard distance <= d from outside it, the array's border counting as outside.

    Equal to the bit to the mask minus its d-fold 3x3 erosion with zeros around it, at a cost that hardly grows with d.

    Args:
        mask: (h, w) uint8, 0 and 1.
        d: width in px, at least 1.

    Returns:
        (h, w) uint8, 0 and 1.

    Raises:
        BadInput: d is under 1.

    Source: B. Cheng et al., Boundary IoU, CVPR 2021 (arXiv 2103.16562).
    """
    if d < 1:
        raise BadInput(f"a band of {d} px holds nothing: its width is at least 1 px")
    if d <= _ERODE_UP_TO:
        square = np.ones((2 * d + 1, 2 * d + 1), np.uint8)
        eroded = cv2.erode(mask, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        return cv2.subtract(mask, eroded)
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(padded, cv2.DIST_C, 3)[1:-1, 1:-1]
    return (distance <= d).view(np.uint8) & mask


@PairFunction
def biou_px(pair: Pair, d: int = 2) -> float:
    """Boundary IoU with a band of exactly d px inside each mask (see `inner_band`): IoU of the two bands.

    Outside the box there is no mask, so its border counts as outside wherever it lies.

    Source: B. Cheng et al., Boundary IoU, CVPR 2021 (arXiv 2103.16562), with the band in px instead of a share.
    """
    p, g = (inner_band(mask, d) for mask in pair.masks)
    return _ratio(cv2.countNonZero(p & g), cv2.countNonZero(p | g))


def band_px(height: int, width: int, ratio: float = PAPER_RATIO) -> int:
    """The paper's band in px: `ratio` of the frame's diagonal, rounded (halves to even), at least 1."""
    return max(1, round(ratio * math.hypot(height, width)))


@PairFunction
def biou_diag(pair: Pair, ratio: float = PAPER_RATIO) -> float:
    """Boundary IoU with a band of `ratio` of the frame's diagonal, as the paper has it (LVIS: 0.008).

    On large frames the band swallows the object and the figure becomes the mask IoU; compare with papers only.

    Source: B. Cheng et al., Boundary IoU, CVPR 2021 (arXiv 2103.16562).
    """
    if not 0 < ratio < math.inf:
        raise BadInput(f"the band is {ratio} of the diagonal: it must be a number above 0")
    return biou_px.on_pair(pair, band_px(pair.frame.height, pair.frame.width, ratio))


def mba_radii(height: int, width: int) -> tuple[int, ...]:
    """The five radii in px, evenly from 1 towards (h + w) / 300, rounded down; as in CascadePSP the end is not reached.

    A frame whose h + w is under 600 px has radius 1 five times.
    """
    step = (max(1.0, (height + width) / 300) - 1) / 5
    return tuple(1 + int(step * i) for i in range(5))


@PairFunction
def mba(pair: Pair) -> float:
    """Mean boundary accuracy: the share of pixels near the true edge where P equals G, mean over five radii.

    Near is within the radius (Euclidean) of a pixel of the other class of G: the morphological gradient of G with a
    disc, the picture's border not counting as an edge. CascadePSP takes OpenCV's ellipse for the disc, which is half a
    pixel wider in some rows. NaN where G is empty or the whole frame.

    Source: H. K. Cheng et al., CascadePSP, CVPR 2020 (arXiv 2005.02551).
    """
    radii = mba_radii(pair.frame.height, pair.frame.width)
    near, right = dict.fromkeys(radii, 0), dict.fromkeys(radii, 0)
    halo = max(radii) + 1
    for core in tiles(pair.box.expand(halo, pair.frame), _TILE):
        read = core.expand(halo, pair.frame)
        truth = pair.mask("truth", read)
        if truth.min() == truth.max():
            continue  # no edge within reach of this tile
        outside = 1 - truth
        distance = sum(cv2.distanceTransform(m, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for m in (truth, outside))
        inner = core.within(read).slices
        distance, correct = distance[inner], pair.mask("pred", core) == truth[inner]
        for radius in set(radii):
            band = distance <= radius + 1e-3  # squares are whole: the next distance is at least 1 / (2 r + 1) away
            near[radius] += int(np.count_nonzero(band))
            right[radius] += int(np.count_nonzero(band & correct))
    if not near[radii[0]]:
        return math.nan
    return sum(right[r] / near[r] for r in radii) / len(radii)
