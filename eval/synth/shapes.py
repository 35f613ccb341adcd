"""More meshes: lofts, slabs, sheets and ribbons, shanks of changing width, and surfaces roughened by smooth noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eval.synth.mesh import Mesh, Points, ball, grid_faces, tangents, unit

Rng = np.random.Generator


def superellipse(square: float = 2.0, ratio: float = 1.0, n: int = 128) -> Points:
    """Outline (n, 2) of half width 1 along x and `ratio` along y; 2 is an ellipse, 8 nearly a box."""
    a = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    c, s = np.cos(a), np.sin(a)
    return np.column_stack([np.sign(c) * np.abs(c) ** (2 / square), ratio * np.sign(s) * np.abs(s) ** (2 / square)])


def loft(profile: Points, outline: Points) -> Mesh:
    """Copies of an outline (k, 2), scaled and lifted by the rows (r, z) of a profile, closed at both ends.

    A surface of revolution whose section is no circle: boxes, fluted vases, slabs of any star-shaped outline.
    """
    profile = np.asarray(profile, dtype=np.float64)
    k = len(outline)
    rows = [np.column_stack([outline * max(r, 1e-4), np.full(k, z)]) for r, z in profile]
    faces = grid_faces(len(profile), k, closed_rows=False)
    faces.append(tuple(range(k - 1, -1, -1)))
    faces.append(tuple((len(profile) - 1) * k + i for i in range(k)))
    return Mesh(np.concatenate(rows), tuple(faces))


def rounded(height: float, bevel: float, size: float = 1.0, steps: int = 6) -> Points:
    """Profile (m, 2) of a slab from z = 0 to `height` whose edges are rounded by `bevel`, half width `size`."""
    a = np.linspace(0.0, np.pi / 2, steps)
    low = np.column_stack([size - bevel * (1 - np.sin(a)), bevel * (1 - np.cos(a))])
    high = np.column_stack([low[::-1, 0], height - low[::-1, 1]])
    flat = np.array([[1e-4, 0.0]]), np.array([[1e-4, height]])
    return np.vstack([flat[0], low, high, flat[1]])


def box(x: float, y: float, z: float, bevel: float, square: float = 9.0) -> Mesh:
    """A box with rounded edges on z = 0; x, y and z are its outer measures."""
    half = x / 2
    return loft(rounded(z, min(bevel, 0.45 * z), half), superellipse(square, y / x))


def vessel(outer: Points, wall: float, floor: float, outline: Points | None = None, smooth_bottom: float = 0.3) -> Mesh:
    """A hollow body: its outer profile (m, 2) from the foot to the lip, walls of even thickness, a closed floor."""
    inner = outer[::-1] - np.array([wall, 0.0])
    inner = inner[(inner[:, 1] > floor) & (inner[:, 0] > 0.02)]
    lip = (outer[-1] + np.array([-wall / 2, wall / 2]))[None]
    foot = max(outer[0, 0] - smooth_bottom, 0.1)
    under = np.array([[1e-4, outer[0, 1] + 0.05], [foot, outer[0, 1] + 0.05]])
    bottom = np.array([[max(inner[-1, 0] * 0.6, 0.02), floor], [1e-4, floor]])
    return loft(np.vstack([under, outer, lip, inner, bottom]), superellipse() if outline is None else outline)


def sheet(top: Points, thickness: float, closed: bool = False) -> Mesh:
    """A thin solid whose middle surface is a grid of points (n, m, 3); `closed` joins the last row to the first."""
    n, m = top.shape[:2]
    du = np.roll(top, -1, axis=0) - np.roll(top, 1, axis=0) if closed else np.gradient(top, axis=0)
    normal = unit(np.cross(du, np.gradient(top, axis=1)))
    up, low = top + normal * thickness / 2, top - normal * thickness / 2
    # Round the columns' ends: a row is a closed loop over the upper side and back along the lower one.
    loop = np.concatenate([up, low[:, ::-1]], axis=1)
    faces = grid_faces(n, 2 * m, closed_rows=closed)
    if not closed:
        for row, flip in ((0, False), (n - 1, True)):
            for k in range(m - 1):
                quad = [row * 2 * m + i for i in (k, k + 1, 2 * m - 2 - k, 2 * m - 1 - k)]
                faces.append(tuple(reversed(quad)) if flip else tuple(quad))
    return Mesh(loop.reshape(-1, 3), tuple(faces))


def ribbon(path: Points, across: Points, width: float | Points, thickness: float, closed: bool = False) -> Mesh:
    """A flat band along a path (n, 3) that lies in the directions `across` (n, 3) or (3,)."""
    side = unit(np.broadcast_to(across, path.shape).astype(np.float64))
    half = np.broadcast_to(np.asarray(width, np.float64), (len(path),)) / 2
    s = np.linspace(-1.0, 1.0, 7)
    grid = path[:, None] + side[:, None] * (half[:, None] * s)[..., None]
    return sheet(grid, thickness, closed)


def shank(inner: float, width: Callable[[Points], Points], thickness: Callable[[Points], Points]) -> Mesh:
    """A finger ring about z whose section changes around it; both functions take angles in radians, 0 at +x."""
    a = np.linspace(0.0, 2 * np.pi, 240, endpoint=False)
    b = np.linspace(0.0, 2 * np.pi, 32, endpoint=False)
    c, s = np.cos(b), np.sin(b)
    t = thickness(a)[:, None]
    r = inner + t / 2 + t / 2 * np.sign(c) * np.abs(c) ** 0.75
    z = width(a)[:, None] / 2 * np.sign(s) * np.abs(s) ** 0.75
    grid = np.stack([r * np.cos(a)[:, None], r * np.sin(a)[:, None], z], axis=2)
    return Mesh(grid.reshape(-1, 3), tuple(grid_faces(len(a), len(b), closed_rows=True)))


def waves(rng: Rng, points: Points, per_unit: float, octaves: int = 3) -> Points:
    """Smooth noise (n,) of about -1..1 at points (n, 3): sums of plane waves in random directions."""
    total = np.zeros(len(points))
    for octave in range(octaves):
        k = rng.standard_normal((8, 3)) * per_unit * 2**octave
        phase = rng.uniform(0, 2 * np.pi, 8)
        total += np.cos(points @ k.T * 2 * np.pi + phase).sum(axis=1) / 4 / 1.8**octave
    return total


def pebble(rng: Rng, size: float, roughness: float, per_unit: float, octaves: int = 2, n: int = 120) -> Mesh:
    """A ball whose surface smooth noise pushes in and out by the share `roughness` of its radius."""
    b = ball(1.0, n)
    push = 1 + roughness * waves(rng, b.vertices, per_unit, octaves)
    return Mesh(b.vertices * np.maximum(push, 0.15)[:, None] * size, b.faces)


def wander(rng: Rng, n: int, length: float, turn: float, flat: float = 0.1) -> Points:
    """A smooth random path (n, 3) of a given length; `turn` is the angle in radians it may bend in all, z damped."""
    k = 5
    s = np.linspace(0.0, 1.0, n)
    angle, rise = np.full(n, float(rng.uniform(0, 2 * np.pi))), np.zeros(n)
    for i in range(1, k + 1):
        angle += turn * float(rng.normal(0, 1 / i)) * np.sin(np.pi * i * s + float(rng.uniform(0, 2 * np.pi)))
        rise += float(rng.normal(0, flat / i)) * np.sin(np.pi * i * s + float(rng.uniform(0, 2 * np.pi)))
    d = np.column_stack([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)])
    path = np.cumsum(d, axis=0) * length / n
    return np.asarray(path - path.mean(axis=0), dtype=np.float64)


def at_lengths(path: Points, step: float, closed: bool = False) -> tuple[Points, Points]:
    """Points (k, 3) every `step` along a polyline, and the unit tangents there; a closed one is stretched to fit."""
    line = np.vstack([path, path[:1]]) if closed else path
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    total = float(s[-1])
    count = max(2, round(total / step)) if closed else max(2, int(total / step) + 1)
    where = np.arange(count) * (total / count if closed else step)
    here = np.column_stack([np.interp(where, s, line[:, k]) for k in range(3)])
    return here, tangents(here, closed)


def closed_rows(rows: int, columns: int) -> tuple[tuple[int, ...], ...]:
    """Faces of a grid (rows, columns) of vertices closed along its columns and capped at its first and last row."""
    faces = grid_faces(rows, columns, closed_rows=False)
    faces.append(tuple(range(columns - 1, -1, -1)))
    faces.append(tuple((rows - 1) * columns + k for k in range(columns)))
    return tuple(faces)
