"""The tiles of a plan through a refiner into one alpha, at whatever size of the picture the plan is for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import numpy as np

from segtile.merge import AlphaStore
from segtile.refine import Refiner, make_input
from segtile.solar import adapt, measure_noise
from segtile.solar.channels import needs_background, needs_curve
from segtile.types import BoolArray, CoarseMap, Grid, Progress, Raster, Tile, TileInput, TilePatch


def input_maker(raster: Raster, found: CoarseMap, channels: tuple[str, ...]) -> Callable[[Tile], TileInput]:
    """What a refiner gets to see of a tile; the picture's noise or its curve is found once, if a channel needs it.

    Raises:
        BadInput: a channel is taken through the picture's own curve, and the coarse pass found no background for one.
    """
    if needs_curve(channels):
        curve = adapt(raster, found)
        return lambda tile: make_input(raster, found, tile, channels, curve=curve)
    sigma = None
    if needs_background(channels) and found.background is not None:
        sigma = measure_noise(raster, found, certain_background(found))[1]
    return lambda tile: make_input(raster, found, tile, channels, sigma)


def certain_background(found: CoarseMap) -> BoolArray:
    """The cells of a map that are background beyond doubt, (h, w) bool."""
    return np.asarray(~found.unsure & (found.prob < 0.5), np.bool_)


def refine_tiles(
    plan: Grid,
    refiner: Refiner,
    make: Callable[[Tile], TileInput],
    store: AlphaStore,
    threads: int,
    on_progress: Progress,
    stage: str = "refine",
) -> list[str]:
    """Refine every tile of the plan into the store; returns the refiner's notes. At most `threads` tiles are alive."""

    def one(index: int) -> TilePatch:
        return refiner.refine(make(plan.tiles[index]))

    notes: list[str] = []
    done, total = 0, len(plan.tiles)
    on_progress(0, total, stage)
    with ThreadPoolExecutor(threads, thread_name_prefix="segtile") as pool:
        waiting = list(reversed(plan.order))
        running: set[Future[TilePatch]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < threads:
                    running.add(pool.submit(one, waiting.pop()))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    patch = future.result()
                    store.add(patch)
                    notes.extend(patch.notes)
                    done += 1
                    on_progress(done, total, stage)
        finally:
            for future in running:
                future.cancel()
    return notes
