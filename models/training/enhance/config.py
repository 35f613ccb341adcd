"""The settings of a training run, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from models.training.common.settings import fill

SETTINGS = Path(__file__).with_name("enhance.toml")


@dataclass(frozen=True)
class Network:
    """Channels, and the dilations of the convolutions 3 x 3 between the first and the last."""

    channels: int = 32
    dilations: tuple[int, ...] = (1, 2, 3, 2, 1)


@dataclass(frozen=True)
class Data:
    """Scenes named KIND_SEED, rendered `rendered` px wide; crops of `side` px.

    Scenes are made half as large, for sharp pixels, but for `native` of the crops, which keep the softness that the
    renderer's filter gives. `texture` is the chance that a crop gets a fine texture, which renders have too little of,
    and `identity` that it is not degraded.
    """

    scenes: tuple[str, ...]
    held_out: tuple[str, ...]
    rendered: int = 800
    side: int = 64
    native: float = 0.25
    texture: float = 0.2
    identity: float = 0.15


@dataclass(frozen=True)
class Settings:
    """A whole run: `steps` of `batch` crops, the rate rising over `warm_up` and falling to almost nothing.

    Pictures are blurred from step `blur_from` on: what smooths noise and what sharpens cancel each other until the
    network can tell them apart, and with both from the start it learns neither.
    """

    seed: int
    data: Data
    network: Network = Network()
    steps: int = 1300
    batch: int = 8
    blur_from: int = 400
    rate: float = 2e-3
    warm_up: int = 30
    gradient: float = 0.5
    average: float = 0.99
    checkpoint_every: int = 50
    validate_every: int = 100


def read_settings(path: Path) -> Settings:
    """Read a run's settings.

    Raises:
        ValueError: a name that is not a setting, a crop too small, a scene both trained on and held out.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    parts = {"network": fill(Network, raw.pop("network", {})), "data": fill(Data, raw.pop("data"))}
    settings = fill(Settings, raw | parts)
    if settings.data.side < 32:
        raise ValueError(f"crops of {settings.data.side} px: the side has to be 32 or more")
    if both := sorted(set(settings.data.scenes) & set(settings.data.held_out)):
        raise ValueError(f"the scene {both[0]} is trained on and held out at once")
    return settings
