"""YOLO weights of PyTorch (.pt) through the ultralytics package (extra "torch"; AGPL-3.0, its terms are the user's).

A .pt file is a pickle: loading one can run whatever its maker put in. Where ultralytics has a loader that rebuilds
known classes only (ULTRALYTICS_SAFE_LOAD, 8.4), it is asked for; older versions unpickle, and `notes` says so. An ONNX
export of the same weights runs no code and needs neither torch nor ultralytics.

What ultralytics does to a process: it writes a settings file into the user's configuration folder, sets OpenCV to one
thread and environment variables for everybody, replaces functions of cv2 and torch, installs missing packages by pip
and counts its use over the network. The process is put back (see `kept_state`), and where this is its first import,
installing and network are switched off; `torch.save` stays replaced (it tries again where a disk fails).
"""

from __future__ import annotations

import hashlib
import importlib
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from segtile.backends.process_state import kept_state
from segtile.backends.window_masks import crop_of
from segtile.backends.windows import check_windows, group_by_shape
from segtile.detected import CropMask, Detections
from segtile.errors import BackendMissing, BadInput, ModelError
from segtile.types import Array, Box

#: Windows a call takes.
BATCH = 8
#: How files begin that torch.save wrote before it wrote zip archives.
_OLD_TORCH = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
_TASKS = ("detect", "segment")
_QUIET = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "ULTRALYTICS_SAFE_LOAD": "true", "YOLO_VERBOSE": "false"}


def is_ultralytics_model(model: Any) -> bool:
    """Whether an object is a model of ultralytics, e.g. YOLO("yolo11n.pt"); it is not imported to find out."""
    return any(f"{k.__module__}.{k.__name__}" == "ultralytics.engine.model.Model" for k in type(model).mro())


class UltralyticsDetector:
    """A model of ultralytics as a Detector; masks are asked for at the window's own size, so holes are kept."""

    def __init__(self, model: Any, *, confidence: float = 0.25, device: str = "auto", threads: int = 0) -> None:
        """Load weights, or wrap a model that is loaded.

        Args:
            model: the .pt file, or an ultralytics model.
            confidence: only detections with a score above it are given, 0..1.
            device: "auto", "cpu", "cuda" or "cuda:N".
            threads: threads of torch, for the whole process; 0 leaves them.

        Raises:
            BackendMissing: ultralytics or torch is not installed, or does not import.
            BadInput: `confidence` is out of range.
            ModelError: the file is no torch file, cannot be loaded, or the model is for another task.
        """
        if not 0 <= confidence <= 1:
            raise BadInput(f"the confidence {confidence} is outside 0..1")
        self._path = model if isinstance(model, Path) else None
        self.notes: tuple[str, ...] = ()
        if self._path is not None:
            model = self._load(self._path)
        if model.task not in _TASKS:
            raise ModelError(f"the model is for the task '{model.task}'; segtile runs {' and '.join(_TASKS)}")
        if threads:
            _import_torch().set_num_threads(threads)
        self._model = model
        self._arguments = {"conf": confidence, "device": None if device == "auto" else device}
        self.name = self._path.stem if self._path else f"ultralytics-{type(model).__name__}"
        self.names = _names(model.names)

    @property
    def input_size(self) -> tuple[int, int] | None:
        """The (width, height) it was trained at, where the weights say so."""
        size = self._model.overrides.get("imgsz")
        if isinstance(size, int):
            return (size, size)
        return (size[1], size[0]) if isinstance(size, list | tuple) and len(size) == 2 else None

    @property
    def batch(self) -> int:
        """The most windows that one call takes."""
        return BATCH

    @property
    def masks(self) -> bool:
        """Whether the model segments."""
        return bool(self._model.task == "segment")

    @cached_property
    def digest(self) -> str | None:
        """The sha256 of the weights; None where the model was handed over loaded."""
        if self._path is None:
            return None
        with self._path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def detect(self, windows: Sequence[Array]) -> list[Detections]:
        """Find the objects of each window; see `Detector`. Windows of one shape share a batch."""
        check_windows(windows)
        found: dict[int, Detections] = {}
        for group in group_by_shape(windows):
            for start in range(0, len(group), BATCH):
                part = group[start : start + BATCH]
                found.update(zip(part, self._run([windows[i] for i in part]), strict=True))
        return [found[i] for i in range(len(windows))]

    def _run(self, windows: list[Array]) -> list[Detections]:
        flipped = [np.ascontiguousarray(window[..., ::-1]) for window in windows]  # ultralytics takes BGR
        try:
            with kept_state():
                results = self._model.predict(
                    flipped, retina_masks=True, verbose=False, save=False, stream=False, **self._arguments
                )
            return [_read(result, w.shape, self.masks) for result, w in zip(results, windows, strict=True)]
        except Exception as error:
            raise ModelError(f"{self.name} failed: {type(error).__name__}: {error}") from error

    def _load(self, path: Path) -> Any:
        _check_file(path)
        package = _import_ultralytics()
        if not getattr(package.utils, "SAFE_LOAD", False):
            self.notes = (
                f"{path.name} was unpickled, which runs whatever its maker put in; ultralytics from 8.4 on rebuilds "
                "known classes only where ULTRALYTICS_SAFE_LOAD=1 is set before it is imported; an ONNX export runs no "
                "code",
            )
        try:
            with kept_state(**_QUIET):
                return package.YOLO(str(path))
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            raise ModelError(f"ultralytics cannot load {path}: {first or type(error).__name__}") from error


def _read(result: Any, shape: tuple[int, ...], masks: bool) -> Detections:
    """One of ultralytics' Results, its masks cropped one after the other."""
    boxes = result.boxes.xyxy.cpu().numpy().astype(np.float32).reshape(-1, 4)
    scores = result.boxes.conf.cpu().numpy().astype(np.float32)
    labels = result.boxes.cls.cpu().numpy().astype(np.int32)
    frame = Box.frame(shape[1], shape[0])
    crops: tuple[CropMask, ...] | None = None
    if masks:
        data = () if result.masks is None else result.masks.data
        crops = tuple(crop_of(np.ascontiguousarray(mask.cpu().numpy() > 0), frame) for mask in data)
    return Detections(boxes, scores, labels, np.zeros(len(scores), np.int32), crops)


def _check_file(path: Path) -> None:
    """Refuse what torch.save has not written, before anything tries to unpickle it."""
    try:
        with path.open("rb") as stream:
            start = stream.read(len(_OLD_TORCH))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if start != _OLD_TORCH and not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is no file of PyTorch (a zip archive or an old torch pickle), or it is cut off")


def _import_ultralytics() -> Any:
    _import_torch()
    try:
        with kept_state(**_QUIET):
            package = importlib.import_module("ultralytics")
            importlib.import_module("ultralytics.utils")
    except Exception as error:  # torchvision of another build fails at import with errors of every kind
        raise BackendMissing(
            f".pt weights need ultralytics, which does not import ({error}): pip install segtile[torch]; an ONNX "
            "export needs only segtile[cpu]"
        ) from error
    return package


def _import_torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise BackendMissing(
            f".pt weights need torch, which does not import ({error}): pip install segtile[torch]"
        ) from error


def _names(names: Any) -> tuple[str, ...]:
    """Class names by index; ultralytics has checked that the indices are whole and complete."""
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    known = {int(index): str(name) for index, name in pairs}
    return tuple(known.get(index, str(index)) for index in range(max(known, default=-1) + 1))
