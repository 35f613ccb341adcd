"""The settings of a run, as one validated object that TOML files spell and manifests name by digest."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from segtile.errors import BadInput, ReadError
from segtile.types import Looks


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CoarseSettings(_Settings):
    """The look at the whole picture: which pass, and the longer side (px) of what it sees.

    `as_rembg` runs a network exactly as rembg does, stretched to each picture's own extremes; for comparison.
    """

    name: str = "auto"
    long_side: int = Field(2048, ge=256, le=4096)
    as_rembg: bool = False


class GridSettings(_Settings):
    """The tile plan: `tile` is the side as the refiner sees it, `halo` the context around a core, both in px.

    None takes the refiner's own.
    """

    kind: Literal["aligned", "uniform"] = "aligned"
    tile: int | None = Field(None, ge=64, le=4096)
    halo: int | None = Field(None, ge=0, le=1024)


class RefineSettings(_Settings):
    """The look at each tile; `threads` 0 takes as many as there are cores and the memory limit allows.

    Our own network may look more than once, told its own answer: `looks` times at every tile, or as "auto" up to three
    times at what it answers otherwise than it was told, which finds most of what more looks find for little time.
    For networks that are asked about objects: `second_look` shows them the picture through its adaptive solar curve
    too, and `solar_edges` draws their contours to edges that the solar channels show.
    """

    name: str = "auto"
    solar: bool = True
    threads: int = Field(0, ge=0, le=256)
    looks: Looks = "auto"
    second_look: bool = False
    solar_edges: bool = False

    @model_validator(mode="after")
    def _has_channels(self) -> Self:
        if not self.solar and (self.second_look or self.solar_edges):
            raise ValueError("second_look and solar_edges need the solar channels that solar = false leaves out")
        return self


class ExportSettings(_Settings):
    """The file that is written; `crop` is the margin in px around the object, `background` an sRGB colour "#rrggbb"."""

    format: Literal["png", "tiff", "webp"] = "png"
    bits: Literal[8, 16] | None = None
    crop: int | None = Field(None, ge=0)
    background: tuple[int, int, int] | None = None

    @field_validator("background", mode="before")
    @classmethod
    def _colour(cls, value: object) -> object:
        return parse_colour(value) if isinstance(value, str) else value

    @field_validator("background")
    @classmethod
    def _range(cls, value: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
        if value is not None and not all(0 <= v <= 255 for v in value):
            raise ValueError("colour values go from 0 to 255")
        return value


class Limits(_Settings):
    """What a run may take: `memory_mb` of resident memory, `max_pixels` of a picture that it agrees to open.

    The memory of networks of the catalogue is theirs, the same for every picture, and comes on top. `device` is where
    they run: auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N.
    """

    device: str = "auto"
    memory_mb: int = Field(1400, ge=256)
    max_pixels: int = Field(2**30, ge=1)


class Recipe(_Settings):
    """All settings of one run."""

    coarse: CoarseSettings = CoarseSettings()
    grid: GridSettings = GridSettings()
    refine: RefineSettings = RefineSettings()
    export: ExportSettings = ExportSettings()
    limits: Limits = Limits()

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the sha256 of the settings in canonical JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def build_recipe(**sections: dict[str, object]) -> Recipe:
    """Build a recipe from one dict per section; None values take the default.

    Raises:
        BadInput: a setting is unknown or out of range.
    """
    given = {name: {k: v for k, v in values.items() if v is not None} for name, values in sections.items()}
    try:
        return Recipe.model_validate(given)
    except ValidationError as e:
        raise BadInput(_one_sentence(e)) from None


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file with the sections coarse, grid, refine, export and limits.

    Raises:
        ReadError: the file cannot be read or is not TOML.
        BadInput: a setting is unknown or out of range.
    """
    try:
        return build_recipe(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise ReadError(f"{path}: cannot be read as a TOML recipe: {e}") from None
    except AttributeError:
        raise BadInput(f"{path}: a recipe holds sections such as [coarse], not bare settings") from None


def parse_colour(text: str) -> tuple[int, int, int]:
    """Read "#rrggbb", "#rgb", "white", "black" or "r,g,b" as 8-bit sRGB.

    Raises:
        BadInput: none of these.
    """
    names = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128), "gray": (128, 128, 128)}
    value = text.strip().lower()
    try:
        if value in names:
            return names[value]
        if value.startswith("#"):
            digits = value[1:] if len(value) == 7 else "".join(c * 2 for c in value[1:])
            if len(digits) == 6:
                return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
        r, g, b = (int(v) for v in value.split(","))
        if all(0 <= v <= 255 for v in (r, g, b)):
            return r, g, b
    except ValueError:
        pass
    raise BadInput(f"{text!r} is no colour: use #rrggbb, r,g,b with values 0 to 255, white, black or grey")


def _one_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"setting {where}: {first['msg'][:1].lower()}{first['msg'][1:]} (got {first['input']!r})"
