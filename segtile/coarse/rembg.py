"""A network run over the whole picture exactly as rembg runs it, so that the two can be compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from segtile.catalog import ModelCard
from segtile.coarse.band import label_objects
from segtile.coarse.network import load_network, sigmoid
from segtile.errors import BadInput, ModelError
from segtile.types import Array, Box, CoarseMap, Raster

#: Families of the catalogue that rembg has.
FAMILIES = ("salient", "birefnet")
_STRIP = 4_000_000  # px that are read at once
_WHOLE = 64_000_000  # px of a picture that is filtered in one piece
_TINY = 1e-6

Codes = npt.NDArray[np.uint8]


def rembg_pass(raster: Raster, size: tuple[int, int], card: ModelCard, device: str = "auto") -> CoarseMap:
    """What rembg's mask of a picture is, as a coarse map.

    The picture in 8 bits is brought to the network's size by Lanczos' filter whatever its aspect, divided by its own
    largest value, normalised; what comes out is stretched to its own minimum and maximum and enlarged by the same
    filter. So a picture without an object gets one all the same, and a tile's answer depends on what else is in it: the
    project's own way (`network_pass`) does neither.

    Args:
        raster: the picture.
        size: (width, height) of the map; the picture's own size gives rembg's mask itself.
        card: a network that rembg has.
        device: see `OnnxModel`.

    Returns:
        The map. Its band is every cell that is neither 0 nor 1 to one code value of 8 bits, so that the refiner "none"
        writes rembg's mask.

    Raises:
        BackendMissing: onnxruntime is not installed.
        BadInput: rembg does not run this network, or makes several masks of its answer.
        ModelError: the weights are missing, wrong, or do not run.

    Source: github.com/danielgatis/rembg, sessions/base.py, u2netp.py, dis_general_use.py, birefnet_general.py (2.0.86).
    """
    if card.family not in FAMILIES:
        raise BadInput(f"rembg does not run {card.id}: leave --as-rembg out")
    if card.activation == "softmax":
        raise BadInput(f"rembg makes several masks of {card.id}'s answer, one for each kind: leave --as-rembg out")
    model = load_network(card, device)
    small = shrink(raster, card.size).astype(np.float64)
    small = small / max(small.max(), _TINY)
    ready = (small - np.array(card.mean)) / np.array(card.std)
    raw = model.run(np.ascontiguousarray(ready.transpose(2, 0, 1), np.float32), 0)
    answer = raw.reshape(-1, *raw.shape[-2:])[0]
    if not np.isfinite(answer).all():
        raise ModelError(f"{card.id} gave values that are no numbers for this picture")
    mask = _lanczos(_stretch(sigmoid(answer) if card.activation == "sigmoid" else answer), *size)
    prob = (mask / np.float32(255)).astype(np.float32)
    band = (mask > 1) & (mask < 254)
    frame = raster.info.frame
    scale = max(frame.width / size[0], frame.height / size[1])
    found = CoarseMap(prob, band, label_objects(prob, band), scale, frame, f"{card.id} as rembg")
    return found if (mask > 127).any() else replace(found, labels=np.zeros_like(found.labels))


def shrink(raster: Raster, size: tuple[int, int]) -> Codes:
    """A picture at another (width, height) by Pillow's Lanczos filter, (h, w, 3) uint8.

    One of more than `_WHOLE` px is never in memory whole: its rows are filtered strip by strip, then its columns.
    Pillow does the same, but newer versions take columns first where that is less work, and round between: a
    value may be off by one code then (by two where a side grows, which none does of a picture that large).
    """
    frame = raster.info.frame
    rows = max(1, _STRIP // frame.width)
    strips = [Box(0, y, frame.width, min(y + rows, frame.height)) for y in range(0, frame.height, rows)]
    if frame.area <= _WHOLE:
        return _lanczos(np.concatenate([_codes(raster.window(box)) for box in strips]), *size)
    narrow = [_lanczos(_codes(raster.window(box)), size[0], box.height) for box in strips]
    return _lanczos(np.concatenate(narrow), *size)


def _lanczos(pixels: Codes, width: int, height: int) -> Codes:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def _codes(pixels: Array) -> Codes:
    return pixels if pixels.dtype == np.uint8 else np.round(pixels / 257.0).astype(np.uint8)


def _stretch(answer: Array) -> Codes:
    low, high = answer.min(), answer.max()
    if high <= low:
        return np.zeros(answer.shape, np.uint8)
    return ((answer - low) / (high - low) * 255).astype(np.uint8)
