"""`segtile segment`: instances with masks by slices."""

from __future__ import annotations

import typer

from segtile.cli import detections as d
from segtile.cli import options as o
from segtile.cli.run import log_to_stderr


def segment(
    photos: o.Photos,
    output: o.OutputDir,
    model: d.Model = "jewels",
    slice_: d.Slice = None,
    overlap: d.Overlap = 0.2,
    grid: o.GridChoice = o.GridKind.uniform,
    scales: d.Scales = None,
    roi: d.Roi = None,
    coarse: d.CoarsePass = None,
    fusion: d.Fusion = d.FusionKind.strip_agreement,
    metric: d.Metric = d.MetricKind.ios,
    threshold: d.Threshold = 0.5,
    confidence: d.Confidence = 0.25,
    class_agnostic: d.ClassAgnostic = False,
    refine: d.EdgeRefine = "none",
    formats: d.Formats = None,
    overlay: d.Overlay = True,
    device: d.Device = "auto",
    overwrite: o.Overwrite = False,
    skip_existing: o.SkipExisting = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Find objects with masks by slices: COCO json, holes kept, and a drawing."""
    log_to_stderr(verbose)
    settings = d.settings_of(
        slice_, overlap, grid, scales, roi, coarse, fusion, metric, threshold, confidence, class_agnostic
    )

    def finder() -> d.Finder:
        from segtile.backends.detectors import open_detector
        from segtile.segment import segment as find

        detector = open_detector(model, confidence=confidence, device=device, soft=refine != "none")
        return lambda raster, progress: find(raster, detector, **settings, refine=refine, on_progress=progress)

    code = d.run_detections(
        photos,
        output,
        finder,
        formats=d.formats_of(formats),
        overlay=overlay,
        overwrite=overwrite,
        skip_existing=skip_existing,
        as_json=as_json,
        quiet=quiet,
    )
    raise typer.Exit(code)
