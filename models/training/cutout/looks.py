"""What one look at a picture or several, and at its mirror images, are worth to the coarse network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from models.training.cutout.compose import compose
from models.training.cutout.config import FAR, NEAR, Settings
from models.training.cutout.figures import figures
from models.training.cutout.shapes import Float
from models.training.cutout.shelf import Shelf
from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse.net import FAR_WAYS, NEAR_WAYS, ask_ways, both_looks, log_odds
from segtile.coarse.network import sigmoid

SIDES = (384, 512, 768, 1024)  # px


def compare(settings: Settings, graph: AlphaGraph, shelf: Shelf, count: int) -> dict[str, dict[str, float]]:
    """Mean figures of `models.training.cutout.figures` by way of looking, over composed pictures of 1024 px.

    Args:
        settings: of the trainings; pictures are drawn by a seed of their own.
        graph: the coarse network.
        shelf: held out.
        count: pictures; those without an object are not counted.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    data = replace(settings.data, shapes=0.0, empty=0.0)
    for number in range(count):
        rng = np.random.default_rng([settings.seed, number, 11])
        scene = compose(rng, shelf, data, max(SIDES), close=False)
        for way, prob in _ways(graph, scene.pixels):
            found = figures(prob, scene.alpha)
            if "iou" in found:
                rows.setdefault(way, []).append(found)
    return {way: {k: float(np.mean([row[k] for row in some])) for k in some[0]} for way, some in rows.items()}


def _ways(graph: AlphaGraph, pixels: Float) -> Iterator[tuple[str, Float]]:
    whole = {side: _look(graph, pixels, side) for side in SIDES}
    for side in SIDES:
        yield f"{side} px", np.asarray(cv2.resize(whole[side], pixels.shape[1::-1]), np.float32)
    one = np.asarray(cv2.resize(whole[FAR], pixels.shape[1::-1]), np.float32)
    mean = sigmoid(np.asarray((log_odds(one) + log_odds(whole[NEAR])) / 2, np.float32))
    yield f"{FAR} and {NEAR} px, mean", np.asarray(mean, np.float32)
    yield f"{FAR} px where it is sure, else {NEAR} px", both_looks(whole[FAR], whole[NEAR])
    for far, near in sorted({(2, 1), (2, 2), (4, 4), (FAR_WAYS, NEAR_WAYS), (FAR_WAYS, 4)}):
        looks = _look(graph, pixels, FAR, far), _look(graph, pixels, NEAR, near)
        yield f"likewise, {far} and {near} ways round", both_looks(*looks)


def _look(graph: AlphaGraph, pixels: Float, side: int, ways: int = 1) -> Float:
    small = np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    return ask_ways(graph, small, ways)[0]
