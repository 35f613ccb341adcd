"""The other end of a worker's pipe: one JSON line a job on stdin, one line for each on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from segtile.errors import SegtileError
from segtile.resources import peak_rss_mb

Job = Mapping[str, Any]


def serve(load: Callable[[], object], do: Callable[[Job], object]) -> None:
    """Answer jobs until stdin ends.

    Args:
        load: called for the first line, {"load": true}.
        do: called for every other; raises for a job that failed.

    What else is printed, by libraries too, goes to stderr: stdout carries nothing but answers.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        began = time.perf_counter()
        error = _tried(load if job.get("load") else partial(do, job))
        seconds = time.perf_counter() - began
        peak = (peak_rss_mb() or 0) * 2**20 / 1e6  # in 10^6 bytes, as all workers give it
        answer = {"seconds": seconds, "peak_rss_mb": peak, "error": error}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _tried(call: Callable[[], object]) -> str | None:
    """None, or why it failed in one sentence."""
    try:
        call()
    except (SegtileError, MemoryError) as e:
        return " ".join((str(e) or "out of memory").split())
    except Exception as e:  # a fault of ours must cost one picture and be named, not end the run
        return f"{type(e).__name__}: {' '.join(str(e).split())}"
    return None
