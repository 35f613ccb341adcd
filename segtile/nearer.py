"""The look between: where a map is too coarse for a refiner, the refiner first makes the map itself finer.

A chain of 12000 px seen at 1024 px has links of two cells, and no tile can tell from those what is to be cut. So the
same refiner works on the picture at a quarter of its size, over the band, and its alpha becomes the map that band and
tiles are planned from anew. It errs there, and more than at full size: what the first map left in doubt about an object
stays in doubt.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from segtile.coarse.band import label_objects, make_band
from segtile.grid import plan_aligned
from segtile.merge import AlphaStore
from segtile.raster import open_raster
from segtile.raster.preview import as_uint16
from segtile.recipe import Recipe
from segtile.refine import Refiner
from segtile.refining import certain_background, input_maker, refine_tiles
from segtile.resources import usable_threads
from segtile.solar import measure_noise
from segtile.types import BoolArray, CoarseMap, FloatArray, Progress, Raster

#: Between these an alpha is no answer yet.
_SURE_BACKGROUND, _SURE_OBJECT = 0.05, 0.95

_REACH = 3.0  # cells of the finer map by which its edge may be off


def look_nearer(
    raster: Raster, found: CoarseMap, refiner: Refiner, recipe: Recipe, on_progress: Progress
) -> tuple[CoarseMap, list[str]]:
    """Make a map finer by refining its band at a smaller size of the picture.

    Args:
        raster: the picture.
        found: the map.
        refiner: `refiner.coarsest` is how many frame px a cell of the finer map takes.
        recipe: its grid, limits, and solar setting.
        on_progress: called with the stage "nearer".

    Returns:
        The finer map with the same background and source, and the refiner's notes.

    Raises:
        OverLimit: not even one tile fits into the memory that the recipe allows.
        ReadError: the picture cannot be read.
        ModelError: the refiner fails.
    """
    side = int(np.ceil(max(found.frame.width, found.frame.height) / refiner.coarsest))
    with open_raster(as_uint16(raster.preview(side))) as small:
        seen = _over(small, found)
        tile = recipe.grid.tile or refiner.tile
        halo = refiner.halo if recipe.grid.halo is None else recipe.grid.halo
        plan = plan_aligned(seen, tile, halo, refiner.context)
        threads = usable_threads(
            plan, refiner.bytes_per_px, seen.frame.area, recipe.limits.memory_mb, recipe.refine.threads
        )
        with AlphaStore(plan, seen) as store:
            make = input_maker(small, seen, refiner.channels if recipe.refine.solar else ())
            notes = refine_tiles(plan, refiner, make, store, threads, on_progress, "nearer")
            store.finish()
            prob = store.rows(0, seen.frame.height).astype(np.float32) / np.float32(65535)
    band = _band(prob, seen)
    scale = max(found.frame.width / prob.shape[1], found.frame.height / prob.shape[0])
    return replace(found, prob=prob, unsure=band, labels=label_objects(prob, band), scale=scale), notes


def _over(small: Raster, found: CoarseMap) -> CoarseMap:
    """The map over a smaller picture, with that picture's own noise."""
    frame = small.info.frame
    seen = replace(found, frame=frame, scale=found.scale * frame.width / found.frame.width)
    if found.background is None:
        return seen
    noise = measure_noise(small, seen, certain_background(seen))[0]
    return replace(seen, background=replace(found.background, noise=noise))


def _band(prob: FloatArray, seen: CoarseMap) -> BoolArray:
    """The old band and what lies around the new edge, less what lies apart from all objects and shows none."""
    h, w = prob.shape
    old = cv2.resize(seen.unsure.view(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    doubt = (prob > _SURE_BACKGROUND) & (prob < _SURE_OBJECT) & old
    band = make_band(prob, doubt, _REACH) | old
    count, parts = cv2.connectedComponents(((prob >= 0.5) | band).view(np.uint8), connectivity=8)
    shows = np.zeros(count, np.bool_)
    shows[parts[prob > _SURE_BACKGROUND]] = True
    return band & shows[parts]
