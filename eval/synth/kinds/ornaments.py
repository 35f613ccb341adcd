"""Earrings, pendants, brooches and openwork, lying or hanging flat."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import Kind, Rng
from eval.synth.materials import Material
from eval.synth.mesh import Mesh, Points, at_point, ball, brilliant, circle, rotate, scale, shifted, torus, translate
from eval.synth.spec import Part, moved, rest

LAID = (45.0, 90.0)


def eye(metal: Material, x: float, y: float, size: float = 0.12) -> Part:
    """A ring to hang by, half turned."""
    return Part(torus(size, 0.28 * size, 48, 12), metal, translate(x, y) @ rotate("y", 50))


def pair(rng: Rng, one: list[Part]) -> list[Part]:
    """Two of a piece, the second one mirrored and turned a little."""
    one = rest(one)
    points = np.concatenate([q.points() for q in one])
    wide = float(np.ptp(points[:, 0])) * float(rng.uniform(0.62, 0.9))
    other = moved(one, np.diag([-1.0, 1.0, 1.0, 1.0]), rotate("z", float(rng.normal(0, 12))), translate(wide, 0))
    return [*moved(one, rotate("z", float(rng.normal(0, 8))), translate(-wide, 0)), *other]


def hoops(rng: Rng) -> list[Part]:
    """Round, oval, square, twisted, beaded, or flat hoops; hair-thin ones among them."""
    metal, r = palette.metal(rng), float(rng.uniform(0.7, 2.6))
    w = float(np.exp(rng.uniform(np.log(0.014), np.log(0.13))))
    a = np.linspace(0.05, 2 * np.pi - 0.05, 260)
    outline = shapes.superellipse(float(rng.choice([2.0, 2.0, 5.0])), float(rng.uniform(0.6, 1.0)), 260) * r
    path = np.column_stack([outline, 0.06 * r * np.sin(a)])[3:-3]
    how = rng.random()
    if how < 0.5:
        one = [p.wire(path, w, metal)]
    elif how < 0.7:
        one = p.twisted(path, max(w, 0.03), 0.5, metal, closed=False)
    elif how < 0.85:
        bead = ball(max(2 * w, 0.06), 28)
        here, _ = shapes.at_lengths(path, max(4.2 * w, 0.13))
        one = [Part(bead, metal, at_point(h)) for h in here] + [p.wire(path, 0.02, metal)]
    else:
        one = [Part(shapes.ribbon(path, np.array([0.0, 0.0, 1.0]), max(4 * w, 0.15), 0.05), metal)]
    return pair(rng, one) if rng.random() < 0.7 else one


def studs(rng: Rng) -> list[Part]:
    """Studs in pairs: stones in claws, balls, discs, their pins aside."""
    metal, size = palette.metal(rng), float(rng.uniform(0.2, 0.5))
    how = rng.random()
    if how < 0.4:
        one = p.prong_setting(size, palette.stone(rng), metal, int(rng.integers(3, 7)))
    elif how < 0.7:
        gem = palette.pearl(rng) if rng.random() < 0.6 else metal
        one = [Part(ball(size, 72), gem, translate(0, 0, size))]
    else:
        outline = flower(int(rng.integers(4, 8)), float(rng.uniform(0.08, 0.3)))
        one = [
            Part(shapes.loft(shapes.rounded(0.1, 0.03, size * 1.3), outline), palette.enamel(rng), translate(0, 0, 0.1))
        ]
        one.append(Part(brilliant(0.3 * size), palette.stone(rng), translate(0, 0, 0.2)))
    pin = np.array([[0, 0, 0.12], [0, 0, -0.5], [0, 0, -1.05]])
    one.append(p.wire(p.smooth(pin, 20), 0.035, metal))
    one = moved(one, rotate("x", float(rng.uniform(50, 100))))
    return pair(rng, one)


def flower(petals: int, depth: float, n: int = 180) -> Points:
    """A lobed outline (n, 2) about 1 in radius."""
    a = np.linspace(0, 2 * np.pi, n, endpoint=False)
    r = 1 - depth + depth * np.cos(petals * a)
    return np.column_stack([r * np.cos(a), r * np.sin(a)])


def drops(rng: Rng) -> list[Part]:
    """Ear wires with stones, pearls, bars or leaves under them."""
    metal, h = palette.metal(rng), float(rng.uniform(0.9, 1.7))
    w = float(rng.uniform(0.02, 0.04))
    one = p.hook(h, w, metal)
    y = 0.05 * h - 4.8 * w
    for _ in range(int(rng.integers(1, 4))):
        size, how = float(rng.uniform(0.16, 0.42)), rng.random()
        if how < 0.35:
            gem = palette.pearl(rng) if rng.random() < 0.5 else palette.opaque_stone(rng)
            one.append(Part(ball(size, 64), gem, translate(0, y - size)))
            y -= 2 * size
        elif how < 0.6:
            one.append(
                Part(
                    p.briolette(2.6 * size, 0.8 * size, "diamond").mesh,
                    palette.stone(rng),
                    translate(0, y) @ rotate("x", -90),
                )
            )
            y -= 2.6 * size
        elif how < 0.8:
            bar = np.array([[0.0, y, 0], [0.02, y - 2 * size, 0], [0.0, y - 4 * size, 0]])
            one.append(p.wire(p.smooth(bar, 40), 0.05, metal))
            y -= 4 * size
        else:
            one.append(Part(torus(size, 0.05, 80, 14), metal, translate(0, y - size)))
            y -= 2 * size
        one.append(eye(metal, 0, y - 0.06, 0.09))
        y -= 0.14
    return pair(rng, one)


def tiers(rng: Rng) -> list[Part]:
    """A chandelier: a stud, arcs of wire below it, drops on each, smaller to the sides."""
    metal, gem = palette.metal(rng), palette.stone(rng)
    one = moved(p.bezel(0.24, gem, metal), translate(0, 0.3))
    bead = palette.pearl(rng)
    y = 0.0
    for tier in range(int(rng.integers(2, 4))):
        half = 0.5 + 0.38 * tier
        a = np.linspace(-1.25, 1.25, 80)
        arc = np.column_stack([half * np.sin(a), y - half * np.cos(a) * 0.8, 0 * a])
        one.append(p.wire(arc, 0.04, metal))
        one.append(p.wire(np.column_stack([0 * a, np.linspace(y + 0.06, y - 0.8 * half, 80), 0 * a]), 0.03, metal))
        for k, at in enumerate(np.linspace(-1.15, 1.15, 5 + 2 * tier)):
            x, low = half * np.sin(at), y - half * np.cos(at) * 0.8
            one.append(eye(metal, x, low - 0.08, 0.07))
            shape = ball(0.09, 32) if k % 2 else p.briolette(0.36, 0.1, "diamond").mesh
            one.append(
                Part(shape, bead if k % 2 else gem, translate(x, low - (0.22 if k % 2 else 0.12)) @ rotate("x", -90))
            )
        y -= 0.8 * half + 0.1
    return pair(rng, one)


def pendant(rng: Rng) -> list[Part]:
    """A flat shape, a bezel, a cross, a heart, or a bar with an eye and a short wire loop."""
    metal, how = palette.metal(rng), rng.random()
    if how < 0.3:
        outline = flower(int(rng.integers(3, 9)), float(rng.uniform(0.0, 0.35)))
        one = [Part(shapes.loft(shapes.rounded(0.16, 0.05, 0.95), outline), metal)]
        one.append(
            Part(shapes.loft(shapes.rounded(0.06, 0.02, 0.7), outline), palette.enamel(rng), translate(0, 0, 0.14))
        )
    elif how < 0.55:
        one = p.bezel(float(rng.uniform(0.5, 0.9)), palette.stone(rng), metal)
        one = moved(one, scale(float(rng.uniform(0.6, 1.0)), 1, 1))
    elif how < 0.75:
        one = [
            Part(shapes.box(0.34, 2.0, 0.2, 0.06), metal),
            Part(shapes.box(1.3, 0.34, 0.2, 0.06), metal, translate(0, 0.35)),
        ]
    else:
        a = np.linspace(0, 2 * np.pi, 220, endpoint=False)
        y = 13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)
        heart = np.column_stack([16 * np.sin(a) ** 3, y]) / 16
        if rng.random() < 0.5:
            one = [Part(shapes.loft(shapes.rounded(0.3, 0.12, 0.95), heart), metal)]
        else:
            one = [p.wire(np.column_stack([heart, 0 * a]), float(rng.uniform(0.04, 0.12)), metal, closed=True)]
    top = max(float(q.points()[:, 1].max()) for q in one)
    one.append(eye(metal, 0, top + 0.08))
    loop = p.wire(shifted(p.turned(p.drop_loop(0.5, 0.2), 90), 0, top + 0.08), 0.035, metal, closed=True)
    return [*one, loop]


def locket(rng: Rng) -> list[Part]:
    """A shut or open case of two domed halves with a hinge, an engraved rim and an eye."""
    metal = palette.metal(rng)
    outline = shapes.superellipse(2.0, float(rng.uniform(0.75, 1.2)), 140)
    size = float(rng.uniform(0.9, 1.3))
    a = np.linspace(0, np.pi / 2, 14)
    dome = np.column_stack([size * np.cos(a) ** 0.8, 0.06 + 0.26 * np.sin(a)])
    profile = np.vstack([[[1e-4, 0.0], [size, 0.0], [size, 0.06]], dome[1:-1], [[1e-4, 0.32]]])
    half = shapes.loft(profile, outline)
    rim = p.twisted(np.column_stack([outline * 0.8 * size, np.full(140, 0.26)]), 0.025, 0.22, metal)
    face = [Part(half, metal), *rim]
    face.append(Part(brilliant(0.12), palette.stone(rng), translate(0, 0, 0.34)))
    if rng.random() < 0.5:
        other = moved(
            face, rotate("y", 180), rotate("y", float(rng.uniform(-60, 10))), translate(-2.04 * size, 0, 0.32)
        )
        parts = [*moved(face, translate(0, 0, 0.02)), *other]
    else:
        parts = [*face, *moved(face, rotate("y", 180), translate(0, 0, -0.02))]
    top = float(outline[:, 1].max()) * size
    return [*parts, eye(metal, 0, top + 0.1, 0.15)]


def brooch(rng: Rng) -> list[Part]:
    """A spray: leaves and stones on curved stems from one knot."""
    metal, gem = palette.metal(rng), palette.stone(rng)
    enamel = palette.enamel(rng) if rng.random() < 0.4 else metal
    parts: list[Part] = []
    for _ in range(int(rng.integers(4, 9))):
        turn, length = float(rng.uniform(-75, 75)) + 90, float(rng.uniform(1.2, 2.6))
        bend = float(rng.normal(0, 0.4))
        line = p.smooth(np.array([[0, 0, 0.1], [0.5 * length, bend * 0.5, 0.25], [length, bend, 0.12]]), 50)
        one = [p.wire(line, 0.045, metal)]
        tip = translate(length, bend, 0.12)
        if rng.random() < 0.5:
            one.append(Part(blade(rng, 0.9, 0.38, 0.05), enamel, tip))
        else:
            one += [Part(q.mesh, q.material, tip @ q.matrix) for q in p.bezel(0.2, gem, metal)]
        parts += moved(one, rotate("z", turn))
    parts.append(Part(ball(0.22, 48), palette.pearl(rng), translate(0, 0, 0.2)))
    pin = np.array([[-1.1, -0.3, 0], [0, -0.25, -0.02], [1.1, -0.3, 0]])
    return [*parts, p.wire(p.smooth(pin, 30), 0.03, metal)]


def blade(rng: Rng, length: float, width: float, thickness: float) -> Mesh:
    """A leaf along +x from the origin, bent up at its sides and along its length."""
    s, t = np.linspace(0.01, 0.995, 36), np.linspace(-1, 1, 11)
    half = width / 2 * np.sin(np.pi * s**0.75) ** 0.8
    curl, side = float(rng.normal(0, 0.15)), float(rng.uniform(0, 0.5))
    grid = np.zeros((36, 11, 3))
    grid[..., 0] = (s * length)[:, None]
    grid[..., 1] = half[:, None] * t + (float(rng.normal(0, 0.12)) * length * s**2)[:, None]
    grid[..., 2] = (curl * length * s**2)[:, None] + side * half[:, None] * t**2
    return shapes.sheet(grid, thickness)


def openwork(rng: Rng) -> list[Part]:
    """A round or square grille of wire: lattice, circles or spirals in a frame, many holes."""
    metal, r, w = palette.metal(rng), float(rng.uniform(1.4, 2.4)), float(rng.uniform(0.02, 0.06))
    how = rng.random()
    square = float(rng.choice([2.0, 2.0, 7.0]))
    frame = np.column_stack([shapes.superellipse(square, 1.0, 300) * r, np.zeros(300)])
    parts = [p.wire(frame, 1.6 * w, metal, closed=True)]
    if how < 0.4:
        pitch = float(rng.uniform(0.28, 0.6))
        for turn in (float(rng.uniform(0, 90)),) * 2:
            for k in np.arange(-r, r + pitch, pitch):
                half = r if square > 3 else float(np.sqrt(max(r * r - k * k, 0)))
                if half > 0.2:
                    line = np.column_stack([np.linspace(-half, half, 40), np.full(40, k), np.zeros(40)])
                    parts.append(p.wire(line, w, metal).moved(rotate("z", turn + (90 if len(parts) % 2 else 0))))
    else:
        n = int(rng.integers(7, 15))
        for lap, size in ((0.36, 0.2), (0.72, 0.25)):
            loop = np.column_stack([shapes.superellipse(2, 1, 90) * size * r, np.zeros(90)])
            curl = p.spiral(1.8, 0.05, size * r, 120)
            for t in p.full_turns(n if lap > 0.5 else n // 2 + 2):
                shape = p.wire(curl, w, metal) if how > 0.7 else p.wire(loop, w, metal, closed=True)
                parts.append(shape.moved(rotate("z", t) @ translate(lap * r, 0)))
        parts += p.bezel(0.2 * r, palette.stone(rng), palette.metal(rng))
    return [*parts, eye(metal, 0, r + 0.12, 0.16)]


def rosary(rng: Rng) -> list[Part]:
    """A short string of beads of several sizes on a wire, open or closed."""
    metal, n = palette.metal(rng), int(rng.integers(9, 26))
    gems = [palette.opaque_stone(rng), palette.pearl(rng), palette.plastic(rng), metal]
    closed = bool(rng.random() < 0.6)
    sizes = 0.22 + 0.16 * rng.random(n) if rng.random() < 0.5 else 0.22 + 0.2 * np.sin(np.linspace(0, np.pi, n))
    edge = np.concatenate([[0.0], np.cumsum(2.08 * sizes)])
    at = (edge[:-1] + edge[1:]) / 2
    total = float(edge[-1])
    path = circle(total / (2 * np.pi), n) if closed else np.column_stack([at, 0.5 * np.sin(at / total * 5), 0 * at])
    if closed:
        a = at / total * 2 * np.pi
        path = (
            np.column_stack([np.cos(a), float(rng.uniform(0.7, 1.0)) * np.sin(a), 0 * a]) * total / (2 * np.pi) * 1.04
        )
    path[:, 2] = sizes
    one = ball(1.0, 64)
    parts = [
        Part(one, gems[int(rng.integers(4))], at_point(q) @ scale(float(s))) for q, s in zip(path, sizes, strict=True)
    ]
    smooth = np.vstack([path, path[:1]]) if closed else path
    return [*parts, p.wire(p.smooth(smooth, 20 * n), 0.03, metal)]


KINDS = {
    "hoops": Kind(hoops, LAID, 0.1),
    "studs": Kind(studs, (20.0, 85.0), 0.1),
    "drops": Kind(drops, LAID, 0.1),
    "chandelier": Kind(tiers, LAID, 0.0),
    "pendant": Kind(pendant, LAID),
    "locket": Kind(locket, LAID),
    "brooch": Kind(brooch, LAID),
    "openwork": Kind(openwork, (60.0, 90.0), 0.15),
    "beads": Kind(rosary, (30.0, 88.0)),
}
