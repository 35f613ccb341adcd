"""Whether the pieces and openings are right in number: holes as metrics.md counts them, and Betti errors.

Connectivity is the pair (8, 4): pixels of the object are joined with their 8 neighbours, pixels of the background with
their 4 neighbours. All take `(pred, truth)`, two alphas of one size, uint8, uint16, bool or float in [0, 1]; P and G
are where they are at least 0.5. Lower is better, 0 on equal inputs.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from segtile.metrics.pair import Mask, Pair, PairFunction

#: A hole smaller than this many px is not counted by `holes`.
HOLE_PX = 12


def hole_areas(mask: Mask) -> npt.NDArray[np.int64]:
    """Areas in px of the 4-connected components of background that do not touch the array's border, (n,).

    Cutting a mask to its bounding box changes nothing: background that touches the box's side reaches the frame's
    border through the empty rows or columns beyond it.

    Args:
        mask: (h, w) uint8, 0 and 1.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4, ltype=cv2.CV_32S)
    x, y, w, h, area = (stats[1:, k].astype(np.int64) for k in range(5))
    inner = (x > 0) & (y > 0) & (x + w < mask.shape[1]) & (y + h < mask.shape[0])
    found: npt.NDArray[np.int64] = area[inner]
    return found


def _areas(pair: Pair, which: Literal["pred", "truth"]) -> npt.NDArray[np.int64]:
    return pair.once(f"hole areas of {which}", lambda p: hole_areas(p.masks[0 if which == "pred" else 1]))


@PairFunction
def holes(pair: Pair) -> float:
    """Difference in the number of holes as a share: abs(of P - of G) / max(1, of G).

    A hole is a 4-connected component of background of at least 12 px that does not touch the picture's border.
    """
    p = int(np.count_nonzero(_areas(pair, "pred") >= HOLE_PX))
    g = int(np.count_nonzero(_areas(pair, "truth") >= HOLE_PX))
    return abs(p - g) / max(1, g)


@PairFunction
def betti_components(pair: Pair) -> float:
    """Difference abs(b0(P) - b0(G)) in the number of 8-connected components of the object, of any size."""
    p, g = (cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_32S)[0] for mask in pair.masks)
    return float(abs(p - g))


@PairFunction
def betti_holes(pair: Pair) -> float:
    """Difference abs(b1(P) - b1(G)) in the number of holes of any size.

    A hole is a 4-connected component of background that does not touch the picture's border: beyond the border all is
    background, so what touches it is the outside.
    """
    return float(abs(_areas(pair, "pred").size - _areas(pair, "truth").size))
