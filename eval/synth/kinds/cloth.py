"""Textiles: folded, crumpled, draped, tied, fringed."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import Kind, Rng
from eval.synth.mesh import Points, rotate, torus, translate, tube
from eval.synth.spec import Part, moved


def square(n: int = 90) -> tuple[Points, Points]:
    """Two (n, n) coordinates of a cloth, -1..1."""
    s = np.linspace(-1, 1, n)
    x, y = np.meshgrid(s, s, indexing="ij")
    return x, y


def folded(rng: Rng) -> list[Part]:
    """A towel or napkin folded zigzag, its edges a little uneven."""
    wide, deep, thick = float(rng.uniform(8, 16)), float(rng.uniform(6, 14)), float(rng.uniform(0.25, 0.7))
    layers = int(rng.integers(2, 6))
    line: list[tuple[float, float]] = []
    for k in range(layers):
        sign = 1 if k % 2 == 0 else -1
        line += [(sign * x * (wide / 2 - thick), k * 1.12 * thick) for x in np.linspace(-1, 1, 14)]
        if k < layers - 1:
            a = np.linspace(-np.pi / 2, np.pi / 2, 9)[1:-1]
            line += [
                (sign * (wide / 2 - thick + 0.56 * thick * np.cos(b)), (k + 0.5 + 0.5 * np.sin(b)) * 1.12 * thick)
                for b in a
            ]
    path = np.array([[x, 0.0, z] for x, z in line])
    y = np.linspace(-deep / 2, deep / 2, 40)
    grid = np.repeat(path[:, None], 40, axis=1)
    grid[..., 1] = y[None]
    flat = grid.reshape(-1, 3)
    grid[..., 2] += (0.12 * thick * shapes.waves(rng, flat * [1, 1, 0], 0.06)).reshape(grid.shape[:2])
    return [Part(shapes.sheet(grid, 0.9 * thick), palette.cloth(rng))]


def crumpled(rng: Rng) -> list[Part]:
    """A cloth thrown down: ridges, dents and a wavy outline."""
    size, x, y = float(rng.uniform(5, 11)), *square(110)
    p0 = np.stack([x, y, 0 * x], axis=2).reshape(-1, 3) * size
    ridges = np.zeros(len(p0))
    for _ in range(int(rng.integers(5, 14))):
        turn, off, w = (
            float(rng.uniform(0, np.pi)),
            float(rng.normal(0, 0.5)) * size,
            float(rng.uniform(0.05, 0.16)) * size,
        )
        far = (
            p0[:, 0] * np.cos(turn) + p0[:, 1] * np.sin(turn) - off + 0.08 * size * shapes.waves(rng, p0, 0.5 / size, 1)
        )
        ridges += float(rng.uniform(0.05, 0.16)) * size * np.exp(-((far / w) ** 2))
    z = ridges + 0.02 * size * shapes.waves(rng, p0, 1.5 / size, 2)
    xy = p0[:, :2] * (0.8 - 0.12 * ridges[:, None] / size)
    xy = xy + 0.06 * size * np.column_stack(
        [shapes.waves(rng, p0, 0.4 / size, 1), shapes.waves(rng, p0, 0.4 / size, 1)]
    )
    grid = np.column_stack([xy, z]).reshape(110, 110, 3)
    return [Part(shapes.sheet(grid, float(rng.uniform(0.03, 0.12))), palette.cloth(rng))]


def draped(rng: Rng) -> list[Part]:
    """A cloth over something round or square, hanging in folds to the table."""
    r, h = float(rng.uniform(3, 6)), float(rng.uniform(4, 9))
    s, a = np.linspace(0.002, 1.0, 100), np.linspace(0, 2 * np.pi, 220, endpoint=False)
    n, phase = int(rng.integers(5, 11)), float(rng.uniform(0, 6.28))
    fall = np.clip((s - 0.45) / 0.55, 0, 1)
    reach = np.where(s < 0.45, r * s / 0.45, r * (1 + 0.35 * fall))
    height = h * np.sqrt(np.maximum(1 - np.clip(s / 0.45, 0, 1) ** 6 * 0.08, 0)) - 0.92 * h * fall
    wave = np.cos(n * a + phase) + 0.4 * np.cos((n + 3) * a + 2 * phase)
    radius = reach[:, None] * (1 + 0.16 * fall[:, None] ** 1.2 * wave[None])
    corner = 1 + 0.22 * fall[:, None] * np.cos(4 * a)[None]
    z = height[:, None] - h * (corner - 1) * 0.8 + 0 * a[None]
    grid = np.stack([radius * np.cos(a), radius * np.sin(a), z], axis=2)
    thick = 0.08
    return [Part(shapes.sheet(np.swapaxes(grid, 0, 1), thick, closed=True), palette.cloth(rng))]


def ribbon_roll(rng: Rng) -> list[Part]:
    """A ribbon that winds and curls over the table on its edge."""
    n = 400
    path = shapes.wander(rng, n, float(rng.uniform(14, 30)), 3.2, 0.0)
    wide = float(rng.uniform(0.5, 2.2))
    lean = 0.5 * np.sin(np.linspace(0, 9, n) + float(rng.uniform(0, 6)))
    t = np.gradient(path, axis=0)
    side = np.column_stack([-t[:, 1], t[:, 0], 0 * lean]) / np.linalg.norm(t, axis=1)[:, None]
    across = side * lean[:, None] + np.array([0, 0, 1.0])
    return [Part(shapes.ribbon(path, across, wide, 0.03), palette.satin(rng))]


def bow(rng: Rng) -> list[Part]:
    """A tied bow: two loops that leave holes, two tails, a knot."""
    material, wide = palette.satin(rng), float(rng.uniform(0.7, 1.6))
    parts = []
    for side in (-1, 1):
        size = float(rng.uniform(2.2, 3.2))
        loop = np.array(
            [[0, 0, 0.5], [0.5, 0.25, 0.75], [1.0, 0.3, 0.6], [1.05, -0.1, 0.4], [0.55, -0.25, 0.3], [0, 0, 0.4]]
        )
        path = p.smooth(loop * [side * size, size, wide], 90)
        parts.append(Part(shapes.ribbon(path, np.array([0.0, 0.25, 1.0]), wide, 0.035), material))
        tail = np.array([[0, 0, 0.4], [0.35, -0.5, 0.35], [0.5, -1.0, 0.4], [0.8, -1.5, 0.4]]) * [
            side * size,
            size,
            wide,
        ]
        ends = wide * (0.7 + 0.3 * np.linspace(0, 1, 70))
        parts.append(Part(shapes.ribbon(p.smooth(tail, 70), np.array([0.3 * side, 0.1, 1.0]), ends, 0.035), material))
    parts.append(Part(shapes.pebble(rng, 0.55, 0.08, 0.5, 1, 60), material, translate(0, 0, 0.45 * wide)))
    return parts


def rope_knot(rng: Rng) -> list[Part]:
    """A thick cord tied in a torus knot, or coiled with its ends out."""
    w, material = float(rng.uniform(0.18, 0.5)), palette.cloth(rng)
    a = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    u, v = ((2, 3), (3, 2), (3, 5), (2, 5))[int(rng.integers(4))]
    r = 2.2 + 0.9 * np.cos(v * a)
    path = np.column_stack([r * np.cos(u * a), r * np.sin(u * a), 2.2 * w * np.sin(v * a)])
    if rng.random() < 0.5:
        return [Part(tube(path, w, closed=True, sides=18), material)]
    return p.twisted(np.column_stack([path[:, :2], 0 * a]) * 1.2, 0.55 * w, 4 * w, material)


def socks(rng: Rng) -> list[Part]:
    """Flat garments: a sock, a glove's outline, a collar, as thick slabs with soft edges, one or two."""
    line = np.array(
        [[0, 0], [1.5, 0], [1.6, 3.2], [1.9, 4.4], [4.3, 4.9], [4.5, 6.2], [3.4, 6.7], [0.6, 6.4], [-0.1, 5.2]], float
    )
    path = p.smooth(np.column_stack([np.vstack([line, line[:1]]), np.zeros(len(line) + 1)]), 180)[:-1, :2]
    path = (path - path.mean(axis=0)) * float(rng.uniform(1.0, 1.6)) / 3.5
    slab = shapes.loft(shapes.rounded(0.5, 0.2, 1.0), path)
    v = slab.vertices * [3.0, 3.0, 1.0]
    v[:, 2] *= 1 + 0.2 * shapes.waves(rng, v, 0.25, 2)
    one = Part(type(slab)(v, slab.faces), palette.cloth(rng))
    parts = [one]
    if rng.random() < 0.6:
        parts += moved([one], rotate("z", float(rng.normal(0, 20))), translate(float(rng.uniform(3, 4)), 0.5))
    return parts


