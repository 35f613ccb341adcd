"""The coarse pass by our own network: the whole picture with its solar channels in, probability of object out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse.ground import Seen, frame_noise, see_background
from segtile.coarse.network import map_of, sigmoid
from segtile.raster.preview import preview_size
from segtile.solar import luma_of, network_channels
from segtile.types import Background, Box, CoarseMap, FloatArray

#: Share of a picture that the network may leave open (probability 0.1 to 0.9). Of rendered scenes for validation it
#: leaves 1 to 30 %, of studio photographs by others 2 to 9 %, of land from the air 17 to 48 %, of noise 90 %.
UNLIKE = 0.25

NEIGHBOURHOOD = 3.0  # sigma in px of the look from afar, by validation
LEAST = 1e-4  # probabilities are held this far from 0 and 1

#: The look from near is spared where the one from afar is as sure as this of the neighbourhood; (px) what lies within
#: CONTEXT of the rest is looked at with it.
SURE, CONTEXT = 0.98, 96

#: How a picture is turned to be asked about again: rows and columns exchanged, then upside down, mirrored.
WAYS = tuple((bool(n & 4), bool(n & 2), bool(n & 1)) for n in range(8))

#: How many of them the two looks take, by validation; the one from afar costs a seventh of the other.
FAR_WAYS, NEAR_WAYS = 8, 2


class Asked(Protocol):
    """A coarse network that can be asked: an `AlphaGraph`, or one that is being trained."""

    channels: tuple[str, ...]
    multiple_of: int

    def run(self, planes: FloatArray) -> FloatArray:
        """Planes (c, h, w) to the probability of object (h, w), 0..1; float32 both."""


def net_pass(preview: FloatArray, frame: Box, path: Path, name: str = "net", device: str = "auto") -> CoarseMap:
    """Look at a whole picture with a network of our own.

    Args:
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1].
        frame: the picture's own box.
        path: the graph, (1, 3 + channels, h, w) to (1, 1, h, w); see `segtile.backends.alpha_graph`.
        name: what the map's `source` says.
        device: see `OnnxModel`.

    Returns:
        A map of the size of the network's closest look, or of the preview's where that is smaller; with the
        background around which the solar channels were taken, where one was found.

    Raises:
        BackendMissing: onnxruntime is not installed.
        ModelError: the graph is no such network, or fails on this picture.
    """
    graph = _load(path, device)
    return look(graph, preview, frame, graph.long_side, graph.close_side, name)


def look(graph: Asked, preview: FloatArray, frame: Box, far: int, near: int, name: str = "net") -> CoarseMap:
    """Look at a whole picture from afar, then from near, each way round; as `net_pass`, by a graph that is loaded.

    Args:
        graph: the coarse network.
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1].
        frame: the picture's own box.
        far: px, the longer side of the look from afar.
        near: px, that of the closer look; one that is no larger is left out.
        name: what the map's `source` says.
    """
    height, width = preview.shape[:2]
    small = _smaller(preview, preview_size(width, height, far))
    prob, seen = ask_ways(graph, small, FAR_WAYS)
    nearer = _smaller(preview, preview_size(width, height, near)) if near else small
    if nearer.shape[0] > small.shape[0]:
        close, seen = ask_ways(graph, nearer, NEAR_WAYS, part_to_see(prob, nearer.shape[:2], graph.multiple_of))
        prob, small = both_looks(prob, close), nearer
    background = None if seen is None else Background(seen.tone, frame_noise(small, seen.ground, frame))
    notes = _notes(prob)
    return replace(map_of(prob, small, frame, 1.0, name, background), notes=notes, graded=True)


def both_looks(far: FloatArray, close: FloatArray) -> FloatArray:
    """What two looks at one picture say together.

    From afar a network sees what belongs together, from close by where exactly it ends. So the look from afar counts
    where it is sure of a whole neighbourhood, the other one elsewhere: their log odds are weighed by that.

    Args:
        far: (h, w) float32 in [0, 1].
        close: (H, W) float32 in [0, 1], of the same picture, larger.

    Returns:
        (H, W) float32 in [0, 1].
    """
    size = close.shape[1], close.shape[0]
    sure = _surety(far, size)
    enlarged = cv2.resize(far, size, interpolation=cv2.INTER_LINEAR)
    odds = sure * log_odds(enlarged) + (1.0 - sure) * log_odds(close)
    return np.asarray(sigmoid(odds), np.float32)


def _surety(far: FloatArray, size: tuple[int, int]) -> FloatArray:
    """How sure a look from afar is of the neighbourhood, 0..1, in another size (width, height)."""
    around = cv2.resize(cv2.GaussianBlur(far, (0, 0), NEIGHBOURHOOD), size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.abs(2.0 * around - 1.0), np.float32)


def part_to_see(far: FloatArray, shape: tuple[int, int], grid: int) -> Box:
    """What a closer look has to see of a picture: its answer hardly counts where the one from afar is sure.

    Args:
        far: (h, w) float32, probabilities from afar.
        shape: (height, width) of the picture for the closer look, px.
        grid: px of the network's own grid.

    Returns:
        A part whose distances to all four borders are whole multiples of `grid`, so that the network's grid lies as
        over the whole, whichever way round; empty where all is sure.
    """
    height, width = shape
    frame = Box.frame(width, height)
    some = np.argwhere(_surety(far, (width, height)) < SURE)
    if not len(some):
        return Box(0, 0, 0, 0)
    (top, left), (bottom, right) = some.min(axis=0), some.max(axis=0) + 1
    part = Box(int(left), int(top), int(right), int(bottom)).expand(CONTEXT, frame)
    x0, y0 = part.x0 // grid * grid, part.y0 // grid * grid
    return Box(x0, y0, width - (width - part.x1) // grid * grid, height - (height - part.y1) // grid * grid)


def log_odds(prob: FloatArray, least: float = LEAST) -> FloatArray:
    """log(p / (1 - p)) of probabilities that are held `least` from 0 and 1."""
    held = np.clip(prob, least, 1.0 - least)
    return np.asarray(np.log(held / (1.0 - held)), np.float32)


def _answer(graph: Asked, small: FloatArray, seen: Seen | None) -> FloatArray:
    tone = None if seen is None else luma_of(seen.tone)
    solar = network_channels(small, tone, 0.0 if seen is None else seen.sigma, graph.channels)
    planes = np.concatenate([small, solar], axis=2).transpose(2, 0, 1)
    return graph.run(np.ascontiguousarray(planes))


def ask_ways(graph: Asked, small: FloatArray, count: int, part: Box | None = None) -> tuple[FloatArray, Seen | None]:
    """The network's answer for a picture and for its mirror images: the mean of their log odds errs less than each.

    Args:
        graph: the coarse network.
        small: (h, w, 3) float32 sRGB-encoded in [0, 1], of a size that the network knows.
        count: 1, the picture; 2, mirrored too; 4, upside down too; 8, each of these with rows and columns exchanged.
        part: what is looked at, if not the whole picture.

    Returns:
        The probability (h, w), 0.5 beside the part; and the background that was found, in the whole picture.
    """
    seen = see_background(small)
    total = np.zeros(small.shape[:2], np.float32)
    at = (slice(None), slice(None)) if part is None else part.slices
    shown, told = small[at], None if seen is None else replace(seen, tone=seen.tone[at])
    for way in WAYS[: count if shown.size else 0]:
        there = None if told is None else replace(told, tone=turned(told.tone, way))
        total[at] += turned(log_odds(_answer(graph, turned(shown, way), there)), way, back=True)
    return np.asarray(sigmoid(total / np.float32(count)), np.float32), seen


def turned(values: FloatArray, way: tuple[bool, bool, bool], back: bool = False) -> FloatArray:
    """An array (h, w[, c]) one of WAYS round, contiguous; `back` undoes it."""
    exchanged, upside_down, mirrored = way
    if exchanged and not back:
        values = values.swapaxes(0, 1)
    values = values[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    return np.ascontiguousarray(values.swapaxes(0, 1) if exchanged and back else values)


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
    if size == (preview.shape[1], preview.shape[0]):
        return preview
    return np.asarray(cv2.resize(preview, size, interpolation=cv2.INTER_AREA), np.float32)


@lru_cache(maxsize=2)
def _load(path: Path, device: str) -> AlphaGraph:
    """Sessions are kept: a folder of pictures loads its network once."""
    return AlphaGraph(path, refines=False, device=device)
