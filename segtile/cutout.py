"""The main job: cut the object out of one picture.

A coarse look at the whole picture decides where the fine look goes, and what the fine looks say is reconciled into one
alpha. `cutout` reads in that order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from segtile._callable import make_callable
from segtile.coarse import is_ours, look, look_as_rembg
from segtile.errors import NothingFound
from segtile.grid import GridStats, compare, plan_aligned, plan_uniform
from segtile.merge import AlphaStore
from segtile.nearer import look_nearer
from segtile.raster import open_raster
from segtile.raster.preview import preview_size
from segtile.recipe import Recipe, build_recipe
from segtile.refine import Refiner, get_refiner
from segtile.refining import input_maker, refine_tiles
from segtile.resources import Clock, memory_for, peak_rss_mb, usable_threads
from segtile.result import Cutout
from segtile.types import (
    Array,
    CoarseMap,
    CutoutResult,
    Grid,
    Progress,
    Raster,
    no_progress,
)


def cutout(
    image: Any,
    *,
    coarse: str | None = None,
    refine: str | None = None,
    grid: Literal["aligned", "uniform"] | None = None,
    tile: int | None = None,
    halo: int | None = None,
    recipe: Recipe | None = None,
    on_progress: Progress = no_progress,
) -> Cutout:
    """Cut the object out of a picture.

    Args:
        image: a path, an (H, W[, 3 or 4]) uint8 or uint16 array in RGB order, a PIL image or a Raster.
        coarse: the pass over the whole picture: "auto", "studio", "net", a catalogue name, or the path of a network.
        refine: the pass over each tile: "net" (our own network), "matting", "none", a catalogue name, or the path of a
            network; "auto" is net, but matting where another network than ours was named for the coarse pass.
        grid: "aligned" to the object's edge, or "uniform".
        tile: the tile's side in px as the refiner sees it; the refiner's own by default.
        halo: context around a tile's core in px; the refiner's own by default.
        recipe: all settings at once, instead of the five above.
        on_progress: called as on_progress(done, total, stage) with the stages "read", "coarse", "nearer" (only where a
            refiner needs a finer map first), "plan", "refine".

    Returns:
        A Cutout: `.alpha`, `.rgba`, `.save(path)`. Close it, or use it in a with statement: it holds temporary files.

    Raises:
        ReadError: the picture cannot be read.
        NothingFound: no object in it.
        BadInput: a setting makes no sense.
        OverLimit: the run would need more memory than the recipe allows.
        BackendMissing: what runs a network is not installed.
        ModelError: a network is unknown, or its weights are missing or wrong.
    """
    recipe = recipe or build_recipe(
        coarse={"name": coarse}, refine={"name": refine}, grid={"kind": grid, "tile": tile, "halo": halo}
    )
    clock = Clock()
    raster = open_raster(image, max_pixels=recipe.limits.max_pixels)
    try:
        refiner = refiner_for(recipe)
        with clock.stage("coarse"):
            found = _look(raster, recipe, on_progress)
        if not found.labels.any():
            raise NothingFound(f"{_name(raster)}: nothing found in the picture: {found.source} sees only background")
        notes: list[str] = []
        if found.scale > refiner.coarsest and found.unsure.any():
            with clock.stage("nearer"):
                found, notes = look_nearer(raster, found, refiner, recipe, on_progress)
        with clock.stage("plan"):
            plan, stats = _plan(found, recipe, refiner, on_progress)
        limit, wanted = recipe.limits.memory_mb, recipe.refine.threads
        threads = usable_threads(plan, refiner.bytes_per_px, found.prob.size, limit, wanted)
        store = AlphaStore(plan, found)
    except BaseException:
        raster.close()
        raise
    try:
        with clock.stage("refine"):
            make = input_maker(raster, found, refiner.channels if recipe.refine.solar else ())
            notes += refine_tiles(plan, refiner, make, store, threads, on_progress)
            seams = store.finish()
        if seams.warning:
            notes.append(seams.warning)
    except BaseException:
        store.close()
        raster.close()
        raise
    result = CutoutResult(
        input=_name(raster),
        output=None,
        width=raster.info.width,
        height=raster.info.height,
        coarse=found.source,
        refine=refiner.name,
        tiles_planned=len(plan.tiles),
        tiles_refined=len(plan.tiles),
        tiles_uniform=stats.tiles_uniform,
        share_refined=stats.share_refined,
        seams=seams,
        seconds=clock.seconds,
        peak_rss_mb=peak_rss_mb(),
        recipe_digest=recipe.digest,
        warnings=_unique((*raster.warnings, *found.notes, *refiner.notes, *notes)),
    )
    return Cutout(raster=raster, coarse=found, grid=plan, stats=stats, store=store, recipe=recipe, result=result)


def mask(image: Any, **settings: Any) -> Array:
    """The alpha alone: (H, W), uint8 or uint16 as the picture's depth. Takes the arguments of `cutout`."""
    with cutout(image, **settings) as cut:
        return cut.alpha


