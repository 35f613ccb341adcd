"""Render the sprites that the detector is trained on.

python -m models.training.sprites --sheets 26 -o out/sprites
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from models.training.sprites.sheet import COLUMNS, ROWS, render


def main(arguments: list[str] | None = None) -> int:
    """Render what is missing; 0 when all is there, 1 when Blender's module is missing."""
    parser = argparse.ArgumentParser(prog="python -m models.training.sprites", description="Render single pieces.")
    parser.add_argument("--sheets", type=int, default=26, help=f"sheets of {COLUMNS * ROWS} pieces (default 26)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("-o", "--out", type=Path, default=Path("out/sprites"), help="folder of the sheets")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        for sheet in range(given.sheets):
            render(sheet, given.seed, given.out)
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
