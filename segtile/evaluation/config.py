"""What an evaluation run measures: one YAML file, checked whole before any work is done.

Paths are relative to the configuration's folder. ``${SEGTILE_SHARED}`` stands for the folder of pictures and weights
that are not ours: the environment variable of that name, else ``../shared`` beside the repository that holds the
configuration. No other variable is expanded.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from segtile.catalog import is_path
from segtile.errors import BadInput
from segtile.evaluation.yaml_file import read_yaml
from segtile.recipe import Recipe

SHARED = "${SEGTILE_SHARED}"
SliceName = Literal["white_on_white", "thin", "holes", "large"]
#: The slices a run can make; `SliceSettings` holds their bounds.
SLICES: tuple[SliceName, ...] = ("white_on_white", "thin", "holes", "large")

#: Names become folders of the run: letters, digits and . _ + - only.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _resolve(value: object, info: ValidationInfo) -> object:
    """A path of the file as an absolute one."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("should be a path")
    folder = _folder(info)
    return Path(os.path.normpath(folder / expand(value, folder)))


def _folder(info: ValidationInfo) -> Path:
    return Path((info.context or {}).get("folder", Path.cwd()))


GivenPath = Annotated[Path, BeforeValidator(_resolve)]


def expand(text: str, folder: Path) -> str:
    """`text` with ``${SEGTILE_SHARED}`` written out.

    Args:
        text: a path or an argument of a command.
        folder: of the configuration; the repository is looked for upwards from here.

    Raises:
        ValueError: another ``${...}`` stands in it, or there is no repository above to have the folder beside it.
    """
    other = re.search(r"\$\{(?!SEGTILE_SHARED\})[^}]*\}?", text)
    if other:
        raise ValueError(f"{other.group()} is not expanded, only {SHARED} is")
    if SHARED not in text:
        return text
    given = os.environ.get("SEGTILE_SHARED")
    if given:
        return text.replace(SHARED, str(Path(given).resolve()))
    for above in (folder, *folder.parents):
        if (above / "pyproject.toml").is_file() or (above / ".git").exists():
            return text.replace(SHARED, str(above.parent / "shared"))
    raise ValueError("SEGTILE_SHARED is not set, and no repository stands above the configuration")


