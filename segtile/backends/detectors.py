"""One door to all detectors: a file, a catalogue name, a model of another library, or a function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segtile.catalog import find_weights, list_cards, load_card
from segtile.detected import Detector
from segtile.errors import BadInput, ModelError, ReadError

_SUFFIXES = (".onnx", ".pt")
_PARTS = ("name", "names", "input_size", "batch", "masks", "detect")


def open_detector(
    model: Any,
    *,
    confidence: float = 0.25,
    device: str = "auto",
    threads: int = 0,
    soft: bool = False,
) -> Detector:
    """Open a detector.

    Args:
        model: a path to an .onnx or .pt file; the name of a card of the catalogue with the role "detect";
            a Detector; a SAHI DetectionModel; a model of ultralytics; or a callable, see `segtile.backends.callables`.
        confidence: for files, names and ultralytics models: only detections with a score above it are given, 0..1. The
            others keep the threshold they came with.
        device: for files, names and ultralytics models: "auto", "cpu", "cuda" or "cuda:N".
        threads: for files and names: threads within one operator; 0 for the runtime's own choice.
        soft: for .onnx: keep the masks' probabilities beside their bits.

    Returns:
        The detector. Those of segtile also have `digest`, the sha256 of their file or None, and may have `notes`,
        sentences for the user, and `scales`, the passes that they were trained for.

    Raises:
        BackendMissing: what the model runs on is not installed; the message names the extra.
        BadInput: `model` is none of these, or a setting is out of range.
        ModelError: the file is no detector that segtile runs, or the catalogue has none of that name.
        ReadError: there is no such file.
    """
    if isinstance(model, str | Path):
        path, scales = _find(model)
        if path.suffix.lower() == ".onnx":
            from segtile.backends.yolo import YoloDetector

            detector = YoloDetector(path, confidence=confidence, device=device, threads=threads, soft=soft)
            detector.scales = scales
            return detector
        from segtile.backends.ultralytics import UltralyticsDetector

        return UltralyticsDetector(path, confidence=confidence, device=device, threads=threads)
    if isinstance(model, type):
        raise BadInput(f"{model.__name__} is a class; a detector has to be an object of it")
    return _wrap(model, confidence, device)


def digest_of(detector: Detector) -> str | None:
    """The sha256 of the file a detector was loaded from; None where it has none or does not say."""
    digest = getattr(detector, "digest", None)
    return digest if isinstance(digest, str) else None


def notes_of(detector: Detector) -> tuple[str, ...]:
    """Sentences for the user that a detector has about itself; none where it does not say."""
    return tuple(str(note) for note in getattr(detector, "notes", ()))


def scales_of(detector: Detector) -> tuple[float | str, ...]:
    """The passes that a detector's card says it was trained for; () where it does not say."""
    return tuple(getattr(detector, "scales", ()))


def _wrap(model: Any, confidence: float, device: str) -> Detector:
    """An object as a detector. The order matters: SAHI's and ultralytics' models have a `name` or are callable, too."""
    from segtile.backends.callables import CallableDetector
    from segtile.backends.sahi_models import SahiDetector, is_sahi_model
    from segtile.backends.ultralytics import UltralyticsDetector, is_ultralytics_model

    if is_sahi_model(model):
        return SahiDetector(model)
    if is_ultralytics_model(model):
        return UltralyticsDetector(model, confidence=confidence, device=device)
    missing = [part for part in _PARTS if not hasattr(model, part)]
    if not missing:
        detector: Detector = model
        return detector
    if callable(model):
        return CallableDetector(model)
    hint = f"; as a Detector it lacks {', '.join(missing)}" if len(missing) < len(_PARTS) else ""
    raise BadInput(
        f"a {type(model).__name__} is no detector{hint}; possible are a path to .onnx or .pt, a catalogue name, a "
        "Detector, a SAHI DetectionModel, an ultralytics model or a callable"
    )


def _find(model: str | Path) -> tuple[Path, tuple[float | str, ...]]:
    """The file of a path or of a catalogue name, and the scales that its card names."""
    path = Path(model).expanduser()
    if path.suffix.lower() in _SUFFIXES:
        if not path.is_file():
            raise ReadError(f"there is no model file {path}")
        return path, ()
    cards = [card for card in list_cards() if card.role == "detect"]
    if str(model) in [card.id for card in cards]:
        card = load_card(str(model))
        return find_weights(card)[0], card.scales
    known = ", ".join(card.id for card in cards) or "none yet"
    what = f"a file of the kind '{path.suffix}'" if path.is_file() else "neither a file nor a detector of the catalogue"
    raise ModelError(
        f"'{model}' is {what}; possible are a path to {' or '.join(_SUFFIXES)} and a name of the catalogue ({known})"
    )
