"""What every network that is prompted looks like from outside, whatever runs it: a picture in, masks per prompt out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from segtile.backends.squares import Square
from segtile.types import FloatArray

#: Labels of points as the families' prompt encoders know them.
OUTSIDE, INSIDE, TOP_LEFT, BOTTOM_RIGHT, PADDING = 0.0, 1.0, 2.0, 3.0, -1.0


@dataclass(frozen=True)
class Prompt:
    """What a network is told of one object, in px of the picture that it is shown.

    `points` (n, 2) float32 are (x, y) of pixels, the most telling first; `inside` (n,) bool says which lie on the
    object. `box` is (x0, y0, x1, y1). `mask` (side, side) float32 are logits over the network's own square, on the side
    that `Promptable.mask_side` names. Any of them may be missing: no points, no box, no mask.
    """

    points: FloatArray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    inside: Any = field(default_factory=lambda: np.zeros(0, np.bool_))
    box: tuple[float, float, float, float] | None = None
    mask: FloatArray | None = None


@dataclass(frozen=True)
class Embedding:
    """A picture as its network keeps it: `features` are the network's own, `square` says where the picture lies."""

    features: Any
    square: Square


@dataclass(frozen=True)
class Answer:
    """What a network makes of one prompt: several masks to choose from.

    `logits` (m, s, s) float32 over the network's square, object above 0; `scores` (m,) float32, what the network (or
    the masks' own stability, where its scores are known to be worthless) says of their quality, about 0 to 1.
    """

    logits: FloatArray
    scores: FloatArray


@runtime_checkable
class Promptable(Protocol):
    """A network that is shown a picture once and asked about it many times; safe to use from several threads.

    `side` is the side in px of the square that it was trained for. `mask_side` is the side of the logits that it takes
    as a prompt, 0 where it takes none. `most_points` is the number of points that it takes at once, a box counting as
    two; 0 for any. `exclusive` is True where a box and points are not understood together. `soft` is True where the
    logistic function of its logits is an alpha rather than a belief.
    """

    side: int
    mask_side: int
    most_points: int
    exclusive: bool
    soft: bool

    def place(self, width: int, height: int) -> Square:
        """Where a picture of this size lies in the network's square."""
        ...

    def embed(self, rgb: FloatArray) -> Embedding:
        """Look at a picture: (h, w, 3) float32 sRGB-encoded in [0, 1]."""
        ...

    def answer(self, embedding: Embedding, prompts: Sequence[Prompt]) -> list[Answer]:
        """One answer for each prompt; an answer does not depend on the other prompts."""
        ...
