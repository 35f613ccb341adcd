"""The training run: phases of steps, checkpoints that survive an interruption, a log line for every few steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from models.training.common.runs import cosine, cut_log, follow, load_state, save_state, write_row
from models.training.common.sprites import Sprite
from models.training.detector.batches import Composed, batches, collate
from models.training.detector.compose import Scene
from models.training.detector.config import Phase, Settings
from models.training.detector.figures import validate
from models.training.detector.loss import losses
from models.training.detector.model import Detector, Raw

log = logging.getLogger("segtile")

WARM_UP = 60  # steps over which a phase's rate rises
VALIDATION_SIDE = 640


@dataclass(eq=False)
class Run:
    """Everything that a checkpoint holds: the network, its running average, the optimiser, and where it stands.

    `phase` and `step` count from 0, `seen` are the steps of all phases, `sums` the losses since the last log line.
    """

    model: Detector
    average: Detector
    optimiser: torch.optim.Optimizer
    phase: int = 0
    step: int = 0
    seen: int = 0
    sums: dict[str, float] = field(default_factory=dict)


def start(settings: Settings, device: torch.device) -> Run:
    """A run at its first step, weights drawn by the seed."""
    torch.manual_seed(settings.seed)
    model = Detector(settings.network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Detector(settings.network).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average.load_state_dict(model.state_dict())
    # What has one dimension is a bias or belongs to a normalisation: decay would pull it to no purpose.
    flat = [p for p in model.parameters() if p.ndim < 2]
    deep = [p for p in model.parameters() if p.ndim >= 2]
    groups = [{"params": deep, "weight_decay": settings.weight_decay}, {"params": flat, "weight_decay": 0.0}]
    return Run(model, average, torch.optim.AdamW(groups, lr=settings.phases[0].rate))


def train(
    settings: Settings,
    sprites: tuple[Sequence[Sprite], Sequence[Sprite]],
    folder: Path,
    device: torch.device,
    workers: int = 1,
) -> Run:
    """Train from where the folder's checkpoint stands, or from the start, to the end of the last phase.

    Args:
        settings: the run.
        sprites: to train on, and held out.
        folder: gets checkpoint.pt and log.jsonl.
        device: a GPU or the CPU.
        workers: processes that compose pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = start(settings, device)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        restore(run, checkpoint, device)
        cut_log(folder, lambda row: (row["phase"], row["step"]) <= (run.phase, run.step))
        log.info("goes on at phase %d, step %d", run.phase, run.step)
    while run.phase < len(settings.phases):
        phase = settings.phases[run.phase]
        started = time.monotonic()
        seed = settings.seed + 100 * (run.phase + 1)
        for images, targets in batches(sprites[0], settings.data, phase, seed, run.step, workers):
            targets = [type(t)(*(x.to(device) for x in t)) for t in targets]
            _step(run, phase, images.to(device), targets, settings.average)
            if run.step % 20 == 0:
                spent = round(time.monotonic() - started, 1)
                _write(folder, run, {k: round(v / 20, 4) for k, v in run.sums.items()} | {"seconds": spent})
                run.sums.clear()
            if run.step % settings.validate_every == 0 or run.step == phase.steps:
                figures = validate(run.average, held_out(settings, sprites[1]), device)
                _write(folder, run, {k: round(v, 4) for k, v in figures.items()})
            if run.step % settings.checkpoint_every == 0:
                save(run, checkpoint)
        run.phase, run.step = run.phase + 1, 0
        save(run, checkpoint)
    return run


def held_out(settings: Settings, sprites: Sequence[Sprite]) -> DataLoader[Scene]:
    """The validation pictures: composed of sprites that are not trained on, by a seed of their own."""
    data = settings.data
    scenes = Composed(sprites, data, VALIDATION_SIDE, settings.seed + 1, 0, data.validation)
    return DataLoader(scenes, batch_size=10, collate_fn=collate)


def rate_at(phase: Phase, step: int) -> float:
    """The learning rate of a phase's step: a rise, then half a cosine down."""
    return cosine(phase.rate, step, phase.steps, WARM_UP)


def _step(run: Run, phase: Phase, images: Tensor, targets: list[Any], average: float) -> None:
    run.model.train()
    for group in run.optimiser.param_groups:
        group["lr"] = rate_at(phase, run.step)
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16):
        raw = run.model(images)
    parts = losses(Raw(*(x.float() for x in raw)), targets, images.shape[2], images.shape[3], phase.places)
    run.optimiser.zero_grad(set_to_none=True)
    parts["total"].backward()
    norm = torch.nn.utils.clip_grad_norm_(run.model.parameters(), 10.0)
    if torch.isfinite(norm):  # a step that overflowed is left out, and counted
        run.optimiser.step()
    else:
        run.sums["skipped"] = run.sums.get("skipped", 0.0) + 20
    run.step, run.seen = run.step + 1, run.seen + 1
    for name, value in parts.items():
        run.sums[name] = run.sums.get(name, 0.0) + float(value.detach())
    # Short at first: an average that reaches back to the first steps is no network at all.
    follow(run.average, run.model, min(average, (1 + run.seen) / (10 + run.seen)))


def save(run: Run, file: Path) -> None:
    """Write a checkpoint under a temporary name and rename it: a killed run leaves a whole one."""
    state = {name: getattr(run, name).state_dict() for name in ("model", "average", "optimiser")}
    save_state(state | {"phase": run.phase, "step": run.step, "seen": run.seen}, file)


def restore(run: Run, file: Path, device: torch.device) -> None:
    """Take a run back to where a checkpoint stood."""
    state = load_state(file, device)
    run.model.load_state_dict(state["model"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.phase, run.step, run.seen = int(state["phase"]), int(state["step"]), int(state["seen"])
    run.sums.clear()


def _write(folder: Path, run: Run, values: dict[str, float]) -> None:
    write_row(folder, {"phase": run.phase, "step": run.step} | values)
