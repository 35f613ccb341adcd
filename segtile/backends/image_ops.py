"""Image-to-image models as callables: a tile in, a tile out, in the tile's own depth.

Networks see planes of float values in 0..1 and want sides of a certain multiple: both are seen to here. What a tile
lacks is mirrored at its right and lower border and cut off again.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from segtile.backends.onnx import OnnxGraph
from segtile.catalog import find_weights, list_cards, load_card
from segtile.errors import BackendMissing, BadInput, ModelError
from segtile.types import Array, FloatArray

#: Sides that networks are given are whole multiples of this where nothing else is known.
MULTIPLE = 8

#: Runs a network on (n, 3, h, w) float32 in 0..1.
Forward = Callable[[FloatArray], FloatArray]


class OnnxEdit:
    """An image-to-image ONNX graph, (1, 3, h, w) to (1, 3, h * scale, w * scale), float RGB in 0..1.

    `scale`, `multiple_of` and `input_size` (width, height; None where any will do) are the graph's own: the first is
    found by running it once, the second is read from its metadata entry "multiple_of" where it has one.
    """

    def __init__(self, path: Path | str, *, multiple_of: int | None = None, device: str = "auto") -> None:
        """Load a graph and try it.

        Args:
            path: the .onnx file.
            multiple_of: sides that the graph takes are whole multiples of this; None: what its metadata says, else 8.
            device: "auto", "cpu", "cuda" or "cuda:N".

        Raises:
            BackendMissing: onnxruntime is not installed.
            BadInput: `multiple_of` is below 1, or there is no such device.
            ModelError: the file is no such graph.
        """
        self._graph = OnnxGraph(Path(path), device)
        port = self._graph.picture_input()
        self._input, self._one_by_one = port.name, port.shape[0] is not None
        self.name = Path(path).stem
        height, width = port.shape[2:]
        self.input_size = None if width is None or height is None else (width, height)
        self.multiple_of = _multiple(multiple_of, self._graph.metadata.get("multiple_of"), self.name)
        self.scale = _probe(self._forward, self.input_size, self.multiple_of, self.name)

    def __call__(self, tile: Array) -> Array:
        """Edit (h, w, 3) or (n, h, w, 3) uint8, uint16 or float32 RGB; the same dtype, `scale` times as large."""
        return run_planes(self._forward, tile, self.scale, self.multiple_of, self.input_size)

    def _forward(self, planes: FloatArray) -> FloatArray:
        output = self._graph.outputs[0].name
        parts = np.split(planes, len(planes)) if self._one_by_one else [planes]
        found = [self._graph.run({self._input: part}, [output])[0] for part in parts]
        return np.concatenate(found).astype(np.float32, copy=False)


class TorchEdit:
    """A torch module as an image-to-image model, (n, 3, h, w) to (n, 3, h * scale, w * scale), float RGB in 0..1."""

    def __init__(self, module: Any, *, multiple_of: int = MULTIPLE, device: str = "cpu") -> None:
        """Take a module, which is put into evaluation mode on the device, and try it.

        Args:
            module: a `torch.nn.Module`.
            multiple_of: sides that it takes are whole multiples of this.
            device: a torch device.

        Raises:
            BackendMissing: torch is not installed.
            BadInput: `multiple_of` is below 1, or `module` is none.
            ModelError: it does not take or give such planes.
        """
        self._torch = _torch()
        if not isinstance(module, self._torch.nn.Module):
            raise BadInput(f"a torch.nn.Module is expected, not {type(module).__name__}")
        self._module = module.to(device).eval()
        self._device = device
        self.name = type(module).__name__
        self.multiple_of = _multiple(multiple_of, None, self.name)
        self.scale = _probe(self._forward, None, self.multiple_of, self.name)

    def __call__(self, tile: Array) -> Array:
        """Edit (h, w, 3) or (n, h, w, 3) uint8, uint16 or float32 RGB; the same dtype, `scale` times as large."""
        return run_planes(self._forward, tile, self.scale, self.multiple_of, None)

    def _forward(self, planes: FloatArray) -> FloatArray:
        torch = self._torch
        try:
            with torch.inference_mode():
                found = self._module(torch.from_numpy(planes).to(self._device))
            return np.asarray(found.float().cpu().numpy(), np.float32)
        except (RuntimeError, AttributeError, TypeError, ValueError) as error:
            raise ModelError(f"{self.name} failed to run: {str(error).strip().splitlines()[0]}") from error


def open_edit(model: str, device: str = "auto") -> OnnxEdit:
    """An editing model by the path of its graph or by its name in the catalogue.

    Raises:
        BackendMissing: onnxruntime is not installed.
        BadInput: the catalogue's model of that name is no editing model.
        ModelError: there is no such file or name, its weights are missing, or it is no image-to-image graph.
    """
    path = Path(model)
    if path.suffix.lower() == ".onnx":
        if not path.is_file():
            raise ModelError(f"{model}: no such file")
        return OnnxEdit(path, device=device)
    card = load_card(model)
    if card.role != "edit":
        known = ", ".join(c.id for c in list_cards() if c.role == "edit") or "none yet"
        raise BadInput(f"{model} is a {card.role} model, none for editing; the catalogue's are: {known}")
    return OnnxEdit(find_weights(card)[0], device=device)


def run_planes(
    forward: Forward, tile: Array, scale: Fraction, multiple_of: int, size: tuple[int, int] | None = None
) -> Array:
    """Run a network on tiles.

    Args:
        forward: the network.
        tile: (h, w, 3) or (n, h, w, 3) uint8, uint16 or float32; integers are scaled to 0..1.
        scale: output px per px.
        multiple_of: sides that the network takes are whole multiples of this.
        size: the one (width, height) that it takes; None where any will do.

    Returns:
        The same number of axes and dtype, sides times `scale` (rounded up); integers rounded to nearest and clipped.

    Raises:
        ModelError: the network failed or gave something else, or the tile is larger than the one size that it takes.
    """
    batch = tile if tile.ndim == 4 else tile[None]
    _, height, width, _ = batch.shape
    if size is not None and (width > size[0] or height > size[1]):
        raise ModelError(
            f"the model takes {size[0]} x {size[1]} px only and was given {width} x {height}: "
            f"use tiles of {min(size)} px"
        )
    wide, high = size or (-(-width // multiple_of) * multiple_of, -(-height // multiple_of) * multiple_of)
    top = 1 if tile.dtype.kind == "f" else np.iinfo(tile.dtype).max
    padded = np.pad(batch, ((0, 0), (0, high - height), (0, wide - width), (0, 0)), mode="reflect")
    planes = np.ascontiguousarray(np.moveaxis(padded, 3, 1), np.float32)
    planes /= np.float32(top)
    found = forward(planes)
    wanted = (len(batch), 3, int(high * scale), int(wide * scale))
    if found.shape != wanted:
        raise ModelError(f"the model gave {found.shape} for {planes.shape}; {wanted} was due")
    kept = np.moveaxis(found[:, :, : _ceil(height * scale), : _ceil(width * scale)], 1, 3)
    if tile.dtype.kind != "f":
        if not np.isfinite(kept).all():
            raise ModelError("the model gave NaN or infinite values")
        kept = np.clip(np.rint(kept * np.float32(top)), 0, top)
    result = np.ascontiguousarray(kept.astype(tile.dtype))
    return result if tile.ndim == 4 else result[0]


def _probe(forward: Forward, size: tuple[int, int] | None, multiple_of: int, name: str) -> Fraction:
    """Output px per px, from one run on a small grey picture."""
    side = -(-64 // multiple_of) * multiple_of
    width, height = size or (side, side)
    found = forward(np.full((1, 3, height, width), 0.5, np.float32))
    if found.ndim != 4 or found.shape[:2] != (1, 3):
        raise ModelError(
            f"{name} gives {found.shape} for a picture (1, 3, {height}, {width}): three planes are expected"
        )
    down, across = Fraction(found.shape[2], height), Fraction(found.shape[3], width)
    if down != across:
        raise ModelError(
            f"{name} makes {found.shape[3]} x {found.shape[2]} px of {width} x {height}: one scale is expected"
        )
    return down


def _multiple(given: int | None, stated: str | None, name: str) -> int:
    if given is None and stated is not None:
        if not stated.isdigit():
            raise ModelError(f"{name} states that sides are multiples of {stated!r}, which is no whole number")
        given = int(stated)
    found = MULTIPLE if given is None else given
    if found < 1:
        raise BadInput(f"{name}: sides are multiples of 1 or more, not of {found}")
    return found


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise BackendMissing("torch modules need torch, which is not installed: pip install segtile[torch]") from error
    return torch
