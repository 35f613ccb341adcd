"""What `segtile detect` and `segtile segment` share: their options, their files, their line."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli import options as o
from segtile.cli.pictures import Job, jobs_for
from segtile.cli.run import run
from segtile.errors import BadInput
from segtile.types import Box, Progress, Raster

if TYPE_CHECKING:
    from segtile.detection import DetectionResult, DetectionRow
    from segtile.grid.regions import Polygon
    from segtile.slicing import Scale

    #: Looks at an open picture.
    Finder = Callable[[Raster, Progress], DetectionResult]

_ENDINGS = {"coco": ".json", "geojson": ".geojson", "yolo": ".txt", "labelme": ".labelme.json"}
_OVERLAY = ".overlay.png"
_OVERLAY_SIDE = 2048  # px


class FusionKind(StrEnum):
    """Values of --fusion."""

    strip_agreement = "strip"
    greedy_nmm = "greedy-nmm"
    nmm = "nmm"
    nms = "nms"
    none = "none"


class MetricKind(StrEnum):
    """Values of --metric."""

    ios = "IOS"
    iou = "IOU"


Model = Annotated[str, typer.Option(metavar="FILE|NAME", help="YOLO (.onnx, .pt) or a catalogue name.")]
Slice = Annotated[
    int | None,
    typer.Option("--slice", min=1, metavar="PX", help="Side as the model sees it.", show_default="model's"),
]
Overlap = Annotated[float, typer.Option(metavar="SHARE", help="What neighbours share of a slice.")]
Scales = Annotated[
    list[str] | None,
    typer.Option("--scale", metavar="S", help="1, 0.5, ... or full; repeatable.", show_default="model's, or 1"),
]
Roi = Annotated[list[str] | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Look only here; more: a polygon.")]
Fusion = Annotated[FusionKind, typer.Option(metavar="HOW", help="strip, greedy-nmm, nmm, nms, none.")]
Metric = Annotated[MetricKind, typer.Option(help="Overlap of boxes.")]
Threshold = Annotated[float, typer.Option(metavar="SHARE", help="From here boxes are one's.")]
Confidence = Annotated[float, typer.Option(metavar="SCORE", help="Leave out lower scores.")]
ClassAgnostic = Annotated[bool, typer.Option("--class-agnostic", help="Fuse over classes.")]
CoarsePass = Annotated[
    str | None,
    typer.Option("--coarse", metavar="PASS", help="What the aligned grid follows.", show_default="auto"),
]
EdgeRefine = Annotated[str, typer.Option("--refine", metavar="HOW", help="Edges: auto, matting, none.")]
Formats = Annotated[
    list[str] | None,
    typer.Option("--format", metavar="F", help="coco,geojson,yolo,labelme.", show_default="coco"),
]
Overlay = Annotated[bool, typer.Option("--overlay/--no-overlay", help="A drawing too.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1.")]


def settings_of(
    slice_: int | None,
    overlap: float,
    grid: o.GridKind,
    scales: list[str] | None,
    roi: list[str] | None,
    coarse: str | None,
    fusion: FusionKind,
    metric: MetricKind,
    threshold: float,
    confidence: float,
    class_agnostic: bool,
) -> dict[str, Any]:
    """The keywords of `segtile.detect` that say how slices are looked at.

    Raises:
        BadInput: one of them makes no sense for any picture.
    """
    from segtile.slicing import SliceSettings

    settings: dict[str, Any] = {
        "slice": slice_,
        "overlap": overlap,
        "grid": grid.value,
        "scales": tuple(_scale(text) for text in scales) if scales else None,
        "roi": [_region(text) for text in roi] if roi else None,
        "fusion": fusion.value,
        "metric": metric.value,
        "threshold": threshold,
        "confidence": confidence,
        "class_agnostic": class_agnostic,
        "coarse": coarse,
    }
    SliceSettings(**settings)
    return settings


def _scale(text: str) -> Scale:
    if text == "full":
        return "full"
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"--scale takes a number or full, not {text!r}") from None


def _region(text: str) -> Box | Polygon:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 4 and all(value.is_integer() for value in values):
        x0, y0, x1, y1 = (int(value) for value in values)
        return Box(x0, y0, x1, y1)
    if len(values) >= 6 and len(values) % 2 == 0:
        return list(zip(values[::2], values[1::2], strict=True))
    raise BadInput(f"--roi takes x0,y0,x1,y1 in whole px, or x,y,x,y,x,y,... of a polygon, not {text!r}")


def formats_of(given: list[str] | None) -> tuple[str, ...]:
    """The values of --format, each once; several may stand in one, with commas.

    Raises:
        BadInput: an unknown one.
    """
    names = [name for text in given or ["coco"] for name in text.split(",")]
    for name in names:
        if name not in _ENDINGS:
            raise BadInput(f"--format takes {', '.join(_ENDINGS)}, not {name!r}")
    return tuple(dict.fromkeys(names))


def run_detections(
    photos: list[Path],
    output: Path,
    make_finder: Callable[[], Finder],
    *,
    formats: tuple[str, ...],
    overlay: bool,
    overwrite: bool,
    skip_existing: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Do all pictures and write each one's files; the model is only loaded once it is clear that there is work to do.

    Returns:
        The exit code: 0 all done, 1 some failed.

    Raises:
        SegtileError: nothing was begun: targets that exist, inputs that do not, no such model.
    """
    endings = [_ENDINGS[name] for name in formats] + [_OVERLAY] * overlay
    jobs = jobs_for(photos, output, endings[0], overwrite=overwrite, skip_existing=skip_existing)
    for ending in endings[1:]:
        jobs_for(photos, output, ending, overwrite=overwrite, skip_existing=skip_existing)
    finder = make_finder() if jobs else None
    replace = overwrite or skip_existing  # of a picture that is done again, all files are

    def worker(job: Job, progress: Progress) -> tuple[DetectionRow, tuple[str, ...]]:
        from segtile.raster import open_raster

        assert finder is not None
        with open_raster(job.source, lazy=True) as raster:
            result = finder(raster, progress)
            start = time.perf_counter()
            notes: tuple[str, ...] = ()
            for name in formats:
                notes += _write(result, name, _beside(job.target, endings[0], _ENDINGS[name]), replace)
            if overlay:
                _draw(result, raster, _beside(job.target, endings[0], _OVERLAY), replace)
            result.row.seconds["write"] = round(time.perf_counter() - start, 3)
        return result.row, notes

    return run(jobs, output, worker, _summary, as_json=as_json, quiet=quiet)


