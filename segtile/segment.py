"""Instance segmentation by slices: as `segtile.detect`, for models that give masks, which are made whole and sharp."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from segtile._callable import make_callable
from segtile.backends.detectors import open_detector
from segtile.detection import DetectionResult
from segtile.grid.regions import Polygon
from segtile.refine import get_refiner
from segtile.resources import Clock
from segtile.slicing import MODEL, Fusion, GridName, Metric, Scale, SliceSettings, find, opened, result_of
from segtile.slicing.edges import refine_edges
from segtile.types import Box, CoarseMap, Progress, no_progress


def segment(
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
    refine: str | None = None,
    device: str = "auto",
    on_progress: Progress = no_progress,
) -> DetectionResult:
    """Find the objects of a picture with their masks, by showing a model slices of it.

    Args:
        image: as for `segtile.detect`, and so is everything else but:
        model: has to give masks.
        slice: see `segtile.detect`.
        overlap: see there.
        grid: see there.
        scales: see there.
        roi: see there; masks may reach out of it.
        fusion: see there.
        metric: see there.
        threshold: see there.
        confidence: see there.
        class_agnostic: see there.
        coarse: see there.
        refine: a refiner of the cut-out that works the edge of each instance over, within the few px by which a
            model's mask may be off: "matting", which is also what "auto" means here, as our own network needs the
            background of a whole picture; None leaves the masks as they are.
        device: see there.
        on_progress: as there, with the further stage "refine".

    Returns:
        A DetectionResult whose instances have masks with their holes, held as crops.

    Raises:
        BadInput: the model gives no masks, or a setting makes no sense.
        ModelError: the model or the refiner cannot be had, or the model failed on every slice.
        ReadError: the picture, or every slice of it, cannot be read.
        BackendMissing: the model needs an extra that is not installed.
    """
    settings = SliceSettings(
        slice, overlap, grid, scales, roi, fusion, metric, threshold, confidence, class_agnostic, coarse
    )
    chosen = "matting" if refine == "auto" else refine
    refiner = None if chosen is None or chosen == "none" else get_refiner(chosen, device=device)
    soft = refiner is not None  # edges that are going to be refined start from probabilities, not from bits
    detector = open_detector(model, confidence=confidence, device=device, soft=soft)
    clock = Clock()
    with opened(image) as raster:
        sliced = find(raster, detector, settings, clock, on_progress, masks=True)
        if refiner is None:
            return result_of(raster, detector, settings, sliced, clock)
        with clock.stage("refine"):
            instances, notes = refine_edges(raster, sliced.instances, sliced.plan, refiner, on_progress)
        return result_of(raster, detector, settings, dataclasses.replace(sliced, instances=instances), clock, notes)


__all__ = ["segment"]

make_callable(__name__, "segment")
