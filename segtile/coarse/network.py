"""The coarse pass by a catalogue network: the whole picture at the size the network was trained for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from segtile.backends.onnx import OnnxModel
from segtile.catalog import Activation, ModelCard, find_weights, weights_folder
from segtile.catalog.licences import require_accepted
from segtile.coarse.band import drop_dust, label_objects, make_band
from segtile.coarse.evidence import find_edges, opponent
from segtile.coarse.regions import distance_to, joined_to
from segtile.errors import ModelError
from segtile.types import Background, BoolArray, Box, CoarseMap, FloatArray

#: Between these a network's probability is not taken for an answer.
SURE_BACKGROUND, SURE_OBJECT = 0.02, 0.98

#: Cells from what is kept that doubt may reach.
DOUBT = 12


def network_pass(preview: FloatArray, frame: Box, card: ModelCard, device: str = "auto") -> CoarseMap:
    """Look at a whole picture with a network.

    Args:
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1].
        frame: the picture's own box.
        card: the network; its weights must be installed.
        device: see `OnnxModel`.

    Returns:
        A map of the preview's size. The probability is the network's own activation, never stretched to the picture's
        minimum and maximum: a picture without an object stays without one. The band is as wide as the network's cells
        are coarse, and takes in the sharp edges beside it, so that thin parts the network blurred away can come back.

    Raises:
        BackendMissing: onnxruntime is not installed.
        ModelError: the weights are missing, wrong, or do not run.
    """
    h, w = preview.shape[:2]
    model = load_network(card, device)
    prob = infer(preview, card, model)
    return map_of(prob, preview, frame, max(w / card.size[0], h / card.size[1]), card.id)


def map_of(
    prob: FloatArray, preview: FloatArray, frame: Box, cell: float, source: str, background: Background | None = None
) -> CoarseMap:
    """The map that a network's probability makes.

    Args:
        prob: (h, w) float32 in [0, 1]; it is overwritten.
        preview: (h, w, 3) float32, what the network saw or a larger one.
        frame: the picture's own box.
        cell: cells of the map that one pixel of what the network saw takes.
        source: the network's name.
        background: of the picture, where one was found.
    """
    keep = drop_dust(prob >= 0.5)
    if not keep.any():
        prob[:] = 0
        band = np.zeros(prob.shape, bool)
    else:
        doubt = (prob > SURE_BACKGROUND) & (prob < SURE_OBJECT) & (distance_to(keep) <= DOUBT * cell)
        prob[~doubt & ~keep] = 0
        wide = make_band(prob, doubt, max(3.0, 1.5 * cell)) | (distance_to(doubt) <= cell)
        band = np.asarray(wide | _edges_beside(preview, wide, 4 * cell), np.bool_)
    h, w = prob.shape
    scale = max(frame.width / w, frame.height / h)
    return CoarseMap(prob, band, label_objects(prob, band), scale, frame, source, background)


def infer(preview: FloatArray, card: ModelCard, model: OnnxModel) -> FloatArray:
    """The network's probability of object at the preview's size, (h, w) float32 in [0, 1].

    Raises:
        ModelError: graph and card disagree on the input size, or the output is not one map.
    """
    h, w = preview.shape[:2]
    if model.input_size not in (None, card.size):
        raise ModelError(f"the graph of {card.id} takes {model.input_size}, its card says {card.size}")
    shrinking = card.size[0] < w or card.size[1] < h
    small = cv2.resize(preview, card.size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    if card.colour == "bgr":
        small = small[..., ::-1]
    ready = (small * card.scale - np.array(card.mean, np.float32)) / np.array(card.std, np.float32)
    raw = model.run(np.ascontiguousarray(ready.transpose(2, 0, 1), np.float32), card.output)
    flat = raw.reshape(-1, *raw.shape[-2:])
    if (len(flat) < 2) if card.activation == "softmax" else (len(flat) != 1):
        wanted = "several are" if card.activation == "softmax" else "one map is"
        raise ModelError(f"the output {card.output!r} of {card.id} has {len(flat)} channels; {wanted} expected")
    if not np.isfinite(flat).all():
        raise ModelError(f"{card.id} gave values that are no numbers for this picture")
    prob = _activate(flat, card.activation)
    return np.clip(cv2.resize(prob.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR), 0, 1)


def load_network(card: ModelCard, device: str = "auto") -> OnnxModel:
    """The network of a card, loaded once per process.

    A model whose weights are a checkpoint of torch has its graph beside them, in a folder of its name.

    Raises:
        BackendMissing: onnxruntime is not installed.
        LicenceError: its licence has to be accepted first.
        ModelError: the weights are missing, wrong, or no graph of one picture.
    """
    if card.files[0].part != "checkpoint":
        return _load(find_weights(card)[0], device)
    graph = weights_folder() / card.id / "model.onnx"
    if not graph.is_file():
        raise ModelError(
            f"{card.id} is a checkpoint of torch, and its graph is not here: export it to ONNX by its authors' code "
            f"({card.source}) as {graph}"
        )
    require_accepted(card)
    return _load(graph, device)


def sigmoid(logits: FloatArray) -> FloatArray:
    """The logistic function, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))


def _activate(values: FloatArray, activation: Activation) -> FloatArray:
    """(channels, h, w) to (h, w): the probability of object."""
    if activation == "sigmoid":
        return sigmoid(values[0])
    if activation == "softmax":
        shares = np.exp(values - values.max(axis=0))
        return np.asarray(1 - shares[0] / shares.sum(axis=0))
    return np.clip(values[0], 0, 1)


def _edges_beside(preview: FloatArray, band: BoolArray, reach: float) -> BoolArray:
    """Sharp edges that join the band and stay within `reach` cells of it."""
    near = (distance_to(band) <= reach) & (distance_to(find_edges(opponent(preview)).mask) <= 2)
    return np.asarray(near & joined_to(near | band, band))


@lru_cache(maxsize=2)
def _load(path: Path, device: str) -> OnnxModel:
    """Sessions are kept: a folder of pictures loads its network once."""
    return OnnxModel(path, device)
