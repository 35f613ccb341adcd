"""Train the network that cleans pictures, write it as ONNX, and print what it does.

python -m models.training.enhance.scenes -o out/enhance_scenes      renders; in Blender's environment
python -m models.training.enhance train --scenes out/enhance_scenes --run out/enhance
python -m models.training.enhance export --run out/enhance -o models/weights/enhance.onnx
python -m models.training.enhance evaluate --scenes out/enhance_scenes
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from models.training.enhance.config import SETTINGS, Settings, read_settings

WEIGHTS = Path(__file__).parents[2] / "weights" / "enhance.onnx"


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it asks for; 1 when a file or a module that it needs is missing."""
    parser = argparse.ArgumentParser(prog="python -m models.training.enhance", description="The network that cleans.")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=f"TOML (default {SETTINGS.name})")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("train", help="train, or go on from the checkpoint in the run's folder")
    two = verbs.add_parser("export", help="write the run's averaged weights as ONNX")
    three = verbs.add_parser("evaluate", help="PSNR and SSIM before and after, on held-out renders; no torch needed")
    for verb in (one, three):
        verb.add_argument("--scenes", type=Path, default=Path("out/enhance_scenes"), help="folder of rendered scenes")
    for verb in (one, two):
        verb.add_argument("--run", type=Path, default=Path("out/enhance"), help="folder of checkpoint, log and plot")
    one.add_argument("--threads", type=int, default=1, help="of the CPU; 1 is the fastest on a busy machine")
    two.add_argument("-o", "--out", type=Path, default=WEIGHTS)
    three.add_argument("--weights", type=Path, default=WEIGHTS, help="an ONNX file of this network")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = read_settings(given.settings)
    try:
        return {"train": _train, "export": _export, "evaluate": _evaluate}[given.verb](settings, given)
    except (FileNotFoundError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _train(settings: Settings, given: argparse.Namespace) -> int:
    import torch

    from models.training.enhance.pictures import load
    from models.training.enhance.plot import plot
    from models.training.enhance.train import train

    torch.set_num_threads(given.threads)
    train(settings, (load(settings.data.scenes, given.scenes), load(settings.data.held_out, given.scenes)), given.run)
    plot(given.run / "log.jsonl", given.run / "log.png")
    return 0


def _export(settings: Settings, given: argparse.Namespace) -> int:
    from models.training.enhance.export import export
    from models.training.enhance.train import restore, start

    checkpoint = given.run / "checkpoint.pt"
    if not checkpoint.exists():
        raise FileNotFoundError(f"no checkpoint in {given.run}: the verb train makes it")
    run = start(settings)
    restore(run, checkpoint)
    export(run.average, settings.network, given.out)
    return 0


def _evaluate(settings: Settings, given: argparse.Namespace) -> int:
    from models.training.enhance.evaluate import evaluate, table
    from models.training.enhance.pictures import load

    print(table(evaluate(given.weights, load(settings.data.held_out, given.scenes))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
