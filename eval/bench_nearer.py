"""What the look between is worth: cut-outs over a map too coarse for the refiner, with the pass at 1/4 and without.

    python -m eval.bench_nearer [--sample necklace_6000] [--side PX] [--cells 1024] [--coarse auto]

The picture is looked at `--cells` px wide, so that the 6000 px necklace has 5.9 px to a cell, as one of 12000 px has by
default; `--side` takes it smaller. One row with the pass (`segtile.nearer`) and one without, of the same process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import cv2
import numpy as np

import segtile
from eval.bench_cutout import find_sample
from eval.bench_samples import read_alpha
from segtile.metrics.matte import measure
from segtile.recipe import build_recipe
from segtile.types import Array, FloatArray

METRICS = ("biou2", "mae", "mse", "iou", "holes")


@contextmanager
def no_look_between() -> Iterator[None]:
    """Within, a map stays as coarse as it is."""
    import segtile.cutout  # noqa: F401 - of the same name as the function in the package

    module = sys.modules["segtile.cutout"]
    with patch.object(module, "look_nearer", lambda raster, found, *rest: (found, [])):
        yield


def load(stem: str, side: int | None) -> tuple[Array, FloatArray]:
    """A sample's picture, RGB as its file has it, and exact alpha (H, W) float32 0..1; made smaller by area means.

    Raises:
        SystemExit: there is no such sample.
    """
    photo, truth = find_sample(stem)
    stored = cv2.imread(str(photo), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    picture = np.ascontiguousarray(stored[..., 2::-1])
    alpha = (read_alpha(truth) / np.float32(65535)).astype(np.float32)
    if side is None or side >= max(alpha.shape):
        return picture, alpha
    height, width = (round(n * side / max(alpha.shape)) for n in alpha.shape)
    small, exact = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in (picture, alpha))
    return small, np.clip(exact, 0.0, 1.0).astype(np.float32)  # means in float32 may be 1 + 1e-7


def cut(picture: Array, exact: FloatArray, coarse: str, cells: int, between: bool) -> dict[str, float]:
    """Figures of one cut-out over a map of `cells` px: METRICS, tiles, seconds, px of the picture a cell as planned."""
    recipe = build_recipe(coarse={"name": coarse, "long_side": cells}, refine={"name": "net"})
    began = time.perf_counter()
    with nullcontext() if between else no_look_between(), segtile.cutout(picture, recipe=recipe) as made:
        alpha = (made.store.rows(0, exact.shape[0]) / np.float32(65535)).astype(np.float32)
        planned = {"cell": made.coarse.scale, "tiles": float(len(made.grid.tiles))}
    seconds = time.perf_counter() - began
    return {**measure(alpha, exact, METRICS), **planned, "seconds": seconds}


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", default="necklace_6000", help="stem of a picture in data_samples")
    parser.add_argument("--side", type=int, default=None, help="px that it is made smaller to; default: as it is")
    parser.add_argument("--cells", type=int, default=1024, help="px of the first look, 256 to 4096")
    parser.add_argument("--coarse", default="auto", help="who looks first")
    options = parser.parse_args(arguments)
    picture, exact = load(options.sample, options.side)
    print(f"{options.sample}, {max(exact.shape)} px, first seen at {options.cells} px")
    print(
        "| look between | " + " | ".join((*METRICS, "px a cell", "tiles", "s")) + " |\n|" + "---|" * (len(METRICS) + 4)
    )
    for between in (True, False):
        row = cut(picture, exact, options.coarse, options.cells, between)
        shown = [f"{row[name]:.3f}" for name in METRICS]
        shown += [f"{row['cell']:.1f}", f"{row['tiles']:.0f}", f"{row['seconds']:.1f}"]
        print(f"| {'yes' if between else 'no'} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
