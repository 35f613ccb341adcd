"""Porcelain and white ceramics: vessels turned and cast."""

from __future__ import annotations

import numpy as np

from eval.synth import palette, shapes
from eval.synth import pieces as p
from eval.synth.kinds.kind import FRONT, Kind, Rng
from eval.synth.mesh import Points, ball, circle, revolve, rotate, translate, tube
from eval.synth.spec import Part, moved

SEEN = (8.0, 55.0)


def outline(rng: Rng) -> Points:
    """Round, fluted, square or oval."""
    how = rng.random()
    if how < 0.55:
        return shapes.superellipse(n=160)
    if how < 0.75:
        n, depth = int(rng.integers(6, 22)), float(rng.uniform(0.01, 0.06))
        a = np.linspace(0, 2 * np.pi, 240, endpoint=False)
        return np.column_stack([np.cos(a), np.sin(a)]) * (1 + depth * np.cos(n * a))[:, None]
    return shapes.superellipse(float(rng.uniform(2, 6)), float(rng.uniform(0.6, 1.0)), 160)


def line(points: list[tuple[float, float]], n: int = 70) -> Points:
    """A smooth profile (n, 2) through (r, z)."""
    q = np.array([[r, 0.0, z] for r, z in points])
    out = p.smooth(q, n)[:, [0, 2]]
    out[:, 0] = np.maximum(out[:, 0], 0.05)
    return out


def vase(rng: Rng) -> list[Part]:
    """A vase with a belly and a neck."""
    h, belly = float(rng.uniform(12, 26)), float(rng.uniform(3, 7))
    neck, lip, foot = float(rng.uniform(0.7, 2.5)), float(rng.uniform(1.0, 3.5)), float(rng.uniform(1.8, 3.5))
    at = float(rng.uniform(0.25, 0.6))
    shape = line([(foot, 0), (foot * 1.05, 0.03 * h), (belly, at * h), (neck, 0.85 * h), (max(lip, neck), h)])
    return [Part(shapes.vessel(shape, 0.3, 0.5, outline(rng)), palette.ceramic(rng))]


def bowl(rng: Rng) -> list[Part]:
    """A bowl on a foot ring."""
    r, h, foot = float(rng.uniform(5, 9)), float(rng.uniform(3, 7)), float(rng.uniform(2, 4))
    shape = line([(foot, 0), (foot, 0.5), (0.75 * r, 0.35 * h), (r, h)])
    return [Part(shapes.vessel(shape, 0.28, 0.7, outline(rng)), palette.ceramic(rng))]


def spouted(rng: Rng) -> list[Part]:
    """A jug: a vessel with a beak and a handle, the handle leaving a hole."""
    h, belly, neck = float(rng.uniform(12, 20)), float(rng.uniform(4.5, 6.5)), float(rng.uniform(2.8, 4))
    lip = neck * float(rng.uniform(1.05, 1.3))
    shape = line([(0.65 * belly, 0), (0.7 * belly, 0.3), (belly, 0.35 * h), (neck, 0.8 * h), (lip, h)])
    body = shapes.vessel(shape, 0.3, 0.5)
    v = body.vertices.copy()
    angle = np.arctan2(v[:, 1], v[:, 0])
    v[:, 0] += 0.35 * lip * np.exp(-((angle / 0.35) ** 2)) * np.clip((v[:, 2] / h - 0.72) / 0.28, 0, 1) ** 2
    material = palette.ceramic(rng)
    ear = np.array([[-0.97 * lip, 0, 0.93], [-1.45 * lip, 0, 0.98], [-1.5 * belly, 0, 0.72]])
    ear = np.vstack([ear, [[-1.45 * belly, 0, 0.5], [-0.97 * belly, 0, 0.38]]]) * [1, 1, h]
    grip = tube(p.smooth(ear, 90), np.linspace(0.34, 0.42, 90), sides=20)
    return [Part(type(body)(v, body.faces), material), Part(grip, material)]


def plate(rng: Rng) -> list[Part]:
    """A plate with a raised rim."""
    r = float(rng.uniform(7, 13))
    shape = line([(0.55 * r, 0), (0.6 * r, 0.3), (0.7 * r, 0.9), (r, float(rng.uniform(1.3, 2.2)))])
    return [Part(shapes.vessel(shape, 0.3, 0.45, outline(rng)), palette.ceramic(rng))]


def figurine(rng: Rng) -> list[Part]:
    """A turned figure: skirt, waist, head, arms that leave holes."""
    h, material = float(rng.uniform(9, 16)), palette.ceramic(rng)
    skirt, waist = float(rng.uniform(0.2, 0.34)) * h, 0.08 * h
    shape = line(
        [(skirt, 0), (0.95 * skirt, 0.05 * h), (waist, 0.5 * h), (1.5 * waist, 0.66 * h), (0.4 * waist, 0.75 * h)]
    )
    body = np.vstack([[0.0, 0.0], shape, [0.0, 0.76 * h]])
    parts = [Part(revolve(body, 120), material), Part(ball(0.085 * h, 64), material, translate(0, 0, 0.82 * h))]
    parts.append(Part(ball(0.05 * h, 48), material, translate(0, 0.04 * h, 0.90 * h)))
    for side in (-1, 1):
        reach = float(rng.uniform(0.16, 0.26)) * side
        arm = np.array(
            [[0.09 * side, 0, 0.67], [reach, 0, 0.58], [0.9 * reach, -0.06, 0.46], [0.05 * side, -0.08, 0.45]]
        )
        parts.append(p.wire(p.smooth(arm * h, 60), 0.028 * h, material))
    return parts


