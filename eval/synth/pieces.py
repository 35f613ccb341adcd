"""Pieces of jewellery that arrangements are put together from; each is a list of parts about its own origin."""

from __future__ import annotations

import math

import numpy as np

from eval.synth.materials import Material
from eval.synth.mesh import (
    Mesh,
    Points,
    ball,
    brilliant,
    cabochon,
    circle,
    revolve,
    rotate,
    round_ends,
    section,
    shifted,
    stadium,
    torus,
    transform,
    translate,
    tube,
)
from eval.synth.spec import Part, moved


def wire(path: Points, radius: float, material: str | Material, closed: bool = False, sides: int = 16) -> Part:
    """A round wire; open ends are rounded."""
    r: float | Points = radius if closed else round_ends(len(path), radius)
    return Part(tube(path, r, closed, sides), material)


def band(inner: float, width: float, thickness: float, metal: str | Material, square: float = 3.0) -> list[Part]:
    """A finger ring about z."""
    return [Part(revolve(section(width, thickness, inner, square=square), 320, closed=True), metal)]


def prong_setting(radius: float, stone: str | Material, metal: str | Material, prongs: int = 6) -> list[Part]:
    """A round stone held by claws over an open basket; the basket's foot is at z = 0."""
    girdle = 1.05 * radius
    parts = [Part(brilliant(radius), stone, translate(0, 0, girdle))]
    for height, r in ((0.40, 0.66), (0.78, 0.90)):
        parts.append(Part(torus(r * radius, 0.085 * radius), metal, translate(0, 0, height * girdle)))
    line = np.array([[0.40, 0, 0], [0.70, 0, 0.42], [0.98, 0, 0.80], [1.09, 0, 1.05], [1.04, 0, 1.22], [0.90, 0, 1.30]])
    claw = tube(smooth(line, 40) * [radius, radius, girdle], round_ends(40, 0.10 * radius, 0.10), sides=16)
    parts += [Part(claw, metal, rotate("z", 360 * (i + 0.5) / prongs)) for i in range(prongs)]
    return parts


def bezel(radius: float, stone: str | Material, metal: str | Material, faceted: bool = True) -> list[Part]:
    """A stone in a smooth collar lying on z = 0; brilliants show their crown, others are domed."""
    outer, height = 1.22 * radius, 0.55 * radius
    profile = [(0.0, 0.0), (outer * 0.97, 0.0), (outer, 0.03 * radius), (outer, height * 0.93), (outer * 0.97, height)]
    profile += [
        (0.97 * radius, height * 1.02),
        (0.93 * radius, height * 0.86),
        (0.9 * radius, 0.1 * radius),
        (0, 0.1 * radius),
    ]
    parts = [Part(revolve(np.array(profile), 96), metal)]
    if faceted:
        return [*parts, Part(brilliant(0.96 * radius), stone, translate(0, 0, 0.92 * height))]
    return [*parts, Part(cabochon(0.95 * radius, 0.62 * radius), stone, translate(0, 0, 0.6 * height))]


