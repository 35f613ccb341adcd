"""Our own networks as ONNX graphs: planes of a picture in, one plane of object probability or alpha out.

What the run has to know about a graph stands in the graph's metadata, all of it optional:

| entry | meaning | without it |
|---|---|---|
| `channels` | the planes of its input in order, by commas: red, green, blue, solar channels, prob | as it has room |
| `neutral` | those of them that it was trained without, by commas; they are given no information | none |
| `multiple_of` | the sides it takes are whole multiples of this | 32 |
| `receptive_px` | how far from a pixel the graph looks | 512 |
| `long_side` | the longer side of the whole pictures that a coarse network was trained on | 1024 |
| `magnify` | a refiner's tiles are shown this many times as large as they are, 1 to 4 | 1 |
| `close_side` | a second look of that longer side says where exactly what the first found has its edges | none |
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from segtile.backends.onnx import OnnxGraph
from segtile.errors import ModelError
from segtile.solar.channels import NEUTRAL, SOLAR_CHANNELS
from segtile.solar.curves import CURVES
from segtile.types import FloatArray

_FIRST = ("red", "green", "blue")
_KNOWN = (*SOLAR_CHANNELS, *CURVES)
_UNTOLD = NEUTRAL | dict.fromkeys(("prob", *CURVES), 0.5)  # what a plane holds that tells nothing


class AlphaGraph:
    """A graph (1, c, h, w) to (1, 1, h, w), its planes being RGB, `channels`, and for a refiner the coarse probability.

    `channels` are the solar channels among its planes, in order; `multiple_of`, `receptive_px`, `long_side`, `magnify`
    and `close_side` (0 for none) are as in the table above. Safe to use from several threads, which wait for
    each other: the memory of one run is the memory of all.
    """

    def __init__(self, path: Path, refines: bool, device: str = "auto") -> None:
        """Load a graph.

        Args:
            path: the .onnx file.
            refines: it takes the coarse probability as its last plane.
            device: see `OnnxGraph`.

        Raises:
            BackendMissing: onnxruntime is not installed.
            BadInput: there is no such device.
            ModelError: the file is no such graph, or its metadata make no sense.
        """
        self._graph = OnnxGraph(path, device)
        self._lock = threading.Lock()
        port = self._graph.picture_input()
        self._input, self._output = port.name, self._graph.outputs[0].name
        self.name = path.stem
        if port.shape[2] is not None or port.shape[3] is not None:
            raise ModelError(f"{path} takes pictures of one size only: {port}; any height and width is expected")
        last = ("prob",) if refines else ()
        self.channels = self._channels(port.shape[1], last)
        neutral = self._names("neutral") or ()
        planes = enumerate((*self.channels, *last), len(_FIRST))
        self._untold = [(plane, _UNTOLD[name]) for plane, name in planes if name in neutral]
        self.multiple_of = self._number("multiple_of", 32, 1, 256)
        self.receptive_px = self._number("receptive_px", 512, 0, 4096)
        self.long_side = self._number("long_side", 1024, 64, 4096)
        self.magnify = self._number("magnify", 1, 1, 4)
        self.close_side = self._number("close_side", 0, 0, 4096)

    def run(self, planes: FloatArray, corner: tuple[int, int] = (0, 0)) -> FloatArray:
        """Run the graph on a window of a picture.

        What the window lacks to whole multiples is mirrored, to the left and above as well: the network's own grid lies
        over the picture in one place, wherever the window begins.

        Args:
            planes: (c, h, w) float32, RGB first.
            corner: (x, y) of the window's first pixel in the picture.

        Returns:
            (h, w) float32, clipped to [0, 1].

        Raises:
            ModelError: the graph fails to run, gives another shape, or values that are no numbers.
        """
        _, h, w = planes.shape
        left, above = corner[0] % self.multiple_of, corner[1] % self.multiple_of
        right, below = -(left + w) % self.multiple_of, -(above + h) % self.multiple_of
        padded = np.pad(planes, ((0, 0), (above, below), (left, right)), mode="reflect")
        for plane, nothing in self._untold:
            padded[plane] = nothing
        with self._lock:
            (found,) = self._graph.run({self._input: padded[None]}, [self._output])
        if found.shape != (1, 1, *padded.shape[1:]):
            wanted = (1, 1, *padded.shape[1:])
            raise ModelError(f"{self._graph.path} gave {found.shape} for a window of this size; {wanted} was due")
        alpha = found[0, 0, above : above + h, left : left + w].astype(np.float32)
        if not np.isfinite(alpha).all():
            raise ModelError(f"{self._graph.path} gave values that are no numbers")
        return np.clip(alpha, 0.0, 1.0)

    def _channels(self, planes: int | None, last: tuple[str, ...]) -> tuple[str, ...]:
        names = self._names("channels")
        if names is None:
            room = (planes or 0) - len(_FIRST) - len(last)
            if room not in (0, len(SOLAR_CHANNELS)):
                raise ModelError(f"{self._graph.path} takes {planes} planes and does not say which in its metadata")
            return SOLAR_CHANNELS[:room]
        inner = names[len(_FIRST) : len(names) - len(last)]
        if names != (*_FIRST, *inner, *last) or not set(inner) <= set(_KNOWN):
            wanted = ", ".join((*_FIRST, "solar channels", *last))
            raise ModelError(f"{self._graph.path} takes the planes {', '.join(names)[:120]}; {wanted} are expected")
        if planes not in (None, len(names)):
            raise ModelError(f"{self._graph.path} takes {planes} planes, but its metadata name {len(names)}")
        return inner

    def _names(self, key: str) -> tuple[str, ...] | None:
        text = self._graph.metadata.get(key)
        return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())

    def _number(self, key: str, default: int, least: int, most: int) -> int:
        text = self._graph.metadata.get(key)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 8 and least <= int(text) <= most):
            raise ModelError(f"{self._graph.path} states {key} = {text[:40]!r}; {least} to {most} is expected")
        return int(text)