def teapot(rng: Rng) -> list[Part]:
    """A round pot with a lid, a spout and a handle."""
    r, material = float(rng.uniform(5, 7)), palette.ceramic(rng)
    h = r * float(rng.uniform(1.2, 1.7))
    shape = line([(0.6 * r, 0), (0.65 * r, 0.3), (r, 0.45 * h), (0.75 * r, 0.88 * h), (0.45 * r, h)])
    body = np.vstack([[0.0, 0.0], shape, [0.42 * r, 1.01 * h], [0.2 * r, 1.08 * h], [0.0, 1.1 * h]])
    spout = np.array([[0.85 * r, 0, 0.3 * h], [1.35 * r, 0, 0.5 * h], [1.55 * r, 0, 0.8 * h], [1.85 * r, 0, 0.98 * h]])
    parts = [Part(revolve(body, 160), material), Part(ball(0.11 * r, 48), material, translate(0, 0, 1.17 * h))]
    parts.append(Part(tube(p.smooth(spout, 60), np.linspace(0.26 * r, 0.11 * r, 60), sides=24), material))
    ear = np.array([[-0.8 * r, 0, 0.85 * h], [-1.35 * r, 0, 0.95 * h], [-1.7 * r, 0, 0.6 * h], [-1.3 * r, 0, 0.25 * h]])
    ear = np.vstack([ear, [[-0.9 * r, 0, 0.22 * h]]])
    return [*parts, Part(tube(p.smooth(ear, 80), 0.085 * r, sides=20), material)]


def candle_holder(rng: Rng) -> list[Part]:
    """A turned stem with rings on a broad foot, at times a candle on it."""
    h, material = float(rng.uniform(8, 22)), palette.ceramic(rng) if rng.random() < 0.6 else palette.metal(rng)
    n = int(rng.integers(5, 10))
    rows = [(float(rng.uniform(2.5, 4)), 0.0), (2.4, 0.5)]
    rows += [(float(rng.uniform(0.35, 1.5)), 0.8 + (h - 1.5) * (i + 1) / (n + 1)) for i in range(n)]
    rows += [(1.5, h - 0.4), (1.7, h)]
    parts = [Part(revolve(np.vstack([[0.0, 0.0], line(rows, 140), [0.0, h]]), 120), material)]
    if rng.random() < 0.5:
        stick = revolve(np.array([[0, 0], [0.95, 0], [0.95, 0.75 * h], [0.6, 0.8 * h], [0, 0.8 * h]], float), 64)
        parts.append(Part(stick, palette.plastic(rng), translate(0, 0, h - 0.05)))
        parts.append(
            Part(tube(np.array([[0, 0, 1.78 * h], [0.04, 0, 1.82 * h], [0.1, 0, 1.87 * h]]), 0.07, sides=8), "onyx")
        )
    return parts


def stack(rng: Rng) -> list[Part]:
    """Bowls or plates piled up."""
    r, material = float(rng.uniform(5, 9)), palette.ceramic(rng)
    h, n = float(rng.uniform(1.2, 4.5)), int(rng.integers(2, 7))
    shape = line([(0.5 * r, 0), (0.52 * r, 0.4), (0.85 * r, 0.5 * h), (r, h)])
    one = shapes.vessel(shape, 0.3, 0.55)
    parts, z = [], 0.0
    for _ in range(n):
        tilt = rotate("z", float(rng.uniform(0, 360)))
        place = translate(float(rng.normal(0, 0.02 * r)), float(rng.normal(0, 0.02 * r)), z)
        parts.append(Part(one, material if rng.random() < 0.8 else palette.ceramic(rng), place @ tilt))
        z += float(rng.uniform(0.6, 0.9))
    return parts


def mug(rng: Rng) -> list[Part]:
    """A straight mug with a handle; enamel mugs have a dark lip."""
    r, material = float(rng.uniform(3.5, 4.6)), palette.ceramic(rng)
    h = float(rng.uniform(6, 11))
    shape = line([(0.95 * r, 0), (r, 0.4), (r, 0.5 * h), (r * float(rng.uniform(0.95, 1.1)), h)])
    parts = [Part(shapes.vessel(shape, 0.32, 0.5), material)]
    ear = np.array(
        [
            [r - 0.1, 0, 0.85 * h],
            [1.12 * r, 0, 0.85 * h],
            [1.5 * r, 0, 0.86 * h],
            [1.75 * r, 0, 0.5 * h],
            [1.4 * r, 0, 0.18 * h],
        ]
    )
    ear = np.vstack([ear, [[1.12 * r, 0, 0.18 * h], [r - 0.1, 0, 0.18 * h]]])
    parts.append(Part(tube(p.smooth(ear, 80), float(rng.uniform(0.3, 0.5)), sides=20), material))
    if rng.random() < 0.4:
        ring = tube(circle(float(shape[-1, 0]) - 0.16, 160, h + 0.1), 0.2, closed=True, sides=14)
        parts.append(Part(ring, palette.enamel(rng)))
    return moved(parts, rotate("z", float(rng.uniform(-60, 60))))


KINDS = {
    "vase": Kind(vase, FRONT, 0.35),
    "bowl": Kind(bowl, SEEN),
    "plate": Kind(plate, (20.0, 88.0)),
    "figurine": Kind(figurine, FRONT, turn=(-50.0, 50.0)),
    "teapot": Kind(teapot, FRONT, 0.1, (-60.0, 60.0)),
    "jug": Kind(spouted, FRONT, turn=(-70.0, 70.0)),
    "candle_holder": Kind(candle_holder, FRONT, 0.35),
    "stacked_bowls": Kind(stack, SEEN, 0.15),
    "mug": Kind(mug, FRONT, 0.3, (-70.0, 70.0)),
}
