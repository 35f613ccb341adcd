"""`segtile grid`: the tile plan as a picture, and its figures against a uniform grid."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from segtile.cli import options as o
from segtile.cli.progress import shown
from segtile.cli.run import log_to_stderr, make_folder, print_line
from segtile.errors import WouldOverwrite


def grid(
    photo: o.Photo,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PNG", help="The drawing.")],
    coarse: o.Coarse = "auto",
    refine: o.Refine = "auto",
    tile: o.TileSide = None,
    halo: o.Halo = None,
    kind: o.GridChoice = o.GridKind.aligned,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the drawing if it exists.")] = False,
    as_json: o.Json = False,
    quiet: o.Quiet = False,
    verbose: o.Verbose = False,
) -> None:
    """Draw the tile plan: band, cores and halos; count its tiles and border crossings against a uniform grid."""
    from segtile.cutout import plan_grid
    from segtile.export import write_picture
    from segtile.grid import draw_plan
    from segtile.recipe import build_recipe

    log_to_stderr(verbose)
    if output.exists() and not overwrite:
        raise WouldOverwrite(f"{output} exists already: give --overwrite to replace it")
    make_folder(output.parent)
    recipe = build_recipe(
        coarse={"name": coarse}, refine={"name": refine}, grid={"kind": kind.value, "tile": tile, "halo": halo}
    )
    with shown(photo.name, quiet) as progress:
        plan = plan_grid(photo, recipe=recipe, on_progress=progress)
    drawing = draw_plan(plan.raster.preview(recipe.coarse.long_side), plan.coarse, plan.grid)
    write_picture(drawing, output, overwrite=overwrite)
    plan.raster.close()
    s = plan.stats
    if as_json:
        frame = plan.grid.frame
        row = {
            "input": str(photo),
            "output": str(output),
            "size": [frame.width, frame.height],
            "coarse": plan.coarse.source,
            "kind": plan.grid.kind,
            "tile": plan.grid.tile_side,
            "halo": plan.grid.halo,
            **dataclasses.asdict(s),
            "why": plan.grid.why,
            "warnings": list(plan.coarse.notes),
        }
        print_line(json.dumps(row, ensure_ascii=False))
        return
    print_line(
        f"{output}: {s.tiles} tiles of {plan.grid.tile_side} px against {s.tiles_uniform} uniform, "
        f"core borders cross the object's edge {s.edge_crossings} times against {s.edge_crossings_uniform} "
        f"and {s.crossing_px} px of band in {s.crossings} places against "
        f"{s.crossing_px_uniform} px in {s.crossings_uniform}, "
        f"{100 * s.share_refined:.1f} % of the pixels refined. {plan.grid.why}"
    )
