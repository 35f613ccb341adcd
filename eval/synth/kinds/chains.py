"""Chains: many kinds of links, and many ways to lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import Kind, Rng
from eval.synth.materials import Material
from eval.synth.mesh import Matrix, Mesh, Points, at_point, ball, circle, rotate, stadium, torus, translate, tube, unit
from eval.synth.spec import Part

Strand = Callable[[Rng, Points, bool], list[Part]]


def frames(path: Points, step: float, closed: bool) -> list[Matrix]:
    """Placements every `step` along a path: x along it, z as upright as it goes."""
    here, along = shapes.at_lengths(path, step, closed)
    out = []
    for spot, x in zip(here, along, strict=True):
        up = np.array([0.0, 0.0, 1.0]) if abs(x[2]) < 0.95 else np.array([0.0, 1.0, 0.0])
        y = unit(np.cross(up, x))
        m = np.eye(4)
        m[:3, 0], m[:3, 1], m[:3, 2], m[:3, 3] = x, y, np.cross(x, y), spot
        out.append(m)
    return out


def linked(
    mesh: Mesh, metal: Material, path: Points, closed: bool, pitch: float, rolls: tuple[float, ...]
) -> list[Part]:
    """Copies of a link along a path, rolled in turn."""
    places = frames(path, pitch, closed)
    if closed:
        places = places[: len(places) // len(rolls) * len(rolls)]
    return [Part(mesh, metal, m @ rotate("x", rolls[i % len(rolls)])) for i, m in enumerate(places)]


def cable(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """Round or long oval links, each square to the next, leaning to either side."""
    metal, w = palette.metal(rng), float(rng.uniform(0.018, 0.04))
    length = w * float(rng.uniform(5.5, 11))
    link = p.link(length, w * float(rng.uniform(4.4, 5.5)), w)
    lean = float(rng.uniform(35, 52))
    return linked(link, metal, path, closed, length - 2.1 * w, (lean, lean - 90))


def curb(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """Flat twisted links that lie close."""
    metal, w = palette.metal(rng), float(rng.uniform(0.03, 0.07))
    a = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    line = stadium(5.2 * w, 3.6 * w, 60)
    line[:, 2] = 0.5 * w * np.sin(2 * a)
    link = tube(line, 0.5 * w, closed=True, sides=12)
    return linked(link, metal, path, closed, 2.7 * w, (float(rng.uniform(20, 35)),))


def figaro(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """Two or three short links and a long one in turn."""
    metal, w = palette.metal(rng), float(rng.uniform(0.025, 0.045))
    short, long = p.link(5.2 * w, 4.4 * w, w), p.link(11 * w, 4.6 * w, w)
    many = int(rng.integers(2, 4))
    parts: list[Part] = []
    done, i = 0.0, 0
    places = frames(path, 0.3 * w, closed)
    while True:
        mesh, length = (long, 11 * w) if i % (many + 1) == many else (short, 5.2 * w)
        slot = round((done + length / 2 - w) / (0.3 * w))
        if slot >= len(places):
            return parts
        parts.append(Part(mesh, metal, places[slot] @ rotate("x", 40 if i % 2 else -40)))
        done, i = done + length - 2.05 * w, i + 1


def box(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """Square links of strip, each square to the next."""
    metal, s = palette.metal(rng), float(rng.uniform(0.06, 0.14))
    a = shapes.superellipse(7.0, 1.0, 48) * s / 2
    line = np.column_stack([a, np.zeros(len(a))])
    link = shapes.ribbon(line, np.array([0.0, 0.0, 1.0]), 0.42 * s, 0.16 * s, closed=True)
    return linked(link, metal, path, closed, 0.62 * s, (45.0, -45.0))


def rope(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """Links that wind round the path like the strands of a rope."""
    metal, w = palette.metal(rng), float(rng.uniform(0.02, 0.04))
    link = torus(2.3 * w, 0.55 * w, 40, 10)
    step = float(rng.uniform(26, 34))
    out = []
    for i, m in enumerate(frames(path, 0.75 * w, closed)):
        out.append(Part(link, metal, m @ rotate("x", step * i) @ translate(0, 0.85 * w) @ rotate("y", 52)))
    return out


def beads(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """A ball chain: balls with a short wire between."""
    metal, r = palette.metal(rng), float(rng.uniform(0.06, 0.14))
    one = ball(r, 40)
    parts = [Part(one, metal, m) for m in frames(path, 2.35 * r, closed)]
    return [*parts, p.wire(path, 0.22 * r, metal, closed, 8)]


def snake(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """A smooth supple tube of rings set close."""
    metal, r = palette.metal(rng), float(rng.uniform(0.05, 0.11))
    ring = torus(0.72 * r, 0.30 * r, 40, 10)
    parts = [Part(ring, metal, m @ rotate("y", 90)) for m in frames(path, 0.46 * r, closed)]
    return [*parts, p.wire(path, 0.75 * r, metal, closed, 16)]


def stones(rng: Rng, path: Points, closed: bool) -> list[Part]:
    """Bezels or beads of stone joined by little rings."""
    metal, r = palette.metal(rng), float(rng.uniform(0.14, 0.28))
    gem = palette.opaque_stone(rng) if rng.random() < 0.6 else palette.pearl(rng)
    one, ring = shapes.pebble(rng, r, 0.06, 0.4, 1, 60), torus(0.28 * r, 0.09 * r, 32, 10)
    parts: list[Part] = []
    for i, m in enumerate(frames(path, 1.32 * r, closed)):
        parts.append(Part(one, gem, m) if i % 2 else Part(ring, metal, m @ rotate("x", 55)))
    return [*parts, p.wire(path, 0.06 * r, metal, closed, 8)]


STRANDS: dict[str, Strand] = {
    "cable": cable,
    "curb": curb,
    "figaro": figaro,
    "box": box,
    "rope": rope,
    "beads": beads,
    "snake": snake,
    "stones": stones,
}


def lifted(path: Points, width: float) -> Points:
    """A flat path (n, 3) whose later stretches climb over the earlier ones where they cross."""
    n = len(path)
    step = float(np.linalg.norm(path[1] - path[0]))
    apart = int(2.5 * width / step) + 1
    height = np.zeros(n)
    for i in range(apart, n):
        near = np.linalg.norm(path[: i - apart, :2] - path[i, :2], axis=1)
        under = near < 1.3 * width
        if under.any():
            height[i] = float(height[: i - apart][under].max()) + width
    reach = np.arange(-3 * apart, 3 * apart + 1) / (1.2 * apart)
    bell = np.exp(-(reach**2))
    wide = np.array([(height[max(0, i - apart) : i + apart + 1]).max() for i in range(n)])
    soft = np.convolve(np.pad(wide, 3 * apart, mode="edge"), bell / bell.sum(), mode="valid")
    return np.column_stack([path[:, 0], path[:, 1], np.maximum(soft, height * 0.9)])


def even(path: Points, n: int) -> Points:
    """The path again with n points at even distances."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0.0, float(s[-1]), n)
    return np.column_stack([np.interp(at, s, path[:, k]) for k in range(3)])


