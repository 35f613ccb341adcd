"""Render scenes for training, validation, or the test of our own networks: many, cheap, resumable.

python -m eval.synth.corpus --split train --count 200 --side 768 -o out/corpus/train

Kinds take turns; an interrupted run goes on where it was. A file NAME.npz holds one picture as one piece, in the form
of the sprites' sheets: `names` (1,) str, `rgb0` (H, W, 3) uint8 encoded, not premultiplied and reaching past the edge,
`alpha0` (H, W) uint8, `shadow0` (H, W) uint8, and `meta`, a JSON text of kind, seed, split, the white that the picture
is exposed to, the framing, and the stage.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.synth import stage, variants
from eval.synth.camera import Camera
from eval.synth.kinds import arrange
from eval.synth.layers import Bytes, Draft, coverage, photograph, save_arrays
from eval.synth.passes import Window, load_bpy, reach
from eval.synth.spec import Arrangement
from eval.synth.splits import SPLITS, kinds_of, split_of

log = logging.getLogger("segtile")
DRAFT = Draft(beauty=8, shadow=12, alpha=32, coarser=3, window=768)
LEAST, MOST, TRIES = 0.01, 0.85, 4  # coverage that a picture should lie between
BLURRED_ALPHA = 96  # samples where the lens blurs: many more positions to average over


def schedule(kinds: tuple[str, ...], count: int) -> Iterator[tuple[str, int]]:
    """(kind, seed) of the first `count` pictures: every kind with seed 0, then every kind with seed 1."""
    for n in range(count):
        yield kinds[n % len(kinds)], n // len(kinds)


def render(kind: str, seed: int, side: int, folder: Path) -> Path:
    """Render one picture unless its file exists already.

    Args:
        kind: of scene.
        seed: with the kind, decides everything.
        side: the picture's longer side in pixels.
        folder: where KIND-SEED.npz goes.

    Raises:
        ImportError: Blender's module is missing.
    """
    file = folder / f"{kind}-{seed:03d}.npz"
    if file.exists():
        return file
    started, worked = time.monotonic(), time.process_time()
    rng = np.random.default_rng([zlib.crc32(kind.encode()), seed, 1])
    scene = arrange(kind, seed)
    framing = variants.framing(rng, side, DRAFT.coarser)
    setting = variants.stage(rng, framing)
    white = float(rng.uniform(0.86, 0.945))
    camera = framing.camera(scene, DRAFT.coarser)
    studio = stage.build(load_bpy(), scene, camera, setting)
    draft = DRAFT if setting.blur == 0 else replace(DRAFT, alpha=BLURRED_ALPHA)
    albedo = variants.lightness(setting.paper)
    window, alpha = _aim(rng, studio, scene, framing, camera, draft, setting.blur, seed)
    out = photograph(studio, window, alpha, draft, seed, (white, albedo))
    share = float((out.alpha > 0).mean())
    meta = {"kind": kind, "seed": seed, "split": split_of(kind), "white": round(white, 4), "coverage": round(share, 4)}
    meta |= {"framing": asdict(framing), "stage": asdict(setting), "elevation": round(scene.view.elevation, 1)}
    _save(file, out, meta)
    took = (time.monotonic() - started, time.process_time() - worked)
    log.info("%s: %s, coverage %.2f, %.1f s, of processors %.1f s", file.name, framing.name, share, *took)
    return file


def _aim(
    rng: np.random.Generator,
    studio: stage.Stage,
    scene: Arrangement,
    framing: variants.Framing,
    camera: Camera,
    draft: Draft,
    blur: float,
    seed: int,
) -> tuple[Window, NDArray[np.float32]]:
    """A window and its alpha; one that shows next to nothing or nothing but the object is drawn again, a few times."""
    where = reach(scene, camera, round(2 * blur * max(camera.width, camera.height)))
    points = np.concatenate([p.points() for p in scene.parts])
    for _ in range(TRIES):
        window = framing.window(rng, camera, points, draft.coarser)
        alpha = coverage(studio, window, where[window[1] : window[3], window[0] : window[2]], draft, seed)
        if framing.name == "whole" or LEAST < float(alpha.mean()) < MOST:
            break
    return window, alpha


def _save(file: Path, out: Bytes, meta: dict[str, object]) -> None:
    arrays = {"names": np.array([meta["kind"]]), "rgb0": out.rgb, "alpha0": out.alpha, "shadow0": out.shadow}
    save_arrays(file, {**arrays, "meta": np.array(json.dumps(meta))})


def main(arguments: list[str] | None = None) -> int:
    """Render what is missing; 0 when all is there, 1 when Blender's module is missing."""
    parser = argparse.ArgumentParser(prog="python -m eval.synth.corpus", description="Render scenes for our networks.")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--count", type=int, default=200, help="pictures in all (default 200)")
    parser.add_argument("--side", type=int, default=768, help="longer side in pixels (default 768)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="KIND", help="of the split, this one; repeatable"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the .npz files")
    given = parser.parse_args(arguments)
    kinds = tuple(k for k in kinds_of(given.split) if not given.only or k in given.only)
    if not kinds:
        parser.error(f"no such kind in {given.split}; there are {', '.join(kinds_of(given.split))}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        for kind, seed in schedule(kinds, given.count):
            render(kind, seed, given.side, given.out)
    except ImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
