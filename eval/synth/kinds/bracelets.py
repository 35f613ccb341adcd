"""Watches, link bracelets, bangles and cuffs."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.chains import even, frames
from eval.synth.kinds.kind import Kind, Rng
from eval.synth.materials import Material
from eval.synth.mesh import Mesh, Points, ball, brilliant, circle, grid_faces, rotate, scale, shifted, torus, translate
from eval.synth.spec import Part, moved


def wrist(rng: Rng, gap: float = 0.0) -> Points:
    """The closed oval (n, 3) of a wrist about y, its top at z = 0; `gap` opens it at the bottom, in radians."""
    a = np.linspace(np.pi / 2 + gap / 2, 2.5 * np.pi - gap / 2, 900) + np.pi
    flat = float(rng.uniform(0.8, 0.95))
    path = np.column_stack([2.9 * np.cos(a), 0 * a, 2.9 * flat * np.sin(a)])
    return path - [0, 0, 2.9 * flat]


def plates(rng: Rng, path: Points, wide: float, metal: Material, other: Material) -> list[Part]:
    """Rows of flat links across a band that follows a path in the plane y = 0."""
    pitch, n = float(rng.uniform(0.35, 0.8)), int(rng.choice([1, 3, 5]))
    each = wide / n
    link = shapes.box(0.86 * pitch, 0.94 * each, 0.22, 0.06)
    pin = p.wire(
        np.column_stack([np.zeros(12), np.linspace(-0.47 * wide, 0.47 * wide, 12), np.full(12, 0.11)]), 0.07, metal
    )
    here, along = shapes.at_lengths(path, pitch)
    parts: list[Part] = []
    for i, (spot, x) in enumerate(zip(here, along, strict=True)):
        m = np.eye(4)
        m[:3, 0], m[:3, 1], m[:3, 2], m[:3, 3] = x, (0, 1, 0), np.cross(x, (0, 1, 0)), spot
        for k in range(n):
            shift = 0.5 * pitch * (k % 2) if n > 1 else 0.0
            place = m @ translate(shift, (k - (n - 1) / 2) * each, -0.11)
            parts.append(Part(link, other if k % 2 else metal, place))
        parts.append(Part(pin.mesh, metal, m @ translate(0.5 * pitch, 0, -0.11)))
        if i == len(here) - 1:
            break
    return parts


def strap(path: Points, wide: float, material: Material) -> list[Part]:
    """A leather or rubber band that narrows away from the case."""
    s = np.linspace(0, 1, len(path))
    return [
        Part(shapes.ribbon(path, np.array([0.0, 1.0, 0.0]), wide * (0.82 + 0.36 * np.abs(s - 0.5)), 0.24), material)
    ]


def dial(rng: Rng, r: float, case: Material) -> list[Part]:
    """A watch's head on z = 0: case, bezel, dial, marks, hands, crown, lugs. No glass."""
    face = palette.plastic(rng) if rng.random() < 0.7 else palette.enamel(rng)
    outline = shapes.superellipse(2.0 if rng.random() < 0.75 else 6.0, 1.0, 128)
    parts = [Part(shapes.loft(shapes.rounded(0.72, 0.12, r), outline), case)]
    ring = np.array([[0.82 * r, 0.7], [0.97 * r, 0.7], [0.93 * r, 0.86], [0.85 * r, 0.86]])
    loop = np.vstack([ring])
    parts.append(Part(band_of(loop, outline), case if rng.random() < 0.6 else palette.enamel(rng)))
    parts.append(Part(shapes.loft(shapes.rounded(0.04, 0.01, 0.84 * r), outline), face, translate(0, 0, 0.7)))
    mark = shapes.box(0.2 * r, 0.05 * r, 0.05, 0.01)
    for t in p.full_turns(12):
        parts.append(Part(mark, case, rotate("z", t) @ translate(0.68 * r, 0, 0.74)))
    for length, width, turn in ((0.5, 0.07, 30.0), (0.72, 0.05, 150.0), (0.75, 0.02, 260.0)):
        hand = shapes.box(length * r, width * r, 0.03, 0.01)
        parts.append(
            Part(hand, case, rotate("z", turn + float(rng.uniform(-60, 60))) @ translate(length * r / 2.4, 0, 0.78))
        )
    parts.append(
        Part(
            shapes.loft(shapes.rounded(0.34, 0.05, 0.2 * r), shapes.superellipse(n=48)),
            case,
            translate(0, r * 0.98, 0.36) @ rotate("x", -90),
        )
    )
    for x in (-1, 1):
        for y in (-0.55, 0.55):
            parts.append(
                Part(
                    shapes.box(0.7 * r, 0.22 * r, 0.34, 0.1),
                    case,
                    translate(x * 1.0 * r, y * r, 0.12) @ rotate("y", x * 14),
                )
            )
    return parts


