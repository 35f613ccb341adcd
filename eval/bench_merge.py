"""What splitting a canvas into overlapping tiles and merging it back costs, in memory copies.

Each row runs in a process of its own. Time is CPU time (all threads of the process; the wall clock of a busy machine
says little), the median over the repeats; the memory copy (np.copyto into a buffer that was touched before, one thread)
is measured between the repeats in the same process. The model in the middle is the identity, and it really copies its
tile. Peak memory is what the work needs on top of the canvas it reads; it includes the merged canvas.

    python -m eval.bench_merge
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from segtile.errors import BadInput
from segtile.merge.mosaic import MosaicPlan, merge, mosaic_plan, split
from segtile.types import Array, Box, FloatArray

KINDS = {"uint8 x 3": (np.uint8, 3), "float32": (np.float32, None)}


@dataclass(frozen=True)
class Job:
    """One row to measure; all of it travels to the row's own process as JSON."""

    method: str
    kind: str
    threads: int
    size: int
    tile: int
    overlap: int
    repeats: int


@dataclass(frozen=True)
class Row:
    """One measured row: CPU seconds, the copy's CPU seconds, peak megabytes, largest error (None: nothing was kept)."""

    job: Job
    cpu_s: float
    copy_s: float
    peak_mb: float | None
    error: float | None


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


def make_canvas(kind: str, size: int) -> Array:
    """Noise of the kind asked for, made in bands so that making it does not set the process's peak memory."""
    dtype, channels = KINDS[kind]
    canvas = np.empty((size, size) if channels is None else (size, size, channels), dtype)
    rng = np.random.default_rng(0)
    for y in range(0, size, 128):
        band = canvas[y : y + 128]
        band[...] = rng.random(band.shape, np.float32) * (1 if dtype is np.float32 else 255)
    return canvas


def memory_mb(key: str) -> float | None:
    """VmRSS or VmHWM of this process in MB; None where /proc does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(key + ":")), None)


def peak_over(work: Callable[[], object]) -> float | None:
    """Peak resident memory of `work` over what the process held before, MB; None where the system cannot say."""
    gc.collect()
    before = memory_mb("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM to the present size
    except OSError:
        return None
    work()
    peak = memory_mb("VmHWM")
    return None if before is None or peak is None else max(0.0, peak - before)


def largest_error(merged: Array, canvas: Array) -> float:
    """Largest absolute difference, in bands; NaN where anything is NaN."""
    bands = range(0, len(canvas), 256)
    return float(np.max([np.abs(merged[y : y + 256].astype(np.float64) - canvas[y : y + 256]).max() for y in bands]))


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call; the result is freed inside, as the next call's canvas would need its room."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(job: Job) -> Row:
    """Measure one row in this process."""
    cv2.setNumThreads(job.threads)
    canvas = make_canvas(job.kind, job.size)
    plan = mosaic_plan(job.size, job.size, job.tile, job.overlap)
    buffer = np.zeros_like(canvas)
    buffer[...] = 1  # touched: its pages exist

    def copy() -> None:
        np.copyto(buffer, canvas)

    if job.method == "memory copy":
        copies = [cpu_seconds(copy) for _ in range(3 * job.repeats)]
        return Row(job, median(copies), median(copies), None, None)
    method = METHODS[job.method]
    kept: list[Array | None] = []
    peak = peak_over(lambda: kept.append(method(canvas, plan)))
    merged = kept.pop()
    error = None if merged is None else largest_error(merged, canvas)
    del merged
    copies, times = [], []
    for _ in range(job.repeats):
        copies += [cpu_seconds(copy) for _ in range(3)]
        times.append(cpu_seconds(lambda: method(canvas, plan)))
    return Row(job, median(times), median(copies), peak, error)


def run_apart(job: Job) -> Row:
    """Measure one row in a process of its own."""
    command = [sys.executable, "-m", "eval.bench_merge", "--row", json.dumps(asdict(job))]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
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
                f"{row.cpu_s / row.copy_s:.1f}" if row.copy_s else "-",
                "-" if row.peak_mb is None else f"{row.peak_mb:.0f}",
                "-" if row.error is None else "0 (to the bit)" if row.error == 0 else f"{row.error:.2g}",
            ]
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def jobs(size: int, tile: int, overlap: int, repeats: int) -> list[Job]:
    """All rows; segtile's also with OpenCV's default thread count where that is not one."""
    default = cv2.getNumThreads()
    found = []
    for kind in KINDS:
        for method in ("memory copy", *METHODS):
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
    print(table([run_apart(job) for job in jobs(options.size, options.tile, options.overlap, options.repeats)]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
