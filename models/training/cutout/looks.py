"""What one look at a picture or several, and a picture and its mirror image, are worth to the coarse network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from models.training.cutout.compose import compose
from models.training.cutout.config import FAR, NEAR, Settings
from models.training.cutout.figures import figures
from models.training.cutout.shapes import Float
from models.training.cutout.shelf import Shelf
from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse.ground import Seen
from segtile.coarse.net import ask, ask_both_ways, both_looks, mean_odds

Ask = Callable[[AlphaGraph, Float], tuple[Float, Seen | None]]
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
    far, near = (_look(graph, pixels, side, ask_both_ways) for side in (FAR, NEAR))
    one = np.asarray(cv2.resize(whole[FAR], pixels.shape[1::-1]), np.float32)
    yield f"{FAR} and {NEAR} px, mean", mean_odds(one, whole[NEAR])
    yield f"{FAR} px where it is sure, else {NEAR} px", both_looks(whole[FAR], whole[NEAR])
    yield f"likewise, {FAR} px mirrored too", both_looks(far, whole[NEAR])
    yield "likewise, both mirrored too", both_looks(far, near)


def _look(graph: AlphaGraph, pixels: Float, side: int, way: Ask = ask) -> Float:
    return way(graph, np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.float32))[0]
