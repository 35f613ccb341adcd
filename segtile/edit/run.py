"""The model over the tiles: batches and threads within a wave, checked answers, finished neighbours in the halo."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from segtile.edit.context import Order
from segtile.edit.plan import EditPlan
from segtile.edit.source import Source
from segtile.edit.store import TileStore
from segtile.errors import ModelError, SegtileError
from segtile.types import Array, Box, Progress

#: An image-to-image model: (h, w, 3) to (h * scale, w * scale, 3) in the same dtype; with batches both (n, h, w, 3).
Operator = Callable[[Array], Array]


def run_tiles(
    source: Source,
    plan: EditPlan,
    order: Order,
    store: TileStore,
    fn: Operator,
    *,
    batch: int,
    threads: int,
    on_progress: Progress,
) -> bool:
    """Run the model over every tile of a plan and keep the answers.

    Args:
        source: the picture.
        plan: the windows, and what is kept of each answer.
        order: which tiles may run at once, and whose finished cores each is shown in its halo.
        store: takes the answers.
        fn: the model; called from `threads` threads at a time. It may write to what it is given.
        batch: windows a call. With more than 1 it is called with (n, h, w, 3), n at most `batch`, windows of one size.
        threads: calls at once.
        on_progress: called as on_progress(tiles, all tiles, "edit").

    Returns:
        Whether a colour was lost: a grey picture is kept grey, and the model gave three different bands.

    Raises:
        ModelError: the model failed, or gave something else than its tile needs; the message names the tile.
    """
    done, coloured = 0, False
    on_progress(0, len(plan.tiles), "edit")
    with ThreadPoolExecutor(threads, thread_name_prefix="segtile-edit") as pool:
        for wave in order.waves:
            waiting = deque(_groups(plan, wave, batch))
            running: set[Future[tuple[int, bool]]] = set()
            try:
                while waiting or running:
                    while waiting and len(running) < threads:
                        running.add(pool.submit(_group, source, plan, order, store, fn, waiting.popleft(), batch > 1))
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        count, colour = future.result()
                        done, coloured = done + count, coloured or colour
                        on_progress(done, len(plan.tiles), "edit")
            finally:
                for future in running:
                    future.cancel()
    return coloured


def _groups(plan: EditPlan, wave: Sequence[int], batch: int) -> Iterator[list[int]]:
    """Tiles of a wave with windows of one size, `batch` at a time."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for index in wave:
        window = plan.windows[index]
        by_size.setdefault((window.height, window.width), []).append(index)
    for same in by_size.values():
        for start in range(0, len(same), batch):
            yield same[start : start + batch]


def _group(
    source: Source, plan: EditPlan, order: Order, store: TileStore, fn: Operator, group: list[int], stacked: bool
) -> tuple[int, bool]:
    """Run one batch; returns how many tiles it was and whether a colour was lost."""
    windows = [_seen(source, plan, order, store, index) for index in group]
    name = ", ".join(_named(plan, index) for index in group)
    given = np.stack(windows) if stacked else windows[0]
    try:
        answer: Any = fn(given)
    except SegtileError:
        raise
    except Exception as error:
        raise ModelError(f"the model failed on {name}: {type(error).__name__}: {error}") from error
    scale = plan.scale
    height, width = given.shape[-3] * scale, given.shape[-2] * scale
    wanted = (*given.shape[:-3], int(height), int(width), 3)
    _check(answer, wanted, source.dtype, name)
    coloured = False
    for index, pixels in zip(group, answer if stacked else [answer], strict=True):
        out = plan.output_of(index)
        kept = pixels[plan.tiles[index].read.within(out).slices]
        if source.bands == 1:
            kept, lost = _grey(kept)
            coloured = coloured or lost
        store.write(index, kept)
    return len(group), coloured


def _seen(source: Source, plan: EditPlan, order: Order, store: TileStore, index: int) -> Array:
    """What the model is shown: the picture's own pixels, over them the cores of finished neighbours."""
    window = plan.windows[index]
    inside = window & source.frame
    pixels = source.read(inside)
    for other in order.sees[index]:
        core = plan.tiles[other].core & inside
        if not core.empty:
            pixels[core.within(inside).slices] = store.read(other, core)
    if inside != window:
        pads = ((0, window.y1 - inside.y1), (0, window.x1 - inside.x1), (0, 0))
        pixels = np.pad(pixels, pads, mode="reflect")
    return pixels


def _check(answer: Any, wanted: tuple[int, ...], dtype: np.dtype[np.generic], name: str) -> None:
    if not isinstance(answer, np.ndarray):
        raise ModelError(f"the model gave a {type(answer).__name__} for {name}; an array of {wanted} {dtype} was due")
    if answer.shape != wanted:
        raise ModelError(
            f"the model gave an array of {answer.shape} for {name}; {wanted} was due: check the scale, or whether the "
            "model needs sides of a certain multiple"
        )
    if answer.dtype != dtype:
        raise ModelError(f"the model gave {answer.dtype} for {name}; {dtype} was due, as it was given")
    if dtype.kind == "f" and not np.isfinite(answer).all():
        raise ModelError(f"the model gave NaN or infinite values for {name}")


def _named(plan: EditPlan, index: int) -> str:
    box: Box = plan.windows[index]
    return f"tile {index} at ({box.x0}, {box.y0}) of {box.width} x {box.height} px"


def _grey(pixels: Array) -> tuple[Array, bool]:
    """The mean of three bands as one, and whether they differed."""
    first = pixels[..., :1]
    if (pixels == first).all():
        return first, False
    mean = pixels.mean(axis=2, keepdims=True, dtype=np.float32)
    return (np.rint(mean) if pixels.dtype.kind == "u" else mean).astype(pixels.dtype), True
