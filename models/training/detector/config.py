"""The settings of a training run, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from models.training.common.settings import fill


@dataclass(frozen=True)
class Network:
    """Widths of the encoder at strides 2, 4, 8, 16 and 32, blocks at strides 4 to 32, width of neck and heads."""

    widths: tuple[int, ...] = (16, 24, 40, 80, 128)
    blocks: tuple[int, ...] = (1, 2, 2, 2)
    neck: int = 48
    prototypes: int = 32
    names: tuple[str, ...] = ("piece",)


@dataclass(frozen=True)
class Phase:
    """A stretch of training on canvases of `side` px (a multiple of 32), `batch` at a time, its own top rate.

    `places` is how many places of the network answer for one piece at most: many are learnt from faster, few leave
    fewer doubles of a piece behind. `compounds` and `skew` are `Data`'s, for this phase.
    """

    side: int
    batch: int
    steps: int
    rate: float
    places: int = 10
    compounds: float = 1.0
    skew: float = 1.0


@dataclass(frozen=True)
class Data:
    """Pieces measure from `smallest` px, whatever the canvas, up to `largest` px on a canvas of 640.

    `skew` under 1 makes large ones more frequent, `compounds` over 1 those whose parts could pass for pieces: a ring
    with its head, a hook with its bead. Of the first `sheets` sheets the last `held_out` are never trained on: the
    `validation` composed pictures are made of them.
    """

    sheets: int = 14
    smallest: float = 24.0
    largest: float = 460.0
    held_out: int = 2
    validation: int = 60
    compounds: float = 1.0
    skew: float = 1.0


@dataclass(frozen=True)
class Settings:
    """A whole run."""

    seed: int
    network: Network
    data: Data
    phases: tuple[Phase, ...]
    weight_decay: float = 0.02
    average: float = 0.998
    checkpoint_every: int = 50
    validate_every: int = 300


def read_settings(path: Path) -> Settings:
    """Read a run's settings.

    Raises:
        ValueError: a name that is not a setting, or a canvas that is no multiple of 32.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    parts = {
        "network": fill(Network, raw.pop("network", {})),
        "data": fill(Data, raw.pop("data", {})),
        "phases": tuple(fill(Phase, phase) for phase in raw.pop("phases")),
    }
    settings = fill(Settings, raw | parts)
    for phase in settings.phases:
        if phase.side % 32 or phase.side < 64:
            raise ValueError(f"a canvas of {phase.side} px is no multiple of 32 from 64 on")
    return settings
