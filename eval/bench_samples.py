"""What the main job makes of data_samples, against their exact alpha.

    python -m eval.bench_samples [--coarse studio u2netp] [--refine none matting]

One row a sample and combination: how much of the soft edge (exact alpha strictly between 0 and 1) the band covers, what
share of the frame is refined, tiles, how often core borders cross the true edge (exact alpha one half) and how much
band they cut, each against the uniform grid, and the error. Coarse passes that need weights are left out, and named,
where their weights are not installed.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import segtile
from eval.bench_cutout import SAMPLES
from segtile.errors import BackendMissing, ModelError
from segtile.grid import plan_uniform
from segtile.grid.stats import border_segments, changes
from segtile.recipe import build_recipe
from segtile.types import CoarseMap, Grid

HEAD = "|".join(
    (
        "sample|coarse|refine|soft px in band %|refined %|tiles|uniform|edge crossings|uniform",
        "band cut px|uniform|places|uniform|IoU|MAE x1000|s",
    )
)


def main() -> None:
    """Cut every sample out and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coarse", nargs="+", default=["studio"], help="coarse passes")
    parser.add_argument("--refine", nargs="+", default=["none", "matting"], help="refiners")
    parser.add_argument("--only", nargs="+", default=None, help="stems of samples; default: all")
    options = parser.parse_args()
    print("|" + HEAD + "|\n|" + "---|" * (HEAD.count("|") + 1))
    rows = [r for r in json.loads((SAMPLES / "samples.json").read_text()) if _wanted(r["file"], options.only)]
    for row, coarse, refine in product(rows, options.coarse, options.refine):
        try:
            print("|" + "|".join(measure(row, coarse, refine)) + "|", flush=True)
        except (ModelError, BackendMissing) as e:
            sys.stderr.write(f"{row['file']} with {coarse} left out: {e}\n")


def _wanted(name: str, stems: list[str] | None) -> bool:
    return stems is None or Path(name).stem in stems


def measure(row: dict[str, Any], coarse: str, refine: str) -> list[str]:
    """One row of the table."""
    exact = read_alpha(SAMPLES / row["alpha"])
    recipe = build_recipe(coarse={"name": coarse}, refine={"name": refine})
    with segtile.cutout(SAMPLES / row["file"], recipe=recipe) as cut:
        found = cut.store.rows(0, exact.shape[0])
        covered = share_covered(cut.coarse, exact)
        uniform = plan_uniform(cut.grid.frame, cut.grid.tile_side, cut.grid.halo, cut.coarse)
        crossed = [true_edge_crossings(grid, exact) for grid in (cut.grid, uniform)]
        s, seconds = cut.stats, sum(cut.result.seconds.values())
    inside, true = found >= 32768, exact >= 32768
    iou = float((inside & true).sum()) / max(1.0, float((inside | true).sum()))
    error = float(np.abs(found.astype(np.int32) - exact).mean()) / 65.535
    counts = [
        s.tiles,
        s.tiles_uniform,
        *crossed,
        s.crossing_px,
        s.crossing_px_uniform,
        s.crossings,
        s.crossings_uniform,
    ]
    head = [row["file"], coarse, refine, f"{100 * covered:.4f}", f"{100 * s.share_refined:.1f}"]
    return [*head, *map(str, counts), f"{iou:.4f}", f"{error:.2f}", f"{seconds:.1f}"]


def read_alpha(path: Path) -> npt.NDArray[np.uint16]:
    """An 8 or 16 bit grey PNG as (h, w) uint16 over the whole range."""
    import cv2

    alpha: npt.NDArray[Any] | None = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if alpha is None:
        sys.exit(f"{path.name} cannot be read")
    return alpha if alpha.dtype == np.uint16 else alpha.astype(np.uint16) * np.uint16(257)


def share_covered(coarse: CoarseMap, exact: npt.NDArray[np.uint16]) -> float:
    """The share of soft pixels that lie in the band."""
    rows, cols = coarse.cells(coarse.frame)
    soft = (exact > 0) & (exact < 65535)
    return float(np.count_nonzero(soft & coarse.unsure[np.ix_(rows, cols)]) / np.count_nonzero(soft))


def true_edge_crossings(grid: Grid, exact: npt.NDArray[np.uint16]) -> int:
    """How often the edge of the exact alpha crosses a grid's core borders."""

    def line(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
        return values.astype(np.float32) / np.float32(65535)

    count = 0
    for x, lo, hi in border_segments(grid.tiles, vertical=True):
        count += changes(line(exact[lo:hi, x - 1]), line(exact[lo:hi, x]))
    for y, lo, hi in border_segments(grid.tiles, vertical=False):
        count += changes(line(exact[y - 1, lo:hi]), line(exact[y, lo:hi]))
    return count


if __name__ == "__main__":
    main()
