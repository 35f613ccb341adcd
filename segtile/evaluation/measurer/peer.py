"""The measuring as a worker, so that a picture too large for memory costs its row and not the run.

A job is {"photo", "output", "truth", "job", ...} with the fields of `segtile.evaluation.measuring`; the answer's values
go to `output` (JSON).
"""

from __future__ import annotations

from segtile.evaluation import measuring
from segtile.evaluation.serving import serve


def _main() -> None:
    serve(measuring.known_metrics, measuring.answer)


if __name__ == "__main__":
    _main()
