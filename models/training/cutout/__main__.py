"""Train the networks of the cut-out, write them as ONNX, and print and draw what they do to held-out pictures.

python -m models.training.sprites --sheets 26 -o out/sprites         renders pieces; in Blender's environment
python -m models.training.cutout train refine --data out/sprites out/corpus/train out/corpus/val -o out/refine
python -m models.training.cutout export refine --run out/refine -o models/weights/net-refine.onnx
python -m models.training.cutout keep refine --run out/refine -o models/training/cutout/start/refine.safetensors
python -m models.training.cutout evaluate refine --run out/refine --data out/sprites out/corpus/val
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import torch

from models.training.common.plot import plot_rows
from models.training.common.runs import LOG, read_rows
from models.training.cutout.config import SETTINGS, Settings, read_settings
from models.training.cutout.examples import held_out
from models.training.cutout.figures import sheet, validate
from models.training.cutout.shelf import Shelf
from models.training.cutout.train import CHECKPOINT, Run, restore, start, train
from models.training.cutout.weights import keep

PANELS = (("loss", "entropy", "slope", "edge"), ("iou", "biou2", "before_biou2"), ("mae", "mse"))


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it asks for; 1 when a file or a package that it needs is missing."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = read_settings(given.config)
        return {"train": _train, "export": _export, "evaluate": _evaluate, "keep": _keep}[given.verb](settings, given)
    except (OSError, ImportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.training.cutout", description="The cut-out's networks.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("train", help="train, or go on from the checkpoint in the run's folder")
    two = verbs.add_parser("export", help="write the run's averaged weights as ONNX")
    three = verbs.add_parser("evaluate", help="figures and a sheet of pictures, on held-out kinds")
    four = verbs.add_parser("keep", help="write the run's averaged weights as fp16 .safetensors to go on from")
    for verb in (one, two, three, four):
        verb.add_argument("task", choices=("coarse", "refine"))
        verb.add_argument("--config", type=Path, default=SETTINGS, help=f"TOML (default {SETTINGS.name})")
    for verb in (one, three):
        verb.add_argument("--data", type=Path, nargs="+", required=True, help="folders of .npz sprites and scenes")
        verb.add_argument("--device", default="auto", help="auto, cpu or cuda")
        verb.add_argument("--threads", type=int, default=1, help="of the CPU; 1 is the fastest on a busy machine")
    one.add_argument("-o", "--run", type=Path, required=True, help="folder of checkpoint, log and plot")
    one.add_argument("--start", type=Path, help="weights to begin with, as the verb keep writes them")
    one.add_argument("--workers", type=int, default=1, help="processes that compose pictures")
    for verb in (two, three, four):
        verb.add_argument("--run", type=Path, required=True, help="folder of the run")
    for verb, what in ((two, "the ONNX file"), (four, "the .safetensors file")):
        verb.add_argument("-o", "--out", type=Path, required=True, help=what)
    two.add_argument("--half", action="store_true", help="store weights as fp16; sums stay fp32")
    return parser


def _device(given: argparse.Namespace) -> torch.device:
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(given.threads)
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(auto if given.device == "auto" else given.device)


def _train(settings: Settings, given: argparse.Namespace) -> int:
    device, folders = _device(given), tuple(given.data)
    shelves = (Shelf(folders, settings.data, False), Shelf(folders, settings.data, True))
    train(given.task, settings, shelves, given.run, device, given.workers, given.start)
    plot_rows(read_rows(given.run / LOG), PANELS, given.run / "log.png")
    return 0


def _restored(settings: Settings, given: argparse.Namespace, device: torch.device) -> Run:
    if not (given.run / CHECKPOINT).exists():
        raise FileNotFoundError(f"no checkpoint in {given.run}: the verb train makes it")
    stage = replace(settings.stage(given.task), pretrained=False)  # its own weights come at once
    run = start(given.task, replace(settings, **{given.task: stage}), device)
    restore(run, given.run / CHECKPOINT, device)
    return run


def _export(settings: Settings, given: argparse.Namespace) -> int:
    from models.training.cutout.export import export

    export(given.task, settings, _restored(settings, given, torch.device("cpu")).average, given.out, given.half)
    return 0


def _keep(settings: Settings, given: argparse.Namespace) -> int:
    run = _restored(settings, given, torch.device("cpu"))
    keep(run.average, given.out, run.step)
    return 0


def _evaluate(settings: Settings, given: argparse.Namespace) -> int:
    device = _device(given)
    run = _restored(settings, given, device)
    pairs = held_out(given.task, settings, Shelf(tuple(given.data), settings.data, True))
    print(json.dumps({"step": run.step} | validate(given.task, run.average, pairs)))
    cv2.imwrite(str(given.run / "sheet.png"), sheet(given.task, run.average, pairs, 24))
    plot_rows(read_rows(given.run / LOG), PANELS, given.run / "log.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