def band_of(section: Points, outline: Points) -> Mesh:
    """A ring whose closed section (m, 2) follows an outline (k, 2)."""
    k = len(outline)
    rows = [np.column_stack([outline * r, np.full(k, z)]) for r, z in section]
    return Mesh(np.concatenate(rows), tuple(grid_faces(len(rows), k, closed_rows=True)))


def watch(rng: Rng) -> list[Part]:
    """A wrist watch on its closed band, standing on its side, or opened and laid flat."""
    case, r = palette.metal(rng), float(rng.uniform(1.3, 2.1))
    metal_band = rng.random() < 0.6
    wide = 1.1 * r
    if rng.random() < 0.55:
        path = wrist(rng, float(rng.uniform(0.1, 0.5)))
        top = float(np.argmin(np.abs(path[:, 2] - path[:, 2].max())))
        keep = np.hypot(path[:, 0], path[:, 2] - 0) > 1.15 * r
        halves = [path[: int(top)][keep[: int(top)]], path[int(top) :][keep[int(top) :]]]
    else:
        x = np.linspace(1.1 * r, 1.1 * r + float(rng.uniform(5, 8)), 300)
        halves = [np.column_stack([s * x, 0 * x, 0 * x + 0.2]) for s in (-1, 1)]
    parts = dial(rng, r, case)
    leather = palette.plastic(rng) if rng.random() < 0.5 else palette.cloth(rng)
    other = palette.metal(rng)
    for half in halves:
        parts += plates(rng, half, wide, case, other) if metal_band else strap(half, wide, leather)
    return moved(parts, rotate("x", float(rng.choice([0.0, 80.0, 90.0]))))


def link_bracelet(rng: Rng) -> list[Part]:
    """A band of flat links, closed and lying on its edge, or laid out straight."""
    metal = palette.metal(rng)
    other = palette.metal(rng) if rng.random() < 0.4 else metal
    wide = float(rng.uniform(0.6, 1.8))
    if rng.random() < 0.6:
        return moved(plates(rng, wrist(rng), wide, metal, other), rotate("x", float(rng.choice([90.0, 90.0, 0.0]))))
    x = np.linspace(-5, 5, 400)
    return plates(rng, np.column_stack([x, 0 * x, 0.1 * np.sin(x)]), wide, metal, other)


def bangle(rng: Rng) -> list[Part]:
    """One to four closed rings of an arm's width: round, square, twisted, enamelled; leaning."""
    parts: list[Part] = []
    z = 0.0
    for _ in range(int(rng.integers(1, 5))):
        metal, r, w = palette.metal(rng), float(rng.uniform(2.8, 3.3)), float(rng.uniform(0.05, 0.4))
        how = rng.random()
        if how < 0.4:
            one = [Part(torus(r, 0.5 * w, 200, 18), metal)]
        elif how < 0.7:
            one = [
                Part(p.band(r, 2.5 * w, 0.14, metal, 4.0)[0].mesh, metal if rng.random() < 0.6 else palette.enamel(rng))
            ]
        else:
            one = p.twisted(circle(r, 400), 0.4 * w, 3.5 * w, metal)
        high = max(float(q.points()[:, 2].max()) for q in one)
        tilt = rotate("x", float(rng.uniform(0, 7)) if parts else 0.0)
        parts += moved(one, tilt, translate(float(rng.normal(0, 0.4)), float(rng.normal(0, 0.4)), z + high))
        z += 2 * high + 0.02
    return parts


