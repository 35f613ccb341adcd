"""The training run of either network: steps, checkpoints that survive an interruption, a log, validation."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import cv2
import torch
from torch import Tensor, nn

from models.training.common.runs import cosine, cut_log, follow, load_state, save_state, write_row
from models.training.cutout.ask import Asker
from models.training.cutout.coarse_net import Coarse, load_imagenet
from models.training.cutout.config import Settings, Stage
from models.training.cutout.examples import batches, held_out
from models.training.cutout.figures import validate
from models.training.cutout.losses import LOSSES
from models.training.cutout.pool import pairs as views
from models.training.cutout.refine_net import Refiner, begin
from models.training.cutout.seen import planes
from models.training.cutout.shelf import Shelf
from models.training.cutout.units import hold_statistics
from models.training.cutout.weights import COARSE, read, take

log = logging.getLogger("segtile")

LOG_EVERY = 10
SETTLED = 80  # batches that blended weights are settled with
CHECKPOINT = "checkpoint.pt"
_GIVEN = ("encoder.", "trunk.")  # parts that begin with weights of another training


@dataclass(eq=False)
class Run:
    """What a checkpoint holds; `seconds` are those of all sittings, `sums` losses since the last log line.

    Sums stay on the device until they are written: asking for a number every step, a GPU would wait for its orders.
    """

    model: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)


def start(task: str, settings: Settings, device: torch.device, weights: Path | None = None) -> Run:
    """A run at its first step: weights from a file of `keep`, or drawn by the seed.

    With `pretrained` the coarse network's encoder begins with ImageNet's weights, the refiner with the coarse
    network's that are kept in the repository.

    Raises:
        ValueError: the file does not hold this network's weights; the coarse network has another encoder.
        ImportError: the package with ImageNet's weights is not installed.
    """
    torch.manual_seed(settings.seed)
    stage = settings.stage(task)
    model, average = (Coarse(lite=stage.lite) if task == "coarse" else Refiner(stage.lite) for _ in range(2))
    if weights is not None:
        take(model, weights)
    elif isinstance(model, Coarse) and stage.pretrained:
        load_imagenet(model)
    elif isinstance(model, Refiner) and stage.pretrained:
        begin(model, read(COARSE), stage.knows_solar)
    average.load_state_dict(model.state_dict())
    for one in (model, average):
        one.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Run(model, average, torch.optim.AdamW(_groups(model, stage), lr=stage.rate))


def _groups(model: nn.Module, stage: Stage) -> list[dict[str, object]]:
    """Parameters by their share of the rate and by decay: biases and normalisations have none."""
    out = []
    for share, inner in ((stage.encoder_rate, True), (1.0, False)):
        mine = [p for name, p in model.named_parameters() if name.startswith(_GIVEN) == inner]
        for flat in (True, False):
            some = [p for p in mine if (p.ndim < 2) == flat]
            if some:
                out.append({"params": some, "share": share, "weight_decay": 0.0 if flat else stage.weight_decay})
    return out


def train(
    task: str,
    settings: Settings,
    shelves: tuple[Shelf, Shelf],
    folder: Path,
    device: torch.device,
    workers: int = 1,
    weights: Path | None = None,
    asked: Path | None = None,
) -> Run:
    """Train from where the folder's checkpoint stands, or from the start, to the last step or minute.

    Args:
        task: "coarse" or "refine".
        settings: the runs.
        shelves: to train on, and held out.
        folder: gets checkpoint.pt and log.jsonl.
        device: a GPU or the CPU.
        workers: processes that compose pictures.
        weights: a file of `models.training.cutout.weights.keep` to begin with; a checkpoint in the folder goes before.
        asked: such a file of the coarse network, which the refiner's crops then get their answers from as it goes; a
            shelf's answers are for validation alone then.

    Raises:
        ValueError: the coarse network is to be asked for itself; a file does not hold the network's weights.
    """
    if asked is not None and task != "refine":
        raise ValueError("--ask is for the refiner: a coarse network asks nobody")
    folder.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)  # workers are forked: one that inherits OpenCV's threads waits for them for ever
    stage, resumes = settings.stage(task), (folder / CHECKPOINT).exists()
    if resumes:  # its own weights come at once
        run = start(task, replace(settings, **{task: replace(stage, pretrained=False)}), device)
        restore(run, folder / CHECKPOINT, device)
        cut_log(folder, lambda row: row["step"] <= run.step)
        log.info("goes on at step %d", run.step)
    else:
        run = start(task, settings, device, weights)
    pairs = held_out(task, settings, shelves[1])
    asker = None if asked is None else Asker(_coarse(settings, asked), settings, device)
    before, began = run.seconds, time.monotonic()
    for seen, alpha in views(task, settings, shelves[0], run.step, workers, device, asker):
        if progress(run, stage) >= 1:
            break
        step(task, run, stage, seen, alpha)
        run.seconds = before + time.monotonic() - began
        _after(task, run, stage, folder, pairs)
    if progress(run, stage) >= 1:
        write_row(folder, {"step": run.step} | validate(task, run.average, pairs))
        save(run, folder / CHECKPOINT)
    return run


def _coarse(settings: Settings, weights: Path) -> nn.Module:
    model = Coarse(lite=settings.coarse.lite)
    take(model, weights)
    return model


def _after(task: str, run: Run, stage: Stage, folder: Path, pairs: list[tuple[Tensor, Tensor]]) -> None:
    if run.step % LOG_EVERY == 0:
        means = {k: round(float(v) / LOG_EVERY, 5) for k, v in run.sums.items()}
        write_row(folder, {"step": run.step} | means | {"seconds": round(run.seconds, 1)})
        run.sums.clear()
    if run.step % stage.validate_every == 0:
        write_row(folder, {"step": run.step} | validate(task, run.average, pairs))
    if run.step % stage.checkpoint_every == 0:
        save(run, folder / CHECKPOINT)


def progress(run: Run, stage: Stage) -> float:
    """How much of the run is done, 0 to 1: by steps, or by the clock where that is ahead."""
    clock = run.seconds / 60 / stage.minutes if stage.minutes > 0 else 0.0
    return max(run.step / stage.steps, clock)


def step(task: str, run: Run, stage: Stage, seen: Tensor, alpha: Tensor) -> None:
    """One step of the optimiser, and the running average after it."""
    run.model.train()
    if stage.settled:
        hold_statistics(run.model)
    rate = cosine(stage.rate, run.step, stage.steps, stage.warm_up)
    if stage.minutes > 0:
        rate = min(1.0, (run.step + 1) / stage.warm_up) * cosine(
            stage.rate, round(1e6 * progress(run, stage)), 10**6, 0
        )
    for group in run.optimiser.param_groups:
        group["lr"] = rate * group["share"]
    rough = progress(run, stage) < stage.rough_until and _is_rough_faster(seen.device)
    with torch.autocast(seen.device.type, torch.bfloat16, enabled=rough):
        logits = run.model(seen.contiguous(memory_format=torch.channels_last))
    parts = LOSSES[task](logits.float(), alpha, seen)
    run.optimiser.zero_grad(set_to_none=True)
    parts["loss"].backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 2.0)
    run.optimiser.step()
    run.step += 1
    for name, value in parts.items():
        run.sums[name] = value.detach() + run.sums.get(name, 0.0)
    # Short at first: an average that reaches back to the first steps is no network at all.
    follow(run.average, run.model, min(stage.average, (1 + run.step) / (10 + run.step)))


def _is_rough_faster(device: torch.device) -> bool:
    """Where a processor has no instructions for bfloat16, a step in it takes ten times as long."""
    return device.type != "cpu" or "AVX2" not in torch.backends.cpu.get_cpu_capability()


@torch.no_grad()
def settle(task: str, settings: Settings, model: nn.Module, shelf: Shelf) -> None:
    """Take the statistics that the network normalises by anew: blended weights have none of their own."""
    stage = settings.stage(task)
    model.train()
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d) and part.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    for given in islice(batches(task, settings, shelf, settings.seed + 4, 0, 0), SETTLED):
        model(planes(given, task == "refine", stage)[0])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.eval()


def save(run: Run, file: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    state = {name: getattr(run, name).state_dict() for name in ("model", "average", "optimiser")}
    save_state(state | {"step": run.step, "seconds": run.seconds, "sums": run.sums}, file)


def restore(run: Run, file: Path, device: torch.device) -> None:
    """Take a run back to where a checkpoint stood."""
    state = load_state(file, device)
    for name in ("model", "average", "optimiser"):
        getattr(run, name).load_state_dict(state[name])
    run.step, run.seconds, run.sums = int(state["step"]), float(state["seconds"]), dict(state["sums"])
