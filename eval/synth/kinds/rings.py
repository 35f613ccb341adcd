"""Finger rings."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import Kind, Rng
from eval.synth.materials import Material
from eval.synth.mesh import at_point, ball, brilliant, cabochon, circle, rotate, scale, torus, translate, tube
from eval.synth.spec import Part, moved

ANY_RING = (14.0, 80.0)


def pose(rng: Rng, parts: list[Part]) -> list[Part]:
    """A ring about z with its head at +x: standing, leaning, or lying."""
    upright = [part.moved(rotate("x", 90) @ rotate("z", 90)) for part in parts]
    how = rng.random()
    if how < 0.55:
        return moved(upright, rotate("y", float(rng.uniform(-14, 14))))
    if how < 0.8:
        return moved(upright, rotate("x", float(rng.uniform(48, 80))))
    return parts


def plain(rng: Rng, metal: Material, wide: float = 0.2) -> tuple[list[Part], float]:
    """A shank about z, and the radius of its outside at +x."""
    inner, thick = float(rng.uniform(0.78, 0.98)), float(rng.uniform(0.10, 0.18))
    taper = float(rng.uniform(0, 0.35))
    mesh = shapes.shank(
        inner,
        lambda a: wide * (1 - taper * (1 + np.cos(a)) / 2),
        lambda a: thick * (1 - 0.4 * taper * (1 + np.cos(a)) / 2),
    )
    return [Part(mesh, metal)], inner + thick * (1 - 0.4 * taper)


def headed(parts: list[Part], top: float) -> list[Part]:
    """A head made about the origin, its foot at z = 0, put on the shank at +x."""
    return moved(parts, rotate("y", 90), translate(top, 0))


def halo(rng: Rng) -> list[Part]:
    """A centre stone in claws within one or two circles of small stones."""
    metal, gem, small = palette.metal(rng), palette.stone(rng), palette.stone(rng)
    parts, top = plain(rng, metal)
    size, tiny = float(rng.uniform(0.22, 0.36)), float(rng.uniform(0.045, 0.075))
    head = p.prong_setting(size, gem, metal, int(rng.choice([4, 6, 8])))
    one, claw = brilliant(tiny), ball(0.35 * tiny, 16)
    for lap in range(int(rng.integers(1, 3))):
        radius = 1.18 * size + 1.1 * tiny + 2.3 * tiny * lap
        height = 0.82 * size - 0.6 * tiny * lap
        head.append(Part(torus(radius, 0.75 * tiny, 120, 14), metal, translate(0, 0, height - 0.5 * tiny)))
        n = int(2 * np.pi * radius / (2.25 * tiny))
        for turn in p.full_turns(n):
            head.append(Part(one, small, rotate("z", turn) @ translate(radius, 0, height + 0.35 * tiny)))
            gap = rotate("z", turn + 180 / n) @ translate(radius, 0, height + 0.4 * tiny)
            head.append(Part(claw, metal, gap))
    return pose(rng, parts + headed(head, top - 0.04))


def three_stone(rng: Rng) -> list[Part]:
    """Three or five stones in a row, the middle one largest."""
    metal, gem, side = palette.metal(rng), palette.stone(rng), palette.stone(rng)
    parts, top = plain(rng, metal)
    size, angle, n = float(rng.uniform(0.2, 0.3)), 0.0, int(rng.integers(1, 3))
    for i in range(n + 1):
        here = size * 0.78**i
        head = p.prong_setting(here, side if i else gem, metal, 4)
        for sign in (-1, 1) if i else (1,):
            parts += moved(headed(head, top - 0.05), rotate("z", sign * np.degrees(angle)))
        angle += (here + 0.78 * here + 0.03) / (top + 0.9 * here) * 1.05
    return pose(rng, parts)


def signet(rng: Rng) -> list[Part]:
    """A shank that widens to a flat plate: bare, enamelled, or with a stone."""
    metal = palette.metal(rng)
    inner, wide = float(rng.uniform(0.82, 0.98)), float(rng.uniform(0.9, 1.4))
    power = float(rng.uniform(4, 9))
    mesh = shapes.shank(
        inner,
        lambda a: 0.28 + (wide - 0.28) * ((1 + np.cos(a)) / 2) ** power,
        lambda a: 0.11 + 0.16 * ((1 + np.cos(a)) / 2) ** power,
    )
    parts = [Part(mesh, metal)]
    outline = shapes.superellipse(float(rng.choice([2.0, 2.5, 5.0])), float(rng.uniform(0.7, 1.0)), 96)
    plate = shapes.loft(shapes.rounded(0.16, 0.04, wide / 2), outline)
    head = [Part(plate, metal)]
    if rng.random() < 0.6:
        top = palette.enamel(rng) if rng.random() < 0.5 else palette.opaque_stone(rng)
        head.append(Part(shapes.loft(shapes.rounded(0.05, 0.02, 0.4 * wide), outline), top, translate(0, 0, 0.14)))
    return pose(rng, parts + headed(moved(head, rotate("z", 90)), inner + 0.16))


def rows(rng: Rng, lap: float) -> list[Part]:
    """A band with one to three rows of small stones over the share `lap` of its round."""
    metal, gem = palette.metal(rng), palette.stone(rng)
    tiny, n = float(rng.uniform(0.05, 0.10)), int(rng.integers(1, 4))
    radius, pitch = float(rng.uniform(0.86, 1.0)), 2.3 * tiny
    wide = n * pitch + 0.1
    parts = p.band(radius - 0.13, wide, 0.13, metal, 4.0)
    count = int(2 * np.pi * radius / pitch)
    one, claw = brilliant(tiny), ball(0.3 * tiny, 14)
    for i in range(int(count * lap)):
        angle = 360 * (i - int(count * lap) / 2 + 0.5) / count
        for k in range(n):
            z = (k - (n - 1) / 2) * pitch
            parts.append(Part(one, gem, rotate("z", angle) @ translate(radius + 0.1 * tiny, 0, z) @ rotate("y", 90)))
            for side in (-1, 1):
                spot = translate(radius + 0.15 * tiny, 0, z + side * 0.45 * pitch)
                parts.append(Part(claw, metal, rotate("z", angle + 180 / count) @ spot))
    return pose(rng, parts)


def pave(rng: Rng) -> list[Part]:
    """Small stones over the upper part of a band."""
    return rows(rng, float(rng.uniform(0.3, 0.6)))


def eternity(rng: Rng) -> list[Part]:
    """Small stones all round a band."""
    return rows(rng, 1.0)


def knot(rng: Rng) -> list[Part]:
    """Two or three wires that wind about each other, a tie in front."""
    metal, n = palette.metal(rng), int(rng.integers(2, 4))
    turns, radius, w = int(rng.integers(2, 6)), float(rng.uniform(0.82, 1.0)), float(rng.uniform(0.04, 0.075))
    a = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    parts = []
    for i in range(n):
        phase = turns * a + 2 * np.pi * i / n
        swell = w * (1.1 + 1.6 * np.exp(-(np.minimum(a, 2 * np.pi - a) ** 2) / 0.2))
        r = radius + swell * np.cos(phase)
        path = np.column_stack([r * np.cos(a), r * np.sin(a), 1.5 * swell * np.sin(phase)])
        parts.append(p.wire(path, w, metal, closed=True))
    return pose(rng, parts)


def dome(rng: Rng) -> list[Part]:
    """A cocktail ring: one large domed stone or a cluster of balls."""
    metal = palette.metal(rng)
    parts, top = plain(rng, metal, 0.3)
    size = float(rng.uniform(0.45, 0.75))
    if rng.random() < 0.5:
        collar = shapes.loft(shapes.rounded(0.22, 0.05, 1.08 * size), shapes.superellipse(2.0, 1.0, 96))
        gem = palette.opaque_stone(rng) if rng.random() < 0.7 else palette.stone(rng)
        head = [Part(collar, metal), Part(cabochon(size, 0.6 * size), gem, translate(0, 0, 0.2))]
        flat = scale(1.0, float(rng.uniform(0.65, 1.0)), 1.0)
        return pose(rng, parts + headed(moved(head, flat), top - 0.08))
    head = [Part(torus(0.5 * size, 0.05, 64, 12), metal, translate(0, 0, 0.06))]
    bead, gem = ball(0.36 * size, 48), palette.pearl(rng) if rng.random() < 0.6 else palette.opaque_stone(rng)
    head += [Part(bead, gem, rotate("z", t) @ translate(0.55 * size, 0, 0.33 * size)) for t in p.full_turns(5)]
    head.append(Part(bead, gem, translate(0, 0, 0.62 * size)))
    return pose(rng, parts + headed(head, top - 0.05))


def wires(rng: Rng) -> list[Part]:
    """Stacking rings: three to seven thin wires, piled and fanned."""
    parts = []
    height = 0.0
    for _ in range(int(rng.integers(3, 8))):
        w = float(rng.uniform(0.015, 0.06))
        ring = tube(circle(float(rng.uniform(0.8, 0.95)), 240), w, closed=True, sides=12)
        place = translate(float(rng.normal(0, 0.12)), float(rng.normal(0, 0.12)), height + w)
        parts.append(Part(ring, palette.metal(rng), place))
        height += 2 * w
    return parts


def open_ring(rng: Rng) -> list[Part]:
    """A ring that does not close: its ends carry balls or pass each other as a coil."""
    metal, radius, w = palette.metal(rng), float(rng.uniform(0.8, 1.0)), float(rng.uniform(0.04, 0.08))
    if rng.random() < 0.5:
        a = np.linspace(0.25, 2 * np.pi - 0.25, 220)
        path = np.column_stack([radius * np.cos(a), radius * np.sin(a), 0 * a])
        end = palette.pearl(rng) if rng.random() < 0.6 else metal
        balls = [Part(ball(2.4 * w, 40), end, at_point(path[i])) for i in (0, -1)]
        return pose(rng, [p.wire(path, w, metal), *balls])
    turns = float(rng.uniform(1.6, 4.2))
    a = np.linspace(0, 2 * np.pi * turns, int(160 * turns))
    path = np.column_stack([radius * np.cos(a), radius * np.sin(a), a / (2 * np.pi) * w * float(rng.uniform(2.2, 4))])
    return pose(rng, [p.wire(path, w, metal)])


KINDS = {
    "halo_ring": Kind(halo, ANY_RING),
    "three_stone_ring": Kind(three_stone, ANY_RING),
    "signet": Kind(signet, ANY_RING),
    "pave_band": Kind(pave, ANY_RING),
    "eternity": Kind(eternity, ANY_RING),
    "knot_ring": Kind(knot, ANY_RING),
    "dome_ring": Kind(dome, ANY_RING),
    "stacking_rings": Kind(wires, (30.0, 90.0)),
    "open_ring": Kind(open_ring, ANY_RING),
}
