"""The kinds of scenes: which pieces, where they lie, and from where they are seen. Deterministic by seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.synth import necklace, vessels
from eval.synth import pieces as p
from eval.synth.mesh import ball, brilliant, circle, rotate, shifted, torus, translate
from eval.synth.spec import Arrangement, Part, View, moved, rest

METALS = ("gold", "rose", "silver", "platinum")
STONES = ("diamond", "sapphire", "emerald", "ruby", "amethyst")


_STEM = np.array([[2.00, 0, 0], [1.99, 0.10, 0], [2.04, 0.24, 0], [2.14, 0.34, 0]])


def pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    """One of the options, by the generator."""
    return options[int(rng.integers(len(options)))]


def solitaire(rng: np.random.Generator, metal: str, stone: str, pave: int = 6) -> list[Part]:
    """A ring about the y axis, its stone on top (+z); `pave` small stones on either shoulder."""
    inner, thickness, width = 0.84, 0.16, 0.21
    size = float(rng.uniform(0.30, 0.36))
    parts = moved(p.band(inner, width, thickness, metal, 2.6), rotate("x", 90))
    head = moved(p.prong_setting(size, stone, metal), rotate("z", 15), translate(0, 0, inner + 0.75 * thickness))
    parts += head
    small = 0.062
    claw = ball(0.020, 24)
    for side in (-1, 1):
        for i in range(pave):
            angle = side * (22.0 + 8.2 * i)
            turn = rotate("y", angle)
            parts.append(Part(brilliant(small), "diamond", turn @ translate(0, 0, inner + thickness + 0.006)))
            for across in (-1, 1):
                between = rotate("y", angle + side * 4.1)
                parts.append(Part(claw, metal, between @ translate(0, across * 0.045, inner + thickness)))
    return parts


def ring(seed: int) -> Arrangement:
    """A solitaire standing upright and a plain band lying before it."""
    rng = np.random.default_rng(seed)
    metal = pick(rng, METALS)
    parts = moved(rest(solitaire(rng, metal, "diamond")), rotate("z", float(rng.uniform(18, 30))))
    plain = rest(p.band(0.92, float(rng.uniform(0.30, 0.42)), 0.15, metal))
    parts += moved(plain, translate(float(rng.uniform(1.25, 1.5)), float(rng.uniform(-1.5, -1.2))))
    return Arrangement(tuple(parts), View(elevation=27.0, azimuth=float(rng.uniform(-4, 4)), fill=0.74))


def filigree(seed: int) -> Arrangement:
    """A brooch of wire: rims, scrolls and loops about a stone, pearls around; many holes."""
    rng = np.random.default_rng(seed)
    metal, n, w = pick(rng, ("silver", "gold", "rose")), int(rng.integers(8, 11)), 0.035
    parts = [
        p.wire(circle(2.30, 400), 1.3 * w, metal, closed=True),
        p.wire(circle(1.02, 240), 1.2 * w, metal, closed=True),
    ]
    parts += moved(p.twisted(circle(2.17, 500), 0.6 * w, 8 * w, metal), translate(0, 0, 0.3 * w))
    parts += moved(p.twisted(circle(0.91, 300), 0.5 * w, 7 * w, metal), translate(0, 0, 0.3 * w))
    a = np.linspace(0, 2 * np.pi, 900, endpoint=False)
    wave = 2.58 + 0.25 * np.cos(2 * n * a)
    parts.append(p.wire(np.column_stack([wave * np.cos(a), wave * np.sin(a), 0 * a]), w, metal, closed=True))
    petal = p.wire(shifted(p.drop_loop(1.10, 0.56), 1.04), w, metal, closed=True)
    inner = p.wire(shifted(p.drop_loop(0.62, 0.24), 1.20, 0, 0.01), 0.7 * w, metal, closed=True)
    # A spiral whose outer end runs out to the rim, so that it hangs on something.
    curl = p.wire(np.vstack([shifted(p.spiral(2.0, 0.045, 0.28, 220), 1.72), p.smooth(_STEM, 40)[2:]]), 0.8 * w, metal)
    grain, pearl = ball(1.9 * w, 40), ball(0.155, 96)
    for turn in p.full_turns(n):
        here, half = rotate("z", turn), rotate("z", turn + 180.0 / n)
        parts += [petal.moved(here), inner.moved(here), curl.moved(half)]
        parts.append(Part(grain, metal, half @ translate(1.36, 0, 0)))
        parts.append(
            p.wire(p.smooth(np.array([[1.04, 0, 0], [1.2, 0, 0.02], [1.34, 0, 0]]), 20), 0.7 * w, metal).moved(half)
        )
        parts.append(Part(pearl, "pearl", here @ translate(2.96, 0, 0.02)))
        parts.append(Part(torus(0.135, 0.6 * w, 80), metal, here @ translate(2.96, 0, -0.07)))
        parts.append(Part(grain, metal, half @ translate(2.33 + 0.06, 0, 0.0)))
    parts += moved(p.bezel(0.46, pick(rng, STONES), metal), translate(0, 0, -w))
    spoke = p.wire(p.smooth(np.array([[0.50, 0, 0], [0.70, 0, 0.05], [0.90, 0, 0]]), 30), w, metal)
    parts += [spoke.moved(rotate("z", t)) for t in p.full_turns(n)]
    tilt = View(elevation=float(rng.uniform(74, 80)), fill=0.84)
    return Arrangement(tuple(rest(moved(parts, rotate("z", float(rng.uniform(0, 30)))))), tilt)


def flatlay(seed: int) -> Arrangement:
    """A dozen small pieces on a loose grid, seen from above."""
    rng = np.random.default_rng(seed)
    shelf = _shelf(rng)
    order = rng.permutation(len(shelf))
    columns, gap = 4, 3.0
    parts: list[Part] = []
    for slot, n in enumerate(order):
        x, y = (slot % columns) * gap, -(slot // columns) * gap
        place = translate(x + float(rng.uniform(-0.28, 0.28)), y + float(rng.uniform(-0.28, 0.28)))
        parts += moved(rest(shelf[n]), rotate("z", float(rng.uniform(-50, 50))), place)
    return Arrangement(tuple(parts), View(elevation=86.0, fill=0.88))


def _shelf(rng: np.random.Generator) -> list[list[Part]]:
    """Twelve pieces, none wider than about 2.2 cm."""
    metal, other = pick(rng, ("gold", "rose")), pick(rng, ("silver", "platinum"))
    lying = moved(solitaire(rng, other, pick(rng, STONES), 4), rotate("x", 78))
    drop = [
        p.briolette(1.0, 0.30, "amethyst"),
        Part(torus(0.13, 0.028, 64), metal, translate(0, 0.09, 0) @ rotate("y", 30)),
    ]
    pair = moved(p.stud(0.24, "diamond", other), translate(-0.42, 0.1, 0)) + moved(
        p.stud(0.24, "diamond", other), translate(0.42, -0.1, 0)
    )
    pearls = [
        Part(ball(0.30, 96), "pearl", translate(-0.45, 0, 0)),
        Part(ball(0.30, 96), "pearl", translate(0.45, 0.1, 0)),
    ]
    huggies = moved(p.hoop(0.42, 0.075, metal), translate(-0.52, 0, 0)) + moved(
        p.hoop(0.42, 0.075, metal), translate(0.52, 0.15, 0)
    )
    bar = [p.wire(p.smooth(np.array([[-0.95, 0, 0], [0, 0, 0.02], [0.95, 0, 0]]), 60), 0.07, other)]
    bar += [Part(torus(0.10, 0.025, 64), other, translate(x, 0, 0)) for x in (-1.07, 1.07)]
    charm = moved(p.star(5, 0.80, 0.40, 0.055, metal), rotate("z", 18))
    charm.append(Part(torus(0.11, 0.03, 64), metal, translate(0, 0.92, 0)))
    drops = moved(p.hook(1.3, 0.032, other), translate(0, 0.2, 0)) + moved(
        p.bead(0.26, "turquoise", other), rotate("z", 90), translate(0, -0.26, 0)
    )
    return [
        lying,
        p.band(0.86, 0.42, 0.15, metal),
        p.hoop(0.98, 0.06, metal),
        p.medallion(0.85, pick(rng, STONES), metal),
        pair,
        pearls,
        huggies,
        drop,
        bar,
        charm,
        drops,
        moved(p.bezel(0.48, "onyx", metal, faceted=False), translate(0, 0, 0)),
    ]


def earrings(seed: int) -> Arrangement:
    """A pair of drop earrings on fish hooks: thin wires, an openwork disc, a smooth stone."""
    rng = np.random.default_rng(seed)
    metal, stone = pick(rng, METALS), pick(rng, ("amethyst", "emerald", "ruby", "sapphire"))
    one = p.hook(1.9, 0.042, metal)
    disc = moved(p.medallion(0.80, stone, metal, 8), translate(0, -0.98, 0))
    eye = Part(torus(0.12, 0.035, 64), metal, translate(0, -1.86, 0) @ rotate("y", 60))
    drop = p.briolette(1.25, 0.34, stone).moved(translate(0, -1.96, 0))
    one = rest([*one, *disc, eye, drop])
    # Hooks outwards, one piece turned more than the other, as laid by hand.
    flip = moved(one, rotate("z", float(rng.uniform(2, 6))), translate(1.05, 0))
    parts = moved(
        moved(one, np.diag([-1.0, 1.0, 1.0, 1.0])), rotate("z", float(rng.uniform(6, 11))), translate(-1.2, -0.1)
    )
    parts += flip
    return Arrangement(tuple(parts), View(elevation=82.0, fill=0.84))


KINDS: dict[str, Callable[[int], Arrangement]] = {
    "ring": ring,
    "necklace": necklace.necklace,
    "pearls": vessels.pearls,
    "cup": vessels.cup,
    "filigree": filigree,
    "flatlay": flatlay,
    "earrings": earrings,
}
