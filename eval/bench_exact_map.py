"""What each refiner keeps of a map that is right but coarse: the exact alpha of data_samples, made smaller.

    python -m eval.bench_exact_map [--sides 512 1024] [--refine none matting net] [--only STEM ...]

The coarse network's graph gives the exact alpha at the size that it is asked for; everything else is the main job. One
row a sample and side; biou2 and MAE x 1000 by refiner; `none` is the coarse map enlarged. No network was trained on
these pictures, but constants of the studio pass and of matting were set while looking at them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np

import segtile
from eval.bench_cutout import SAMPLES
from eval.bench_samples import read_alpha
from segtile.coarse import net
from segtile.coarse.ground import Seen, see_background
from segtile.metrics.matte import measure
from segtile.recipe import build_recipe
from segtile.types import FloatArray

LARGEST = 5000  # px; the necklace of 6000 px is left out


class Oracle:
    """Stands in for a coarse graph and knows the answer."""

    neutral, close_side = frozenset[str](), 0

    def __init__(self, alpha: FloatArray, side: int) -> None:
        """Alpha (H, W) float32 in [0, 1]; it is asked at `side` px."""
        self._alpha, self.long_side = alpha, side

    def answer(self, small: FloatArray) -> tuple[FloatArray, Seen | None]:
        """As `segtile.coarse.net.ask_ways`, of a picture (h, w, 3) of any size, one way round."""
        exact = cv2.resize(self._alpha, small.shape[1::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(exact, np.float32), see_background(small)


@contextmanager
def answering(oracle: Oracle) -> Iterator[None]:
    """Within, the coarse network is this one."""
    with (
        patch.object(net, "_load", lambda path, device: oracle),
        patch.object(net, "ask_ways", lambda graph, small, count, part=None: graph.answer(small)),
    ):
        yield


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", nargs="+", type=int, default=[512, 1024], help="px of the map's longer side")
    parser.add_argument("--refine", nargs="+", default=["none", "matting", "net"], help="refiners")
    parser.add_argument("--only", nargs="+", default=None, help="stems of samples; default: all up to 5000 px")
    options = parser.parse_args()
    print("| sample | map px | " + " | ".join(options.refine) + " |\n|" + "---|" * (2 + len(options.refine)))
    rows = json.loads((SAMPLES / "samples.json").read_text())
    stems = [Path(r["file"]).stem for r in rows if max(r["width"], r["height"]) <= LARGEST]
    found: list[list[tuple[float, float]]] = []
    for row in rows:
        stem = Path(row["file"]).stem
        if stem not in (options.only or stems):
            continue
        exact = (read_alpha(SAMPLES / row["alpha"]) / np.float32(65535)).astype(np.float32)
        for side in options.sides:
            found.append([cut(SAMPLES / row["file"], exact, side, refine) for refine in options.refine])
            print(f"| {stem} | {side} | " + " | ".join(f"{b:.3f}, {m:.1f}" for b, m in found[-1]) + " |", flush=True)
    means = np.mean(np.array(found), axis=0)
    print("| mean | | " + " | ".join(f"{b:.3f}, {m:.1f}" for b, m in means) + " |")


def cut(picture: Path, exact: FloatArray, side: int, refine: str) -> tuple[float, float]:
    """biou2 and MAE x 1000 of one cut-out whose coarse map is the exact alpha at `side` px."""
    recipe = build_recipe(coarse={"name": "net"}, refine={"name": refine})
    with answering(Oracle(exact, side)), segtile.cutout(picture, recipe=recipe) as made:
        alpha = made.store.rows(0, exact.shape[0]) / np.float32(65535)
    figures = measure(alpha, exact)
    return float(figures["biou2"]), float(figures["mae"])


if __name__ == "__main__":
    main()
