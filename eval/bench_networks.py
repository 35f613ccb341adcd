"""Seconds per megapixel of our networks beside IS-Net's, on one CPU, and of a whole cut-out at 6000 px.

    python -m eval.bench_networks [--threads 2] [--repeats 5] [--weights ../shared/weights] [--size 6000]

IS-Net sees every picture as 1024 x 1024 px, so its megapixels are those of that square; the refiner's are those of the
picture, which it may see magnified. How much it looks at again is counted over data_samples of up to 2400 px. --coarse
and --refine name other networks than the catalogue's own (paths of .onnx files).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import segtile
from eval.canvas import median, place
from segtile.backends.alpha_graph import AlphaGraph
from segtile.backends.onnx import OnnxGraph
from segtile.catalog import graph_path
from segtile.recipe import build_recipe
from segtile.refine.network import NetworkRefiner
from segtile.types import Box, FloatArray, Looks, TileInput

SAMPLES = Path(__file__).resolve().parents[1] / "data_samples"
SIDE = 1024
LARGEST = 2400  # px of a sample that what is looked at again is counted in


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="of one network, and tiles at once")
    parser.add_argument("--repeats", type=int, default=5, help="runs; medians are printed")
    parser.add_argument("--weights", type=Path, default=SAMPLES.parent.parent / "shared" / "weights")
    parser.add_argument("--size", type=int, default=6000, help="side of the whole picture in px; 0 leaves it out")
    parser.add_argument("--coarse", default="auto")
    parser.add_argument("--refine", default="auto")
    given = parser.parse_args()
    coarse, refine = ("net" if name == "auto" else name for name in (given.coarse, given.refine))
    refiner = graph_path(refine, "net-refine")
    rows = [
        ("our refiner, a tile", refiner, SIDE, AlphaGraph(refiner, refines=True, device="cpu").magnify),
        ("our coarse network", graph_path(coarse, "net-coarse"), 512, 1),
        ("IS-Net, fp16", given.weights / "isnet_fp16.onnx", SIDE, 1),
    ]
    print(f"medians of {given.repeats} runs, {given.threads} threads\n")
    print("| network | px it sees | s | px of the picture | s per MP of the picture |\n|---|---:|---:|---:|---:|")
    for name, path, side, magnify in rows:
        if path.is_file():
            seconds = median(repeat(network_run(path, side, given.threads), given.repeats))
            own = side // magnify
            per = seconds / own**2 * 1e6
            print(f"| {name} | {side} x {side} | {seconds:.2f} | {own} x {own} | {per:.2f} |", flush=True)
            if path == refiner:
                more = seen_px(given.coarse, refine, "auto") / seen_px(given.coarse, refine, 1)
                print(f"| the same, x {more:.2f} with what it looks at again | | | | {more * per:.2f} |", flush=True)
    if given.size:
        print(whole(given.size, given.coarse, given.refine, given.threads))


def network_run(path: Path, side: int, threads: int) -> Callable[[], object]:
    """One run of a graph on a square of noise, ready to be repeated."""
    graph = OnnxGraph(path, "cpu", threads)
    port = graph.picture_input()
    planes = np.random.default_rng(0).random((1, port.shape[1] or 3, side, side), np.float32)
    outputs = [graph.outputs[0].name]
    return lambda: graph.run({port.name: planes}, outputs)


def seen_px(coarse: str, refine: str, looks: Looks) -> int:
    """Px of the pictures that the refiner looks at in samples, all looks together."""
    px, look = [0], NetworkRefiner._seen

    def counted(self: NetworkRefiner, x: TileInput, box: Box, halo: int, way: tuple[int, int]) -> FloatArray:
        px.append(box.expand(halo, Box.frame(x.prob.shape[1], x.prob.shape[0])).area)
        return look(self, x, box, halo, way)

    recipe = build_recipe(coarse={"name": coarse}, refine={"name": refine, "looks": looks})
    with mock.patch.object(NetworkRefiner, "_seen", counted):
        for row in json.loads((SAMPLES / "samples.json").read_text()):
            if max(row["width"], row["height"]) <= LARGEST:
                segtile.mask(SAMPLES / row["file"], recipe=recipe)
    return sum(px)


def repeat(work: Callable[[], object], times: int) -> list[float]:
    """Seconds of each run, after one that does not count."""
    work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def whole(side: int, coarse: str, refine: str, threads: int) -> str:
    """A ring on a sweep, cut out by the program: a table of its stages."""
    with tempfile.TemporaryDirectory() as folder:
        photo = place(SAMPLES / "ring.jpg", SAMPLES / "ring_alpha.png", side, Path(folder, "ring.jpg"))
        command: list[str | Path] = [sys.executable, "-m", "segtile", "cutout", photo, "-o", Path(folder, "out")]
        command += ["--coarse", coarse, "--refine", refine, "--threads", str(threads), "--json", "-q"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
    row: dict[str, Any] = json.loads(done.stdout)
    stages = " | ".join(row["seconds"])
    values = " | ".join(f"{seconds:.1f}" for seconds in row["seconds"].values())
    marks = "|".join(["---:"] * len(row["seconds"]))
    return (
        f"\na ring of {side} px, {row['tiles']['refined']} tiles, peak {row['peak_rss_mb']:.0f} MB\n\n"
        f"| {stages} |\n|{marks}|\n| {values} |"
    )


if __name__ == "__main__":
    main()
