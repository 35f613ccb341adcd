"""`segtile solar`: the retoucher's view of a picture, a check of a cut-out, and the curve itself as a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import log_to_stderr, make_folder, print_line
from segtile.errors import BadInput, WouldOverwrite


class Channel(StrEnum):
    """Values of --channel."""

    rgb = "rgb"
    luma = "luma"
    r = "r"
    g = "g"
    b = "b"


class Reading(StrEnum):
    """Values of --reading."""

    linear = "linear"
    spline = "spline"


def solar(
    photo: Annotated[Path | None, typer.Argument(metavar="[PHOTO]", help="A picture.", show_default=False)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="PNG", help="The view.")] = None,
    curve: Annotated[
        str, typer.Option(metavar="NAME", help="solar1, solar4, solar6, adaptive, or a curve file (.acv).")
    ] = "solar4",
    folds: Annotated[int | None, typer.Option(min=0, help="A zigzag with this many folds.", show_default="off")] = None,
    phase: Annotated[float, typer.Option(help="Moves folds: by a share of the period, outwards if adaptive.")] = 0.0,
    channel: Annotated[Channel, typer.Option(help="What the curve is applied to.")] = Channel.rgb,
    reading: Annotated[
        Reading | None,
        typer.Option(help="Between the points.", show_default="linear, curve files spline"),
    ] = None,
    side_by_side: Annotated[bool, typer.Option("--side-by-side", help="The original to the left.")] = False,
    long_side: Annotated[
        int | None, typer.Option(min=1, metavar="PX", help="Scale down first.", show_default="full size")
    ] = None,
    check: Annotated[
        Path | None, typer.Option(metavar="CUTOUT", help="Show this cut-out of PHOTO on PHOTO's own background.")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE.acv", help="Write the curve for Photoshop.")] = None,
    overwrite: o.Overwrite = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Show a picture through a solar curve, so that dust, seams, halos and white-on-white edges stand out."""
    from segtile.solar import zigzag
    from segtile.view import make_view, save_curve

    log_to_stderr(verbose)
    if (photo is None) != (output is None):
        raise BadInput("a view needs a PHOTO and the file to write it to: give both, PHOTO and -o")
    if photo is None and save is None:
        raise BadInput("nothing to do: give PHOTO and -o for a view, or --save for the curve")
    if check is not None and photo is None:
        raise BadInput("--check shows a cut-out on the background of its photograph: give PHOTO and -o as well")
    chosen = curve if folds is None else zigzag(folds, phase)
    moved = phase if folds is None else 0.0
    if save is not None:
        if isinstance(chosen, str) and chosen.lower().endswith(".acv"):
            raise BadInput(f"{chosen} is a curve file already")
        save_curve(chosen, save, overwrite=overwrite)
        print_line(str(save))
    if photo is None or output is None:
        return
    from segtile.export import write_strips
    from segtile.export.atomic import check_target
    from segtile.raster import open_raster

    if output.resolve() in {path.resolve() for path in (photo, check) if path is not None}:
        raise BadInput(f"{output} is a picture to be read: choose another name for the view")
    if output.exists() and not overwrite:
        raise WouldOverwrite(f"{output} exists already: give --overwrite to replace it")
    make_folder(output.parent)
    check_target(output, overwrite=overwrite)
    with shown(photo.name, quiet) as progress, open_raster(photo) as raster:
        cut = None if check is None else open_raster(check)
        try:
            view = make_view(
                raster,
                curve=chosen,
                channel=channel.value,
                reading=None if reading is None else reading.value,
                phase=moved,
                side_by_side=side_by_side,
                long_side=long_side,
                cutout=cut,
            )
            write_strips(view.strips(progress), (view.width, view.height), 3, 8, output, overwrite=overwrite)
        finally:
            if cut is not None:
                cut.close()
    print_line(f"{output}: {view.width}x{view.height}, {view.about}")
