"""What every peer speaks: one JSON job a line on stdin, one JSON reply a line on stdout. Standard library only.

    job    {"load": true}                                             the first line: load your model
           {"photo": PATH, "output": PATH, "truth": PATH, ...}        read the photo, write the output
    reply  {"seconds": 1.25, "peak_rss_mb": 412.0, "error": null}     or one sentence as the error, and no output

A peer is a file peer.py that hands its two functions to `serve`. It runs in an environment of its own, which does not
hold segtile; the other end is segtile/evaluation/workers.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Refused(Exception):
    """A picture that the peer does not take; the text is the reason, one sentence."""


Finish = Callable[[], None]


def serve(load: Callable[[], Any], work: Callable[[dict[str, Any]], Finish | None]) -> None:
    """Answer jobs until stdin ends.

    Replies get a descriptor of their own and stdout is pointed at stderr, so that nothing a library prints, in Python
    or in C, can get between them. For that to hold, libraries are imported inside `load` or `work`.

    Args:
        load: imports and loads whatever all pictures share.
        work: does one job; its time is the picture's. It may return a function, which is called after the clock has
            stopped and does what a user would not have to do: take the alpha out of the cut-out, for instance.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    for line in sys.stdin:
        job = json.loads(line)
        _forget_peak()
        began = time.perf_counter()
        seconds, error = 0.0, None
        try:
            finish = load() if "load" in job else work(job)
            seconds = time.perf_counter() - began
            peak = _peak_mb()
            if callable(finish):
                finish()
        except Refused as reason:
            error = str(reason)
        except MemoryError:
            error = "it ran out of memory"
        except Exception as failure:
            traceback.print_exc()
            error = f"{type(failure).__name__}: {failure}".splitlines()[0][:300]
        if error is not None:
            seconds, peak = time.perf_counter() - began, _peak_mb()
        print(json.dumps({"seconds": seconds, "peak_rss_mb": peak, "error": error}), file=replies, flush=True)


def _forget_peak() -> None:
    """Start the peak of the resident size anew at what it is now, which only Linux can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Largest resident size in 10^6 bytes: since `_forget_peak` on Linux, elsewhere since the start of the process."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
