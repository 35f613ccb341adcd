"""What is no product at all: blobs, spikes, branches, leaves, nets, tangles, tools and boxes."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import FRONT, Kind, Rng
from eval.synth.kinds.ornaments import blade
from eval.synth.materials import Material
from eval.synth.mesh import (
    Mesh,
    Points,
    at_point,
    ball,
    circle,
    grid_faces,
    revolve,
    rotate,
    round_ends,
    scale,
    shifted,
    torus,
    translate,
    tube,
    unit,
)
from eval.synth.spec import Part, moved, rest

ANY = (10.0, 85.0)


def blob(rng: Rng) -> list[Part]:
    """One to four lumps grown together."""
    material = palette.anything(rng)
    parts = []
    for _ in range(int(rng.integers(1, 5))):
        size = float(rng.uniform(0.6, 1.6))
        mesh = shapes.pebble(
            rng, size, float(rng.uniform(0.08, 0.45)), float(rng.uniform(0.12, 0.4)), int(rng.integers(1, 4))
        )
        parts.append(Part(mesh, material, at_point(rng.normal(0, [0.9, 0.9, 0.5]))))
    return parts


def spiky(rng: Rng) -> list[Part]:
    """A ball with thorns: cones or thin needles all round."""
    material, other = palette.anything(rng), palette.anything(rng)
    thorn, n = float(rng.uniform(0.4, 1.8)), int(rng.integers(20, 140))
    r = float(rng.uniform(0.03, 0.22))
    cone = revolve(np.array([[0, 0.7], [r, 0.8], [0.5 * r, 0.9 + 0.5 * thorn], [0, 1 + thorn]]), 16)
    parts = [Part(shapes.pebble(rng, 1.0, 0.05, 0.3, 1, 80), material)]
    for d in unit(rng.standard_normal((n, 3))):
        e, a = np.degrees(np.arccos(d[2])), np.degrees(np.arctan2(d[1], d[0]))
        parts.append(
            Part(cone, other, rotate("z", float(a)) @ rotate("y", float(e)) @ scale(1, 1, float(rng.uniform(0.7, 1))))
        )
    return parts


def grow(
    rng: Rng, at: Points, d: Points, length: float, r: float, depth: int, out: list[tuple[Points, float, float]]
) -> None:
    """Add a bent twig and, from its end, two or three thinner ones: (path, radius at the foot, radius at the tip)."""
    bend = unit(d + 0.35 * rng.standard_normal(3))
    path = p.smooth(np.array([at, at + d * length * 0.5, at + d * length * 0.5 + bend * length * 0.5]), 18)
    out.append((path, r, 0.72 * r))
    if depth:
        for _ in range(int(rng.integers(2, 4))):
            aside = unit(bend + 0.75 * rng.standard_normal(3) * [1, 1, 0.7])
            grow(rng, path[-1], aside, length * float(rng.uniform(0.6, 0.85)), 0.7 * r, depth - 1, out)


def twigs(rng: Rng, material: Material, leaves: Material | None) -> list[Part]:
    """A branching thing, standing."""
    found: list[tuple[Points, float, float]] = []
    grow(
        rng,
        np.zeros(3),
        unit(np.array([0.1, 0.0, 1.0])),
        float(rng.uniform(1.6, 2.4)),
        float(rng.uniform(0.06, 0.22)),
        4,
        found,
    )
    parts = []
    for path, low, high in found:
        parts.append(Part(tube(path, np.linspace(low, high, len(path)), sides=10), material))
        if leaves is None:
            parts.append(Part(ball(high * 1.02, 14), material, at_point(path[-1])))
        elif rng.random() < 0.6:
            turn = rotate("z", float(rng.uniform(0, 360))) @ rotate("y", float(rng.uniform(-60, 40)))
            place = at_point(path[-1]) @ turn
            parts.append(Part(blade(rng, float(rng.uniform(0.5, 1.0)), 0.4, 0.02), leaves, place))
    return parts


def coral(rng: Rng) -> list[Part]:
    """A bare branching thing."""
    material = palette.plastic(rng) if rng.random() < 0.5 else palette.ceramic(rng)
    return twigs(rng, material, None)


def bush(rng: Rng) -> list[Part]:
    """Twigs with leaves."""
    return moved(twigs(rng, palette.wood(rng), palette.leaf(rng)), rotate("x", float(rng.choice([0.0, 90.0]))))


def frond(rng: Rng) -> list[Part]:
    """A stem lying down with leaves in pairs, some broad, some needles."""
    n, green, length = int(rng.integers(4, 22)), palette.leaf(rng), float(rng.uniform(6, 11))
    stem = p.smooth(
        np.array(
            [
                [0, 0, 0.2],
                [0.5 * length, float(rng.normal(0, 1)), 0.5],
                [length, float(rng.normal(0, 2)), 0.2],
            ]
        ),
        120,
    )
    parts = [Part(tube(stem, np.linspace(0.1, 0.02, 120), sides=10), palette.leaf(rng))]
    wide = float(rng.uniform(0.08, 0.5))
    for i in range(n):
        k = int(12 + 106 * i / n)
        size = float(rng.uniform(0.8, 1.2)) * 2.4 * np.sin(np.pi * (0.15 + 0.75 * i / n))
        heading = float(np.degrees(np.arctan2(*(stem[k] - stem[k - 1])[[1, 0]])))
        for side in (-1, 1):
            turn = rotate("z", heading + side * float(rng.uniform(35, 65))) @ rotate("y", float(rng.uniform(-14, 10)))
            parts.append(Part(blade(rng, size, wide * size, 0.025), green, at_point(stem[k]) @ turn))
    return parts


def tangle(rng: Rng) -> list[Part]:
    """Hair-thin to thick wires thrown over each other."""
    parts = []
    base = float(np.exp(rng.uniform(np.log(0.008), np.log(0.09))))
    for _ in range(int(rng.integers(2, 9))):
        path = shapes.wander(rng, 500, float(rng.uniform(5, 14)), float(rng.uniform(2, 6)), 0.25)
        path[:, 2] = np.abs(path[:, 2])
        parts.append(
            p.wire(shifted(path, *rng.normal(0, 0.7, 2)), base * float(rng.uniform(0.6, 1.6)), "thread", sides=10)
        )
    metal = palette.metal(rng) if rng.random() < 0.6 else palette.plastic(rng)
    return [Part(q.mesh, metal if rng.random() < 0.7 else palette.anything(rng)) for q in parts]


def pins(rng: Rng) -> list[Part]:
    """Hair pins, needles, safety pins and paper clips, strewn."""
    parts: list[Part] = []
    metal = palette.metal(rng)
    for i in range(int(rng.integers(2, 8))):
        w, how = float(rng.uniform(0.015, 0.06)), rng.random()
        if how < 0.4:
            s = np.linspace(0, 3, 60)
            leg = np.column_stack([s, 0.16 + 0.05 * np.sin(9 * s), 0 * s])
            a = np.linspace(np.pi / 2, 1.5 * np.pi, 24)[1:-1]
            path = np.vstack(
                [leg[::-1], np.column_stack([0.16 * np.cos(a), 0.16 * np.sin(a), 0 * a]), leg * [1, -1, 1]]
            )
            one = [p.wire(path, w, metal)]
        elif how < 0.7:
            one = [p.wire(np.column_stack([np.linspace(0, 3, 40), np.zeros((40, 2))]), w, metal)]
            one.append(Part(ball(0.12, 28), palette.plastic(rng)))
        else:
            lap = [
                [0.5, 0.3],
                [2.2, 0.3],
                [2.5, 0],
                [2.2, -0.3],
                [0.3, -0.3],
                [0, 0.02],
                [0.3, 0.22],
                [1.8, 0.2],
                [1.95, 0],
                [1.8, -0.16],
                [0.9, -0.18],
            ]
            one = [p.wire(p.smooth(np.column_stack([np.array(lap), np.zeros(11)]), 160), w, metal)]
        spot = translate(float(rng.normal(0, 1.4)), float(rng.normal(0, 1.4)))
        parts += moved(rest(moved(one, rotate("z", float(rng.uniform(0, 360))), spot)), translate(0, 0, 0.07 * i))
    return parts


def woven(rng: Rng, warp: Points, r: float) -> list[Points]:
    """Wires (n, 3) that go over and under each other along both directions of a grid (n, m, 3)."""
    n, m = warp.shape[:2]
    normal = unit(np.cross(np.gradient(warp, axis=0), np.gradient(warp, axis=1)))
    out = []
    for i in range(n):
        phase = np.where((np.arange(m) + i) % 2 == 0, 1.0, -1.0)
        out.append(warp[i] + normal[i] * (phase * r)[:, None])
    for j in range(m):
        phase = np.where((np.arange(n) + j) % 2 == 0, -1.0, 1.0)
        out.append(warp[:, j] + normal[:, j] * (phase * r)[:, None])
    return out


def net(rng: Rng) -> list[Part]:
    """A piece of wire mesh or netting with many holes, flat or bent."""
    n, m = (int(v) for v in rng.integers(8, 26, 2))
    x, y = np.meshgrid(np.arange(n) * 1.0, np.arange(m) * 1.0, indexing="ij")
    flat = np.stack([x, y, 0 * x], axis=2) * 8 / max(n, m)
    flat[..., 2] = float(rng.uniform(0, 1.6)) * shapes.waves(rng, flat.reshape(-1, 3), 0.06, 1).reshape(n, m)
    pitch = 8 / max(n, m)
    r = float(rng.uniform(0.04, 0.14)) * pitch
    material = palette.metal(rng) if rng.random() < 0.6 else palette.plastic(rng)
    return [Part(tube(p.smooth(q, 6 * len(q)), r, sides=8), material) for q in woven(rng, flat, r)]


def basket(rng: Rng) -> list[Part]:
    """A basket of wire: uprights and hoops, a handle over it."""
    r, h, n = float(rng.uniform(2.5, 4.5)), float(rng.uniform(3, 7)), int(rng.integers(12, 34))
    material, w = palette.metal(rng) if rng.random() < 0.6 else palette.wood(rng), float(rng.uniform(0.05, 0.14))
    parts = []
    for z in np.linspace(0, h, int(rng.integers(4, 11))):
        parts.append(Part(torus(r * (0.7 + 0.3 * z / h), w, 140, 10), material, translate(0, 0, float(z))))
    for t in p.full_turns(n):
        line = np.array([[0, 0, 0], [0.7 * r, 0, 0], [0.86 * r, 0, 0.5 * h], [r, 0, h]], float)
        parts.append(p.wire(p.smooth(line, 40), w, material, sides=8).moved(rotate("z", t)))
    if rng.random() < 0.6:
        a = np.linspace(0, np.pi, 80)
        arch = np.column_stack([r * np.cos(a), 0 * a, h + 1.1 * r * np.sin(a)])
        parts.append(p.wire(arch, 1.6 * w, material))
    return parts


def boxes(rng: Rng) -> list[Part]:
    """Cartons, cases and blocks: one, stacked, or with the lid beside it."""
    parts, z = [], 0.0
    for _ in range(int(rng.integers(1, 5))):
        x, y, h = float(rng.uniform(3, 8)), float(rng.uniform(3, 8)), float(rng.uniform(0.8, 5))
        material = (palette.plastic, palette.cloth, palette.wood, palette.metal)[int(rng.integers(4))](rng)
        place = translate(float(rng.normal(0, 0.5)), float(rng.normal(0, 0.5)), z) @ rotate(
            "z", float(rng.normal(0, 18))
        )
        parts.append(
            Part(shapes.box(x, y, h, float(rng.uniform(0.03, 0.5)), float(rng.uniform(7, 30))), material, place)
        )
        z += h
    return parts


def spanner(rng: Rng) -> list[Part]:
    """Screwdrivers, keys and hammers: a rod with a head and a grip, lying."""
    steel, grip = palette.metal(rng), palette.plastic(rng) if rng.random() < 0.6 else palette.wood(rng)
    length = float(rng.uniform(5, 11))
    parts = [
        Part(
            tube(
                np.column_stack([np.linspace(0, length, 20), np.zeros((20, 2))]),
                float(rng.uniform(0.15, 0.35)),
                sides=20,
            ),
            steel,
        )
    ]
    a = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    ribs = np.column_stack([np.cos(a), np.sin(a)]) * (1 + 0.06 * np.cos(6 * a))[:, None]
    handle = np.array([[1e-4, 0], [0.5, 0], [0.72, 0.4], [0.6, 1.6], [0.75, 3.2], [0.5, 3.8], [1e-4, 3.8]])
    parts.append(Part(shapes.loft(handle, ribs), grip, translate(-3.6, 0) @ rotate("y", 90)))
    how = rng.random()
    if how < 0.35:
        parts.append(Part(shapes.box(1.3, 4.2, 1.3, 0.2), steel, translate(length, 0, -0.65)))
    elif how < 0.7:
        parts.append(Part(torus(0.8, 0.3, 80, 20), steel, translate(length + 0.7, 0)))
    else:
        parts.append(Part(shapes.box(1.4, 0.7, 0.14, 0.03), steel, translate(length + 0.3, 0, -0.07)))
    return parts


def scissors(rng: Rng) -> list[Part]:
    """Pliers or scissors: two arms crossed at a rivet, bows or grips behind."""
    steel, grip = palette.metal(rng), palette.plastic(rng)
    spread, bows = float(rng.uniform(6, 24)), bool(rng.random() < 0.5)
    parts: list[Part] = []
    for side in (-1, 1):
        tip = np.array([[0, 0.28], [3.5, 0.18], [5.2, 0.0], [3.5, -0.16], [0, -0.28], [-1.4, -0.3], [-1.4, 0.3]], float)
        arm = [
            Part(
                shapes.loft(shapes.rounded(0.22, 0.03, 1.0), np.vstack([even_outline(tip)])),
                steel,
                translate(0, 0, 0.24 * (side > 0)),
            )
        ]
        back = np.array([[-1.2, 0, 0.1], [-2.6, -0.5 * side, 0.1], [-4.0, -0.8 * side, 0.1]])
        arm.append(p.wire(p.smooth(back, 40), 0.26, steel if bows else grip))
        if bows:
            loop = np.column_stack([shapes.superellipse(2.0, 0.75, 90) * 1.1, np.full(90, 0.1)])
            arm.append(Part(tube(shifted(loop, -4.9, -1.1 * side), 0.25, closed=True, sides=16), grip))
        parts += moved(arm, rotate("z", side * spread / 2))
    return [*parts, Part(revolve(np.array([[0, -0.1], [0.3, -0.1], [0.3, 0.55], [0, 0.6]]), 40), steel)]


def even_outline(corners: Points, n: int = 140) -> Points:
    """A closed polygon's outline resampled to n points (n, 2)."""
    loop = np.vstack([corners, corners[:1]])
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(loop, axis=0), axis=1))])
    at = np.linspace(0, float(s[-1]), n, endpoint=False)
    return np.column_stack([np.interp(at, s, loop[:, k]) for k in range(2)])


