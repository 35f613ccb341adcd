"""`segtile edit`: an image-to-image model over a picture by tiles, stitched, and a look at the seams."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import log_to_stderr, one_picture, print_line, target_is_due, warn
from segtile.resources import Clock, peak_rss_mb

if TYPE_CHECKING:
    from segtile.backends.image_ops import OnnxEdit
    from segtile.edit.edited import Edited
    from segtile.edit.seam_check import SeamCheck


class Blend(StrEnum):
    """Values of --blend."""

    linear = "linear"
    cosine = "cosine"
    pyramid = "pyramid"
    cut = "cut"
    poisson = "poisson"
    poisson_exact = "poisson-exact"


class Context(StrEnum):
    """Values of --context."""

    none = "none"
    sequential = "sequential"


class Drift(StrEnum):
    """Values of --drift."""

    auto = "auto"
    mix = "mix"
    none = "none"


Result = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The result: png, tif or webp.")]
Model = Annotated[str, typer.Option(metavar="OP.onnx|NAME", help="Image-to-image graph, or a catalogue name.")]
BlendChoice = Annotated[
    Blend, typer.Option("--blend", metavar="HOW", help="linear, cosine, pyramid, cut, poisson, poisson-exact.")
]
LinearLight = Annotated[bool, typer.Option("--linear-light", help="Blend in linear light.")]
ContextChoice = Annotated[Context, typer.Option("--context", help="Halos: original, or finished tiles.")]
TileSide = Annotated[int | None, typer.Option("--tile", help="Side in px.", show_default="the model's, or 1024")]
Halo = Annotated[int, typer.Option("--halo", min=0, metavar="PX", help="Context around what is kept.")]
Feather = Annotated[
    int | None,
    typer.Option("--feather", min=0, metavar="PX", help="Blended beyond a core.", show_default="32; 0 if sequential"),
]
OnlyChanges = Annotated[bool, typer.Option("--only-changes", help="Leave what was not changed to the bit.")]
DriftChoice = Annotated[Drift, typer.Option("--drift", help="Even out colours; mix: 3 x 3.")]
Reference = Annotated[bool, typer.Option("--reference/--no-reference", help="Hold to the original's colours.")]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
Threads = Annotated[int, typer.Option("--threads", min=1, metavar="N", help="Tiles at once.")]
Batch = Annotated[int, typer.Option("--batch", min=1, metavar="N", help="Tiles a call of the model.")]
HeatMap = Annotated[Path | None, typer.Option("--heat-map", metavar="PNG", help="Draw where tiles disagree.")]


def edit(
    photo: o.Photo,
    output: Result,
    model: Model,
    blend: BlendChoice = Blend.linear,
    linear_light: LinearLight = False,
    context: ContextChoice = Context.none,
    grid: o.GridChoice = o.GridKind.uniform,
    tile: TileSide = None,
    halo: Halo = 64,
    feather: Feather = None,
    drift: DriftChoice = Drift.auto,
    reference: Reference = True,
    only_changes: OnlyChanges = False,
    batch: Batch = 1,
    threads: Threads = 1,
    device: Device = "auto",
    heat_map: HeatMap = None,
    file_format: o.FileFormat = None,
    bits: o.BitsChoice = o.Bits.auto,
    overwrite: o.Overwrite = False,
    skip_existing: o.SkipExisting = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Run an image-to-image model over a picture; profile, dpi, EXIF and depth as the input's."""
    from segtile.edit.written import format_of

    log_to_stderr(verbose)
    saving = {"format": format_of(output, None if file_format is None else file_format.value), "bits": bits.depth}
    due = target_is_due([photo], output, overwrite=overwrite, skip_existing=skip_existing)
    if heat_map is not None:
        inputs = [photo, output]
        due = target_is_due(inputs, heat_map, overwrite=overwrite, skip_existing=skip_existing) or due
    if not due:
        return
    settings: dict[str, Any] = {
        "tile": tile,
        "halo": halo,
        "feather": feather,
        "grid": grid.value,
        "blend": blend.value,
        "context": context.value,
        "batch": batch,
        "only_changes": only_changes,
        "linear_light": linear_light,
        "drift": drift.value,
        "reference": reference,
        "threads": threads,
    }
    with one_picture(photo, as_json):
        row = _run(photo, output, heat_map, model, device, settings, saving, overwrite or skip_existing, quiet)
    print_line(json.dumps(row, ensure_ascii=False) if as_json else _summary(row))


