"""Render the scenes of a run: the clean pictures that the network is trained and measured on.

python -m models.training.enhance.scenes -o out/enhance_scenes      in the environment of eval/synth/requirements.txt
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from eval.synth.samples import Sample, make
from eval.synth.spec import Look, Quality, SceneSpec
from models.training.enhance.config import SETTINGS, Data, read_settings

#: Denoised while rendering; what noise is left goes when the picture is made half as large.
QUALITY = Quality(beauty=12, background=12, alpha=32, background_scale=0.15)


def main(arguments: list[str] | None = None) -> int:
    """Render what is missing of the scenes that the settings name; 1 when Blender's module is missing."""
    parser = argparse.ArgumentParser(prog="python -m models.training.enhance.scenes", description=__doc__)
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=f"TOML (default {SETTINGS.name})")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/enhance_scenes"))
    parser.add_argument("--cache", type=Path, default=Path("out/synth"), help="folder of rendered passes")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this scene; repeatable")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = read_settings(given.settings).data
    try:
        for name in given.only or (*data.held_out, *data.scenes):
            if not (given.out / f"{name}.png").exists():
                make(sample(name, data), given.cache, given.out)
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def sample(name: str, data: Data) -> Sample:
    """The scene named KIND_SEED, 4:3, without noise of a sensor, as PNG; its sweep's white follows from the seed."""
    kind, seed = name.rsplit("_", 1)
    look = Look(background=0.80 + 0.03 * (int(seed) % 6), noise=0.0)
    return Sample(SceneSpec(name, kind, int(seed), data.rendered, data.rendered * 3 // 4, QUALITY, look), ".png")


if __name__ == "__main__":
    sys.exit(main())