def gear(rng: Rng) -> list[Part]:
    """Cogs, washers and nuts: flat rings with teeth and round or many holes."""
    n, r = int(rng.integers(6, 30)), float(rng.uniform(1.2, 2.4))
    a = np.linspace(0, 2 * np.pi, 40 * n, endpoint=False)
    tooth = 1 + 0.09 * np.tanh(4 * np.cos(n * a))
    outline = np.column_stack([np.cos(a), np.sin(a)]) * tooth[:, None]
    hole, high, material = float(rng.uniform(0.25, 0.7)), float(rng.uniform(0.3, 0.9)), palette.metal(rng)
    inner, k = np.column_stack([np.cos(a), np.sin(a)]) * hole, len(a)
    rows = [
        np.column_stack([line * r, np.full(k, z)])
        for line, z in ((inner, 0), (outline, 0), (outline, high), (inner, high))
    ]
    parts = [Part(Mesh(np.concatenate(rows), tuple(grid_faces(4, k, True)), smooth=False), material)]
    if hole > 0.5:
        for t in p.full_turns(int(rng.integers(3, 7))):
            parts.append(
                Part(
                    shapes.box(hole * r * 0.9, 0.16 * r, 0.6 * high, 0.05),
                    material,
                    rotate("z", t) @ translate(0.5 * hole * r, 0, 0.1),
                )
            )
        parts.append(Part(torus(0.18 * r, 0.09 * r, 60, 14), material, translate(0, 0, 0.4 * high)))
    return parts


