"""onnxruntime: one place where sessions are made, so that every model runs under the same rules."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segtile.errors import BackendMissing, BadInput, ModelError
from segtile.types import Array, FloatArray

_log = logging.getLogger("segtile")
#: The provider that runs a graph on an NVIDIA card, ...
CUDA = "CUDAExecutionProvider"
#: ... and the one that compiles it for the card first.
TENSORRT = "TensorrtExecutionProvider"
_CPU = "CPUExecutionProvider"
#: The element types that a picture may be given in.
ELEMENT: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_NUMBERS: dict[str, type[np.number[Any]]] = {
    **ELEMENT,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


@dataclass(frozen=True)
class Port:
    """An input or output of a graph: its name, its element type as onnxruntime spells it, and its shape.

    The shape holds None where the graph leaves an axis open, and is empty where the graph says nothing of it.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join('?' if side is None else str(side) for side in self.shape)})"


class OnnxGraph:
    """A graph and its session: any inputs, any outputs.

    `inputs` and `outputs` are the graph's own; `metadata` is what its maker wrote into it, unchecked text; `provider`
    is the execution provider that runs it.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        """Load a graph.

        Args:
            path: the .onnx file.
            device: "auto" (CUDA where it works, else the CPU), "cpu", "cuda", "cuda:N", "tensorrt" or "tensorrt:N".
            threads: threads within one operator; 0 for onnxruntime's own choice.

        Raises:
            BackendMissing: onnxruntime is not installed, or lacks the provider that the device asks for.
            BadInput: `device` is none of the above.
            ModelError: the file is not a graph that onnxruntime can load.
        """
        ort = _runtime()
        providers = _providers(device)
        options = ort.SessionOptions()
        # The arena keeps the largest run's memory for good and grows on the next one; tiles need a flat footprint.
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        # Threads that wait by spinning take the cores from whoever prepares the next tile or cuts the next picture.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime raises pybind types of its own, which share no base but this
            raise ModelError(f"onnxruntime cannot load {path}: {_first_line(error)}") from error
        self.path = path
        self.inputs = tuple(_port(node) for node in self._session.get_inputs())
        self.outputs = tuple(_port(node) for node in self._session.get_outputs())
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.provider = str(self._session.get_providers()[0])
        self._check_device(providers[0])
        self._memory = ("cpu", 0) if self.provider == _CPU else ("cuda", int(device.partition(":")[2] or 0))

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str]) -> list[Array]:
        """Run the graph.

        Args:
            feeds: one array for each input, by name, whose numbers are cast to the type that the graph takes; or what
                another graph's `run_kept` gave, as it is.
            outputs: names of the outputs that are wanted.

        Returns:
            Those outputs, in that order, in the graph's own types and shapes.

        Raises:
            ModelError: the graph fails to run on these arrays.
        """
        ready = self._ready(feeds)
        try:
            if all(isinstance(value, np.ndarray) for value in ready.values()):
                return list(self._session.run(list(outputs), ready))
            return [value.numpy() for value in self._run_bound(ready, outputs, ("cpu", 0))]
        except Exception as error:  # as above
            raise ModelError(f"{self.path} failed to run: {_first_line(error)}") from error

    def run_kept(self, feeds: Mapping[str, Any], outputs: Sequence[str]) -> list[Any]:
        """Run the graph and leave its outputs where it runs, on the card if it runs there, for another graph to take.

        Args:
            feeds: as of `run`.
            outputs: names of the outputs that are wanted.

        Returns:
            Those outputs, in that order, as onnxruntime's own values.

        Raises:
            ModelError: the graph fails to run on these arrays.
        """
        try:
            return self._run_bound(self._ready(feeds), outputs, self._memory)
        except Exception as error:  # as above
            raise ModelError(f"{self.path} failed to run: {_first_line(error)}") from error

    def _ready(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        kinds = {port.name: _NUMBERS.get(port.kind) for port in self.inputs}
        return {
            name: value.astype(kinds.get(name) or value.dtype, copy=False) if isinstance(value, np.ndarray) else value
            for name, value in feeds.items()
        }

    def _run_bound(self, feeds: dict[str, Any], outputs: Sequence[str], where: tuple[str, int]) -> list[Any]:
        binding = self._session.io_binding()
        kept = []  # a binding does not hold on to what it is given
        for name, value in feeds.items():
            if isinstance(value, np.ndarray):
                kept.append(np.ascontiguousarray(value))
                binding.bind_cpu_input(name, kept[-1])
            else:
                binding.bind_ortvalue_input(name, value)
        for name in outputs:
            binding.bind_output(name, *where)
        self._session.run_with_iobinding(binding)
        return list(binding.get_outputs())

    def picture_input(self) -> Port:
        """The one input of a graph that takes a batch of pictures (n, channels, height, width).

        Raises:
            ModelError: the graph takes something else.
        """
        if len(self.inputs) != 1 or len(self.inputs[0].shape) != 4:
            raise ModelError(
                f"{self.path} takes {[i.name for i in self.inputs]}: one image (1, 3, height, width) is expected"
            )
        if self.inputs[0].kind not in ELEMENT:
            raise ModelError(f"{self.path} takes {self.inputs[0].kind}: float or float16 is expected")
        return self.inputs[0]

    def _check_device(self, first: Any) -> None:
        """Onnxruntime goes on with the next provider where one does not start; say so, or refuse what was asked for."""
        wanted, asked = (first, False) if isinstance(first, str) else (first[0], True)
        if self.provider == wanted:
            return
        name = "TensorRT" if wanted == TENSORRT else "CUDA"
        if asked:
            raise BackendMissing(
                f"onnxruntime's {name} provider does not start here; check the driver and the libraries that "
                "onnxruntime-gpu needs for it, or use --device cpu"
            )
        _log.warning("onnxruntime's %s provider does not start here: %s runs on the CPU", name, self.path.name)


class OnnxModel:
    """A graph with one image input, run on one image at a time.

    Names, shapes and the element type are the graph's own. `provider` is the execution provider that runs it.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        """Load a graph; arguments and errors as of `OnnxGraph`, and a ModelError where it does not take one image."""
        self._graph = OnnxGraph(path, device, threads)
        taken = self._graph.picture_input()
        self._input = taken.name
        height, width = taken.shape[2:]
        self.input_size = None if width is None or height is None else (width, height)
        self.output_names = tuple(port.name for port in self._graph.outputs)
        self.provider = self._graph.provider

    def run(self, image: FloatArray, output: str | int = 0) -> FloatArray:
        """Run the graph on one prepared image.

        Args:
            image: (3, h, w) float32, normalised as the model's card says.
            output: name or index of the output that is wanted.

        Returns:
            That output, float32, as the graph shapes it, without its leading axis of 1.

        Raises:
            ModelError: the graph has no such output, or fails to run on this image.
        """
        (value,) = self._graph.run({self._input: image[None]}, [self._name(output)])
        return np.asarray(value, np.float32)[0]

    def _name(self, output: str | int) -> str:
        if isinstance(output, str):
            if output in self.output_names:
                return output
        elif 0 <= output < len(self.output_names):
            return self.output_names[output]
        raise ModelError(f"{self._graph.path} has no output {output!r}; it has {', '.join(self.output_names)}")


