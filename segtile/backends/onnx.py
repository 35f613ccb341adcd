"""onnxruntime: one place where sessions are made, so that every model runs under the same rules."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from segtile.errors import BackendMissing, BadInput, ModelError
from segtile.types import FloatArray

_log = logging.getLogger("segtile")
_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_ELEMENT = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class OnnxModel:
    """A graph with one image input, ready to run.

    Names, shapes and the element type are the graph's own. `provider` is the execution provider that runs it.
    """

    def __init__(self, path: Path, device: str = "auto", threads: int = 0) -> None:
        """Load a graph.

        Args:
            path: the .onnx file.
            device: "auto" (CUDA where it works, else the CPU), "cpu", "cuda" or "cuda:N".
            threads: threads within one operator; 0 for onnxruntime's own choice.

        Raises:
            BackendMissing: onnxruntime is not installed, or has no CUDA and the device asks for it.
            BadInput: `device` is none of the above.
            ModelError: the file is not a graph that onnxruntime can load, or does not take one image.
        """
        ort = _runtime()
        providers = _providers(device)
        options = ort.SessionOptions()
        # The arena keeps the largest run's memory for good and grows on the next one; tiles need a flat footprint.
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime raises pybind types of its own, which share no base but this
            raise ModelError(f"onnxruntime cannot load {path}: {_first_line(error)}") from error
        self._path = path
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise ModelError(f"{path} takes {[i.name for i in inputs]}: one image (1, 3, height, width) is expected")
        if inputs[0].type not in _ELEMENT:
            raise ModelError(f"{path} takes {inputs[0].type}: float or float16 is expected")
        self._input = inputs[0].name
        self._dtype = _ELEMENT[inputs[0].type]
        self.input_size = _fixed_size(inputs[0].shape)
        self.output_names = tuple(str(o.name) for o in self._session.get_outputs())
        self.provider = str(self._session.get_providers()[0])
        self._check_device(device, len(providers) > 1)

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
        name = self._name(output)
        try:
            (value,) = self._session.run([name], {self._input: image[None].astype(self._dtype, copy=False)})
        except Exception as error:  # as above
            raise ModelError(f"{self._path} failed to run: {_first_line(error)}") from error
        return np.asarray(value, np.float32)[0]

    def _check_device(self, device: str, wanted_cuda: bool) -> None:
        """Onnxruntime goes on with the CPU where CUDA does not start; say so, or refuse where CUDA was asked for."""
        if not wanted_cuda or self.provider == _CUDA:
            return
        if device != "auto":
            raise BackendMissing(
                f"device '{device}': onnxruntime's CUDA provider does not start here; check the driver and the CUDA "
                "libraries that onnxruntime-gpu needs, or use --device cpu"
            )
        _log.warning("onnxruntime's CUDA provider does not start here: %s runs on the CPU", self._path.name)

    def _name(self, output: str | int) -> str:
        if isinstance(output, str):
            if output in self.output_names:
                return output
        elif 0 <= output < len(self.output_names):
            return self.output_names[output]
        raise ModelError(f"{self._path} has no output {output!r}; it has {', '.join(self.output_names)}")


def available_providers() -> list[str]:
    """The execution providers of the installed onnxruntime; empty where none is installed."""
    try:
        return [str(p) for p in _runtime().get_available_providers()]
    except BackendMissing:
        return []


def _providers(device: str) -> list[Any]:
    """Execution providers for a device, best first; the CPU is never added behind a device that was asked for."""
    available = available_providers()
    kind, _, index = device.partition(":")
    if kind == "cpu" and not index:
        return [_CPU]
    if kind == "auto" and not index:
        return [_CUDA, _CPU] if _CUDA in available else [_CPU]
    if kind != "cuda" or not (index.isdigit() or device == "cuda"):
        raise BadInput(f"there is no device '{device}'; use auto, cpu, cuda or cuda:N")
    if _CUDA not in available:
        raise BackendMissing(
            f"device '{device}' needs onnxruntime with CUDA; it is installed by: pip install segtile[gpu]"
        )
    return [(_CUDA, {"device_id": int(index or 0)}), _CPU]


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendMissing(
            "networks need onnxruntime, which is not installed: pip install segtile[cpu] (or segtile[gpu])"
        ) from error
    return onnxruntime


def _fixed_size(shape: list[Any]) -> tuple[int, int] | None:
    """(width, height) where the graph fixes them, else None."""
    height, width = shape[2], shape[3]
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