def pebbles(rng: Rng) -> list[Part]:
    """A cairn of flat stones, or stones strewn."""
    parts, z, stacked = [], 0.0, rng.random() < 0.5
    for i in range(int(rng.integers(3, 9))):
        size = float(rng.uniform(0.7, 1.6)) * (0.85**i if stacked else 1.0)
        flat = float(rng.uniform(0.35, 0.7))
        mesh = shapes.pebble(rng, size, 0.12, 0.25, 2, 80)
        one = rest([Part(mesh, palette.opaque_stone(rng), scale(1, 1, flat))], z if stacked else 0.0)
        spread = 0.08 if stacked else 2.0
        parts += moved(one, translate(float(rng.normal(0, spread)), float(rng.normal(0, spread))))
        z += 1.75 * size * flat
    return parts


def coil(rng: Rng) -> list[Part]:
    """A spring, a coil of cable or a curled wire, standing or lying."""
    turns, r, w = float(rng.uniform(3, 14)), float(rng.uniform(0.6, 2)), float(rng.uniform(0.04, 0.2))
    s = np.linspace(0, 1, int(70 * turns))
    taper = r * (1 - float(rng.uniform(0, 0.7)) * s)
    a = 2 * np.pi * turns * s
    path = np.column_stack([taper * np.cos(a), taper * np.sin(a), turns * w * float(rng.uniform(2.1, 6)) * s])
    radii = round_ends(len(path), w, 0.01)
    part = Part(tube(path, radii, sides=14), palette.metal(rng) if rng.random() < 0.6 else palette.plastic(rng))
    return moved([part], rotate("x", float(rng.choice([0.0, 90.0]))))