def fringe(rng: Rng) -> list[Part]:
    """A small woven mat with a fringe of threads at two sides."""
    wide, deep = float(rng.uniform(4, 9)), float(rng.uniform(3, 7))
    x, y = square(50)
    flat = np.stack([x * wide / 2, y * deep / 2, 0 * x], axis=2)
    flat[..., 2] = 0.12 + 0.06 * shapes.waves(rng, flat.reshape(-1, 3), 0.15, 2).reshape(50, 50)
    material = palette.cloth(rng)
    parts = [Part(shapes.sheet(flat, 0.14), material)]
    w = float(rng.uniform(0.012, 0.05))
    for side in (-1, 1):
        for k in np.linspace(-deep / 2 + 0.05, deep / 2 - 0.05, int(rng.integers(24, 60))):
            length = float(rng.uniform(0.7, 1.5))
            bends = np.array(
                [[-0.1, 0, 0.12], [0.35, float(rng.normal(0, 0.05)), 0.1], [1, float(rng.normal(0, 0.16)), 0.08]]
            )
            path = p.smooth(bends * [side * length, 1, 1] + [side * wide / 2, k, 0], 14)
            parts.append(Part(tube(path, w, sides=6), material))
    return parts


def scrunchie(rng: Rng) -> list[Part]:
    """A gathered ring of cloth."""
    base = torus(1.6, float(rng.uniform(0.5, 0.8)), 240, 40)
    v = base.vertices
    a = np.arctan2(v[:, 1], v[:, 0])
    n = int(rng.integers(14, 26))
    push = 1 + 0.10 * np.cos(n * a + 2.0 * shapes.waves(rng, v, 0.25, 1)) + 0.05 * shapes.waves(rng, v, 0.8, 2)
    ring = np.column_stack([1.6 * np.cos(a), 1.6 * np.sin(a), 0 * a])
    return [Part(type(base)(ring + (v - ring) * push[:, None], base.faces), palette.satin(rng))]


KINDS = {
    "folded_cloth": Kind(folded, (15.0, 80.0), 0.2),
    "crumpled_cloth": Kind(crumpled, (20.0, 85.0), 0.1),
    "draped_cloth": Kind(draped, (10.0, 50.0), 0.1),
    "ribbon": Kind(ribbon_roll, (30.0, 88.0), 0.1),
    "ribbon_bow": Kind(bow, (20.0, 85.0), 0.15),
    "rope_knot": Kind(rope_knot, (30.0, 90.0)),
    "garment": Kind(socks, (60.0, 90.0), 0.1),
    "fringe": Kind(fringe, (50.0, 90.0), 0.1),
    "scrunchie": Kind(scrunchie, (25.0, 88.0), 0.3),
}
