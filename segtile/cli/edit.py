"""`segtile edit`: an image-to-image model over a picture by tiles, stitched, and a look at the seams."""

from __future__ import annotations

import json
import math
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import log_to_stderr, make_folder, print_line
from segtile.errors import BadInput, WouldOverwrite
from segtile.resources import peak_rss_mb

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


class Context(StrEnum):
    """Values of --context."""

    none = "none"
    sequential = "sequential"


class Drift(StrEnum):
    """Values of --drift."""

    auto = "auto"
    none = "none"


_TILE = 1024


def edit(
    photo: o.Photo,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The result: png, tif or webp.")],
    model: Annotated[str, typer.Option(metavar="OP.onnx|NAME", help="Image-to-image graph, or a catalogue name.")],
    blend: Annotated[Blend, typer.Option(help="How tiles are put together.")] = Blend.linear,
    context: Annotated[
        Context, typer.Option(help="Show each tile the original, or its finished neighbours.")
    ] = Context.none,
    grid: o.GridChoice = o.GridKind.uniform,
    tile: Annotated[int | None, typer.Option(help="Tile side in px.", show_default="the model's, or 1024")] = None,
    halo: Annotated[int, typer.Option(min=0, help="Context around what is kept of a tile, px.")] = 64,
    feather: Annotated[
        int | None,
        typer.Option(min=0, help="Px beyond a core that are blended.", show_default="32; 0 if sequential"),
    ] = None,
    drift: Annotated[Drift, typer.Option(help="Even out how tiles differ in colour.")] = Drift.auto,
    reference: Annotated[
        bool, typer.Option("--reference/--no-reference", help="Hold unchanged parts to the original's colours.")
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Tiles at once.")] = 1,
    file_format: Annotated[
        o.Format | None, typer.Option("--format", help="File format.", show_default="by the ending")
    ] = None,
    bits: o.BitsChoice = o.Bits.auto,
    overwrite: o.Overwrite = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Run an image-to-image model over a picture of any size; profile, dpi, EXIF and depth as the input's."""
    log_to_stderr(verbose)
    kind = _checked(photo, output, file_format, overwrite)
    settings: dict[str, Any] = {
        "tile": tile,
        "halo": halo,
        "feather": feather,
        "grid": grid.value,
        "blend": blend.value,
        "context": context.value,
        "drift": drift.value,
        "reference": reference,
        "threads": threads,
    }
    row = _run(photo, output, model, device, settings, {"format": kind, "bits": bits.depth}, overwrite, quiet)
    if as_json:
        print_line(json.dumps(row, ensure_ascii=False))
        return
    memory = f", peak {row['peak_rss_mb']:.0f} MB" if row["peak_rss_mb"] is not None else ""
    width, height = row["size"]
    seams = {name: "-" if value is None else f"{value:.2f}" for name, value in row["seams"].items()}
    print_line(
        f"{output}: {width}x{height} in {row['seconds']:.1f} s, {row['tiles']} tiles, {blend.value}{memory}; "
        f"across tile borders against inside: step {seams['grad']} (without them {seams['grad_undisturbed']}), "
        f"slow ramp {seams['ramp']} ({seams['ramp_undisturbed']})"
    )


def _checked(photo: Path, output: Path, file_format: o.Format | None, overwrite: bool) -> str:
    """The format to write, once it is sure that the target can be written."""
    from segtile.edit.written import format_of
    from segtile.export.atomic import check_target

    kind = format_of(output, None if file_format is None else file_format.value)
    if output.resolve() == photo.resolve():
        raise BadInput(f"{output} is the picture to be read: choose another name for the result")
    if output.exists() and not overwrite:
        raise WouldOverwrite(f"{output} exists already: give --overwrite to replace it")
    make_folder(output.parent)
    check_target(output, overwrite=overwrite)
    return kind


def _run(
    photo: Path,
    output: Path,
    model: str,
    device: str,
    settings: dict[str, Any],
    saving: dict[str, Any],
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Edit, write, look at the seams; returns what --json prints."""
    from segtile.backends.image_ops import open_edit
    from segtile.edit.engine import edit_tiled

    start = time.perf_counter()
    operator = open_edit(model, device)
    settings = {**settings, "tile": settings["tile"] or min(operator.input_size or (_TILE, _TILE))}
    with (
        shown(photo.name, quiet) as progress,
        edit_tiled(photo, operator, scale=operator.scale, on_progress=progress, **settings) as edited,
    ):
        report = edited.save(output, overwrite=overwrite, on_progress=progress, **saving)
        seams = edited.seams(progress)
        warnings = tuple(dict.fromkeys((*edited.warnings, *report.warnings)))
        for sentence in (*warnings, *([seams.warning] if seams.warning else [])):
            sys.stderr.write(f"segtile: warning: {photo.name}: {' '.join(sentence.split())}\n")
        return _row(photo, output, operator, edited, seams, time.perf_counter() - start, warnings)


def _row(
    photo: Path,
    output: Path,
    operator: OnnxEdit,
    edited: Edited,
    seams: SeamCheck,
    seconds: float,
    warnings: tuple[str, ...],
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
    return {
        "input": str(photo),
        "output": str(output),
        "size": [edited.width, edited.height],
        "model": operator.name,
        "scale": float(operator.scale),
        "grid": edited.plan.kind,
        "tiles": len(edited.plan.tiles),
        "seams": {name: round(value, 4) if math.isfinite(value) else None for name, value in figures.items()},
        "seam_warning": seams.warning,
        "seconds": round(seconds, 3),
        "peak_rss_mb": peak_rss_mb(),
        "warnings": list(warnings),
    }