def _run(
    photo: Path,
    output: Path,
    heat_map: Path | None,
    model: str,
    device: str,
    settings: dict[str, Any],
    saving: dict[str, Any],
    replace: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Edit, write, look at the seams; returns what --json prints."""
    from segtile.backends.image_ops import open_graph
    from segtile.edit.job import edit as run_edit

    clock = Clock()
    with clock.stage("total"), shown(photo.name, quiet) as progress:
        with clock.stage("model"):
            operator = open_graph(model, device)
        with clock.stage("edit"):
            edited = run_edit(photo, operator, on_progress=progress, **settings)
        with edited:
            with clock.stage("write"):
                report = edited.save(output, overwrite=replace, on_progress=progress, **saving)
            with clock.stage("seams"):
                seams = edited.seams(progress)
                if heat_map is not None:
                    _draw(edited, heat_map, replace)
            warnings = tuple(dict.fromkeys((*edited.warnings, *report.warnings)))
            row = _row(photo, output, operator, edited, seams, warnings)
    warn(photo, (*warnings, *([seams.warning] if seams.warning else [])))
    return {**row, "blend": settings["blend"], "seconds": clock.seconds, "peak_rss_mb": peak_rss_mb(), "error": None}


def _draw(edited: Edited, target: Path, replace: bool) -> None:
    from segtile.export import write_picture

    write_picture(edited.heat_map(), target, overwrite=replace)


def _row(
    photo: Path, output: Path, operator: OnnxEdit, edited: Edited, seams: SeamCheck, warnings: tuple[str, ...]
) -> dict[str, Any]:
    """What --json prints: figures that mean nothing here (no borders, no overlap) are null."""
    figures = {
        "grad": seams.grad.ratio,
        "ramp": seams.ramp.ratio,
        "grad_solar": seams.grad_solar.ratio,
        "ramp_solar": seams.ramp_solar.ratio,
        "grad_undisturbed": seams.undisturbed[0],
        "ramp_undisturbed": seams.undisturbed[1],
        "overlap_mean": seams.overlap_mean,
        "overlap_p99": seams.overlap_p99,
        "drift": seams.drift,
    }
    plan = edited.plan
    return {
        "input": str(photo),
        "output": str(output),
        "size": [edited.width, edited.height],
        "tiles": {"planned": len(plan.tiles), "run": len(plan.tiles), "uniform": plan.tiles_uniform},
        "model": operator.name,
        "scale": float(operator.scale),
        "grid": plan.kind,
        "coarse": plan.coarse,
        "seams": {name: round(value, 4) if math.isfinite(value) else None for name, value in figures.items()},
        "seam_warning": seams.warning,
        "warnings": list(warnings),
    }


def _summary(row: dict[str, Any]) -> str:
    """One line for people."""
    memory = f", peak {row['peak_rss_mb']:.0f} MB" if row["peak_rss_mb"] is not None else ""
    stages = " ".join(f"{name} {value:.1f}" for name, value in row["seconds"].items() if name != "total")
    width, height = row["size"]
    seams = {name: "-" if value is None else f"{value:.2f}" for name, value in row["seams"].items()}
    tiles = row["tiles"]
    return (
        f"{row['output']}: {width}x{height} in {row['seconds']['total']:.1f} s ({stages}), "
        f"{tiles['planned']} tiles, uniform {tiles['uniform']}, {row['model']} + {row['blend']}{memory}; "
        f"across tile borders against inside: step {seams['grad']} (without them {seams['grad_undisturbed']}), "
        f"slow ramp {seams['ramp']} ({seams['ramp_undisturbed']})"
    )