def frame_of(rng: Rng) -> list[Part]:
    """Spectacles without glass: two rims, a bridge, two temples."""
    material, w = palette.plastic(rng) if rng.random() < 0.5 else palette.metal(rng), float(rng.uniform(0.04, 0.2))
    outline = shapes.superellipse(float(rng.uniform(2, 4)), float(rng.uniform(0.7, 1.0)), 140) * 2.2
    parts = []
    for side in (-1, 1):
        rim = np.column_stack([outline[:, 0] + side * 3.0, np.zeros(140), outline[:, 1]])
        parts.append(Part(tube(rim, w, closed=True, sides=14), material))
        arm = np.array([[5.2, 0, 0.5], [5.4, 1.5, 0.6], [5.3, 8, 0.5], [5.1, 11, -0.6]]) * [side, 1, 1]
        parts.append(p.wire(p.smooth(arm, 90), 0.8 * w, material))
    bridge = np.array([[-0.85, 0, 0.3], [0, 0.05, 0.65], [0.85, 0, 0.3]])
    return [*parts, p.wire(p.smooth(bridge, 30), w, material)]


def rings_of_tubes(rng: Rng) -> list[Part]:
    """A stack or heap of plain rings and discs of any material."""
    parts, z = [], 0.0
    for _ in range(int(rng.integers(2, 8))):
        r, w = float(rng.uniform(0.7, 2)), float(rng.uniform(0.08, 0.4))
        place = translate(float(rng.normal(0, 0.2)), float(rng.normal(0, 0.2)), z + w)
        parts.append(Part(torus(r, w, 120, 20), palette.anything(rng), place))
        z += 2 * w
    return [*parts, Part(tube(circle(0.3, 40), 0.05, closed=True), palette.metal(rng), translate(0, 0, z))]


KINDS = {
    "blob": Kind(blob, ANY, 0.2),
    "spiky": Kind(spiky, ANY, 0.2),
    "coral": Kind(coral, FRONT, 0.1),
    "bush": Kind(bush, (8.0, 85.0), 0.1),
    "frond": Kind(frond, (45.0, 90.0), 0.2),
    "wire_tangle": Kind(tangle, (40.0, 90.0), 0.0),
    "pins": Kind(pins, (50.0, 90.0), 0.0),
    "net": Kind(net, (45.0, 90.0), 0.05),
    "basket": Kind(basket, (10.0, 60.0), 0.1),
    "boxes": Kind(boxes, (10.0, 60.0), 0.2),
    "tool": Kind(spanner, (45.0, 90.0), 0.3),
    "pliers": Kind(scissors, (50.0, 90.0), 0.15),
    "gear": Kind(gear, (25.0, 90.0), 0.4),
    "pebbles": Kind(pebbles, (10.0, 80.0), 0.0),
    "coil": Kind(coil, ANY, 0.25),
    "spectacles": Kind(frame_of, (8.0, 70.0), 0.0, (-50.0, 50.0)),
    "ring_stack": Kind(rings_of_tubes, (15.0, 85.0), 0.2),
}
