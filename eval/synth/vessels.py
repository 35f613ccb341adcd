"""White on white: loose pearls on a thread, and a porcelain cup."""

from __future__ import annotations

import numpy as np

from eval.synth import pieces as p
from eval.synth.mesh import Points, ball, circle, revolve, rotate, scale, translate, tube
from eval.synth.spec import Arrangement, Part, View, moved, rest


def pearls(seed: int) -> Arrangement:
    """A knotted strand of white pearls in a loose loop, and three pearls beside it."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 2 * np.pi, 3000)
    bend = float(rng.uniform(0.10, 0.16))
    phase = float(rng.uniform(0, 2 * np.pi))
    r = 1.0 + bend * np.sin(2 * t + phase) + 0.4 * bend * np.sin(3 * t)
    path = np.column_stack([4.6 * r * np.cos(t), 3.4 * r * np.sin(t), np.zeros_like(t)])
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    count = round(float(s[-1]) / 0.80)
    step = float(s[-1]) / count
    round_one, knot = ball(1.0, 128), ball(0.075, 32)
    parts: list[Part] = []
    for i in range(count):
        here = _at(path, s, i * step)
        size = 0.36 + float(rng.normal(0, 0.008))
        parts.append(
            Part(round_one, "pearl_white", translate(here[0], here[1], size) @ scale(size, size, size * 0.985))
        )
        between = _at(path, s, (i + 0.5) * step)
        parts.append(Part(knot, "thread", translate(between[0], between[1], 0.36)))
    thread = np.column_stack([path[::6, :2], np.full(len(path[::6]), 0.36)])[:-1]
    parts.append(p.wire(thread, 0.022, "thread", closed=True, sides=8))
    for angle, far in zip(rng.uniform(0, 360, 3), (0.35, 1.25, 0.9), strict=True):
        size = float(rng.uniform(0.30, 0.44))
        spot = rotate("z", float(angle))[:3, :3] @ np.array([far, 0.0, 0.0])
        parts.append(Part(round_one, "pearl_white", translate(spot[0] * 1.3, spot[1], size) @ scale(size)))
    return Arrangement(tuple(parts), View(elevation=58.0, fill=0.80))


def _at(path: Points, s: Points, at: float) -> Points:
    return np.array([np.interp(at, s, path[:, k]) for k in range(2)])


def cup(seed: int) -> Arrangement:
    """A porcelain cup with a handle on its saucer."""
    rng = np.random.default_rng(seed)
    height, lip, foot = float(rng.uniform(5.4, 6.4)), float(rng.uniform(3.9, 4.4)), 2.2
    lines = np.array(
        [
            [foot, 0, 0.0],
            [foot + 0.25, 0, 0.35],
            [0.80 * lip, 0, 0.34 * height],
            [0.94 * lip, 0, 0.68 * height],
            [lip, 0, height],
        ]
    )
    outer = p.smooth(lines, 90)[:, [0, 2]]
    inner = outer[::-1] - np.array([0.24, 0.0])
    inner = inner[inner[:, 1] > 0.55]
    rim = np.array([[lip - 0.03, height + 0.07], [lip - 0.12, height + 0.10], [lip - 0.21, height + 0.07]])
    bottom = np.array([[inner[-1, 0] - 0.5, 0.42], [0.0, 0.36]])
    under = np.array([[0.0, 0.12], [foot - 0.45, 0.12], [foot - 0.32, 0.0], [foot - 0.1, -0.03]])
    body = Part(revolve(np.vstack([under, outer, rim, inner, bottom]), 360), "porcelain")
    ear = np.array(
        [[0.83, 0, 0.80], [1.10, 0, 0.89], [1.42, 0, 0.80], [1.48, 0, 0.56], [1.22, 0, 0.33], [0.74, 0, 0.29]]
    )
    line = p.smooth(ear * [lip, 1, height], 120)
    grip = Part(tube(line, np.linspace(0.30, 0.24, 120), sides=32), "porcelain")
    profile = [
        [0, 0.30],
        [2.6, 0.30],
        [2.9, 0.42],
        [4.8, 0.78],
        [6.3, 1.30],
        [6.42, 1.36],
        [6.40, 1.24],
        [4.9, 0.60],
        [3.2, 0.12],
        [2.9, 0.0],
        [0, 0.0],
    ]
    plate = np.array([[r, 0.0, z] for r, z in profile])
    saucer = Part(revolve(_clean(p.smooth(plate, 160)[:, [0, 2]]), 360), "porcelain")
    parts = moved([body, grip], rotate("z", float(rng.uniform(-40, -15))), translate(0, 0, 0.34))
    ring = Part(tube(circle(6.0, 360, 1.22), 0.03, closed=True, sides=8), "porcelain")
    return Arrangement(tuple(rest([*parts, saucer, ring])), View(elevation=24.0, fill=0.74))


def _clean(profile: Points) -> Points:
    """No negative radii; the two ends lie on the axis."""
    out = profile.copy()
    out[:, 0] = np.maximum(out[:, 0], 0.0)
    inside = out[1:-1][out[1:-1, 0] > 1e-3]
    return np.vstack([[0.0, out[0, 1]], inside, [0.0, out[-1, 1]]])
