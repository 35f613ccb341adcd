"""A run on disk: checkpoints that are whole or not there, and a log that tells what the checkpoint holds."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

log = logging.getLogger("segtile")

LAST_SHARE = 0.02  # of the top rate, at the end
LOG = "log.jsonl"


def save_state(state: dict[str, Any], file: Path) -> None:
    """Write a checkpoint under a temporary name and rename it: a killed run leaves a whole one."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def load_state(file: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What `save_state` wrote; tensors and plain values only, never code."""
    state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    return state


def write_row(folder: Path, row: dict[str, Any]) -> None:
    """Add a line to the run's log."""
    with (folder / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
    log.info("%s", row)


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The lines of a log."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def cut_log(folder: Path, kept: Callable[[dict[str, Any]], bool]) -> None:
    """Leave out the lines of steps that the checkpoint does not hold: they are gone through again."""
    file = folder / LOG
    if file.exists():
        rows = [row for row in read_rows(file) if kept(row)]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def cosine(rate: float, at: int, steps: int, warm_up: int) -> float:
    """The learning rate of a step: a rise, then half a cosine down to LAST_SHARE."""
    rise = min(1.0, (at + 1) / max(1, min(warm_up, steps)))
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, at / steps)))
    return rate * rise * (LAST_SHARE + (1 - LAST_SHARE) * fall)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, share: float) -> None:
    """Keep `share` of the running average and take the rest from the network; counters are taken over."""
    now = model.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(now[name], 1 - share)
        else:
            value.copy_(now[name])