def available_providers() -> list[str]:
    """The execution providers of the installed onnxruntime; empty where none is installed."""
    try:
        return [str(p) for p in _runtime().get_available_providers()]
    except BackendMissing:
        return []


def _providers(device: str) -> list[Any]:
    """Execution providers for a device, best first; with options where it was asked for, plain names elsewhere.

    The providers behind the first run the operators that it lacks.
    """
    available = available_providers()
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return [_CPU]
    if kind == "auto" and not index:
        return [CUDA, _CPU] if CUDA in available else [_CPU]
    if kind not in ("cuda", "tensorrt") or not (index.isdigit() or device == kind):
        raise BadInput(f"there is no device '{device}'; use auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N")
    wanted, name = (TENSORRT, "TensorRT") if kind == "tensorrt" else (CUDA, "CUDA")
    if wanted not in available:
        raise BackendMissing(
            f"device '{device}' needs onnxruntime with {name}; it is installed by: pip install segtile[gpu]"
        )
    card = {"device_id": int(index or 0)}
    return [(TENSORRT, card), (CUDA, card), _CPU] if kind == "tensorrt" else [(CUDA, card), _CPU]


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendMissing(
            "networks need onnxruntime, which is not installed: pip install segtile[cpu] (or segtile[gpu])"
        ) from error
    return onnxruntime


def _port(node: Any) -> Port:
    # an open axis is a name or None; some exporters write -1
    sides = tuple(side if isinstance(side, int) and side >= 0 else None for side in node.shape or [])
    return Port(str(node.name), str(node.type), sides)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
