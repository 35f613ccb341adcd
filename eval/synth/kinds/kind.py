"""A kind of scene: what is made, how many lie there, and from where it is seen."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eval.synth.mesh import rotate, translate
from eval.synth.spec import Arrangement, Part, View, moved, rest

Rng = np.random.Generator
Span = tuple[float, float]

TABLE = (52.0, 90.0)  # elevations from which flat things are photographed
FRONT = (6.0, 38.0)  # and standing ones


@dataclass(frozen=True)
class Kind:
    """`make` draws one thing as it stands or lies; `several` is the chance that there are two to five of it.

    `turn` is the range in degrees that it is turned by about z, `elevation` that of the camera.
    """

    make: Callable[[Rng], list[Part]]
    elevation: Span = TABLE
    several: float = 0.25
    turn: Span = (0.0, 360.0)


def compose(name: str, kind: Kind, seed: int) -> Arrangement:
    """The scene of a kind, deterministic by name and seed."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    count = int(rng.integers(2, 6)) if rng.random() < kind.several else 1
    things = [rest(moved(kind.make(rng), rotate("z", float(rng.uniform(*kind.turn))))) for _ in range(count)]
    parts = [part for thing in _side_by_side(rng, things) for part in thing]
    view = View(
        elevation=float(rng.uniform(*kind.elevation)),
        azimuth=float(rng.uniform(-20, 20)),
        focal=float(rng.choice([50.0, 70.0, 85.0, 100.0, 135.0])),
        fill=float(rng.uniform(0.68, 0.95)),
    )
    return Arrangement(tuple(parts), view)


def _side_by_side(rng: Rng, things: list[list[Part]]) -> list[list[Part]]:
    """Things moved so that their boxes on the table keep clear of each other, row by row."""
    if len(things) == 1:
        return things
    columns = int(rng.integers(2, 4))
    out: list[list[Part]] = []
    y = 0.0
    for start in range(0, len(things), columns):
        row = things[start : start + columns]
        x, deep = float(rng.uniform(0, 0.4)), 0.0
        for thing in row:
            points = np.concatenate([p.points() for p in thing])
            (x0, y0), (x1, y1) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
            gap = float(rng.uniform(0.06, 0.35)) * max(x1 - x0, y1 - y0)
            out.append(moved(thing, translate(x - float(x0), y - float(y1) - 0.3 * gap)))
            x += float(x1 - x0) + gap
            deep = max(deep, float(y1 - y0) + gap)
        y -= deep
    return out
