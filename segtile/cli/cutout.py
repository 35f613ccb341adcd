"""`segtile cutout` and `segtile mask`: the main job, and its alpha alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segtile.cli import options as o
from segtile.cli.pictures import Job, jobs_for
from segtile.cli.run import log_to_stderr, run
from segtile.types import CutoutResult, Progress

if TYPE_CHECKING:
    from segtile.recipe import Recipe
    from segtile.result import Cutout

    Writer = Callable[[Cutout, Path, bool, Progress], tuple[str, ...]]

_ENDINGS = {o.Format.png: ".png", o.Format.tiff: ".tif", o.Format.webp: ".webp"}


def cutout(
    photos: o.Photos,
    output: o.OutputDir,
    coarse: o.Coarse = "auto",
    as_rembg: o.AsRembg = False,
    refine: o.Refine = "auto",
    tile: o.TileSide = None,
    halo: o.Halo = None,
    grid: o.GridChoice = o.GridKind.aligned,
    solar: o.Solar = True,
    looks: o.Looks = o.LookTimes.auto,
    second_look: o.SecondLook = False,
    solar_edges: o.SolarEdges = False,
    device: o.Device = "auto",
    threads: o.Threads = 0,
    file_format: o.FormatChoice = o.Format.png,
    bits: o.BitsChoice = o.Bits.auto,
    crop: o.Crop = None,
    background: Annotated[
        str | None,
        typer.Option(metavar="COLOUR", help="#rrggbb instead of transparency."),
    ] = None,
    overwrite: o.Overwrite = False,
    skip_existing: o.SkipExisting = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Cut the object out: RGBA with straight alpha, bits, profile, dpi and EXIF as the input's."""
    refining: dict[str, object] = {"name": refine, "solar": solar, "threads": threads, "looks": looks.times}
    refining |= {"second_look": second_look, "solar_edges": solar_edges}
    looking: dict[str, object] = {"name": coarse, "as_rembg": as_rembg}
    recipe = _recipe(looking, refining, device, grid, tile, halo, file_format, bits, crop, background)
    _run(photos, output, recipe, _write_cutout, overwrite, skip_existing, as_json, quiet, verbose)


def mask(
    photos: o.Photos,
    output: o.OutputDir,
    coarse: o.Coarse = "auto",
    as_rembg: o.AsRembg = False,
    refine: o.Refine = "auto",
    tile: o.TileSide = None,
    halo: o.Halo = None,
    grid: o.GridChoice = o.GridKind.aligned,
    solar: o.Solar = True,
    looks: o.Looks = o.LookTimes.auto,
    second_look: o.SecondLook = False,
    solar_edges: o.SolarEdges = False,
    device: o.Device = "auto",
    threads: o.Threads = 0,
    file_format: o.FormatChoice = o.Format.png,
    bits: o.BitsChoice = o.Bits.auto,
    crop: o.Crop = None,
    overwrite: o.Overwrite = False,
    skip_existing: o.SkipExisting = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Write the alpha alone, 8 or 16 bit grey."""
    refining: dict[str, object] = {"name": refine, "solar": solar, "threads": threads, "looks": looks.times}
    refining |= {"second_look": second_look, "solar_edges": solar_edges}
    looking: dict[str, object] = {"name": coarse, "as_rembg": as_rembg}
    recipe = _recipe(looking, refining, device, grid, tile, halo, file_format, bits, crop, None)
    _run(photos, output, recipe, _write_mask, overwrite, skip_existing, as_json, quiet, verbose)


def _recipe(
    looking: dict[str, object],
    refining: dict[str, object],
    device: str,
    grid: o.GridKind,
    tile: int | None,
    halo: int | None,
    file_format: o.Format,
    bits: o.Bits,
    crop: int | None,
    background: str | None,
) -> Recipe:
    from segtile.recipe import build_recipe, parse_colour

    colour = None if background is None else parse_colour(background)
    return build_recipe(
        coarse=looking,
        grid={"kind": grid.value, "tile": tile, "halo": halo},
        refine=refining,
        limits={"device": device},
        export={"format": file_format.value, "bits": bits.depth, "crop": crop, "background": colour},
    )


def _run(
    photos: list[Path],
    output: Path,
    recipe: Recipe,
    write: Writer,
    overwrite: bool,
    skip_existing: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    log_to_stderr(verbose)
    ending = _ENDINGS[o.Format(recipe.export.format)]
    jobs = jobs_for(photos, output, ending, overwrite=overwrite, skip_existing=skip_existing)

    def worker(job: Job, progress: Progress) -> tuple[CutoutResult, tuple[str, ...]]:
        from segtile.cutout import cutout as cut_out

        with cut_out(job.source, recipe=recipe, on_progress=progress) as cut:
            start = time.perf_counter()
            notes = write(cut, job.target, overwrite, progress)
            cut.result.seconds["write"] = round(time.perf_counter() - start, 3)
            return cut.finished(), notes

    raise typer.Exit(run(jobs, output, worker, _summary, as_json=as_json, quiet=quiet))


def _write_cutout(cut: Cutout, target: Path, overwrite: bool, progress: Progress) -> tuple[str, ...]:
    return cut.save(target, overwrite=overwrite, on_progress=progress).warnings


def _write_mask(cut: Cutout, target: Path, overwrite: bool, progress: Progress) -> tuple[str, ...]:
    return cut.save_mask(target, overwrite=overwrite, on_progress=progress).warnings


def _summary(result: CutoutResult) -> str:
    """One line for people: what was written, how long each stage took, tiles, memory."""
    stages = " ".join(f"{name} {value:.1f}" for name, value in result.seconds.items() if name != "total")
    memory = f", peak {result.peak_rss_mb:.0f} MB" if result.peak_rss_mb is not None else ""
    return (
        f"{result.output}: {result.width}x{result.height} in {result.seconds['total']:.1f} s ({stages}), "
        f"tiles {result.tiles_refined}/{result.tiles_planned} refined/planned, uniform {result.tiles_uniform}"
        f"{memory}, {result.coarse} + {result.refine}"
    )
