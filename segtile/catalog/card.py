"""What a model card holds: the value types, and nothing that reads or fetches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

#: What a model is for: the whole picture at once, one tile under prompts or beside a map, pieces and their boxes, or
#: changing the picture.
Role = Literal["coarse", "refine", "detect", "edit"]
#: What still has to be done to a network's output to make it a probability of object. "none": the graph ends in a
#: probability. "softmax": over the output's channels; channel 0 is the background, the others are kinds of object.
Activation = Literal["none", "sigmoid", "softmax"]
#: How a picture comes to the network's size. "squash": both sides scaled to it, the aspect changes. "longest": the long
#: side scaled to it, zeros below or to the right after normalisation. "letterbox": the same, centred, grey beside it.
Fit = Literal["squash", "longest", "letterbox"]
#: What may be asked of a promptable model: a box, points of object and background, logits of an earlier mask.
Prompt = Literal["box", "points", "mask"]
#: Whether the licence of the weights lets a business use them. "unclear": the licence does, the terms of the data that
#: they were trained on may not; `ModelCard.data` says what is known.
Commercial = Literal["yes", "no", "unclear"]

#: A key that no field has is a mistake in the card.
_STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model.

    `name` is its name in the weights folder, unique in the catalogue; `part` what it is of the model: "model",
    "encoder", "decoder" or "checkpoint". `urls` are where its makers and others offer it, in the order they are tried.
    Digests are hexadecimal and as published: `sha256`, `md5`, `git_blob` (the SHA-1 that git gives a blob); "" where
    there is none. A file without any is trusted when it is seen first, and its sha256 is kept from then on. `bytes` is
    the exact size, None where it was not published. `shipped`: part of this package, never downloaded.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: str
    part: str = "model"
    urls: tuple[str, ...] = ()
    sha256: str = ""
    md5: str = ""
    git_blob: str = ""
    bytes: int | None = None
    shipped: bool = False

    @property
    def pinned(self) -> bool:
        """True where a digest was published."""
        return bool(self.sha256 or self.md5 or self.git_blob)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A model of the catalogue: what it is, what it may be used for, and everything an adapter needs to run it.

    `family` names the adapter ("salient", "birefnet", "sam", ...), `variant` what that tells apart ("vit_b").
    Licences of code and weights are separate; `data` says what the weights were trained on. `megabytes` (10**6 bytes)
    is about what all files together weigh, None where nobody published it. `auto` is the rank among installed models
    where none is asked for by name, highest first; 0: never taken by itself.

    `size` is the (width, height) the network was trained for. Without `multiple_of` it is always run at that size,
    with it at any size whose sides are multiples. A network sees ``(colour * scale - mean) / std`` of sRGB-encoded
    values in [0, 1], channels in the order of `colour` ("rgb" or "bgr"), brought to size as `fit` says; `channels` are
    what it takes behind them, names of `segtile.solar.SOLAR_CHANNELS`. `output` is the name or the index of the
    graph's output; `activation` what turns it into a probability. `prompts` are what it can be asked with.

    `classes` are what a detector (role "detect") tells apart, in the order of its scores; () for other roles. `scales`
    are the passes that it was trained for, where nothing else is asked for: "full" is the whole picture at once, 1.0
    slices of it as it is.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: str
    role: Role
    family: str
    title: str
    source: str
    code_licence: str
    weights_licence: str
    commercial: Commercial
    data: str
    files: tuple[ModelFile, ...]
    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    colour: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    variant: str = ""
    megabytes: float | None = None
    auto: int = 0
    multiple_of: int | None = None
    fit: Fit = "squash"
    channels: tuple[str, ...] = ()
    output: str | int = 0
    activation: Activation = "none"
    prompts: tuple[Prompt, ...] = ()
    classes: tuple[str, ...] = ()
    scales: tuple[float | Literal["full"], ...] = ()

    @property
    def bytes(self) -> int | None:
        """What all files weigh: exact where every size is known, else about, None where nothing is known."""
        sizes = [file.bytes for file in self.files]
        if all(size is not None for size in sizes):
            return sum(size or 0 for size in sizes)
        return None if self.megabytes is None else round(self.megabytes * 1e6)

    @property
    def shipped(self) -> bool:
        """True where every file is part of this package."""
        return all(file.shipped for file in self.files)

    def file(self, part: str) -> ModelFile:
        """The file that is this part of the model.

        Raises:
            KeyError: it has no such part.
        """
        return {file.part: file for file in self.files}[part]
