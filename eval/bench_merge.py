"""What splitting a canvas into overlapping tiles and merging it back costs, in memory copies.

Each row runs in a process of its own. Time is CPU time (all threads of the process; the wall clock of a busy machine
says little), the median over the repeats; the memory copy (np.copyto into a buffer that was touched before, one thread)
is measured between the repeats in the same process. The model in the middle is the identity, and it really copies its
tile. Peak memory is what the work needs on top of the canvas it reads; it includes the merged canvas.

    python -m eval.bench_merge
    python -m eval.bench_merge --peers      beside MONAI, tiler, blended-tiling and pytorch-toolbelt
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eval.merge_timing import KINDS, Job, Row, make_canvas, measured
from eval.merge_timing import cpu_seconds as cpu_seconds  # other benchmarks take them from here
from eval.merge_timing import peak_over as peak_over
from segtile.errors import BadInput
from segtile.evaluation.environments import ensure_environment
from segtile.merge.mosaic import MosaicPlan, merge, mosaic_plan, split
from segtile.types import Array, Box, FloatArray

#: The folder that describes the peers' environment, and what they are called in the table.
PEERS = Path(__file__).resolve().parent / "peers" / "stitching"
PEER_METHODS = ("MONAI, gaussian", "tiler, boxcar", "blended-tiling", "pytorch-toolbelt, pyramid")


def copied_tiles(canvas: Array, plan: MosaicPlan) -> Iterator[tuple[Box, Array]]:
    """Every tile through the identity model, which returns a copy as a real model would return a new array."""
    return ((box, np.array(view)) for box, view in split(canvas, plan))


def ours(canvas: Array, plan: MosaicPlan) -> Array | None:
    """Merge by segtile into a new canvas."""
    return merge(copied_tiles(canvas, plan), plan)


def ours_to_sink(canvas: Array, plan: MosaicPlan) -> Array | None:
    """Merge by segtile with finished rows handed to a callback, which here drops them."""
    return merge(copied_tiles(canvas, plan), plan, sink=lambda y0, rows: None)


def gaussian_window(height: int, width: int) -> FloatArray:
    """The importance map that sliding-window inference is often weighted with: sigma = tile / 8, at least 1e-3."""

    def axis(n: int) -> FloatArray:
        position = (np.arange(n) - (n - 1) / 2) / (n / 8)
        return np.exp(-0.5 * position * position).astype(np.float32)

    return np.maximum(np.outer(axis(height), axis(width)), np.float32(1e-3))


def gaussian_full_canvas(canvas: Array, plan: MosaicPlan) -> Array | None:
    """The usual way: sum tile * window and window over float32 canvases, divide at the end."""
    channels = 1 if canvas.ndim == 2 else canvas.shape[2]
    window = gaussian_window(plan.ys.tile, plan.xs.tile)
    window_c = np.repeat(window, channels, axis=1)
    total = np.zeros((plan.height, plan.width * channels), np.float32)
    weight = np.zeros((plan.height, plan.width), np.float32)
    for box, tile in copied_tiles(canvas, plan):
        total[box.y0 : box.y1, box.x0 * channels : box.x1 * channels] += tile.reshape(box.height, -1) * window_c
        weight[box.slices] += window
    for y in range(0, plan.height, 256):
        total[y : y + 256] /= np.repeat(weight[y : y + 256], channels, axis=1)
    if canvas.dtype == np.float32:
        return total.reshape(canvas.shape)
    return np.rint(total, out=total).astype(canvas.dtype).reshape(canvas.shape)


METHODS: dict[str, Callable[[Array, MosaicPlan], Array | None]] = {
    "segtile": ours,
    "segtile, rows to a sink": ours_to_sink,
    "gaussian, full canvases": gaussian_full_canvas,
}


def measure(job: Job) -> Row:
    """Measure one row in this process."""
    cv2.setNumThreads(job.threads)
    canvas = make_canvas(job.kind, job.size)
    plan = mosaic_plan(job.size, job.size, job.tile, job.overlap)
    method = METHODS.get(job.method)
    return measured(job, canvas, None if method is None else lambda: method(canvas, plan))


def run_apart(job: Job) -> Row:
    """Measure one row in a process of its own, a peer's in its own environment."""
    root = Path(__file__).resolve().parent.parent
    if job.method in PEER_METHODS:
        command = [str(ensure_environment(PEERS)), str(PEERS / "peer.py"), json.dumps(asdict(job))]
    else:
        command = [sys.executable, "-m", "eval.bench_merge", "--row", json.dumps(asdict(job))]
    environ = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, env=environ)
    if done.returncode:
        raise RuntimeError(f"{job.method} ({job.kind}) failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Row(**{**answer, "job": Job(**answer["job"])})


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    head = ["method", "canvas", "threads", "CPU ms", "copy ms", "x copy", "peak MB", "largest error"]
    lines = [head, ["---"] * 3 + ["---:"] * 5]
    for row in rows:
        lines.append(
            [
                row.job.method,
                row.job.kind,
                str(row.job.threads),
                f"{row.cpu_s * 1e3:.2f}",
                f"{row.copy_s * 1e3:.2f}",
                f"{row.copies:.1f}" if row.copy_s else "-",
                "-" if row.peak_mb is None else f"{row.peak_mb:.0f}",
                "-" if row.error is None else "0 (to the bit)" if row.error == 0 else f"{row.error:.2g}",
            ]
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def against_peers(rows: list[Row]) -> str:
    """One sentence per canvas: how many copies ours costs, and how many times the best peer is slower."""
    lines = []
    for kind in KINDS:
        ours_row = next(r for r in rows if r.job.method == "segtile" and r.job.kind == kind and r.job.threads == 1)
        best = min((r for r in rows if r.job.method in PEER_METHODS and r.job.kind == kind), key=lambda r: r.copies)
        lines.append(
            f"{kind}: segtile takes {ours_row.copies:.1f} memory copies, the best peer ({best.job.method}) "
            f"{best.copies:.0f}, {best.copies / ours_row.copies:.1f} times as long"
        )
    return "\n".join(lines)


def jobs(size: int, tile: int, overlap: int, repeats: int, *, peers: bool = False) -> list[Job]:
    """All rows; segtile's also with OpenCV's default thread count where that is not one."""
    default = cv2.getNumThreads()
    found = []
    for kind in KINDS:
        for method in ("memory copy", *METHODS, *(PEER_METHODS if peers else ())):
            counts = sorted({1, default}) if method == "segtile" else [1]
            found += [Job(method, kind, threads, size, tile, overlap, repeats) for threads in counts]
    return found


def parser() -> argparse.ArgumentParser:
    """The command line."""
    built = argparse.ArgumentParser(prog="python -m eval.bench_merge", description=(__doc__ or "").partition("\n\n")[0])
    built.add_argument("--size", type=int, default=8000, help="side of the square canvas, px (default 8000)")
    built.add_argument("--tile", type=int, default=1024, help="side of a tile, px (default 1024)")
    built.add_argument("--overlap", type=int, default=128, help="least overlap of neighbours, px (default 128)")
    built.add_argument("--repeats", type=int, default=5, help="timed runs a row; the median counts (default 5)")
    built.add_argument(
        "--peers", action="store_true", help="with the peers, in an environment of their own (some GB, made once)"
    )
    built.add_argument("--row", help=argparse.SUPPRESS)
    return built


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    options = parser().parse_args(arguments)
    if options.row:
        print(json.dumps(asdict(measure(Job(**json.loads(options.row))))))
        return 0
    if options.repeats < 1:
        parser().error("--repeats must be 1 or more")
    try:
        plan = mosaic_plan(options.size, options.size, options.tile, options.overlap)
    except BadInput as fault:
        parser().error(str(fault))
    print(
        f"canvas {options.size} x {options.size}, {len(plan)} tiles of {plan.xs.tile} px, overlap {options.overlap} px,"
    )
    print(
        f"median of {options.repeats}; {os.cpu_count()} cores, OpenCV uses {cv2.getNumThreads()} threads by default\n"
    )
    wanted = jobs(options.size, options.tile, options.overlap, options.repeats, peers=options.peers)
    rows = [run_apart(job) for job in wanted]
    print(table(rows))
    if options.peers:
        print(f"\n{against_peers(rows)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