@dataclass(frozen=True)
class Plan:
    """A tile plan with what it was made from; see `plan_grid`."""

    raster: Raster
    coarse: CoarseMap
    grid: Grid
    stats: GridStats


def plan_grid(image: Any, *, recipe: Recipe | None = None, on_progress: Progress = no_progress) -> Plan:
    """The coarse look and the tile plan of a picture, without refining anything.

    Raises:
        ReadError: the picture cannot be read.
        NothingFound: no object in it.
    """
    recipe = recipe or Recipe()
    raster = open_raster(image, max_pixels=recipe.limits.max_pixels)
    found = _look(raster, recipe, on_progress)
    if not found.labels.any():
        raise NothingFound(f"{_name(raster)}: nothing found in the picture: {found.source} sees only background")
    plan, stats = _plan(found, recipe, refiner_for(recipe), on_progress)
    return Plan(raster, found, plan, stats)


def refiner_for(recipe: Recipe) -> Refiner:
    """The refiner that a recipe asks for; raises as `get_refiner`."""
    asked = recipe.refine
    # Our network has learnt what our own maps get wrong; matting takes anybody's as they come.
    name = "matting" if asked.name == "auto" and not is_ours(recipe.coarse.name) else asked.name
    device, looks = recipe.limits.device, asked.looks
    return get_refiner(name, device=device, looks=looks, second_look=asked.second_look, solar_edges=asked.solar_edges)


def _look(raster: Raster, recipe: Recipe, on_progress: Progress) -> CoarseMap:
    asked, device = recipe.coarse, recipe.limits.device
    if asked.as_rembg:
        on_progress(0, 1, "coarse")
        found = _as_rembg(raster, recipe)
    else:
        on_progress(0, 1, "read")
        preview = raster.preview(asked.long_side)
        on_progress(1, 1, "read")
        on_progress(0, 1, "coarse")
        found = look(preview, raster.info.frame, asked.name, device)
    on_progress(1, 1, "coarse")
    return found


def _as_rembg(raster: Raster, recipe: Recipe) -> CoarseMap:
    """Rembg enlarges its network's answer to the picture's own size at once, and so does this where memory allows."""
    asked, whole = recipe.coarse, raster.info.frame
    need = memory_for(whole.area)
    notes: tuple[str, ...] = ()
    size = (whole.width, whole.height)
    if need > recipe.limits.memory_mb:
        size = preview_size(whole.width, whole.height, asked.long_side)
        notes = (
            f"rembg's mask was made at {size[0]} x {size[1]} px and enlarged from there, which changes it by a few "
            f"values of 255 along edges: one of the picture's own size needs limits.memory_mb = {need}",
        )
    found = look_as_rembg(raster, size, asked.name, recipe.limits.device)
    return replace(found, notes=(*found.notes, *notes))


def _plan(found: CoarseMap, recipe: Recipe, refiner: Refiner, on_progress: Progress) -> tuple[Grid, GridStats]:
    on_progress(0, 1, "plan")
    tile = recipe.grid.tile or refiner.tile
    halo = refiner.halo if recipe.grid.halo is None else recipe.grid.halo
    uniform = plan_uniform(found.frame, tile, halo, found)
    aligned = recipe.grid.kind == "aligned"
    plan = plan_aligned(found, tile, halo, refiner.context) if aligned else uniform
    on_progress(1, 1, "plan")
    return plan, compare(plan, uniform, found)


def _name(raster: Raster) -> str:
    return str(raster.info.path) if raster.info.path else "array"


def _unique(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


__all__ = ["Cutout", "Plan", "cutout", "mask", "plan_grid"]

make_callable(__name__, "cutout")
