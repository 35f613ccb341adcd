"""Train the networks of the cut-out, write them as ONNX, and print and draw what they do to held-out pictures.

python -m models.training.sprites --sheets 26 -o out/sprites         renders pieces; in Blender's environment
python -m models.training.cutout answer coarse --data out/sprites out/corpus/train out/corpus/val -o out/answers
python -m models.training.cutout train refine --answers out/answers --data out/sprites out/corpus/train -o out/refine
python -m models.training.cutout export refine --run out/refine -o models/weights/net-refine.onnx
python -m models.training.cutout keep refine --run out/refine -o models/training/cutout/start/refine.safetensors
python -m models.training.cutout looks coarse --data out/sprites out/corpus/val
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
from models.training.cutout.answer import fill, share_out
from models.training.cutout.asked import Trained
from models.training.cutout.bank import Bank
from models.training.cutout.config import ENCODERS, SETTINGS, Settings, read_settings
from models.training.cutout.examples import held_out
from models.training.cutout.figures import sheet, validate
from models.training.cutout.looks import compare
from models.training.cutout.shelf import Shelf
from models.training.cutout.train import CHECKPOINT, Run, restore, settle, start, train
from models.training.cutout.weights import blend, keep
from segtile.backends.alpha_graph import AlphaGraph
from segtile.coarse.net import Asked
from segtile.solar import SOLAR_CHANNELS

GRAPH = Path(__file__).parents[2] / "weights" / "net-coarse.onnx"
HELP = {
    "train": "train, or go on from the checkpoint in the run's folder",
    "export": "write the run's averaged weights as ONNX",
    "keep": "write the run's averaged weights as fp16 .safetensors to go on from",
    "evaluate": "figures and a sheet of pictures, on held-out kinds",
    "answer": "ask a coarse network about pictures for the refiner to learn from, and an eighth more to validate on",
    "looks": "compare ways of looking at held-out pictures with a coarse network",
}
UNTOLD = ("solar", *SOLAR_CHANNELS, "prob")  # solar: all of its channels
PANELS = (("loss", "entropy", "slope", "edge"), ("iou", "biou2", "before_biou2"), ("mae", "mse"))


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and do what it asks for; 1 when a file or a package that it needs is missing."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = _settings(given)
        return VERBS[given.verb](settings, given)
    except (OSError, ImportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models.training.cutout", description="The cut-out's networks.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = {name: verbs.add_parser(name, help=text) for name, text in HELP.items()}
    for name, one in verb.items():
        one.add_argument("task", choices=("coarse",) if name in ("answer", "looks") else ("coarse", "refine"))
        one.add_argument("--config", type=Path, default=SETTINGS, help=f"TOML (default {SETTINGS.name})")
        one.add_argument("--seed", type=int, help="in place of the settings'")
        one.add_argument("--lite", type=int, choices=ENCODERS, help="encoder, likewise: the shipped refiner's is 0")
        one.add_argument("--without", nargs="+", default=[], choices=UNTOLD, help="for ablations: untold")
    for name in ("train", "evaluate", "answer", "looks"):
        verb[name].add_argument("--data", type=Path, nargs="+", required=True, help="folders of sprites and scenes")
    for name in ("train", "evaluate"):
        verb[name].add_argument("--answers", type=Path, help="the folder that the verb answer wrote")
    for name in ("train", "evaluate", "answer"):
        verb[name].add_argument("--device", default="auto", help="auto, cpu or cuda")
        verb[name].add_argument("--threads", type=int, default=1, help="of the CPU; 1 is best on a busy machine")
    verb["train"].add_argument("-o", "--run", type=Path, required=True, help="folder of checkpoint, log and plot")
    verb["train"].add_argument("--start", type=Path, help="weights to begin with, as the verb keep writes them")
    verb["train"].add_argument(
        "--ask", type=Path, help="coarse weights, kept: the refiner's crops come with its answers"
    )
    for name in ("train", "answer"):
        verb[name].add_argument("--workers", type=int, default=1, help="processes that compose pictures")
    for name in ("evaluate", "keep"):
        verb[name].add_argument("--run", type=Path, required=True, help="folder of the run")
    for name, what in (("export", "ONNX file"), ("keep", ".safetensors file"), ("answer", "folder")):
        verb[name].add_argument("-o", "--out", type=Path, required=True, help=f"the {what}")
    verb["keep"].add_argument(
        "--blend", type=Path, nargs="+", help="kept weights of other ends of the same training: keep the mean of all"
    )
    verb["keep"].add_argument(
        "--data", type=Path, nargs="+", help="folders of sprites and scenes: for --blend, but where a run is `settled`"
    )
    verb["evaluate"].add_argument("--weights", type=Path, help="kept weights in place of the run's")
    source = verb["export"].add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path, help="folder of the run")
    source.add_argument("--weights", type=Path, help="kept weights")
    verb["export"].add_argument("--half", action="store_true", help="store weights as fp16; sums stay fp32")
    for name, count in (("answer", 300), ("looks", 24)):
        verb[name].add_argument("--graph", type=Path, default=GRAPH, help=f"coarse network (default {GRAPH.name})")
        verb[name].add_argument("--count", type=int, default=count, help=f"composed pictures (default {count})")
    verb["answer"].add_argument("--first", type=int, default=0, help="number of the first one (default 0)")
    verb["answer"].add_argument("--run", type=Path, help="ask the network of this run in place of a graph")
    return parser


def _settings(given: argparse.Namespace) -> Settings:
    settings = read_settings(given.config)
    stage = settings.stage(given.task)
    solar = () if "solar" in given.without else tuple(name for name in stage.solar if name not in given.without)
    stage = replace(stage, solar=solar, prob=stage.prob and "prob" not in given.without)
    stage = stage if given.lite is None else replace(stage, lite=given.lite)
    seed = settings.seed if given.seed is None else given.seed
    return replace(settings, seed=seed, **{given.task: stage})  # type: ignore[arg-type]


def _device(given: argparse.Namespace) -> torch.device:
    torch.set_num_threads(given.threads)
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(auto if given.device == "auto" else given.device)


def _train(settings: Settings, given: argparse.Namespace) -> int:
    device = _device(given)
    shelves = (_shelf(settings, given, False), _shelf(settings, given, True))
    train(given.task, settings, shelves, given.run, device, given.workers, given.start, given.ask)
    plot_rows(read_rows(given.run / LOG), PANELS, given.run / "log.png")
    return 0


def _shelf(settings: Settings, given: argparse.Namespace, for_validation: bool) -> Shelf:
    answers = Bank(given.answers / ("val" if for_validation else "train")) if given.answers else ()
    if given.answers and not answers:
        raise FileNotFoundError(f"no answers in {given.answers}: the verb answer makes them")
    return Shelf(tuple(given.data), settings.data, for_validation, answers)


def _answer(settings: Settings, given: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    for for_validation, share in ((False, 1), (True, 8)):
        shelf = Shelf(tuple(given.data), settings.data, for_validation)
        folder = given.out / ("val" if for_validation else "train")
        seed = settings.seed + 2 + for_validation
        numbers = range(given.first // share, (given.first + given.count) // share)

        def work(some: range, shelf: Shelf = shelf, folder: Path = folder, seed: int = seed) -> None:
            fill(folder, _asked(settings, given), shelf, settings.data, seed, some)

        share_out(work, numbers, given.workers)
    return 0


def _asked(settings: Settings, given: argparse.Namespace) -> Asked:
    """The shipped graph or another, or the network of a run; loaded by the process that asks it, as a GPU wants it."""
    if given.run is None:
        return AlphaGraph(given.graph, refines=False)
    device = _device(given)
    return Trained(_restored(settings, given, device).average, device, settings.coarse.solar)


def _looks(settings: Settings, given: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    shelf = Shelf(tuple(given.data), settings.data, True)
    print("| looks | IoU | biou2 | MAE x1000 |\n|---|---|---|---|")
    for way, found in compare(settings, AlphaGraph(given.graph, refines=False), shelf, given.count).items():
        print(f"| {way} | {found['iou']:.3f} | {found['biou2']:.3f} | {found['mae']:.1f} |")
    return 0


def _restored(settings: Settings, given: argparse.Namespace, device: torch.device) -> Run:
    weights = getattr(given, "weights", None)
    if weights is None and not (given.run / CHECKPOINT).exists():
        raise FileNotFoundError(f"no checkpoint in {given.run}: the verb train makes it")
    stage = replace(settings.stage(given.task), pretrained=False)  # its own weights come at once
    run = start(given.task, replace(settings, **{given.task: stage}), device, weights)
    if weights is None:
        restore(run, given.run / CHECKPOINT, device)
    return run


def _export(settings: Settings, given: argparse.Namespace) -> int:
    from models.training.cutout.export import export

    export(given.task, settings, _restored(settings, given, torch.device("cpu")).average, given.out, given.half)
    return 0


def _keep(settings: Settings, given: argparse.Namespace) -> int:
    run = _restored(settings, given, torch.device("cpu"))
    if given.blend:
        held = settings.stage(given.task).settled
        if not given.data and not held:
            raise ValueError("--blend needs --data: what blended weights normalise by is taken from pictures")
        blend(run.average, given.blend)
        if not held:
            cv2.setNumThreads(1)
            settle(given.task, settings, run.average, Shelf(tuple(given.data), settings.data, False))
    keep(run.average, given.out, run.step)
    return 0


def _evaluate(settings: Settings, given: argparse.Namespace) -> int:
    device = _device(given)
    run = _restored(settings, given, device)
    pairs = held_out(given.task, settings, _shelf(settings, given, True))
    print(json.dumps({"step": run.step} | validate(given.task, run.average, pairs)))
    given.run.mkdir(parents=True, exist_ok=True)  # of weights alone there is none yet
    cv2.imwrite(str(given.run / "sheet.png"), sheet(given.task, run.average, pairs, 24))
    if (given.run / LOG).exists():
        plot_rows(read_rows(given.run / LOG), PANELS, given.run / "log.png")
    return 0


VERBS = {
    "train": _train, "export": _export, "keep": _keep, "evaluate": _evaluate, "answer": _answer, "looks": _looks,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
