"""The kinds of pieces that flat lays are composed of; each draws its own measures, metal and stone. Numpy alone.

Built from the pieces of `eval.synth`, but with measures of their own: no scene of data_samples is made again here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.synth import pieces as p
from eval.synth.mesh import Points, ball, circle, rotate, scale, torus, translate
from eval.synth.objects import METALS, STONES, pick, solitaire
from eval.synth.spec import Part, moved, rest

ALL_METALS = (*METALS, "gold_satin", "silver_satin", "steel_dark")
BALLS = ("pearl", "pearl_white", "turquoise", "onyx")

Rng = np.random.Generator


def lying_solitaire(rng: Rng) -> list[Part]:
    """A ring with a stone, on its side, leaning as far as its head allows."""
    ring = solitaire(rng, pick(rng, METALS), pick(rng, STONES), int(rng.integers(0, 8)))
    return moved(ring, rotate("z", float(rng.uniform(-6, 6))), rotate("x", float(rng.uniform(62, 88))))


def plain_band(rng: Rng) -> list[Part]:
    """A wedding band lying flat or leaning."""
    ring = p.band(
        float(rng.uniform(0.75, 1.0)),
        float(rng.uniform(0.18, 0.65)),
        float(rng.uniform(0.09, 0.22)),
        pick(rng, ALL_METALS),
        float(rng.uniform(2.2, 4.0)),
    )
    return moved(ring, rotate("x", float(rng.uniform(-25, 25)) if rng.random() < 0.4 else 0.0))


def twisted_ring(rng: Rng) -> list[Part]:
    """A ring of two twisted wires."""
    return p.twisted(
        circle(float(rng.uniform(0.7, 1.0)), 300),
        float(rng.uniform(0.05, 0.09)),
        float(rng.uniform(0.35, 0.7)),
        pick(rng, ALL_METALS),
    )


def stone_band(rng: Rng) -> list[Part]:
    """An eternity ring: a wire with domed stones all round, lying flat."""
    radius, metal, stone = float(rng.uniform(0.8, 1.0)), pick(rng, METALS), pick(rng, STONES)
    size = float(rng.uniform(0.07, 0.14))
    n = int(2 * np.pi * radius / (2.5 * size))
    parts = [Part(torus(radius, 0.8 * size), metal)]
    one = moved(p.bezel(size, stone, metal), rotate("y", 90), translate(radius + 0.3 * size, 0))
    for turn in p.full_turns(n):
        parts += moved(one, rotate("z", turn))
    return parts


def hoop(rng: Rng) -> list[Part]:
    """A hoop earring, from a thin wide one to a thick huggie."""
    radius = float(rng.uniform(0.35, 1.3))
    return p.hoop(radius, float(rng.uniform(0.03, 0.09)) if radius > 0.6 else 0.075, pick(rng, ALL_METALS))


def huggie(rng: Rng) -> list[Part]:
    """A small thick hoop."""
    radius = float(rng.uniform(0.32, 0.55))
    return p.hoop(radius, radius * float(rng.uniform(0.11, 0.26)), pick(rng, ALL_METALS))


def medallion(rng: Rng) -> list[Part]:
    """An openwork disc with an eye."""
    return p.medallion(float(rng.uniform(0.6, 1.2)), pick(rng, STONES), pick(rng, METALS), int(rng.integers(6, 14)))


def stud(rng: Rng) -> list[Part]:
    """A stud on its back, its stone up or a little aside."""
    one = p.stud(float(rng.uniform(0.15, 0.36)), pick(rng, STONES), pick(rng, METALS))
    return moved(one, rotate("x", float(rng.uniform(-22, 22))))


def round_ball(rng: Rng) -> list[Part]:
    """A loose pearl or ball."""
    return [Part(ball(float(rng.uniform(0.2, 0.45)), 96), pick(rng, (*BALLS, "pearl", "pearl_white")))]


def capped_bead(rng: Rng) -> list[Part]:
    """A bead between two caps."""
    return p.bead(float(rng.uniform(0.2, 0.4)), pick(rng, BALLS), pick(rng, METALS))


def drop(rng: Rng) -> list[Part]:
    """A tear-drop stone with an eye."""
    length = float(rng.uniform(0.7, 1.4))
    eye = torus(0.13, 0.028, 64)
    return [
        p.briolette(length, length * float(rng.uniform(0.24, 0.36)), pick(rng, STONES)),
        Part(eye, pick(rng, METALS), translate(0, 0.09, 0) @ rotate("y", float(rng.uniform(0, 60)))),
    ]


def bar(rng: Rng) -> list[Part]:
    """A straight or bent bar, with an eye at each end or at one."""
    half, w, metal = float(rng.uniform(0.6, 1.2)), float(rng.uniform(0.04, 0.11)), pick(rng, ALL_METALS)
    line = np.array([[-half, 0, 0], [0, float(rng.uniform(0, 0.3)) * (rng.random() < 0.4), 0.02], [half, 0, 0]])
    parts = [p.wire(p.smooth(line, 60), w, metal)]
    ends = ((-half - 0.12, half + 0.12), (half + 0.12,))[int(rng.integers(2))]
    return parts + [Part(torus(0.10, 0.025, 64), metal, translate(x, 0, 0)) for x in ends]


def charm(rng: Rng) -> list[Part]:
    """An open star of wire with an eye, three to eight points."""
    points, outer, metal = int(rng.integers(3, 9)), float(rng.uniform(0.5, 0.95)), pick(rng, ALL_METALS)
    parts = moved(
        p.star(points, outer, outer * float(rng.uniform(0.4, 0.75)), float(rng.uniform(0.035, 0.08)), metal),
        rotate("z", 90),
    )
    return [*parts, Part(torus(0.11, 0.03, 64), metal, translate(0, outer + 0.11, 0))]


def heart(rng: Rng) -> list[Part]:
    """An open heart of wire with an eye at its dent."""
    a = np.linspace(0.0, 2 * np.pi, 200, endpoint=False)
    size, metal = float(rng.uniform(0.035, 0.06)), pick(rng, ALL_METALS)
    y = 13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)
    path: Points = np.column_stack([16 * np.sin(a) ** 3, y, 0 * a]) * size
    eye = Part(torus(0.11, 0.03, 64), metal, translate(0, 5.0 * size + 0.12, 0))
    return [p.wire(path, float(rng.uniform(0.035, 0.08)), metal, closed=True), eye]


def leaf(rng: Rng) -> list[Part]:
    """Three to six tear-drops of wire about an eye."""
    metal, n, length = pick(rng, ALL_METALS), int(rng.integers(3, 7)), float(rng.uniform(0.6, 1.0))
    loop = p.wire(p.drop_loop(length, 0.45 * length), float(rng.uniform(0.025, 0.05)), metal, closed=True)
    parts = [loop.moved(rotate("z", turn) @ translate(0.1, 0)) for turn in p.full_turns(n)]
    return [*parts, Part(ball(0.14, 48), pick(rng, (*BALLS, metal)))]


def drop_earring(rng: Rng) -> list[Part]:
    """A fish hook with a bead under its eye."""
    size, metal, height = float(rng.uniform(0.17, 0.32)), pick(rng, METALS), float(rng.uniform(1.0, 1.7))
    radius = float(rng.uniform(0.026, 0.042))
    wire = p.hook(height, radius, metal)
    low = 0.05 * height - 4.8 * radius
    body = moved(p.bead(size, pick(rng, BALLS), metal), rotate("z", 90), translate(0, low - 1.05 * size, 0))
    return wire + body


def long_earring(rng: Rng) -> list[Part]:
    """A fish hook, an openwork disc and a smooth stone, as one."""
    metal, stone = pick(rng, METALS), pick(rng, STONES)
    size = float(rng.uniform(0.5, 0.8))
    parts = p.hook(float(rng.uniform(1.2, 1.9)), 0.042, metal)
    parts += moved(p.medallion(size, stone, metal, int(rng.integers(6, 10))), translate(0, -1.2 * size, 0))
    parts.append(Part(torus(0.12, 0.035, 64), metal, translate(0, -2.3 * size, 0) @ rotate("y", 60)))
    return [*parts, p.briolette(1.25 * size, 0.4 * size, stone).moved(translate(0, -2.42 * size, 0))]


def set_stone(rng: Rng) -> list[Part]:
    """A stone in a collar, faceted or domed; an oval one at times."""
    faceted = bool(rng.random() < 0.5)
    stone = pick(rng, STONES if faceted else ("onyx", "turquoise", "pearl_white", "onyx"))
    one = p.bezel(float(rng.uniform(0.25, 0.6)), stone, pick(rng, ALL_METALS), faceted)
    return moved(one, scale(1.0, float(rng.uniform(0.65, 1.0)) if rng.random() < 0.4 else 1.0, 1.0))


def chain(rng: Rng) -> list[Part]:
    """A short chain of open links, laid in an arc or closed to a bracelet."""
    metal, n = pick(rng, ALL_METALS), int(rng.integers(10, 26))
    length, closed = 0.30, bool(rng.random() < 0.4)
    pitch = length - 0.11
    bend = 360.0 / n if closed else float(rng.uniform(-14, 14))
    link = p.link(length, 0.19, 0.048)
    parts, x, y, heading = [], 0.0, 0.0, 0.0
    for i in range(n):
        place = translate(x, y) @ rotate("z", heading) @ rotate("x", 40.0 if i % 2 else -40.0)
        parts.append(Part(link, metal, place))
        heading += bend if closed else bend + float(rng.normal(0, 7))
        x += pitch * float(np.cos(np.radians(heading - bend / 2)))
        y += pitch * float(np.sin(np.radians(heading - bend / 2)))
    return parts


SHELF: dict[str, Callable[[Rng], list[Part]]] = {
    "solitaire": lying_solitaire,
    "band": plain_band,
    "hoop": hoop,
    "medallion": medallion,
    "stud": stud,
    "ball": round_ball,
    "huggie": huggie,
    "drop": drop,
    "bar": bar,
    "charm": charm,
    "drop_earring": drop_earring,
    "set_stone": set_stone,
    "bead": capped_bead,
    "heart": heart,
    "long_earring": long_earring,
    "leaf": leaf,
    "chain": chain,
    "twisted_ring": twisted_ring,
    "stone_band": stone_band,
}


def lay(kind: str, rng: Rng) -> list[Part]:
    """A piece of that kind, lying on the table about the origin, turned any way, its longest side 2 cm."""
    parts = moved(SHELF[kind](rng), rotate("z", float(rng.uniform(0, 360))))
    points = np.concatenate([part.points() for part in parts])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, span = (low + high) / 2, float((high - low)[:2].max())
    return rest(moved(parts, translate(-float(middle[0]), -float(middle[1])), scale(2.0 / span)))
