"""YOLO as ONNX: box and segmentation heads of v8, v9, v10, 11, 12 and 26, run by onnxruntime and decoded here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from segtile.backends.letterbox import Letterbox, fit_letterbox
from segtile.backends.onnx import CUDA, OnnxGraph, Port
from segtile.backends.windows import check_windows, group_by_shape
from segtile.backends.yolo_decode import Found, decode_raw, decode_rows
from segtile.backends.yolo_masks import mask_of_box
from segtile.backends.yolo_metadata import LARGEST_SIDE, YoloMetadata, read_metadata
from segtile.detected import CropMask, Detections
from segtile.errors import BadInput, ModelError
from segtile.types import Array, Box, FloatArray

#: Windows a call takes where the graph leaves it open: on a CPU a batch saves little and holds its activations.
BATCH_CPU, BATCH_CUDA = 4, 16
#: A graph with a larger fixed batch is refused: every window would be run with that many.
LARGEST_BATCH = 256
_DEFAULT_SIZE = (640, 640)


@dataclass(frozen=True)
class Head:
    """Which outputs of a graph are read and what they hold: `rows` as of `YoloMetadata`, `protos` None for boxes."""

    output: str
    protos: str | None
    rows: bool
    classes: int
    coefficients: int


class YoloDetector:
    """A YOLO graph as a Detector.

    Windows are letterboxed as in training. Where the graph takes any size, windows of one shape share a batch and are
    padded no further than to the stride, so that what is found in a window depends on no other window. Boxes are
    continuous window px, cut off at the window; those that lie wholly in the padding are dropped, as is an instance
    without a single pixel. Rows that are no numbers are passed on with a score that is no number.

    `notes` are sentences for the user about what the file does not say.
    """

    def __init__(
        self,
        path: Path,
        *,
        confidence: float = 0.25,
        device: str = "auto",
        threads: int = 0,
        soft: bool = False,
    ) -> None:
        """Load a graph as ultralytics' exporter writes it, or any other with the same inputs and outputs.

        Args:
            path: the .onnx file.
            confidence: only detections with a score above it are given, 0..1.
            device: see `OnnxGraph`.
            threads: see `OnnxGraph`.
            soft: keep the masks' probabilities beside their bits.

        Raises:
            BackendMissing: onnxruntime is not installed, or has no CUDA and the device asks for it.
            BadInput: `device` or `confidence` is out of range.
            ModelError: the file cannot be loaded or is no YOLO; the message lists what it gives.
        """
        if not 0 <= confidence <= 1:
            raise BadInput(f"the confidence {confidence} is outside 0..1")
        self._graph = OnnxGraph(path, device, threads)
        self._confidence, self._soft = confidence, soft
        facts = read_metadata(self._graph.metadata, path)
        self._input = self._graph.picture_input()
        batch, channels, height, width = self._input.shape
        if channels not in (None, 3):
            raise ModelError(f"{path} takes pictures of {channels} channels; 3 (RGB) are expected")
        if (batch or 1) > LARGEST_BATCH or max(width or 1, height or 1) > LARGEST_SIDE:
            raise ModelError(
                f"{path} takes {self._input}; at most {LARGEST_BATCH} pictures with sides up to {LARGEST_SIDE} are run"
            )
        self._size = (width, height) if width and height else facts.size or _DEFAULT_SIZE
        self._stride = None if width and height else facts.stride
        self._fixed_batch = batch
        self._head = find_head(_known_shapes(self._graph, self._input, self._size), facts, path)
        self.names = facts.names or tuple(str(index) for index in range(0 if self._head.rows else self._head.classes))
        self.notes = () if facts.names else (f"{path.name} names no classes: they are called by their index",)
        self.name = path.stem
        self.scales: tuple[float | str, ...] = ()

    @property
    def input_size(self) -> tuple[int, int]:
        """The (width, height) windows are scaled into."""
        return self._size

    @property
    def batch(self) -> int:
        """The most windows that one run of the graph takes."""
        return self._fixed_batch or (BATCH_CUDA if self._graph.provider == CUDA else BATCH_CPU)

    @property
    def masks(self) -> bool:
        """Whether the head gives masks."""
        return self._head.protos is not None

    @cached_property
    def digest(self) -> str:
        """The sha256 of the model file."""
        with self._graph.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def detect(self, windows: Sequence[Array]) -> list[Detections]:
        """Find the objects of each window; see `Detector`."""
        check_windows(windows)
        found: dict[int, Detections] = {}
        for group in group_by_shape(windows) if self._stride else [list(range(len(windows)))]:
            for start in range(0, len(group), self.batch):
                part = group[start : start + self.batch]
                found.update(zip(part, self._run([windows[i] for i in part]), strict=True))
        return [found[i] for i in range(len(windows))]

    def _run(self, windows: list[Array]) -> list[Detections]:
        boxes = [fit_letterbox((w.shape[1], w.shape[0]), self._size, self._stride) for w in windows]
        width, height = boxes[0].size
        # a graph of a fixed batch gets black pictures for the windows that are missing
        batch = np.zeros((self._fixed_batch or len(windows), 3, height, width), np.float32)
        for place, window, box in zip(batch, windows, boxes, strict=False):
            np.divide(box.apply(window).transpose(2, 0, 1), np.float32(255), out=place)
        head = self._head
        wanted = [head.output] if head.protos is None else [head.output, head.protos]
        output, *protos = self._graph.run({self._input.name: batch}, wanted)
        if output.ndim != 3 or len(output) != len(batch) or any(len(p) != len(batch) for p in protos):
            raise ModelError(
                f"{self._graph.path} gave {[list(o.shape) for o in (output, *protos)]} for {len(batch)} windows"
            )
        return [self._decode(output[i], protos[0][i] if protos else None, boxes[i]) for i in range(len(windows))]

    def _decode(self, output: Array, protos: Array | None, letterbox: Letterbox) -> Detections:
        if self._head.rows:
            found = decode_rows(output, self._confidence)
        else:
            found = decode_raw(output, self._head.classes, self._confidence)
        boxes, inside = _to_window(found.boxes, letterbox)
        found, boxes = found.take(inside), boxes[inside]
        if protos is None:
            return _detections(found, boxes, None)
        return self._with_masks(found, boxes, protos, letterbox)

    def _with_masks(self, found: Found, boxes: FloatArray, protos: Array, letterbox: Letterbox) -> Detections:
        frame = Box.frame(*letterbox.window)
        nothing = CropMask.from_bits(np.zeros((0, 0), np.bool_), Box(0, 0, 0, 0), frame)
        scores, masks, keep = found.scores.copy(), [], []
        for i, box in enumerate(boxes):
            mask = None
            if np.isfinite(box).all() and np.isfinite(scores[i]):
                mask = mask_of_box(found.coefficients[i], protos, box, letterbox, self._soft)
            if mask is None:
                scores[i] = np.nan  # counted and dropped where detections are checked
            elif mask.area == 0:
                continue
            keep.append(i)
            masks.append(mask or nothing)
        index = np.array(keep, np.intp)
        kept = Found(found.boxes, scores, found.labels, found.coefficients).take(index)
        return _detections(kept, boxes[index], tuple(masks))


def find_head(outputs: Sequence[Port], facts: YoloMetadata, path: Path) -> Head:
    """Which of a graph's outputs are the predictions and the prototypes, and how the predictions are laid out.

    Args:
        outputs: names and shapes, known but for the batch and the number of boxes.
        facts: what the file says of itself.
        path: the file, for messages.

    Raises:
        ModelError: no output is laid out as a YOLO head; the message lists them.
    """
    flat = [port for port in outputs if len(port.shape) == 3]
    maps = [port for port in outputs if len(port.shape) == 4]
    listed = "; ".join(str(port) for port in outputs)
    if facts.task == "segment" and not maps:
        raise ModelError(f"{path} is said to segment but gives no prototypes; it gives {listed}")
    protos = maps[0] if maps and facts.task != "detect" else None
    extra = (protos.shape[1] or 0) if protos else 0
    for port in flat:
        channels, last = port.shape[1:]
        raw = channels == 4 + len(facts.names) + extra if facts.names else (channels or 0) > 4 + extra
        rows = last == 6 + extra
        if raw and rows:  # two classes, or no names: only the file or the proportions can tell
            rows = facts.rows if facts.rows is not None else (channels or 0) > (last or 0)
        if raw or rows:
            classes = len(facts.names) or (0 if rows else (channels or 0) - 4 - extra)
            return Head(port.name, protos.name if protos else None, rows, classes, extra)
    counted = f"{len(facts.names)} classes" if facts.names else "classes"
    raise ModelError(
        f"{path} is no YOLO head that segtile reads: it gives {listed}; expected is (1, 4 + {counted} + "
        f"{extra} coefficients, N) or (1, N, 6 + {extra} coefficients)"
    )


def _known_shapes(graph: OnnxGraph, taken: Port, size: tuple[int, int]) -> list[Port]:
    """The outputs with the shapes that matter; where the graph leaves them open, those of a run on an empty picture."""

    def is_known(port: Port) -> bool:
        sides = port.shape[1:]
        return len(sides) in (2, 3) and (sides[0] is not None if len(sides) == 3 else None not in sides)

    if all(is_known(port) for port in graph.outputs):
        return list(graph.outputs)
    empty = np.zeros((taken.shape[0] or 1, 3, size[1], size[0]), np.float32)
    values = graph.run({taken.name: empty}, [port.name for port in graph.outputs])
    pairs = zip(graph.outputs, values, strict=True)
    return [Port(port.name, port.kind, tuple(np.shape(value))) for port, value in pairs]


def _to_window(boxes: FloatArray, letterbox: Letterbox) -> tuple[FloatArray, Array]:
    """Boxes in window px, cut off at the window, and which of them are more than padding (or are no numbers)."""
    found = letterbox.undo(boxes)
    width, height = letterbox.window
    cut = np.clip(found, 0, np.array([width, height] * 2, np.float32))
    inside = np.all(found[:, 2:] > 0, axis=1) & np.all(found[:, :2] < np.array([width, height]), axis=1)
    wild = ~np.isfinite(found).all(axis=1)
    cut[wild] = np.nan  # an endless box cut off at the window would pass for one that fills it
    return cut, inside | wild


def _detections(found: Found, boxes: FloatArray, masks: tuple[CropMask, ...] | None) -> Detections:
    return Detections(boxes, found.scores, found.labels, np.zeros(len(boxes), np.int32), masks)
