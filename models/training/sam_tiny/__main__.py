"""Train the tiny SAM: sprites in, a checkpoint out that loads as SAM's own.

python -m models.training.sprites --sheets 15 -o out/sprites            renders; in Blender's environment
python -m models.training.sam_tiny --sprites out/sprites -o out/sam_tiny/sam_tiny.pth
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from models.training.sam_tiny.config import SETTINGS, read_settings


def main(arguments: list[str] | None = None) -> int:
    """Train and write the checkpoint; 1 when sheets or a module are missing."""
    parser = argparse.ArgumentParser(
        prog="python -m models.training.sam_tiny", description="A SAM of small dimensions."
    )
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=f"TOML (default {SETTINGS.name})")
    parser.add_argument("--sprites", type=Path, default=Path("out/sprites"), help="folder of rendered sheets")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/sam_tiny/sam_tiny.pth"))
    parser.add_argument("--threads", type=int, default=1, help="of the CPU; 1 is the fastest on a busy machine")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = read_settings(given.settings)
    try:
        import torch

        from models.training.common.sprites import load_sprites, sheets_in
        from models.training.sam_tiny.train import save, train

        torch.set_num_threads(given.threads)
        sprites = load_sprites(sheets_in(given.sprites, settings.sheets))
        save(train(settings, sprites, given.out.parent), given.out)
    except (FileNotFoundError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
