"""The model over the tiles: batches and threads within a wave, checked answers, finished neighbours in the halo."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from segtile.edit.context import Order
from segtile.edit.plan import EditPlan
from segtile.edit.source import Source
from segtile.edit.store import TileStore
from segtile.errors import ModelError, SegtileError
from segtile.types import Array, Box, Progress

#: An image-to-image model: (h, w, 3) to (h * scale, w * scale, 3) in the same dtype; with batches both (n, h, w, 3).
#: A placed one is also given the Box, or the list of boxes, that its window has in the picture.
Operator = Callable[..., Array]


@dataclass(frozen=True)
class TileRun:
    """What is run over which tiles, and how.

    `order` says which tiles may run at once, and whose finished cores each is shown in its halo; `fn` is the model,
    called from `threads` threads at a time (it may write to what it is given), with (n, h, w, 3) of windows of one size
    and n at most `batch` where that is more than 1; `placed` gives it their boxes too.
    """

    source: Source
    plan: EditPlan
    order: Order
    store: TileStore
    fn: Operator
    batch: int = 1
    threads: int = 1
    placed: bool = False


def run_tiles(run: TileRun, on_progress: Progress) -> bool:
    """Run a model over every tile of a plan and keep the answers in the store.

    Args:
        run: the model and the tiles.
        on_progress: called as on_progress(tiles, all tiles, "edit").

    Returns:
        Whether a colour was lost: a grey picture is kept grey, and the model gave three different bands.

    Raises:
        ModelError: the model failed, or gave something else than its tile needs; the message names the tile.
    """
    total = len(run.plan.tiles)
    done: list[bool] = []
    on_progress(0, total, "edit")
    with ThreadPoolExecutor(run.threads, thread_name_prefix="segtile-edit") as pool:
        for wave in run.order.waves:
            waiting = deque(_groups(run.plan, wave, run.batch))
            running: set[Future[list[bool]]] = set()
            try:
                while waiting or running:
                    while waiting and len(running) < run.threads:
                        running.add(pool.submit(_group, run, waiting.popleft()))
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        done += future.result()
                        on_progress(len(done), total, "edit")
            finally:
                for future in running:
                    future.cancel()
    return any(done)


def _groups(plan: EditPlan, wave: Sequence[int], batch: int) -> Iterator[list[int]]:
    """Tiles of a wave with windows of one size, `batch` at a time."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for index in wave:
        window = plan.windows[index]
        by_size.setdefault((window.height, window.width), []).append(index)
    for same in by_size.values():
        for start in range(0, len(same), batch):
            yield same[start : start + batch]


def _group(run: TileRun, group: list[int]) -> list[bool]:
    """Run one batch and keep what it gave; for each tile, whether a colour was lost."""
    plan, scale = run.plan, run.plan.scale
    windows = [_seen(run, index) for index in group]
    name = ", ".join(_named(plan, index) for index in group)
    places = [plan.windows[index] for index in group]
    stacked = run.batch > 1
    given = np.stack(windows) if stacked else windows[0]
    try:
        arguments = (given, places if stacked else places[0]) if run.placed else (given,)
        answer: Any = run.fn(*arguments)
    except SegtileError:
        raise
    except Exception as error:
        raise ModelError(f"the model failed on {name}: {type(error).__name__}: {error}") from error
    height, width = given.shape[-3] * scale, given.shape[-2] * scale
    wanted = (*given.shape[:-3], int(height), int(width), 3)
    _check(answer, wanted, run.source.dtype, name)
    return [_keep(run, *one) for one in zip(group, answer if stacked else [answer], strict=True)]


def _keep(run: TileRun, index: int, pixels: Array) -> bool:
    """Store what is kept of a tile's answer; whether a colour was lost."""
    kept = pixels[run.plan.tiles[index].read.within(run.plan.output_of(index)).slices]
    lost = False
    if run.source.bands == 1:
        kept, lost = _grey(kept)
    run.store.write(index, kept)
    return lost


def _seen(run: TileRun, index: int) -> Array:
    """What the model is shown: the picture's own pixels, over them the cores of finished neighbours."""
    window = run.plan.windows[index]
    inside = window & run.source.frame
    pixels = run.source.read(inside)
    for other in run.order.sees[index]:
        core = run.plan.tiles[other].core & inside
        if not core.empty:
            pixels[core.within(inside).slices] = run.store.read(other, core)
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
