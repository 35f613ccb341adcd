"""The settings of both trainings, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from models.training.common.settings import fill
from segtile.solar import SOLAR_CHANNELS

SETTINGS = Path(__file__).with_name("cutout.toml")
TASKS = ("coarse", "refine")
STRIDE = 32  # of the deepest maps of both networks
# px, by validation: the coarse network looks at a whole picture from afar to tell what is what, and from close by, as
# it learnt of parts of pictures, where that ends.
FAR, NEAR = 384, 1024
MAGNIFIED = 4  # times as large as it is, at most
ENCODERS = (0, 2)  # the EfficientNet-Lites that they can be built around


@dataclass(frozen=True)
class Data:
    """Which kinds of pieces are left for test and for validation, and how pictures are composed.

    `shapes` is the share of objects that are drawn by code, `scenes` that of whole rendered scenes among the others,
    once there are any. `faint` is the share of scenes whose objects differ from the background by 1 to 10 % only,
    `unknown` that of scenes with a plain background that the network is not told of, `empty` that of scenes without an
    object. `stills` is the share of pictures that show one rendered scene on its own paper, in its own light and
    shadow, `clean` that of those which a good camera took as they were rendered, with nothing changed or laid over.
    `found` is that of whole pictures whose background is the one that the run-time code finds, right or wrong.
    `validation` composed pictures are held out; they show none of the kinds that are trained on.
    """

    test_kinds: tuple[str, ...] = ()
    held_out_kinds: tuple[str, ...] = ()
    validation: int = 48
    shapes: float = 0.25
    scenes: float = 0.6
    faint: float = 0.25
    unknown: float = 0.12
    empty: float = 0.03
    stills: float = 0.0
    clean: float = 0.0
    found: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One network's training: `steps` of `batch` square pictures, their sides drawn from `sides`.

    `minutes` over 0 ends the run by the clock, the rate falling with it: then the machine decides how many steps it
    is, and a run is not the same on another. `encoder_rate` is the share of the rate that ImageNet's weights get.
    `close` is the share of the coarse network's pictures that are a part of a larger one, as the refiner's all are:
    it learns to look at pictures twice as large as it is trained with. `blind` is the share of the refiner's crops
    whose coarse probability says nothing: with few of them it learns to copy that plane long before it learns to
    look at the picture. `answers` is the share of its crops that come with the coarse network's real answer, once
    there are any (`models.training.cutout.bank`), `good` the share of the others whose coarse probability has no
    fault but to be coarse. `solar` are the solar channels that it is told of, `prob` whether it is told the coarse
    probability: of the rest it sees, for ablations, what it would see where nothing is known. With `knows_solar` the
    refiner begins with what the coarse network has learnt of these channels, else with nothing of them. Up to the
    share `rough_until` of the run it computes in bfloat16, which is faster; the rest is in full precision, as alpha
    has 256 levels. `lite` is the number of the EfficientNet-Lite that the network is built around. `magnify` is how
    many times as large as it is the refiner sees the picture, whose sides are `sides` before that. `views` is how
    often each picture is learnt from, on average (`models.training.cutout.pool`). With `settled` all normalisation
    keeps the statistics that it begins with, which those of a few pictures at a time would make worse.
    """

    sides: tuple[int, ...] = (256,)
    batch: int = 8
    steps: int = 1000
    rate: float = 2e-3
    encoder_rate: float = 1.0
    weight_decay: float = 0.01
    warm_up: int = 40
    minutes: float = 0.0
    average: float = 0.995
    close: float = 0.0
    blind: float = 0.03
    answers: float = 0.0
    good: float = 0.0
    rough_until: float = 0.0
    solar: tuple[str, ...] = SOLAR_CHANNELS
    prob: bool = True
    knows_solar: bool = True
    pretrained: bool = True
    lite: int = 2
    views: int = 1
    magnify: int = 1
    settled: bool = False
    checkpoint_every: int = 50
    validate_every: int = 200


@dataclass(frozen=True)
class Settings:
    """Both runs."""

    seed: int
    data: Data
    coarse: Stage
    refine: Stage

    def stage(self, task: str) -> Stage:
        """The training of "coarse" or "refine"."""
        return self.coarse if task == "coarse" else self.refine


def read_settings(path: Path) -> Settings:
    """Read the settings.

    Raises:
        ValueError: a name that is not a setting, an encoder that is not there, a side that the network cannot halve
            often enough, a kind that is held out for validation and for test at once.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    parts = {"data": fill(Data, raw.pop("data", {}))} | {t: fill(Stage, raw.pop(t, {})) for t in TASKS}
    settings = fill(Settings, raw | parts)
    for task in TASKS:
        if settings.stage(task).lite not in ENCODERS:
            raise ValueError(f"{task}: there is no EfficientNet-Lite{settings.stage(task).lite} here, but {ENCODERS}")
        if not 1 <= settings.stage(task).magnify <= (MAGNIFIED if task == "refine" else 1):
            raise ValueError(f"{task}: magnify = {settings.stage(task).magnify}; the refiner takes 1 to {MAGNIFIED}")
        if unknown := sorted(set(settings.stage(task).solar) - set(SOLAR_CHANNELS)):
            raise ValueError(f"{task}: no solar channel {unknown[0]!r}: there are {', '.join(SOLAR_CHANNELS)}")
        for side in settings.stage(task).sides:
            if side * settings.stage(task).magnify % STRIDE or side < 64:
                raise ValueError(f"{task}: a side of {side} px, magnified, is no multiple of {STRIDE} from 64 on")
    if both := sorted(set(settings.data.test_kinds) & set(settings.data.held_out_kinds)):
        raise ValueError(f"the kind {both[0]} is held out for validation and for test at once")
    return settings
