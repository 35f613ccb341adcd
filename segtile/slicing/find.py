"""What detection and segmentation by slices share: look at slices, fuse what was found in them, say how it went."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from segtile.backends.detectors import digest_of, notes_of, scales_of
from segtile.coarse import look
from segtile.detected import Detector, Instance
from segtile.detection import DetectionResult, DetectionRow
from segtile.errors import BadInput
from segtile.grid.regions import regions_of
from segtile.merge.instances import fuse
from segtile.raster import open_raster
from segtile.resources import Clock, peak_rss_mb
from segtile.slicing.plan import Scale, SlicePlan, plan_slices
from segtile.slicing.run import Found, run_windows
from segtile.slicing.settings import SliceSettings
from segtile.types import CoarseMap, Progress, Raster

_COARSE_SIDE = 2048  # px of what the coarse pass sees, as for a cut-out


@dataclass(frozen=True)
class Sliced:
    """One picture's slices, what each gave, and the instances that came of it."""

    plan: SlicePlan
    found: Found
    names: tuple[str, ...]
    instances: tuple[Instance, ...]


@contextmanager
def opened(image: Any) -> Iterator[Raster]:
    """A picture opened for windows, and closed again unless the caller had it open already.

    Raises:
        ReadError: it cannot be read.
    """
    raster = open_raster(image, lazy=True)
    try:
        yield raster
    finally:
        if raster is not image:
            raster.close()


def find(
    raster: Raster, detector: Detector, settings: SliceSettings, clock: Clock, on_progress: Progress, *, masks: bool
) -> Sliced:
    """Look at a picture's slices with a detector, and fuse what it finds.

    Raises:
        ReadError: every slice cannot be read.
        ModelError: the detector failed on every slice.
        BadInput: a setting makes no sense for this picture.
    """
    frame = raster.info.frame
    regions = None if settings.roi is None else regions_of(settings.roi, frame)
    with clock.stage("coarse"):
        seen = _look(raster, settings, on_progress)
    plan = plan_slices(
        frame,
        detector.input_size,
        side=settings.slice,
        overlap=settings.overlap,
        grid=settings.grid,
        scales=_scales(settings, detector),
        regions=regions,
        coarse=seen,
    )
    with clock.stage("detect"):
        found = run_windows(raster, plan.windows, detector, on_progress, confidence=settings.confidence, masks=masks)
    names = _names(detector.names, found)
    with clock.stage("fuse"):
        fused = fuse(
            found.pieces,
            plan.tiles,
            names,
            method=settings.fusion,
            metric=settings.metric,
            threshold=settings.threshold,
            class_agnostic=settings.class_agnostic,
            anchors=seen,
            frame=frame,
        )
    inside = [one for one in fused if regions is None or regions.meets(one.box)]
    return Sliced(plan, found, names, tuple(dataclasses.replace(one, id=i) for i, one in enumerate(inside, start=1)))


def _scales(settings: SliceSettings, detector: Detector) -> Sequence[Scale]:
    """What was asked for; else what the detector was trained for; else the picture as it is."""
    if settings.scales is not None:
        return settings.scales
    return tuple("full" if scale == "full" else float(scale) for scale in scales_of(detector)) or (1.0,)


def _names(known: tuple[str, ...], found: Found) -> tuple[str, ...]:
    """The classes' names; one that the detector has no name for is called by its index."""
    most = int(found.pieces.labels.max(initial=-1)) + 1
    return known + tuple(str(index) for index in range(len(known), most))


def _look(raster: Raster, settings: SliceSettings, on_progress: Progress) -> CoarseMap | None:
    """The coarse map: the one given, the named pass's, or "auto" where the grid needs one; else none."""
    coarse = settings.coarse
    if isinstance(coarse, CoarseMap):
        if coarse.frame != raster.info.frame:
            raise BadInput(f"the coarse map is of the frame {coarse.frame} and the picture of {raster.info.frame}")
        return coarse
    if coarse is None and settings.grid != "aligned":
        return None
    on_progress(0, 1, "coarse")
    found = look(raster.preview(_COARSE_SIDE), raster.info.frame, coarse or "auto")
    on_progress(1, 1, "coarse")
    return found


def result_of(
    raster: Raster, detector: Detector, settings: SliceSettings, sliced: Sliced, clock: Clock, notes: Sequence[str] = ()
) -> DetectionResult:
    """The result with its row; warnings are the picture's, the model's, the slices' and `notes`, each once."""
    info, plan, found, instances = raster.info, sliced.plan, sliced.found, sliced.instances
    row = DetectionRow(
        input=str(info.path) if info.path else "array",
        output=None,
        width=info.width,
        height=info.height,
        model=detector.name,
        fusion=settings.fusion,
        tiles_planned=len(plan.windows),
        tiles_run=found.answered,
        tiles_uniform=plan.uniform,
        pieces=len(found.pieces),
        found=len(instances),
        counts=dict(Counter(one.name for one in instances)),
        seconds=clock.seconds,
        peak_rss_mb=peak_rss_mb(),
        model_digest=digest_of(detector),
        warnings=tuple(dict.fromkeys((*raster.warnings, *notes_of(detector), *plan.warnings, *found.warnings, *notes))),
    )
    return DetectionResult(info=info, instances=instances, names=sliced.names, tiles=plan.tiles, row=row)
