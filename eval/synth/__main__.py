"""Make rendered photographs with exact alpha.

python -m eval.synth --samples data_samples          the samples that the repository carries
python -m eval.synth --kind ring --seed 7 -o DIR     any scene
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from pathlib import Path

from eval.synth.kinds import NAMES
from eval.synth.published import published
from eval.synth.samples import SAMPLES, Sample, make, make_all
from eval.synth.spec import Look, Quality, SceneSpec


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and make what it asks for; 0 when all is made, 1 when Blender's module is missing."""
    parser = argparse.ArgumentParser(prog="python -m eval.synth", description="Rendered photographs with exact alpha.")
    parser.add_argument("--samples", type=Path, metavar="DIR", help="make the repository's samples here")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="of the samples, this one; repeatable"
    )
    parser.add_argument("--kind", choices=sorted(NAMES), help="make one scene of this kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--size", type=int, default=2000, help="long side in pixels, 4:3 (default 2000)")
    parser.add_argument("--contrast", type=float, help="object against sweep, 0.01 to 0.10; as rendered if not given")
    parser.add_argument("--background", type=float, default=0.94, help="encoded white of the sweep (default 0.94)")
    parser.add_argument(
        "--stage", choices=("studio", "varied"), default="studio", help="lamps, paper, lens and frame drawn by the seed"
    )
    parser.add_argument("--quick", action="store_true", help="few samples per pixel: a preview")
    parser.add_argument("-o", "--out", type=Path, default=Path(), help="folder for --kind")
    parser.add_argument("--cache", type=Path, default=Path("out/synth"), help="folder of rendered passes")
    given = parser.parse_args(arguments)
    if (given.samples is None) == (given.kind is None):
        parser.error("give either --samples DIR or --kind KIND")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    draft = Quality(beauty=12, background=24, alpha=64, background_scale=0.5)
    try:
        if given.samples is not None:
            chosen = [s for s in SAMPLES if not given.only or s.spec.name in given.only]
            if given.quick:
                chosen = [dataclasses.replace(s, spec=dataclasses.replace(s.spec, quality=draft)) for s in chosen]
            make_all(chosen, given.cache, given.samples)
        else:
            quality = draft if given.quick else Quality()
            look = Look(
                background=given.background, contrast=given.contrast, shadow=1.0 if given.contrast is None else 0.5
            )
            name = f"{given.kind}_{given.seed}"
            size = (given.size, given.size * 3 // 4)
            spec = SceneSpec(name, given.kind, given.seed, *size, quality, look)
            if given.stage == "varied":
                spec = published(given.kind, given.seed, given.size, quality, given.background, given.contrast)
            make(Sample(spec), given.cache, given.out)
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