def cuff(rng: Rng) -> list[Part]:
    """An open cuff: a plate, several wires side by side, or a strip with cut-out rows of stones."""
    metal, wide = palette.metal(rng), float(rng.uniform(0.6, 4.0))
    path = wrist(rng, float(rng.uniform(0.5, 1.1)))[::4]
    if rng.random() < 0.5:
        parts = [Part(shapes.ribbon(path, np.array([0.0, 1.0, 0.0]), wide, 0.14), metal)]
    else:
        n = int(rng.integers(3, 9))
        rows = np.linspace(-wide / 2, wide / 2, n)
        parts = [p.wire(shifted(path, 0, y), 0.06, metal) for y in rows]
        for end in (path[0], path[-1], path[len(path) // 2]):
            bar = np.column_stack([np.full(12, end[0]), np.linspace(-wide / 2, wide / 2, 12), np.full(12, end[2])])
            parts.append(p.wire(bar, 0.08, metal))
    if rng.random() < 0.5:
        gem = palette.opaque_stone(rng)
        parts.append(Part(shapes.pebble(rng, 0.6, 0.05, 0.4, 1, 80), gem, scale(1, 1, 0.5)))
    return moved(parts, rotate("x", float(rng.choice([0.0, 90.0]))))


def tennis(rng: Rng) -> list[Part]:
    """A bracelet of set stones, or of hinged bars, thrown down in a curve or closed."""
    metal, gem, r = palette.metal(rng), palette.stone(rng), float(rng.uniform(0.12, 0.26))
    closed = bool(rng.random() < 0.5)
    path = (
        circle(2.6, 600, y_radius=float(rng.uniform(1.6, 2.6)))
        if closed
        else even(shapes.wander(rng, 600, 12.0, 1.6, 0.0), 600)
    )
    one = p.prong_setting(r, gem, metal, 4) if rng.random() < 0.5 else p.bezel(r, gem, metal)
    hinge = torus(0.3 * r, 0.1 * r, 28, 8)
    parts: list[Part] = []
    for m in frames(path, 2.62 * r, closed):
        parts += moved(one, m)
        parts.append(Part(hinge, metal, m @ translate(1.31 * r, 0, 0.3 * r)))
    return parts


def charms(rng: Rng) -> list[Part]:
    """A bracelet of rings with charms at its outer side."""
    metal = palette.metal(rng)
    path = circle(2.7, 600, y_radius=float(rng.uniform(1.8, 2.7)))
    link = torus(0.16, 0.04, 40, 12)
    places = frames(path, 0.25, True)
    parts = [Part(link, metal, m @ rotate("x", 45 if i % 2 else -45)) for i, m in enumerate(places)]
    shapes_of = [
        ball(0.28, 48),
        brilliant(0.35),
        shapes.loft(shapes.rounded(0.12, 0.04, 0.4), shapes.superellipse(5.0, 0.8, 64)),
    ]
    for m in places[:: int(rng.integers(4, 9))]:
        body = Part(shapes_of[int(rng.integers(3))], palette.anything(rng), m @ translate(0, -0.72, 0))
        parts += [body, Part(torus(0.14, 0.035, 40, 12), metal, m @ translate(0, -0.28, 0) @ rotate("y", 60))]
    return parts


KINDS = {
    "watch": Kind(watch, (30.0, 90.0), 0.1),
    "link_bracelet": Kind(link_bracelet, (20.0, 90.0), 0.15),
    "bangle": Kind(bangle, (20.0, 85.0), 0.1),
    "cuff": Kind(cuff, (15.0, 80.0), 0.1),
    "tennis_bracelet": Kind(tennis, (35.0, 90.0), 0.1),
    "charm_bracelet": Kind(charms, (50.0, 90.0), 0.05),
}
