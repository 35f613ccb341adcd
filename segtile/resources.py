"""What a run may take of the machine, and what it took."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from segtile.errors import OverLimit
from segtile.types import Grid

# Measured with eval/bench_cutout.py on one thread and on two, then rounded up: interpreter, libraries and kernels, ...
_BASE_BYTES = 360 * 2**20
# ... and the coarse pass's maps, per cell of a map of at most 2048 x 2048.
_BYTES_PER_CELL = 60
# Left for tiles where a map takes what it can get.
_TILES_BYTES = 160 * 2**20
_M_ARENA_MAX = -8  # of glibc's malloc.h


def memory_for(cells: int) -> int:
    """MB of resident memory that a run with a coarse map of so many cells needs at least, its tiles included."""
    return -(-(_BASE_BYTES + _TILES_BYTES + cells * _BYTES_PER_CELL) // 2**20)


def usable_threads(grid: Grid, bytes_per_px: int, cells: int, limit_mb: int, wanted: int = 0) -> int:
    """How many tiles may be refined at once.

    Args:
        grid: the plan; the frame's own size does not count, since picture and alpha stay in files.
        bytes_per_px: the refiner's working memory for each pixel of a read window.
        cells: cells of the coarse map.
        limit_mb: resident memory that the run may take.
        wanted: 0 for as many as there are cores.

    Returns:
        At least 1.

    Raises:
        OverLimit: not even one tile fits.
    """
    fixed = _BASE_BYTES + cells * _BYTES_PER_CELL
    one = bytes_per_px * max((tile.read.area for tile in grid.tiles), default=0)
    fitting = (limit_mb * 2**20 - fixed) // max(1, one)
    if fitting < 1:
        need = (fixed + one) / 2**20
        raise OverLimit(
            f"this run would need about {need:.0f} MB of memory but its recipe allows {limit_mb} MB: "
            "raise limits.memory_mb or take a smaller --tile"
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(wanted or cores, fitting, len(grid.tiles) or 1))


def share_arena() -> None:
    """Have all threads of the process take memory from one arena, where the C library is glibc.

    Each thread would get one of its own, which keeps what its thread gave back: a fifth of the peak at 12000 px. What
    is large is mapped apart, so threads hardly wait for each other. MALLOC_ARENA_MAX in the environment goes before.
    """
    if sys.platform != "linux" or "MALLOC_ARENA_MAX" in os.environ:
        return
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def peak_rss_mb() -> float | None:
    """The process's largest resident size so far in MB; None where the system does not tell (Windows)."""
    try:
        # getrusage starts a child process at its parent's peak; this figure is the process's own
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Clock:
    """Seconds per stage of a run, in the order in which the stages ended."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is done inside the with statement; a stage that fails leaves no time."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
