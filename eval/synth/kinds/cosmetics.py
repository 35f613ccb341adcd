"""Cosmetics: bottles, tubes, jars, sticks, pumps and compacts. No glass: what is seen through has no one alpha."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import FRONT, Kind, Rng
from eval.synth.materials import Material
from eval.synth.mesh import Mesh, Points, revolve, rotate, torus, translate, tube
from eval.synth.spec import Part, moved


def body_outline(rng: Rng) -> Points:
    """Round, oval or square with round corners."""
    how = rng.random()
    if how < 0.5:
        return shapes.superellipse(n=120)
    return shapes.superellipse(float(rng.uniform(2, 9)), float(rng.uniform(0.4, 1.0)), 144)


def ribbed(r: float, h: float, n: int = 0) -> Mesh:
    """A cap, with n fine ribs round it."""
    a = np.linspace(0, 2 * np.pi, max(4 * n, 96), endpoint=False)
    line = (
        np.column_stack([np.cos(a), np.sin(a)]) * (1 + 0.02 * np.cos(n * a))[:, None]
        if n
        else shapes.superellipse(n=96)
    )
    return shapes.loft(shapes.rounded(h, 0.08, r), line)


def casing(rng: Rng) -> Material:
    """Plastic mostly, else metal or ceramic."""
    return (palette.plastic, palette.plastic, palette.metal, palette.ceramic)[int(rng.integers(4))](rng)


def label(outline: Points, r: float, low: float, high: float, material: Material) -> Part:
    """A sleeve just outside a straight body."""
    return Part(shapes.loft(np.array([[1e-4, low], [r, low], [r, high], [1e-4, high]]), outline), material)


def bottle(rng: Rng) -> list[Part]:
    """A bottle with shoulders, a neck and a cap, at times a label."""
    r, h = float(rng.uniform(1.5, 3)), float(rng.uniform(6, 16))
    outline, material = body_outline(rng), casing(rng)
    neck = r * float(rng.uniform(0.3, 0.6))
    shoulder = float(rng.uniform(0.70, 0.9)) * h
    profile = [
        [1e-4, 0],
        [0.93 * r, 0],
        [r, 0.07 * r],
        [r, shoulder],
        [0.92 * r, shoulder + 0.3 * r],
        [neck, h],
        [1e-4, h],
    ]
    parts = [Part(shapes.loft(np.array(profile), outline), material)]
    cap = float(rng.uniform(1, 4))
    ratio = float(np.abs(outline[:, 1]).max())
    parts.append(
        Part(
            ribbed(min(neck * 1.25, 1.0 * r * ratio), cap, int(rng.choice([0, 0, 40]))), casing(rng), translate(0, 0, h)
        )
    )
    if rng.random() < 0.6:
        parts.append(label(outline, 1.006 * r, 0.18 * shoulder, 0.8 * shoulder, palette.plastic(rng)))
    return parts


def tube_of_cream(rng: Rng) -> list[Part]:
    """A tube: round at its cap, flat at its crimp; standing on the cap or lying."""
    r, h = float(rng.uniform(1.2, 2.4)), float(rng.uniform(8, 15))
    s = np.linspace(0, 1, 40)
    a = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    wide = r * (1 + 0.45 * s**1.5)
    flat = r * (1 - s**1.7) + 0.07
    grid = np.stack(
        [wide[:, None] * np.cos(a), flat[:, None] * np.sin(a), np.broadcast_to((h * s)[:, None], (40, 96))], axis=2
    )
    outer = grid.reshape(-1, 3)
    faces = shapes.closed_rows(40, 96)
    material = palette.plastic(rng)
    parts = [Part(Mesh(outer, faces), material, translate(0, 0, 1.4))]
    parts.append(Part(ribbed(0.82 * r, 1.5, int(rng.choice([0, 36]))), casing(rng)))
    if rng.random() < 0.5:
        return parts
    return moved(parts, rotate("x", 88), rotate("z", 90))


def jar(rng: Rng) -> list[Part]:
    """A low jar with a wide lid, on it or leaning beside it."""
    r, h = float(rng.uniform(2.2, 4)), float(rng.uniform(2, 5))
    outline = body_outline(rng) if rng.random() < 0.4 else shapes.superellipse(n=120)
    open_jar = rng.random() < 0.4
    shape = np.array([[0.9 * r, 0.0], [r, 0.3], [r, 0.85 * h], [0.9 * r, h]])
    parts = [Part(shapes.vessel(shape, 0.3, 0.6 * h, outline), casing(rng))]
    lid = Part(shapes.loft(shapes.rounded(float(rng.uniform(0.8, 1.8)), 0.15, 1.03 * r), outline), casing(rng))
    if open_jar:
        return [*parts, lid.moved(rotate("x", 0) @ translate(2.4 * r, float(rng.normal(0, 0.4))))]
    return [*parts, lid.moved(translate(0, 0, h - 0.1))]


def lipstick(rng: Rng) -> list[Part]:
    """A stick in its case, slanted at the top, its cap standing beside it."""
    case, square = casing(rng), float(rng.choice([2.0, 7.0]))
    outline = shapes.superellipse(square, 1.0, 96)
    parts = [Part(shapes.loft(shapes.rounded(2.6, 0.06, 0.95), outline), case)]
    parts.append(Part(shapes.loft(shapes.rounded(1.1, 0.05, 0.75), outline), palette.metal(rng), translate(0, 0, 2.6)))
    stick = revolve(np.array([[0, 0], [0.6, 0], [0.6, 1.2], [0.55, 1.9], [0.3, 2.2], [0, 2.25]]), 64)
    v = stick.vertices.copy()
    v[:, 2] += np.where(v[:, 2] > 1, 0.7 * v[:, 0], 0.0)
    wax = palette.plastic(rng)
    parts.append(Part(Mesh(v, stick.faces), wax, translate(0, 0, 3.4)))
    if rng.random() < 0.6:
        parts.append(
            Part(shapes.loft(shapes.rounded(4.2, 0.08, 0.95), outline), case, translate(float(rng.uniform(2.4, 4)), 0))
        )
    return parts


def pump(rng: Rng) -> list[Part]:
    """A bottle with a pump: a collar, a stem, a head with a bent spout."""
    parts = bottle(rng)[:1]
    top = float(parts[0].points()[:, 2].max())
    head = casing(rng)
    parts.append(Part(ribbed(1.05, 1.2, 44), head, translate(0, 0, top)))
    parts.append(
        Part(shapes.loft(shapes.rounded(1.5, 0.05, 0.28), shapes.superellipse(n=48)), head, translate(0, 0, top + 1.2))
    )
    parts.append(
        Part(shapes.loft(shapes.rounded(0.7, 0.2, 0.8), shapes.superellipse(n=64)), head, translate(0, 0, top + 2.6))
    )
    spout = np.array([[0, 0, top + 2.95], [1.2, 0, top + 2.98], [2.2, 0, top + 2.85], [2.5, 0, top + 2.45]])
    return [*parts, Part(tube(p.smooth(spout, 40), 0.22, sides=18), head)]


def compact(rng: Rng) -> list[Part]:
    """An open compact: a pan of powder in the lower half, a mirror plate in the upper."""
    r, case = float(rng.uniform(2.8, 4)), casing(rng)
    outline = shapes.superellipse(float(rng.choice([2.0, 6.0])), float(rng.uniform(0.7, 1.0)), 128)
    low = [Part(shapes.loft(shapes.rounded(0.7, 0.15, r), outline), case)]
    low.append(
        Part(shapes.loft(shapes.rounded(0.1, 0.03, 0.84 * r), outline), palette.plastic(rng), translate(0, 0, 0.66))
    )
    lid = [Part(shapes.loft(shapes.rounded(0.5, 0.15, r), outline), case)]
    lid.append(
        Part(shapes.loft(shapes.rounded(0.05, 0.02, 0.86 * r), outline), palette.metal(rng), translate(0, 0, -0.03))
    )
    deep = float(outline[:, 1].max()) * r
    hinge = translate(0, deep, 0.7) @ rotate("x", -float(rng.uniform(55, 105))) @ translate(0, -deep, 0)
    return [*low, *moved(lid, rotate("x", 0), hinge)]


def brushes(rng: Rng) -> list[Part]:
    """Brushes lying or one standing: a handle, a ferrule, a tuft of single hairs."""
    handle, hair, parts = casing(rng) if rng.random() < 0.6 else palette.wood(rng), palette.plastic(rng), []
    h, r = float(rng.uniform(6, 12)), float(rng.uniform(0.3, 0.55))
    rod = np.array([[0, 0], [0.5 * r, 0], [0.9 * r, 0.25 * h], [0.6 * r, 0.6 * h], [0.8 * r, h], [0, h]])
    parts.append(Part(revolve(rod, 64), handle))
    parts.append(
        Part(
            revolve(np.array([[0, 0], [0.85 * r, 0], [1.2 * r, 1.4], [0, 1.4]]), 64),
            palette.metal(rng),
            translate(0, 0, h - 0.1),
        )
    )
    strand = tube(
        np.array([[0, 0, 0], [0.02, 0, 0.6], [0.09, 0, 1.2], [0.2, 0, 1.8]]),
        np.array([0.016, 0.016, 0.012, 0.004]),
        sides=5,
    )
    for _ in range(int(rng.integers(160, 420))):
        far, turn = 1.15 * r * np.sqrt(rng.random()), float(rng.uniform(0, 360))
        place = rotate("z", turn) @ translate(far, 0, h + 1.2) @ rotate("y", float(rng.uniform(0, 16)) * far / r)
        parts.append(Part(strand, hair, place))
    return moved(parts, rotate("x", 90), rotate("z", float(rng.uniform(0, 360))))


def spray_can(rng: Rng) -> list[Part]:
    """An aerosol can with a domed top, a rim and a button or a cap."""
    r, h = float(rng.uniform(1.8, 3)), float(rng.uniform(9, 17))
    a = np.linspace(0, np.pi / 2, 10)
    dome = np.column_stack([0.45 * r + 0.55 * r * np.cos(a), h + 0.5 * r * np.sin(a)])
    profile = np.vstack([np.array([[0, 0], [r, 0.05], [r, h]]), dome, np.array([[0, h + 0.5 * r]])])
    parts = [
        Part(revolve(profile, 120), palette.metal(rng)),
        Part(torus(r, 0.12, 120, 14), palette.metal(rng), translate(0, 0, 0.12)),
    ]
    parts.append(label(shapes.superellipse(n=120), 1.006 * r, 0.6, h - 0.3, palette.plastic(rng)))
    if rng.random() < 0.5:
        return [*parts, Part(ribbed(0.8 * r, 2.2), casing(rng), translate(0, 0, h + 0.3 * r))]
    return [*parts, Part(ribbed(0.35 * r, 1.1), casing(rng), translate(0, 0, h + 0.48 * r))]


KINDS = {
    "bottle": Kind(bottle, FRONT, 0.4, (-50.0, 50.0)),
    "tube": Kind(tube_of_cream, (8.0, 60.0), 0.3, (-50.0, 50.0)),
    "jar": Kind(jar, (10.0, 60.0)),
    "lipstick": Kind(lipstick, FRONT, 0.2, (-60.0, 60.0)),
    "pump_bottle": Kind(pump, FRONT, 0.2, (-70.0, 70.0)),
    "compact": Kind(compact, (15.0, 60.0), 0.1, (-50.0, 50.0)),
    "brush": Kind(brushes, (50.0, 90.0), 0.3),
    "spray_can": Kind(spray_can, FRONT, 0.3),
}