class FolderData(_Settings):
    """Pictures in one folder, their exact alphas in another (or the same).

    `pattern` names a picture's truth, with {stem} for the picture's name without its ending; without one,
    STEM.png and then STEM_alpha.png is taken. In one shared folder, files that end in _alpha are truths only.
    """

    kind: Literal["folder"]
    name: Name
    pictures: GivenPath
    truth: GivenPath
    pattern: str | None = None
    only: tuple[str, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _holds_stem(cls, value: str | None) -> str | None:
        if value is not None and ("{stem}" not in value or "/" in value or "\\" in value):
            raise ValueError("a pattern is a file name that holds {stem}")
        return value


class SamplesData(_Settings):
    """A table of rendered samples as data_samples/samples.json: a list of {file, alpha}, beside the pictures."""

    kind: Literal["samples"]
    name: Name
    table: GivenPath
    only: tuple[str, ...] = ()


class PairsData(_Settings):
    """A folder with pairs.json and GROUP/STEM.png, GROUP/STEM_alpha.png; pictures are named GROUP-STEM.

    Each group also is a slice. Pairs of which less than `least_visible` of the true edge can be seen are left out.
    """

    kind: Literal["pairs"]
    name: Name
    folder: GivenPath
    groups: tuple[Name, ...] = ("white", "offwhite", "wow")
    least_visible: float = Field(0.0, ge=0, le=1)
    only: tuple[str, ...] = ()


class CocoData(_Settings):
    """A COCO file of annotations and the folder of its pictures; for the task detect."""

    kind: Literal["coco"]
    name: Name
    annotations: GivenPath
    pictures: GivenPath
    iou_type: Literal["bbox", "segm", "boundary"] = "bbox"


class RendersData(_Settings):
    """Scenes rendered by `python -m eval.synth`, each kind with each seed; kept in the cache folder once made.

    `size` is the long side in px. `seeds` empty takes the run's. `contrast` None leaves the object's own tones. With
    `stage` 'varied', paper, lamps, lens, and the shape of the frame are drawn by kind and seed.
    """

    kind: Literal["renders"]
    name: Name
    scenes: tuple[Name, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = ()
    size: int = Field(2000, ge=64, le=16000)
    contrast: float | None = Field(None, ge=0.01, le=0.10)
    background: float = Field(0.94, ge=0.5, le=1)
    quick: bool = False
    stage: Literal["studio", "varied"] = "studio"


Data = Annotated[
    FolderData | SamplesData | PairsData | CocoData | RendersData,
    Field(discriminator="kind"),
]


class SegtileSystem(_Settings):
    """Ours: `recipe` holds the sections of a recipe file (coarse, grid, refine, export, limits).

    A name of a pass that ends as weights do, or has a slash in it, is the path of a network, as other paths of a
    configuration are.
    """

    kind: Literal["segtile"]
    name: Name
    recipe: Recipe = Recipe()

    @property
    def weights(self) -> tuple[Path, ...]:
        """The networks that the recipe names by their paths."""
        names = (self.recipe.coarse.name, self.recipe.refine.name)
        return tuple(Path(name) for name in names if is_path(name))

    @field_validator("recipe")
    @classmethod
    def _paths(cls, value: Recipe, info: ValidationInfo) -> Recipe:
        changed = {}
        for part in ("coarse", "refine"):
            settings = getattr(value, part)
            if is_path(settings.name):
                changed[part] = settings.model_copy(update={"name": str(_resolve(settings.name, info))})
        return value.model_copy(update=changed)

    @field_validator("recipe")
    @classmethod
    def _whole_frame(cls, value: Recipe) -> Recipe:
        if value.export.crop is not None:
            raise ValueError("export.crop would cut the alpha to another frame than the truth's")
        return value


def _expanded(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("no argument can hold a zero byte")
    return expand(value, _folder(info)) if isinstance(value, str) else value


Argument = Annotated[str, BeforeValidator(_expanded)]


class CommandSystem(_Settings):
    """Any program, run once a picture, without a shell, in the configuration's folder.

    In `argv`, {input} stands for the picture, {output} for the file to write and {python} for the interpreter of this
    run. The file to write is an alpha (PNG) for the task matte, and a COCO results list of the one picture (JSON) for
    the task detect. `timeout` is in seconds.
    """

    kind: Literal["command"]
    name: Name
    argv: tuple[Argument, ...] = Field(min_length=1)
    timeout: float = Field(600, gt=0)

    @field_validator("argv")
    @classmethod
    def _both_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in ("{input}", "{output}"):
            if not any(place in part for part in value):
                raise ValueError(f"the command has to hold {place}")
        return value


class PeerSystem(_Settings):
    """Another project's program in an environment of its own: `folder` holds requirements.txt and its worker.

    With `ours` the worker runs in the environment of the run itself, which holds segtile, and needs no requirements.
    """

    kind: Literal["peer"]
    name: Name
    folder: GivenPath
    arguments: tuple[Argument, ...] = ()
    ours: bool = False


System = Annotated[SegtileSystem | CommandSystem | PeerSystem, Field(discriminator="kind")]


class SliceSettings(_Settings):
    """Where a slice begins.

    `white_contrast`: median contrast across the true edge, as a share of the tone range, under which a picture is white
    on white. `thin_share`: share of the object's pixels within `thin_px` of its edge, from which it is thin.
    `large_px`: long side above which a picture is large.
    """

    white_contrast: float = Field(0.06, gt=0, lt=1)
    thin_share: float = Field(0.25, gt=0, le=1)
    thin_px: int = Field(3, ge=1, le=64)
    large_px: int = Field(4000, ge=1)


class Bootstrap(_Settings):
    """Resamples of the pictures for the intervals: how many, the interval's level, the generator's seed."""

    samples: int = Field(2000, ge=100, le=100_000)
    level: float = Field(0.95, gt=0.5, lt=1)
    seed: int = Field(0, ge=0)


class EvalConfig(_Settings):
    """A whole run.

    `together` names sets of data sets that get a table over all of their pictures. `metrics` None takes the
    default figures of segtile.metrics.matte. `memory` runs every picture of our own systems in
    a fresh process, so that its peak memory is its own; off, one process does them all and no peak is given.
    """

    task: Literal["matte", "detect"] = "matte"
    datasets: tuple[Data, ...] = Field(min_length=1)
    systems: tuple[System, ...] = Field(min_length=1)
    together: dict[Name, tuple[Name, ...]] = {}
    metrics: tuple[str, ...] | None = None
    slices: tuple[SliceName, ...] = SLICES
    slice_settings: SliceSettings = SliceSettings()
    seeds: tuple[int, ...] = (1,)
    bootstrap: Bootstrap = Bootstrap()
    memory: bool = True

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for what, things in (("datasets", self.datasets), ("systems", self.systems)):
            names = [thing.name for thing in things]
            twice = next((n for n in names if [m.lower() for m in names].count(n.lower()) > 1), None)
            if twice:
                raise ValueError(f"two of the {what} are named {twice}; names become folders, so they have to differ")
        there = {data.name for data in self.datasets}
        for name, parts in self.together.items():
            unknown = [part for part in parts if part not in there]
            if unknown or not parts or name in there:
                what = f"holds no data set named {unknown[0]}" if unknown else "has to name data sets, and not be one"
                raise ValueError(f"together: {name} {what}")
        for data in self.datasets:
            if (data.kind == "coco") != (self.task == "detect"):
                raise ValueError(
                    f"the data set {data.name} is of kind {data.kind}, which the task {self.task} cannot use"
                )
        if self.task == "detect":
            ours = next((s.name for s in self.systems if s.kind == "segtile"), None)
            if ours:
                raise ValueError(
                    f"the system {ours} is of kind segtile, which makes alphas: the task detect needs boxes"
                )
        if self.metrics is not None and len(set(self.metrics)) < len(self.metrics):
            raise ValueError("a metric is named twice")
        return self


def load_config(path: Path) -> EvalConfig:
    """Read and check a configuration.

    Raises:
        ReadError: the file cannot be read or is not plain YAML.
        BadInput: a key is unknown, missing, or holds what it may not; the sentence names the key.
    """
    return parse_config(read_yaml(path), path)


def parse_config(raw: Any, path: Path) -> EvalConfig:
    """Check the plain values of a configuration that stands (or would stand) at `path`.

    Raises:
        BadInput: a key is unknown, missing, or holds what it may not; the sentence names the key.
    """
    if not isinstance(raw, dict):
        raise BadInput(f"{path}: a run's configuration holds keys such as datasets and systems")
    try:
        return EvalConfig.model_validate(raw, context={"folder": path.resolve().parent})
    except ValidationError as e:
        raise BadInput(f"{path}: {_one_sentence(e)}") from None
    except RecursionError:
        raise BadInput(f"{path}: is nested too deeply") from None


def _one_sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{where} is no key that is known there"
    if first["type"] == "missing":
        return f"{where} is missing"
    got = "" if isinstance(first["input"], dict | list | tuple | BaseModel) else f" (got {first['input']!r:.80})"
    return f"{where + ': ' if where else ''}{message[:1].lower()}{message[1:]}{got}"
