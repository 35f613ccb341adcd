"""A whole measurement from one configuration: `python -m eval.run CONFIG.yaml -o RUN` is `segtile eval run`."""

from __future__ import annotations

import sys

from segtile.cli.main import main

if __name__ == "__main__":
    main(["eval", "run", *sys.argv[1:]])
