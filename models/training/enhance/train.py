"""The training run: steps, a checkpoint that survives an interruption, a log line for every few steps."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.training.common.runs import cosine, cut_log, load_state, save_state, write_row
from models.training.enhance.config import Settings
from models.training.enhance.model import Enhancer
from models.training.enhance.pictures import Source, pair

log = logging.getLogger("segtile")

LOG_EVERY = 10
_SOFT = 1 / 255  # where Charbonnier's loss turns from square to linear, as a share of white


@dataclass(eq=False)
class Run:
    """Everything that a checkpoint holds: the network, its running average, the optimiser, where it stands, sums."""

    model: Enhancer
    average: Enhancer
    optimiser: torch.optim.Optimizer
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)


def start(settings: Settings) -> Run:
    """A run at its first step, weights drawn by the seed."""
    torch.manual_seed(settings.seed)
    model = Enhancer(settings.network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Enhancer(settings.network)
    average.load_state_dict(model.state_dict())
    return Run(model, average, torch.optim.Adam(model.parameters(), lr=settings.rate))


def train(settings: Settings, given: tuple[Source, Source], folder: Path) -> Run:
    """Train from where the folder's checkpoint stands, or from the start, to the last step; on the CPU.

    Args:
        settings: the run.
        given: pictures to train on, and held out.
        folder: gets checkpoint.pt and log.jsonl.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run, checkpoint = start(settings), folder / "checkpoint.pt"
    if checkpoint.exists():
        restore(run, checkpoint)
        cut_log(folder, lambda row: row["step"] <= run.step)
        log.info("goes on at step %d", run.step)
    held_out = batch_of(given[1], settings, settings.seed + 1, 0, 48)
    started = time.monotonic()
    while run.step < settings.steps:
        first = run.step * settings.batch
        blurred = run.step >= settings.blur_from
        step(run, settings, *batch_of(given[0], settings, settings.seed, first, settings.batch, blurred))
        if run.step % LOG_EVERY == 0:
            means = {k: round(v / LOG_EVERY, 6) for k, v in run.sums.items()}
            write_row(folder, {"step": run.step} | means | {"seconds": round(time.monotonic() - started, 1)})
            run.sums.clear()
        if run.step % settings.validate_every == 0 or run.step == settings.steps:
            write_row(folder, {"step": run.step} | validate(run.average, *held_out))
        if run.step % settings.checkpoint_every == 0 or run.step == settings.steps:
            save(run, checkpoint)
    return run


def batch_of(
    given: Source, settings: Settings, seed: int, first: int, count: int, blurred: bool = True
) -> tuple[Tensor, Tensor]:
    """Pairs number `first` to `first + count - 1` as two tensors (count, 3, side, side) float32."""
    pairs = [pair(given, settings.data, seed, first + n, blurred) for n in range(count)]
    worse, clean = (torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2) for side in zip(*pairs, strict=True))
    return worse, clean


def step(run: Run, settings: Settings, worse: Tensor, clean: Tensor) -> None:
    """One step of the optimiser, and the running average after it."""
    for group in run.optimiser.param_groups:
        group["lr"] = rate_at(settings, run.step)
    # In full precision: bfloat16 cannot hold a noise of 1/255 beside the white that it lies on.
    parts = losses(run.model(worse), clean, settings.gradient)
    run.optimiser.zero_grad(set_to_none=True)
    parts["loss"].backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 0.5)
    run.optimiser.step()
    run.step += 1
    for name, value in parts.items():
        run.sums[name] = run.sums.get(name, 0.0) + float(value.detach())
    share = min(settings.average, 1 - 1 / (run.step + 1))
    with torch.no_grad():
        for slow, fast in zip(run.average.parameters(), run.model.parameters(), strict=True):
            slow.lerp_(fast, 1 - share)


def losses(better: Tensor, clean: Tensor, gradient: float) -> dict[str, Tensor]:
    """Charbonnier's loss of the values and of the differences between neighbours, and their weighted sum.

    The second is what keeps edges from being drawn too hard: a halo has differences that the clean picture lacks.
    """
    off = better - clean
    values = _charbonnier(off)
    slopes = (_charbonnier(off.diff(dim=2)) + _charbonnier(off.diff(dim=3))) / 2
    return {"loss": values + gradient * slopes, "values": values, "slopes": slopes}


def rate_at(settings: Settings, at: int) -> float:
    """The learning rate of a step: a rise, then half a cosine down."""
    return cosine(settings.rate, at, settings.steps, settings.warm_up)


@torch.inference_mode()
def validate(model: Enhancer, worse: Tensor, clean: Tensor) -> dict[str, float]:
    """Mean PSNR in dB of held-out crops before and after, over those that were degraded, and of the others after."""
    better = model(worse).clamp(0, 1)
    before, after = (-10 * ((x - clean) ** 2).mean(dim=(1, 2, 3)).clamp_min(1e-8).log10() for x in (worse, better))
    same = (worse == clean).flatten(1).all(dim=1)
    out = {"psnr_before": before[~same].mean(), "psnr_after": after[~same].mean(), "psnr_clean": after[same].mean()}
    return {name: round(float(value), 3) for name, value in out.items() if torch.isfinite(value)}


def save(run: Run, file: Path) -> None:
    """Write a checkpoint under a temporary name and rename it: a killed run leaves a whole one."""
    state = {name: getattr(run, name).state_dict() for name in ("model", "average", "optimiser")}
    save_state(state | {"step": run.step, "sums": run.sums}, file)


def restore(run: Run, file: Path) -> None:
    """Take a run back to where a checkpoint stood."""
    state = load_state(file)
    run.model.load_state_dict(state["model"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.sums = int(state["step"]), dict(state["sums"])


def _charbonnier(off: Tensor) -> Tensor:
    return torch.sqrt(off * off + _SOFT**2).mean() - _SOFT
