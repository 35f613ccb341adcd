"""A station necklace: a thin cable chain laid in a loop, with stations, charms and a pendant along it."""

from __future__ import annotations

import numpy as np

from eval.synth import pieces as p
from eval.synth.mesh import Matrix, Points, brilliant, rotate, shifted, torus, translate
from eval.synth.spec import Arrangement, Part, View, moved, rest

LENGTH, WIDTH, WIRE = 0.235, 0.150, 0.036  # a chain link's outer measures and its wire, in centimetres
LEAN = 38.0  # links lie on the table leaning to either side in turn


def strand(rng: np.random.Generator) -> Points:
    """The loop (n, 3) that the chain lies in: pendant at the bottom, where it starts and ends, clasp at the top."""
    t = np.linspace(0.0, 2 * np.pi, 4000)
    wobble = sum(float(rng.normal(0, 0.10 / k)) * np.sin(k * t + float(rng.uniform(0, 6))) for k in (2, 3, 4))
    r = 1.0 + 0.02 * np.asarray(wobble) * np.sin(t / 2) ** 2
    x = 8.0 * np.sin(t) * (1 - 0.16 * np.cos(t)) * r
    y = -4.4 * np.cos(t) * r - 0.42 * np.cos(t / 2) ** 12 - 0.42 * np.cos(t / 2 + np.pi) ** 12
    return np.column_stack([x, y, np.zeros_like(t)])


def necklace(seed: int) -> Arrangement:
    """The whole necklace, seen from above."""
    rng = np.random.default_rng(seed)
    metal = ("gold", "rose", "silver")[int(rng.integers(3))]
    stone = ("emerald", "sapphire", "ruby", "amethyst")[int(rng.integers(4))]
    path = strand(rng)
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    total = float(s[-1])
    pitch = LENGTH - 2 * WIRE * 1.02
    items = _stations(total, metal, stone)
    link = p.link(LENGTH, WIDTH, WIRE)
    parts: list[Part] = []
    at, turn = 0.16, 0
    while at < total - 0.16:
        station = next((i for i in items if i[0] <= at < i[0] + i[1]), None)
        if station is not None:
            _, length, body = station
            parts += moved(body, _place(path, s, at + length / 2 - pitch / 2))
            at += length
            turn = 0
            continue
        lean = LEAN if turn % 2 == 0 else -LEAN
        lean += float(rng.normal(0, 4.0))
        parts.append(Part(link, metal, _place(path, s, at) @ rotate("x", lean)))
        at += pitch
        turn += 1
    # A ring joins the two ends, as wide as what the last whole link left open; the pendant hangs on it.
    end, begin = at - pitch + LENGTH / 2, total + 0.16 - LENGTH / 2
    joint = Part(torus((begin - end) / 2 + WIRE, 0.6 * WIRE, 96), metal)
    parts.append(joint.moved(_place(path, s, (end + begin) / 2 - (total if end + begin > 2 * total else 0.0))))
    parts += moved(_pendant(metal, stone), translate(0, float(path[0, 1]) - 0.10, 0))
    # The table lies under the chain, and bodies thicker than the chain sink to it: a link's lowest point decides.
    return Arrangement(tuple(_settle(parts)), View(elevation=90.0, fill=0.90))


def _settle(parts: list[Part]) -> list[Part]:
    """Lift what would reach below the table on its own; the rest stays at the chain's height."""
    floor = -0.5 * WIDTH * np.sin(np.radians(LEAN)) - 0.5 * WIRE
    out = []
    for part in parts:
        low = float(part.points()[:, 2].min())
        lift = max(0.0, floor - low)
        out.append(part.moved(translate(0, 0, lift - floor)))
    return out


def _place(path: Points, s: Points, at: float) -> Matrix:
    """Frame at arc length `at`: origin on the path, x along it."""
    here = np.array([np.interp(at, s, path[:, k]) for k in range(2)])
    ahead = np.array([np.interp(at + 0.01, s, path[:, k]) for k in range(2)])
    d = ahead - here
    return np.asarray(translate(here[0], here[1]) @ rotate("z", float(np.degrees(np.arctan2(d[1], d[0])))))


def _eyes(half: float, metal: str) -> list[Part]:
    """Rings at either end of a station that the neighbouring links hold on to."""
    eye = torus(0.048, 0.5 * WIRE, 48, 12)
    return [Part(eye, metal, translate(x, 0, 0) @ rotate("x", 52)) for x in (-half, half)]


def _stations(total: float, metal: str, stone: str) -> list[tuple[float, float, list[Part]]]:
    """(start, length, parts about their middle) along the chain, the same on both sides, and the clasp at the top."""
    kinds: list[tuple[float, float, list[Part]]] = []
    for n, share in enumerate((0.085, 0.155, 0.225, 0.30)):
        if n % 2 == 0:
            body, half = p.bead(0.20, "pearl", metal), 0.245
        else:
            body, half = _flat(p.bezel(0.17, stone if n == 1 else "diamond", metal)), 0.25
        length = 2 * half + 0.055
        for centre in (share * total, (1 - share) * total):
            kinds.append((centre - length / 2, length, body + _eyes(half, metal)))
    charm = [Part(torus(0.085, 0.024, 48), metal, translate(0, -0.10, 0) @ rotate("y", 50))]
    charm += moved(p.star(5, 0.42, 0.20, 0.030, metal), rotate("z", -90), translate(0, -0.60, 0))
    charm.append(Part(torus(0.085, 0.030, 48), metal))
    for centre in (0.053 * total, 0.947 * total):
        kinds.append((centre - 0.12, 0.24, charm + _eyes(0.105, metal)))
    ring = [*moved(p.hoop(0.19, 0.042, metal), rotate("z", 40)), *_eyes(0.255, metal)]
    kinds.append((0.5 * total - 0.28, 0.565, ring))
    return sorted(kinds, key=lambda k: k[0])


def _flat(parts: list[Part]) -> list[Part]:
    """Centre a piece that lies on z = 0 about the chain's height."""
    return moved(parts, translate(0, 0, -0.07))


def _pendant(metal: str, stone: str) -> list[Part]:
    """A bail, an openwork disc of 2.4 cm, small stones below it, and a pearl drop; hangs down from the origin."""
    bail = p.drop_loop(0.36, 0.20)
    parts = [p.wire(shifted(p.turned(bail, -90), 0, 0.12), 0.04, metal, closed=True)]
    parts += moved(rest(p.medallion(1.05, stone, metal, 12)), translate(0, -1.36, -0.06))
    parts.append(Part(torus(0.075, 0.026, 48), metal, translate(0, -2.50, 0) @ rotate("y", 55)))
    parts += moved(_flat(p.bezel(0.13, "diamond", metal)), translate(0, -2.74, 0))
    parts.append(Part(torus(0.075, 0.026, 48), metal, translate(0, -2.97, 0) @ rotate("y", 55)))
    parts += moved(p.bead(0.25, "pearl", metal), rotate("z", 90), translate(0, -3.27, 0))
    small = brilliant(0.055)
    for angle in np.linspace(-62, 62, 9):
        spot = rotate("z", float(angle)) @ translate(0, -1.05, 0.07)
        parts.append(Part(small, "diamond", translate(0, -1.36, -0.02) @ spot))
    return parts
