"""The settings of the run, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segtile.backends.sam_checkpoint import VIT_B, SamShape

SETTINGS = Path(__file__).with_name("sam_tiny.toml")


@dataclass(frozen=True)
class Kinds:
    """How often a tile's objects are told of in which way; see `models.training.sam_tiny.asked`."""

    coarse: float
    points: float
    box: float
    mended: float


@dataclass(frozen=True)
class Settings:
    """One run: `steps` of `batch` tiles out of `tiles` that are composed once, on the first `sheets` sheets of sprites.

    `shape` are the network's dimensions, those of ViT-B where the file says nothing else. The rate rises over `warm_up`
    steps and falls to nothing along a cosine. A tile is looked at once and asked `prompts` times, in one way of
    `kinds`; with the chance `clicks` it is asked again, given its own answer and a click where that was wrong. Of what
    the coarse map says, a part (mask, box, points) is left out with the chance `dropped`.
    """

    seed: int
    shape: SamShape
    kinds: Kinds
    sheets: int
    tiles: int
    steps: int
    batch: int
    prompts: int
    clicks: float
    dropped: float
    rate: float
    warm_up: int
    validate_every: int


def read_settings(path: Path) -> Settings:
    """Read a run's settings.

    Raises:
        ValueError: a name that is none of a setting, or one that is missing.
    """
    raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    shape = raw.pop("shape", {})
    if "global_blocks" in shape:
        shape["global_blocks"] = tuple(shape["global_blocks"])
    try:
        return Settings(**raw | {"kinds": Kinds(**raw.get("kinds", {})), "shape": replace(VIT_B, **shape)})
    except TypeError as error:
        raise ValueError(f"{path.name}: {error}") from None
