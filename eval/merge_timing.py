"""What a row of the merging benchmark measures, in our environment and in a peer's: numpy alone."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

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

    @property
    def copies(self) -> float:
        """CPU time in memory copies."""
        return self.cpu_s / self.copy_s


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


def measured(job: Job, canvas: Array, method: Callable[[], Array | None] | None) -> Row:
    """Measure a method in this process, the memory copy between its runs; None measures the copy alone."""
    buffer = np.zeros_like(canvas)
    buffer[...] = 1  # touched: its pages exist

    def copy() -> None:
        np.copyto(buffer, canvas)

    if method is None:
        copies = [cpu_seconds(copy) for _ in range(3 * job.repeats)]
        return Row(job, median(copies), median(copies), None, None)
    kept: list[Array | None] = []
    peak = peak_over(lambda: kept.append(method()))
    merged = kept.pop()
    error = None if merged is None else largest_error(merged, canvas)
    del merged
    copies, times = [], []
    for _ in range(job.repeats):
        copies += [cpu_seconds(copy) for _ in range(3)]
        times.append(cpu_seconds(method))
    return Row(job, median(times), median(copies), peak, error)
