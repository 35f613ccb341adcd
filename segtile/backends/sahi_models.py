"""SAHI's detection models as Detectors: every model type that SAHI wraps, and anybody's own subclass.

Only the model is used, none of SAHI's slicing or merging. Its masks come as polygons without holes of their own, but
hole outlines stand among them as further polygons, so filling them even-odd gives the holes back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from segtile.backends.process_state import kept_state
from segtile.backends.window_masks import fill_rings
from segtile.backends.windows import check_windows
from segtile.detected import CropMask, Detections
from segtile.errors import BackendMissing, BadInput, ModelError
from segtile.types import Array, Box

#: Windows a call takes where the model has a batch of its own.
BATCH = 8
_BLINDED = (
    "CUDA_VISIBLE_DEVICES is -1, as SAHI sets it when it builds a model for the CPU: no network that is loaded from "
    "now on sees the card"
)


def is_sahi_model(model: Any) -> bool:
    """Whether an object is a SAHI DetectionModel; SAHI is not imported to find out."""
    return any(f"{kind.__module__}.{kind.__name__}" == "sahi.models.base.DetectionModel" for kind in type(model).mro())


def load_sahi_model(model_type: str, model_path: str | None = None, **settings: Any) -> SahiDetector:
    """Load one of SAHI's model types and leave the process as it was.

    SAHI sets CUDA_VISIBLE_DEVICES for the whole process when it builds a model: "-1" on the CPU. It is put back.

    Args:
        model_type: SAHI's name, e.g. "ultralytics", "mmdet", "torchvision", "huggingface".
        model_path: weights or model id, as SAHI takes it.
        settings: further arguments of ``sahi.AutoDetectionModel.from_pretrained``.

    Raises:
        BackendMissing: SAHI or what the model type needs is not installed.
        ModelError: SAHI does not know the type, or cannot load the model.
    """
    try:
        from sahi.auto_model import AutoDetectionModel
    except ImportError as error:
        raise BackendMissing(f"SAHI's models need sahi, which does not import ({error}); reinstall segtile") from error
    try:
        with kept_state():
            model = AutoDetectionModel.from_pretrained(model_type, model_path=model_path, **settings)
    except ImportError as error:
        raise BackendMissing(f"SAHI's model type '{model_type}' needs a package more: {error}") from error
    except Exception as error:
        raise ModelError(f"SAHI cannot load '{model_type}' from {model_path}: {error}") from error
    return SahiDetector(model)


class SahiDetector:
    """A SAHI DetectionModel as a Detector; its own confidence threshold holds.

    Boxes are taken as the model gives them. With masks SAHI puts a box around the middles of the mask's outermost
    pixels, so it is one pixel short to the right and below. A detection whose polygons are broken keeps its box and
    gets an empty mask, which is counted where detections are checked. `notes` are sentences for the user.
    """

    digest: str | None = None

    def __init__(self, model: Any) -> None:
        """Wrap a model that is loaded.

        Raises:
            BadInput: it is no SAHI DetectionModel, or has not been loaded.
        """
        if not is_sahi_model(model):
            raise BadInput(f"a {type(model).__name__} is no sahi.models.base.DetectionModel")
        self._model = model
        self.name = f"sahi-{type(model).__name__}"
        self.names = _names(model.category_mapping)
        self.input_size = None
        self.notes = (_BLINDED,) if os.environ.get("CUDA_VISIBLE_DEVICES") == "-1" else ()
        own = [k for k in type(model).mro() if "perform_batch_inference" in vars(k)][:1]
        self.batch = 1 if not own or own[0].__module__ == "sahi.models.base" else BATCH
        self._masks = bool(getattr(model, "has_mask", False))

    @property
    def masks(self) -> bool:
        """Whether the model says that it gives masks, or has given one so far."""
        return self._masks

    def detect(self, windows: Sequence[Array]) -> list[Detections]:
        """Find the objects of each window; see `Detector`."""
        check_windows(windows)
        found: list[Detections] = []
        for start in range(0, len(windows), self.batch):
            found += self._run([np.ascontiguousarray(w) for w in windows[start : start + self.batch]])
        return found

    def _run(self, windows: list[Array]) -> list[Detections]:
        """Called as SAHI's own loop calls a model: one window by itself, several in lists."""
        shapes = [[w.shape[0], w.shape[1]] for w in windows]
        shifts = [[0, 0] for _ in windows]
        model = self._model
        try:
            if len(windows) == 1:
                model.perform_inference(windows[0])
                model.convert_original_predictions(shift_amount=shifts[0], full_shape=shapes[0])
            else:
                model.perform_batch_inference(windows)
                model.convert_original_predictions(shift_amount=shifts, full_shape=shapes)
            lists = model.object_prediction_list_per_image
        except Exception as error:
            raise ModelError(f"{self.name} failed: {type(error).__name__}: {error}") from error
        if len(lists) != len(windows):
            raise ModelError(f"{self.name} gave {len(lists)} answers for {len(windows)} windows")
        return [self._detections(found, shape) for found, shape in zip(lists, shapes, strict=True)]

    def _detections(self, predictions: Sequence[Any], shape: Sequence[int]) -> Detections:
        frame = Box.frame(shape[1], shape[0])
        boxes = np.array([p.bbox.to_xyxy() for p in predictions], np.float64).reshape(-1, 4)
        scores = np.array([float(p.score.value) for p in predictions], np.float64)
        ids = [int(p.category.id) for p in predictions]
        labels = np.array([index if 0 <= index < 2**31 else -1 for index in ids], np.int32)
        masks = None
        if any(p.mask is not None for p in predictions):
            self._masks = True
            masks = tuple(_mask(p, frame) for p in predictions)
        elif self._masks and not predictions:
            masks = ()
        tiles = np.zeros(len(labels), np.int32)
        with np.errstate(over="ignore"):
            return Detections(boxes.astype(np.float32), scores.astype(np.float32), labels, tiles, masks)


def _mask(prediction: Any, frame: Box) -> CropMask:
    try:
        return fill_rings(prediction.mask.segmentation, frame)
    except (AttributeError, TypeError, ValueError):
        return CropMask.from_bits(np.zeros((0, 0), np.bool_), Box(0, 0, 0, 0), frame)


def _names(mapping: Any) -> tuple[str, ...]:
    """Class names by index from SAHI's {"0": name}; a class it leaves out is called by its index."""
    if not mapping:
        return ()
    try:
        known = {int(key): str(name) for key, name in dict(mapping).items()}
    except (TypeError, ValueError) as error:
        raise BadInput(f"the model's category_mapping has to be {{index: name}}; it is {mapping!r:.80}") from error
    if min(known) < 0 or max(known) >= 100_000:
        raise BadInput(f"the model's category_mapping goes from {min(known)} to {max(known)}; 0 to 99999 is possible")
    return tuple(known.get(index, str(index)) for index in range(max(known) + 1))
