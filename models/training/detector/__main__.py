"""Train the detector of jewellery, and write it as ONNX.

python -m models.training.detector train --sprites out/sprites --run out/jewels
python -m models.training.detector export --sprites out/sprites --run out/jewels -o models/weights/jewels.onnx
python -m models.training.detector check FOLDER
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import torch

from models.training.common.sprites import load_sprites, sheets_in
from models.training.detector.config import Settings, read_settings
from models.training.detector.figures import best_threshold
from models.training.detector.train import held_out, restore, start, train

SETTINGS = Path(__file__).with_name("jewels.toml")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m models.training.detector", description="The detector of jewellery."
    )
    parser.add_argument("--settings", type=Path, default=SETTINGS, help=f"TOML (default {SETTINGS.name})")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("train", help="train, or go on from the checkpoint in the run's folder")
    one.add_argument("--sprites", type=Path, default=Path("out/sprites"), help="folder of rendered sheets")
    one.add_argument("--run", type=Path, default=Path("out/jewels"), help="folder of checkpoint, log and plot")
    one.add_argument("--device", default="auto", help="auto, cpu or cuda")
    one.add_argument("--threads", type=int, default=1, help="of the CPU; 1 is the fastest on a busy machine")
    one.add_argument("--workers", type=int, default=1, help="processes that compose pictures")
    two = verbs.add_parser("export", help="write the run's averaged weights as ONNX")
    two.add_argument("--run", type=Path, default=Path("out/jewels"))
    two.add_argument("--sprites", type=Path, default=Path("out/sprites"), help="folder of rendered sheets")
    two.add_argument("-o", "--out", type=Path, required=True)
    three = verbs.add_parser("check", help="figures of the shipped file on rendered flat lays")
    three.add_argument("folder", type=Path, help="pictures with their alpha, from eval.synth --kind flatlay")
    three.add_argument("--model", default="jewels", help="catalogue name or file (default jewels)")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings = read_settings(given.settings)
    try:
        return {"train": _train, "export": _export, "check": _check}[given.verb](settings, given)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _train(settings: Settings, given: argparse.Namespace) -> int:
    from models.training.detector.plot import plot

    torch.set_num_threads(given.threads)
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(auto if given.device == "auto" else given.device)
    sheets = sheets_in(given.sprites, settings.data.sheets)
    cut = len(sheets) - settings.data.held_out
    sprites = (load_sprites(sheets[:cut]), load_sprites(sheets[cut:]))
    train(settings, sprites, given.run, device, given.workers)
    plot(given.run / "log.jsonl", given.run / "log.png")
    return 0


def _export(settings: Settings, given: argparse.Namespace) -> int:
    from models.training.detector.export import export, settle

    run = start(settings, torch.device("cpu"))
    checkpoint = given.run / "checkpoint.pt"
    if not checkpoint.exists():
        raise FileNotFoundError(f"no checkpoint in {given.run}: the verb train makes it")
    restore(run, checkpoint, torch.device("cpu"))
    sheets = sheets_in(given.sprites, settings.data.sheets)[-settings.data.held_out :]
    threshold = best_threshold(run.average, held_out(settings, load_sprites(sheets)), torch.device("cpu"))
    logging.getLogger("segtile").info("pieces are counted best from a score of %.2f on", threshold)
    settle(run.average, threshold)
    export(run.average, settings.network, given.out)
    return 0


def _check(_: Settings, given: argparse.Namespace) -> int:
    from models.training.detector.check import check

    print(json.dumps(check(given.model, given.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
