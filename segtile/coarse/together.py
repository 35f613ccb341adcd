"""Two witnesses of one picture: a network, and the studio pass, which models the background and was never trained."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from segtile.coarse.band import label_objects
from segtile.coarse.net import log_odds
from segtile.coarse.network import map_of, sigmoid
from segtile.coarse.regions import distance_to
from segtile.types import CoarseMap, FloatArray

#: What the studio pass says counts by this beside the network, by validation (eval/configs/validation.yaml).
_SHARE = 0.2

#: Intersection over union of the two below which one of them is all wrong: then there is nothing to be joined.
AGREE = 0.5

_BESIDE = 1.5  # cells; what the studio pass doubts this near to the band belongs to it, farther off it doubts too much
_SURE = 1e-3  # the studio pass knows no shades of certainty: its 0 and 1 are taken for this much


def agreement(one: CoarseMap, two: CoarseMap) -> float:
    """Intersection over union, 0 to 1, of what two maps of one picture take for objects; 1 where both found nothing."""
    a, b = (found.prob for found in (one, two))
    if a.size > b.size:
        a, b = b, a
    there = cv2.resize(b, a.shape[::-1], interpolation=cv2.INTER_AREA) >= 0.5
    here = a >= 0.5
    either = int((here | there).sum())
    return float((here & there).sum()) / either if either else 1.0


def together(net: CoarseMap, studio: CoarseMap, preview: FloatArray) -> CoarseMap:
    """The map of a network and of the studio pass, their log odds added.

    They fail at different things: a network fills what it has never seen and is led astray by colours inside an object;
    a model of the background finds what differs from it however thin it is, and loses what does not. What only one of
    them sees stays in doubt, and is left to the pass over each tile.

    Args:
        net: the network's map.
        studio: the studio pass's, of the same frame, where it found the background.
        preview: (h, w, 3) float32, the picture at the studio map's size or larger.

    Returns:
        A map of the studio map's size, with its background.
    """
    h, w = studio.prob.shape
    seen = preview if preview.shape[:2] == (h, w) else cv2.resize(preview, (w, h), interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(net.prob, (w, h), interpolation=cv2.INTER_LINEAR)
    odds = log_odds(enlarged) + _SHARE * log_odds(studio.prob, _SURE)
    prob = np.asarray(sigmoid(odds), np.float32)
    cell = max(1.0, w / net.prob.shape[1])
    source = f"{net.source}+{studio.source}"
    found = map_of(prob, np.asarray(seen, np.float32), studio.frame, cell, source, studio.background)
    band = found.unsure | (studio.unsure & (distance_to(found.unsure) <= _BESIDE * cell))
    return replace(found, unsure=band, labels=label_objects(found.prob, band), graded=True)
