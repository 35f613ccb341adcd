"""Which of a network's masks is taken, how two looks at the same object become one, and when none is believed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.backends.promptable import Answer
from segtile.backends.squares import Square
from segtile.refine.prompts import labels_of
from segtile.types import BoolArray, FloatArray, TileInput

#: Agreement with what the coarse pass is certain of below which an answer is about something else.
LEAST_AGREEMENT = 0.5
#: Two looks whose masks overlap less than this are about different things, and only the better one counts.
_SAME = 0.5


@dataclass(frozen=True)
class Certain:
    """What the coarse pass is certain of about one object, on some grid over the network's square: (s, s) float32.

    `inside` and `outside` are shares of each cell; where neither is 1, the rest is doubt or padding.
    """

    inside: FloatArray
    outside: FloatArray


@dataclass(frozen=True)
class Choice:
    """The mask that is taken of an object, (s, s) float32 `logits`.

    `agreement` is its IoU with what is certain, `quality` that times the network's own score, both in 0..1.
    """

    logits: FloatArray
    agreement: float
    quality: float


def certain_of(x: TileInput, label: int, square: Square, side: int) -> Certain:
    """What is certain of an object of a tile, on a network's grid.

    A thin object has nothing certain inside; there its believed half of the band stands in.
    """
    mine = labels_of(x) == label
    inside = mine & ~x.band & (x.prob >= 0.5)
    believed = mine & (x.prob >= 0.5)
    if np.count_nonzero(inside) < 0.25 * np.count_nonzero(believed):
        inside = believed
    outside = ~x.band & ~inside
    return Certain(*(square.from_picture(m.astype(np.float32), side, 0.0) for m in (inside, outside)))


def agreement(mask: BoolArray, certain: Certain) -> float:
    """IoU of a mask (s, s) with what is certain, counted over the certain cells only."""
    hit = float(certain.inside[mask].sum())
    union = float(certain.inside.sum()) + float(certain.outside[mask].sum())
    return hit / union if union else 0.0


def choose(answer: Answer, certain: Certain) -> Choice:
    """The mask of an answer that is best by the network's own score and by its agreement with what is certain."""
    found = [agreement(mask > 0, certain) for mask in answer.logits]
    quality = [a * float(np.clip(score, 0.05, 1.0)) for a, score in zip(found, answer.scores, strict=True)]
    best = int(np.argmax(quality))
    return Choice(answer.logits[best], found[best], quality[best])


def fuse(choices: list[Choice]) -> Choice:
    """Several looks at one object as one: logits weighed by quality, of those that agree with the best look."""
    best = max(choices, key=lambda c: c.quality)
    mine = best.logits > 0
    alike = [c for c in choices if c is best or _iou(c.logits > 0, mine) >= _SAME]
    weights = np.square([max(c.quality, 1e-6) for c in alike])
    total = sum(w * c.logits for w, c in zip(weights, alike, strict=True)) / weights.sum()
    return Choice(np.asarray(total, np.float32), best.agreement, best.quality)


def _iou(a: BoolArray, b: BoolArray) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def unresolved(believed: BoolArray, cell: float) -> BoolArray:
    """Where a belief (h, w) has parts or openings too thin for a grid of `cell` px, and a cell around: (h, w) bool."""
    side = 2 * max(1, round(cell)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    whole = believed.astype(np.uint8)
    # beyond the tile's border things go on as they are there
    thin = (whole != cv2.morphologyEx(whole, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE)) | (
        whole != cv2.morphologyEx(whole, cv2.MORPH_CLOSE, disc, borderType=cv2.BORDER_REPLICATE)
    )
    # the corners of a solid thing are rounded off too, but only a little
    deep = cv2.morphologyEx(thin.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.dilate(deep, disc) > 0, np.bool_)


def near_contour(logits: FloatArray, reach: float) -> BoolArray:
    """Pixels within `reach` px of where logits (h, w) change sign, or where they hardly decide: (h, w) bool."""
    inside = (logits >= 0).astype(np.uint8)
    if inside.all() or not inside.any():
        return np.abs(logits) < 1.0
    to_edge = np.where(
        inside > 0,
        cv2.distanceTransform(inside, cv2.DIST_L2, 5),
        cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5),
    )
    return np.asarray((to_edge <= reach) | (np.abs(logits) < 1.0), np.bool_)