def smooth(points: Points, n: int) -> Points:
    """A Catmull-Rom curve (n, 3) through a few points, by arc of the parameter."""
    p = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    s = np.linspace(0.0, len(points) - 1.0, n)
    i = np.minimum(s.astype(int), len(points) - 2)
    t = (s - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    out = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.asarray(out, dtype=np.float64)


def link(length: float, width: float, thickness: float) -> Mesh:
    """One oval chain link in the plane z = 0; length and width are outer measures."""
    return tube(stadium(length - thickness, width - thickness, 48), thickness / 2, closed=True, sides=14)


def spiral(turns: float, start: float, end: float, n: int = 160) -> Points:
    """An Archimedean spiral (n, 3) from radius `start` to `end`."""
    a = np.linspace(0.0, 2 * np.pi * turns, n)
    r = np.linspace(start, end, n)
    return np.column_stack([r * np.cos(a), r * np.sin(a), np.zeros(n)])


def drop_loop(length: float, width: float, n: int = 120) -> Points:
    """A closed tear-drop (n, 3) with its tip at the origin and its belly at x = length."""
    a = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    x = length * (1 - np.cos(a)) / 2
    y = width / 2 * np.sin(a) * np.sin(a / 2) ** 1.3 * 1.25
    return np.column_stack([x, y, np.zeros(n)])


def twisted(path: Points, radius: float, pitch: float, metal: str | Material, closed: bool = True) -> list[Part]:
    """Two thin wires twisted round each other along a planar path; `pitch` is the length of a full turn."""
    step = np.linalg.norm(np.diff(path, axis=0, append=path[:1]), axis=1)
    length = float(step.sum() if closed else step[:-1].sum())
    turns = max(1, round(length / pitch))
    n = turns * 14
    at = np.linspace(0.0, length, n, endpoint=False)
    s = np.concatenate([[0.0], np.cumsum(step)])
    ring = np.vstack([path, path[:1]])
    line = np.column_stack([np.interp(at, s, ring[:, k]) for k in range(3)])
    d = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    side = np.column_stack([-d[:, 1], d[:, 0], np.zeros(n)])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    phase = 2 * np.pi * at / pitch * (turns * pitch / length)
    out = []
    for shift in (0.0, np.pi):
        c, z = np.cos(phase + shift)[:, None], np.sin(phase + shift)[:, None]
        out.append(wire(line + radius * (c * side + z * np.array([0.0, 0.0, 1.0])), radius, metal, closed, 10))
    return out


def hoop(radius: float, thickness: float, metal: str | Material) -> list[Part]:
    """A hoop earring lying flat, with its post and hinge."""
    a = np.linspace(0.06, 2 * np.pi - 0.06, 200)
    path = np.column_stack([radius * np.cos(a), radius * np.sin(a), np.zeros(len(a))])
    post = np.array([[radius, -0.12 * radius, 0], [radius * 1.005, 0, 0], [radius, 0.12 * radius, 0]])
    return [wire(path, thickness, metal), wire(smooth(post, 20), thickness * 0.35, metal)]


def stud(radius: float, stone: str | Material, metal: str | Material) -> list[Part]:
    """A stud earring on its side would hide its stone, so it lies on its back: a claw setting over a butterfly."""
    back = Part(torus(0.55 * radius, 0.10 * radius), metal, translate(0, 0, 0.1 * radius))
    return [back, *moved(prong_setting(radius, stone, metal, 4), translate(0, 0, 0.1 * radius))]


def bead(radius: float, material: str | Material, metal: str | Material) -> list[Part]:
    """A ball between two little caps, its bore along x."""
    rim = np.array([[0.42, 0.0], [0.40, 0.05], [0.18, 0.12], [0.14, 0.12], [0.14, 0.06], [0.36, -0.02]]) * radius
    cap = revolve(rim, 48, closed=True)
    parts = [Part(ball(radius, 96), material)]
    for turn in (90.0, -90.0):
        parts.append(Part(cap, metal, rotate("y", turn) @ translate(0, 0, 0.92 * radius)))
    return parts


def star(points: int, outer: float, inner: float, wire_radius: float, metal: str | Material) -> list[Part]:
    """An open star of wire with rounded corners."""
    a = np.arange(2 * points) * np.pi / points
    r = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    corners = np.column_stack([r * np.cos(a), r * np.sin(a), np.zeros(2 * points)])
    path = np.concatenate(
        [np.linspace(p, q, 24, endpoint=False) for p, q in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    )
    for _ in range(6):
        path = (np.roll(path, 1, axis=0) + 2 * path + np.roll(path, -1, axis=0)) / 4
    return [wire(path, wire_radius, metal, closed=True)]


def medallion(radius: float, stone: str | Material, metal: str | Material, spokes: int = 10) -> list[Part]:
    """An openwork disc: a beaded rim, a rosette of tear-drop loops, a stone in the middle, an eye at +y to hang by."""
    w = 0.035 * radius
    parts = [Part(torus(radius, 1.7 * w, 256), metal), Part(torus(0.40 * radius, 1.1 * w, 160), metal)]
    parts += moved(twisted(circle(0.885 * radius, 400), 0.55 * w, 7 * w, metal), translate(0, 0, 0.2 * w))
    loop = wire(shifted(drop_loop(0.50 * radius, 0.30 * radius), 0.385 * radius), w, metal, closed=True)
    grain = ball(1.5 * w, 32)
    for i in range(spokes):
        turn = rotate("z", 360 * i / spokes)
        half = rotate("z", 360 * (i + 0.5) / spokes)
        parts.append(loop.moved(turn))
        parts.append(Part(grain, metal, half @ translate(0.80 * radius, 0, 0)))
        parts.append(Part(grain, metal, turn @ translate(0.64 * radius, 0, 0)))
        bar = np.array([[0.42, 0, 0], [0.60, 0, 0], [0.79, 0, 0]]) * radius
        parts.append(wire(smooth(bar, 24), 0.6 * w, metal).moved(half))
    parts += moved(bezel(0.29 * radius, stone, metal), translate(0, 0, -2 * w))
    eye = Part(torus(0.10 * radius, 1.2 * w, 64), metal, translate(0, radius * 1.12, 0) @ rotate("y", 24))
    return [*parts, eye]


def hook(height: float, radius: float, metal: str | Material) -> list[Part]:
    """A fish-hook ear wire lying flat; its eye is at the origin and it rises along +y."""
    line = np.array(
        [
            [0, 0.05, 0],
            [0, 0.42, 0],
            [0.10, 0.78, 0],
            [0.34, 0.98, 0],
            [0.60, 0.84, 0],
            [0.68, 0.50, 0],
            [0.70, 0.10, 0],
            [0.76, -0.06, 0],
        ]
    )
    parts = [wire(smooth(line * height, 160), radius, metal)]
    parts.append(Part(torus(2.6 * radius, radius, 64), metal, translate(0, 0.05 * height - 2.4 * radius, 0)))
    coil = np.column_stack(
        [
            1.9 * radius * np.cos(np.linspace(0, 10 * np.pi, 160)),
            np.linspace(0.10, 0.24, 160) * height,
            1.9 * radius * np.sin(np.linspace(0, 10 * np.pi, 160)),
        ]
    )
    return [
        *parts,
        wire(coil, 0.7 * radius, metal, sides=10),
        Part(ball(2.4 * radius, 48), metal, translate(0, 0.29 * height, 0)),
    ]


def briolette(length: float, radius: float, stone: str | Material) -> Part:
    """A smooth tear-drop stone hanging along -y from the origin."""
    a = np.linspace(0.0, np.pi, 48)
    r = radius * np.sin(a) * np.sin(a / 2) ** 1.1 * 1.22
    z = -length * (1 - np.cos(a)) / 2
    profile = np.column_stack([r, z])[::-1]
    profile[[0, -1], 0] = 0.0
    return Part(revolve(profile, 96), stone, rotate("x", -90))


def turned(points: Points, degrees: float) -> Points:
    """A path turned about z."""
    return transform(points, rotate("z", degrees))


def full_turns(n: int) -> list[float]:
    """N evenly spaced angles in degrees, from 0."""
    return [math.degrees(2 * math.pi * i / n) for i in range(n)]