def straight(rng: Rng) -> tuple[Points, bool]:
    """Laid out, almost in a line."""
    return shapes.wander(rng, 600, float(rng.uniform(5, 9)), 0.5, 0.0), False


def looped(rng: Rng) -> tuple[Points, bool]:
    """A closed loop, dented."""
    a = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    r = np.ones_like(a)
    for k in (2, 3, 4):
        r += float(rng.normal(0, 0.16 / k)) * np.cos(k * a + float(rng.uniform(0, 6.3)))
    size, flat = float(rng.uniform(1.6, 3.2)), float(rng.uniform(0.5, 1.0))
    return np.column_stack([size * r * np.cos(a), flat * size * r * np.sin(a), 0 * a]), True


def crossing(rng: Rng) -> tuple[Points, bool]:
    """Thrown down in curls that cross themselves."""
    n, length = 900, float(rng.uniform(10, 17))
    s = np.linspace(0, 1, n)
    turns = float(rng.choice([-1.0, 1.0])) * float(rng.uniform(1.2, 2.8)) * 2 * np.pi
    angle = turns * s + 1.6 * np.sin(2 * np.pi * float(rng.uniform(1, 3)) * s + float(rng.uniform(0, 6)))
    path = np.cumsum(np.column_stack([np.cos(angle), np.sin(angle), 0 * s]), axis=0) * length / n
    return lifted(path, 0.22), False


