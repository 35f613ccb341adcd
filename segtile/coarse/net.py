"""The coarse pass by our own network: the whole picture with its solar channels in, probability of object out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse.ground import frame_noise, see_background
from segtile.coarse.network import map_of
from segtile.raster.preview import preview_size
from segtile.solar import luma_of, network_channels
from segtile.types import Background, Box, CoarseMap, FloatArray

#: Share of a picture that the network may leave open (probability 0.1 to 0.9). Of rendered scenes for validation it
#: leaves 1 to 30 %, of studio photographs by others 2 to 9 %, of land from the air 17 to 48 %, of noise 90 %.
UNLIKE = 0.25


def net_pass(preview: FloatArray, frame: Box, path: Path, name: str = "net", device: str = "auto") -> CoarseMap:
    """Look at a whole picture with a network of our own.

    Args:
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1].
        frame: the picture's own box.
        path: the graph, (1, 3 + channels, h, w) to (1, 1, h, w); see `segtile.backends.alpha_graph`.
        name: what the map's `source` says.
        device: see `OnnxModel`.

    Returns:
        A map of the size that the network was trained for, or of the preview's where that is smaller; with the
        background around which the solar channels were taken, where one was found.

    Raises:
        BackendMissing: onnxruntime is not installed.
        ModelError: the graph is no such network, or fails on this picture.
    """
    graph = _load(path, device)
    height, width = preview.shape[:2]
    size = preview_size(width, height, graph.long_side)
    small = preview if size == (width, height) else _smaller(preview, size)
    seen = see_background(small)
    tone = None if seen is None or graph.neutral else luma_of(seen.tone)
    solar = network_channels(small, tone, 0.0 if seen is None else seen.sigma, graph.channels)
    planes = np.concatenate([small, solar], axis=2).transpose(2, 0, 1)
    prob = graph.run(np.ascontiguousarray(planes))
    background = None if seen is None else Background(seen.tone, frame_noise(small, seen.ground, frame))
    notes = _notes(prob)
    return replace(map_of(prob, small, frame, 1.0, name, background), notes=notes)


def _notes(prob: FloatArray) -> tuple[str, ...]:
    """A warning where the network is at a loss over much of the picture."""
    open_share = float(((prob > 0.1) & (prob < 0.9)).mean())
    if open_share < UNLIKE:
        return ()
    return (
        f"The network cannot decide over {100 * open_share:.0f} % of the picture, which looks unlike what it was "
        "trained on (things on a backdrop): check the result, or try another coarse pass.",
    )


def _smaller(preview: FloatArray, size: tuple[int, int]) -> FloatArray:
    return np.asarray(cv2.resize(preview, size, interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=2)
def _load(path: Path, device: str) -> AlphaGraph:
    """Sessions are kept: a folder of pictures loads its network once."""
    return AlphaGraph(path, refines=False, device=device)