def _beside(target: Path, ending: str, other: str) -> Path:
    """The file with another ending of the picture whose `target` has `ending`."""
    return target.with_name(target.name.removesuffix(ending) + other)


def _write(result: DetectionResult, name: str, path: Path, overwrite: bool) -> tuple[str, ...]:
    """Write one format; what it could not hold comes back as sentences."""
    if name == "coco":
        from segtile.export.coco import write_coco

        write_coco([result], result.names, path, overwrite=overwrite)
    elif name == "geojson":
        from segtile.export.geojson import write_geojson

        write_geojson(result, path, overwrite=overwrite)
    elif name == "labelme":
        from segtile.export.labelme import write_labelme

        write_labelme(result, path, overwrite=overwrite)
    else:
        from segtile.export.yolo import write_data_yaml, write_yolo

        write_data_yaml(result.names, path.with_name("data.yaml"), overwrite=True)
        return write_yolo(result, path, overwrite=overwrite).warnings
    return ()


def _draw(result: DetectionResult, raster: Raster, path: Path, overwrite: bool) -> None:
    from segtile.export import write_picture

    write_picture(result.overlay(raster.preview(_OVERLAY_SIDE)), path, overwrite=overwrite)


def _summary(row: DetectionRow) -> str:
    """One line for people: what was found, how long each stage took, slices, memory."""
    counts = ", ".join(f"{n} {name}" for name, n in sorted(row.counts.items(), key=lambda item: -item[1])[:5])
    stages = " ".join(f"{name} {value:.1f}" for name, value in row.seconds.items() if name != "total")
    memory = f", peak {row.peak_rss_mb:.0f} MB" if row.peak_rss_mb is not None else ""
    return (
        f"{row.output}: {row.width}x{row.height}, {row.found} found{f' ({counts})' if counts else ''} "
        f"in {row.seconds['total']:.1f} s ({stages}), {row.pieces} pieces from {row.tiles_run}/{row.tiles_planned} "
        f"slices run/planned, uniform {row.tiles_uniform}{memory}, {row.model} + {row.fusion}"
    )
