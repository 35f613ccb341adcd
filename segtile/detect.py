"""Detection by slices: a detector looks at windows of a large picture, and what it finds is made one list of objects.

A coarse look may decide where slices go, each slice is shown to the detector, and pieces of one object are fused.
`detect` reads in that order; `segtile.segment` does the same for models with masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segtile._callable import make_callable
from segtile.backends.detectors import open_detector
from segtile.detection import DetectionResult
from segtile.grid.regions import Polygon
from segtile.resources import Clock
from segtile.slicing import MODEL, Fusion, GridName, Metric, Scale, SliceSettings, find, opened, result_of
from segtile.types import Box, CoarseMap, Progress, no_progress


def detect(
    image: Any,
    model: Any = MODEL,
    *,
    slice: int | tuple[int, int] | None = None,
    overlap: float = 0.2,
    grid: GridName = "uniform",
    scales: Sequence[Scale] | None = None,
    roi: Sequence[Box | Polygon] | None = None,
    fusion: Fusion = "strip",
    metric: Metric = "IOS",
    threshold: float = 0.5,
    confidence: float = 0.25,
    class_agnostic: bool = False,
    coarse: str | CoarseMap | None = None,
    device: str = "auto",
    on_progress: Progress = no_progress,
) -> DetectionResult:
    """Find the objects of a picture by showing a detector slices of it.

    With `grid="uniform"`, `fusion="greedy-nmm"` and `scales=(1.0, "full")` the boxes are those of SAHI's
    `get_sliced_prediction` with its defaults, for the same detector. One of SAHI's habits is not copied: below a
    confidence of 0.1 it turns to NMS on IOU by itself, unless `force_postprocess_type` is set; here the fusion that was
    asked for is the fusion that is done, at any confidence.

    Args:
        image: a path, an (H, W[, 3 or 4]) uint8 or uint16 array in RGB order, a PIL image or a Raster. A large TIFF in
            tiles is never decoded whole.
        model: whatever `segtile.backends.detectors.open_detector` takes: a catalogue name, a YOLO file (.onnx, .pt), a
            callable from (h, w, 3) uint8 to supervision's Detections, a DetectionModel of SAHI's, a Detector.
        slice: px of a slice as the detector sees it, or (width, height); the detector's own size by default, else 640.
        overlap: share of a slice that its neighbour sees too, 0 <= overlap < 1.
        grid: "uniform" is SAHI's; "aligned" follows what a coarse look sees and skips empty background.
        scales: one pass of slices for each: 1.0 the picture as it is, 0.5 made half as large; "full" all of it at once.
            None takes what the model's card was trained for (our own `jewels` looks at all of it), else 1.0.
        roi: boxes and polygons, as lists of (x, y), outside which nothing is looked for.
        fusion: "strip" joins pieces that agree where two slices overlap; "greedy-nmm", "nmm" and "nms" are SAHI's.
        metric: "IOS" or "IOU", for SAHI's.
        threshold: overlap from which boxes are one object's.
        confidence: detections with a score below this are left out; SAHI's models and callables may have left out more.
        class_agnostic: fuse detections of different classes too.
        coarse: a pass over the whole picture by name, or its map; pieces are then held together by its objects.
        device: "auto", "cpu", "cuda", "cuda:1".
        on_progress: called as on_progress(done, total, stage) with the stages "coarse", "detect".

    Returns:
        A DetectionResult: `.instances`, `.row`, `.to_coco()`, `.to_supervision()`, ... Without masks, which
        `segtile.segment` keeps. What went wrong with single slices is in `row.warnings`.

    Raises:
        ReadError: the picture, or every slice of it, cannot be read.
        ModelError: the model cannot be had, or failed on every slice.
        BackendMissing: the model needs an extra that is not installed.
        BadInput: a setting makes no sense.
    """
    settings = SliceSettings(
        slice, overlap, grid, scales, roi, fusion, metric, threshold, confidence, class_agnostic, coarse
    )
    detector = open_detector(model, confidence=confidence, device=device)
    clock = Clock()
    with opened(image) as raster:
        sliced = find(raster, detector, settings, clock, on_progress, masks=False)
        return result_of(raster, detector, settings, sliced, clock)


__all__ = ["detect"]

make_callable(__name__, "detect")
