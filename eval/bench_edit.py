"""How tiles of a drifting model are put together: seams, drift, and a recoloured object, with every blend beside it.

Each tile has its own random gain (3 %), offset (3 levels), tilt (2 levels) and a tone curve that depends on its mean.
`grad` and `ramp` are the seam ratios minus the undisturbed picture's; `drift` is in 8-bit levels after one affine.
`kept` is what is left of the colour change of a recoloured object, as a share.

    python -m eval.bench_edit
    python -m eval.bench_edit --poisson 12000      # memory and time of the Poisson merge alone
    python -m eval.bench_edit --diffmerge 6000     # memory and time of finding a change and merging it
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from eval.bench_merge import peak_over
from eval.drift_model import ArrayTiles, cut_tiles, drifting, hard_rows, plan_tiles, smaller
from segtile.edit.cut import cut_rows
from segtile.edit.diff import diffmerge
from segtile.edit.harmonise import harmonised
from segtile.edit.poisson import poisson_rows
from segtile.edit.pyramid import pyramid_rows
from segtile.edit.tiles import Rows, RowSource, Tiles
from segtile.edit.weighted import cosine_rows, linear_rows
from segtile.metrics.drift import drift_levels
from segtile.metrics.seams import core_borders, seam_grad, seam_ramp
from segtile.types import Array, Box, FloatArray, Tile

SAMPLES = Path(__file__).resolve().parent.parent / "data_samples"
PICTURES = ("flatlay", "filigree", "earrings")
SEEDS = (1, 2, 3)

#: One way from tiles (and perhaps the original) to a picture.
Method = Callable[[Tiles, RowSource | None], Rows]


def hard(tiles: Tiles, reference: RowSource | None = None) -> Rows:
    """No blend: each pixel from the tile in whose core it lies."""
    assert isinstance(tiles, ArrayTiles)
    yield 0, hard_rows(tiles)


#: Blends by themselves; those that use the original get it.
BLENDS: dict[str, Method] = {
    "hard crop": hard,
    "linear": lambda tiles, reference: linear_rows(tiles),
    "cosine": lambda tiles, reference: cosine_rows(tiles),
    "pyramid": lambda tiles, reference: pyramid_rows(tiles),
    "cut": lambda tiles, reference: cut_rows(tiles),
    "poisson": lambda tiles, reference: poisson_rows(tiles),
    "poisson, exact": lambda tiles, reference: poisson_rows(tiles, exact=True),
    "poisson, anchored": lambda tiles, reference: poisson_rows(tiles, reference=reference),
}
#: What is blended inside the default chain.
CHAINS = ("linear", "cosine", "pyramid", "cut", "poisson")


def methods() -> dict[str, Method]:
    """Every row of the table: the blends, and the default chain around some of them, without and with a reference."""
    found = dict(BLENDS)
    for name in CHAINS:
        blend = BLENDS[name]
        found[f"corrected, {name}"] = lambda t, r, blend=blend: harmonised(t, lambda c: blend(c, None))[0]  # type: ignore[misc]
        found[f"corrected, {name}, swap"] = lambda t, r, blend=blend: harmonised(t, lambda c: blend(c, None), r)[0]  # type: ignore[misc]
    return found


@dataclass(frozen=True)
class Scene:
    """A picture (h, w, 3) uint8, the same with one object recoloured, and where that is certain (h, w) bool."""

    name: str
    picture: Array
    edited: Array
    solid: Array


def scene(name: str, long_side: int) -> Scene:
    """A sample with the left part of its objects recoloured: red and blue exchanged, and a little darker."""
    path = next(p for p in SAMPLES.glob(f"{name}.*"))
    picture = smaller(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), long_side)
    alpha = np.asarray(cv2.imread(str(SAMPLES / f"{name}_alpha.png"), cv2.IMREAD_UNCHANGED), np.float32)
    alpha = smaller(alpha, long_side)
    alpha /= alpha.max()
    alpha[:, alpha.shape[1] // 2 :] = 0
    other = picture[..., ::-1].astype(np.float32) * np.array([1.0, 0.8, 0.8], np.float32)
    edited = picture + alpha[..., None] * (other - picture)
    return Scene(name, picture, np.rint(edited).astype(np.uint8), alpha > 0.9)


@dataclass(frozen=True)
class Row:
    """One method over all pictures and seeds: the largest of each figure, the smallest share kept, median seconds."""

    method: str
    grad: float
    ramp: float
    drift: float
    kept: float
    cpu_s: float


def assembled(method: Method, tiles: Tiles, reference: RowSource | None) -> Array:
    """The whole picture."""
    return np.concatenate([part for _, part in method(tiles, reference)])


def measure(name: str, method: Method, scenes: Sequence[Scene], seeds: Sequence[int], tile: int, overlap: int) -> Row:
    """Run one method over everything."""
    found, times = [], []
    for one in scenes:
        whole = cut_tiles(one.picture, tile, overlap)
        borders = core_borders(whole.tiles)
        plain = seam_grad(one.picture, borders).ratio, seam_ramp(one.picture, borders).ratio
        truth = (one.edited.astype(np.float64) - one.picture)[one.solid].mean(axis=0)

        def rows(y0: int, y1: int, picture: Array = one.picture) -> Array:
            return picture[y0:y1]

        for seed in seeds:
            start = time.process_time()
            out = assembled(method, drifting(whole, seed, curve=0.1), rows)
            times.append(time.process_time() - start)
            edit = assembled(method, drifting(cut_tiles(one.edited, tile, overlap), seed, curve=0.1), rows)
            moved = (edit.astype(np.float64) - out)[one.solid].mean(axis=0)
            found.append(
                (
                    seam_grad(out, borders).ratio - plain[0],
                    seam_ramp(out, borders).ratio - plain[1],
                    drift_levels(out, one.picture).mean,
                    float(moved @ truth / (truth @ truth)),
                )
            )
    grad, ramp, drift, kept = np.array(found).T
    far = [v[np.abs(v).argmax()] for v in (grad, ramp)]
    return Row(name, float(far[0]), float(far[1]), float(drift.max()), float(kept.min()), float(np.median(times)))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| method | grad | ramp | drift | kept | CPU s |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in rows:
        figures = f"{row.grad:+.3f} | {row.ramp:+.3f} | {row.drift:.2f} | {row.kept:.3f} | {row.cpu_s:.2f}"
        lines.append(f"| {row.method} | {figures} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class MadeTiles:
    """Tiles of a large smooth picture, made as they are read, so that only the merge's own memory is measured."""

    tiles: tuple[Tile, ...]
    frame: Box
    shift: FloatArray
    bands: int = 3

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """8 bits."""
        return np.dtype(np.uint8)

    def read(self, index: int, box: Box | None = None) -> Array:
        """A sheen, moved by the tile's own shift."""
        box = self.tiles[index].read if box is None else box
        y = np.sin(np.arange(box.y0, box.y1, dtype=np.float32) / 300)
        x = np.cos(np.arange(box.x0, box.x1, dtype=np.float32) / 200)
        sheen = np.float32(120) + np.float32(50) * (y[:, None] * x[None])
        return np.rint(sheen[..., None] + self.shift[index]).astype(np.uint8)