def hanging(rng: Rng) -> tuple[Points, bool]:
    """A U that hangs in the air from beyond, seen from the front."""
    x = np.linspace(-1, 1, 600)
    half, sag = float(rng.uniform(1.4, 2.6)), float(rng.uniform(1.5, 3.5))
    z = sag * (np.cosh(2.2 * x) - 1) / (np.cosh(2.2) - 1)
    return np.column_stack([half * x, 0.05 * np.sin(3 * x), z + 0.4]), False


def strand(rng: Rng, names: tuple[str, ...], lay: Callable[[Rng], tuple[Points, bool]]) -> list[Part]:
    """One of the strands, laid one of the ways; an open one has rings at its ends, at times a clasp."""
    path, closed = lay(rng)
    path = path if closed else even(path, len(path))
    parts = STRANDS[names[int(rng.integers(len(names)))]](rng, path, closed)
    if not closed:
        metal = parts[0].material
        for end in (path[0], path[-1]):
            parts.append(Part(torus(0.11, 0.025, 48, 12), metal, at_point(end) @ rotate("x", 30)))
    return parts


def hung(rng: Rng, names: tuple[str, ...]) -> list[Part]:
    """A hanging strand with a drop or a disc at its lowest point, its ends on two pins."""
    path, _ = hanging(rng)
    path = even(path, 600)
    parts = STRANDS[names[int(rng.integers(len(names)))]](rng, path, False)
    metal = parts[0].material
    low = path[int(path[:, 2].argmin())]
    for end in (path[0], path[-1]):
        pin = np.array([[end[0], 0.5, end[2] + 0.06], [end[0], 0.0, end[2]], [end[0], -0.4, end[2] + 0.05]])
        parts.append(p.wire(p.smooth(pin, 30), 0.05, palette.metal(rng)))
    if rng.random() < 0.7:
        parts.append(
            Part(torus(0.12, 0.025, 48, 12), metal, translate(low[0], low[1], low[2] - 0.12) @ rotate("y", 90))
        )
        body = p.briolette(0.8, 0.26, "diamond").mesh if rng.random() < 0.5 else torus(0.36, 0.05, 90, 14)
        turn = rotate("x", 90) if rng.random() < 0.9 else rotate("x", 80)
        lower = low[2] - 0.22 if len(body.vertices) > 2000 else low[2] - 0.58
        gem = palette.stone(rng) if rng.random() < 0.6 else metal
        parts.append(Part(body, gem, translate(low[0], low[1], lower) @ turn))
    return parts


def tassel(rng: Rng) -> list[Part]:
    """Several short thin chains from one ring."""
    parts = []
    metal = palette.metal(rng)
    for i in range(int(rng.integers(4, 9))):
        angle = -1.57 + 0.16 * (i - 3.5) + float(rng.normal(0, 0.05))
        s = np.linspace(0.12, float(rng.uniform(2.0, 3.2)), 200)
        bend = float(rng.normal(0, 0.12)) * s**2
        path = np.column_stack(
            [s * np.cos(angle) - bend * np.sin(angle), s * np.sin(angle) + bend * np.cos(angle), 0 * s]
        )
        parts += [Part(q.mesh, metal, q.matrix) for q in (cable if rng.random() < 0.5 else beads)(rng, path, False)]
    return [*parts, Part(torus(0.16, 0.04, 64, 14), metal), p.wire(circle(0.16, 60), 0.03, metal, closed=True)]


TRAINED = ("cable", "curb", "figaro", "box", "beads", "stones")


KINDS = {
    "chain_straight": Kind(lambda r: strand(r, TRAINED, straight), several=0.4),
    "chain_looped": Kind(lambda r: strand(r, TRAINED, looped), several=0.1),
    "chain_crossing": Kind(lambda r: strand(r, TRAINED, crossing), several=0.1),
    "chain_hanging": Kind(lambda r: hung(r, TRAINED), (2.0, 14.0), 0.0, (-25.0, 25.0)),
    "tassel": Kind(tassel),
    "rope_chain": Kind(lambda r: strand(r, ("rope",), (straight, looped, crossing)[int(r.integers(3))]), several=0.2),
    "snake_chain": Kind(lambda r: strand(r, ("snake",), (looped, crossing)[int(r.integers(2))]), several=0.1),
}