def poisson_cost(side: int) -> str:
    """Memory and time of merging a square of `side` px in tiles of 1024 px, membrane and exact, beside the blend."""
    tiles = plan_tiles(side, side, 1024, 128)
    shift = np.random.default_rng(0).normal(0, 3, (len(tiles), 3)).astype(np.float32)
    made = MadeTiles(tiles, Box.frame(side, side), shift)
    lines = [f"{side} x {side} px, {len(tiles)} tiles", "| merge | CPU s | peak MB |", "| --- | ---: | ---: |"]
    for name in ("poisson", "poisson, exact"):
        start = time.process_time()

        def work(name: str = name) -> None:
            for _ in BLENDS[name](made, None):
                pass

        peak = peak_over(work)
        lines.append(f"| {name} | {time.process_time() - start:.1f} | {'-' if peak is None else f'{peak:.0f}'} |")
    return "\n".join(lines)


def diffmerge_cost(side: int) -> str:
    """Memory and time of merging a recoloured object back into a square of `side` px, both ways of laying it on."""
    one = scene(PICTURES[0], side)
    short = side - one.picture.shape[0]
    pads = (0, max(0, short)), (0, side - one.picture.shape[1]), (0, 0)
    before, after = (np.pad(picture, pads, mode="reflect") for picture in (one.picture, one.edited))
    lines = [
        f"{side} x {side} px",
        "| merge | CPU s | wall s | peak MB | changes |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for blend in ("poisson", "feather"):
        found: list[int] = []

        def work(blend: str = blend, found: list[int] = found) -> None:
            merged = diffmerge(before, after, blend=blend)
            found.append(len(merged.boxes))
            for _ in merged.rows():
                pass

        start, wall = time.process_time(), time.perf_counter()
        peak = peak_over(work)
        spent = f"{time.process_time() - start:.1f} | {time.perf_counter() - wall:.1f}"
        lines.append(f"| {blend} | {spent} | {'-' if peak is None else f'{peak:.0f}'} | {found[0]} |")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    built = argparse.ArgumentParser(prog="python -m eval.bench_edit", description=(__doc__ or "").partition("\n\n")[0])
    built.add_argument("--long-side", type=int, default=1600, help="of the pictures, px (default 1600)")
    built.add_argument("--tile", type=int, default=512, help="side of a tile, px (default 512)")
    built.add_argument("--overlap", type=int, default=128, help="of neighbours, px (default 128)")
    built.add_argument("--seeds", type=int, default=len(SEEDS), help=f"how many (default {len(SEEDS)})")
    built.add_argument("--poisson", type=int, metavar="PX", help="only the cost of Poisson merging at this side")
    built.add_argument("--diffmerge", type=int, metavar="PX", help="only the cost of merging a change at this side")
    return built


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    options = parser().parse_args(arguments)
    if options.poisson:
        print(poisson_cost(options.poisson))
        return 0
    if options.diffmerge:
        print(diffmerge_cost(options.diffmerge))
        return 0
    scenes = [scene(name, options.long_side) for name in PICTURES]
    seeds = range(1, options.seeds + 1)
    names = ", ".join(PICTURES)
    print(f"{names} at {options.long_side} px, tiles {options.tile}/{options.overlap}, {options.seeds} seeds,")
    print("the worst of each figure over all of them\n")
    rows = [measure(name, m, scenes, seeds, options.tile, options.overlap) for name, m in methods().items()]
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
