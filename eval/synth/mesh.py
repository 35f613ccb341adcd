"""Meshes as plain arrays: tubes, surfaces of revolution, cut stones, and the matrices that place them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Vertices (n, 3) in centimetres and faces as tuples of vertex indices, counter-clockwise seen from outside."""

    vertices: Points
    faces: tuple[tuple[int, ...], ...]
    smooth: bool = True


def translate(x: float, y: float, z: float = 0.0) -> Matrix:
    """4 x 4 translation."""
    out = np.eye(4)
    out[:3, 3] = (x, y, z)
    return out


def at_point(point: Points) -> Matrix:
    """4 x 4 translation to a point (3,)."""
    return translate(float(point[0]), float(point[1]), float(point[2]))


def rotate(axis: str, degrees: float) -> Matrix:
    """4 x 4 rotation about the 'x', 'y' or 'z' axis, right-handed."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    out = np.eye(4)
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = -s, s
    return out


def scale(x: float, y: float | None = None, z: float | None = None) -> Matrix:
    """4 x 4 scaling; y and z default to x."""
    return np.diag([x, x if y is None else y, x if z is None else z, 1.0])


def shifted(points: Points, x: float, y: float = 0.0, z: float = 0.0) -> Points:
    """Points (n, 3) moved."""
    return np.asarray(points + np.array([x, y, z]), dtype=np.float64)


def transform(points: Points, matrix: Matrix) -> Points:
    """Apply a 4 x 4 matrix to points (n, 3)."""
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3], dtype=np.float64)


def unit(v: Points) -> Points:
    """Scale rows to length 1; rows of length 0 stay."""
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(v / np.where(length > 1e-12, length, 1.0), dtype=np.float64)


def tangents(path: Points, closed: bool) -> Points:
    """Unit tangents (n, 3) of a polyline, central differences."""
    return unit(np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0) if closed else np.gradient(path, axis=0))


def _transport(t: Points, closed: bool) -> Points:
    """Normals (n, 3) carried along tangents with no twist; on a closed path the leftover twist is spread evenly."""
    seed = np.eye(3)[int(np.argmin(np.abs(t[0])))]
    normals = np.empty_like(t)
    normals[0] = unit(np.cross(t[0], seed))
    for i in range(1, len(t)):
        n = normals[i - 1] - t[i] * float(normals[i - 1] @ t[i])
        normals[i] = unit(n)
    if closed:
        end = unit(normals[-1] - t[0] * float(normals[-1] @ t[0]))
        b = np.cross(t[0], normals[0])
        twist = math.atan2(float(end @ b), float(end @ normals[0]))
        a = -twist * np.arange(len(t)) / len(t)
        normals = normals * np.cos(a)[:, None] + np.cross(t, normals) * np.sin(a)[:, None]
    return normals


def tube(path: Points, radius: float | Points, closed: bool = False, sides: int = 16) -> Mesh:
    """A round wire along a polyline; open ends are closed by flat caps, so taper the radius for rounded ones.

    Args:
        path: (n, 3) centre line.
        radius: one radius or one per point (n,).
        closed: join the last point to the first.
        sides: vertices around the wire.
    """
    path = np.asarray(path, dtype=np.float64)
    n = len(path)
    t = tangents(path, closed)
    normal = _transport(t, closed)
    side = np.cross(t, normal)
    a = np.linspace(0.0, 2 * np.pi, sides, endpoint=False)
    r = np.broadcast_to(np.asarray(radius, dtype=np.float64), (n,))
    ring = np.cos(a)[None, :, None] * normal[:, None] + np.sin(a)[None, :, None] * side[:, None]
    vertices = (path[:, None] + r[:, None, None] * ring).reshape(-1, 3)
    faces = grid_faces(n, sides, closed_rows=closed)
    if not closed:
        faces.append(tuple(range(sides - 1, -1, -1)))
        faces.append(tuple((n - 1) * sides + k for k in range(sides)))
    return Mesh(vertices, tuple(faces))


def grid_faces(rows: int, columns: int, closed_rows: bool) -> list[tuple[int, ...]]:
    """Quads of a grid that is closed along its columns."""
    faces: list[tuple[int, ...]] = []
    for i in range(rows if closed_rows else rows - 1):
        j = (i + 1) % rows
        for k in range(columns):
            m = (k + 1) % columns
            faces.append((i * columns + k, i * columns + m, j * columns + m, j * columns + k))
    return faces


def round_ends(n: int, radius: float, share: float = 0.04) -> Points:
    """Radii (n,) of a wire with rounded ends; `share` of the points at each end is tapered."""
    s = np.linspace(0.0, 1.0, n)
    x = np.clip(np.minimum(s, 1 - s) / share, 0.0, 1.0)
    return np.asarray(radius * np.sqrt(np.clip(1 - (1 - x) ** 2, 0.004, 1.0)), dtype=np.float64)


def revolve(profile: Points, segments: int = 128, closed: bool = False) -> Mesh:
    """A surface of revolution about z.

    Args:
        profile: (m, 2) rows of (r, z). Rows of r = 0 at either end become poles.
        segments: vertices around z.
        closed: the profile is a loop (a ring's section) and not an open line.
    """
    profile = np.asarray(profile, dtype=np.float64)
    a = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    ring = np.stack([np.cos(a), np.sin(a)], axis=1)
    vertices: list[Points] = []
    rows: list[list[int]] = []
    for r, z in profile:
        start = sum(len(v) for v in vertices)
        if r < 1e-9:
            vertices.append(np.array([[0.0, 0.0, z]]))
            rows.append([start] * segments)
        else:
            vertices.append(np.column_stack([ring * r, np.full(segments, z)]))
            rows.append(list(range(start, start + segments)))
    faces: list[tuple[int, ...]] = []
    for i in range(len(rows) if closed else len(rows) - 1):
        low, high = rows[i], rows[(i + 1) % len(rows)]
        for k in range(segments):
            m = (k + 1) % segments
            corners = (low[k], low[m], high[m], high[k])
            faces.append(tuple(dict.fromkeys(corners)))
    return Mesh(np.concatenate(vertices), tuple(f for f in faces if len(f) > 2))


def ball(radius: float, segments: int = 64) -> Mesh:
    """A sphere about the origin."""
    a = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    profile = np.column_stack([radius * np.cos(a), radius * np.sin(a)])
    profile[[0, -1], 0] = 0.0
    return revolve(profile, segments)


def circle(radius: float, n: int = 128, z: float = 0.0, y_radius: float | None = None) -> Points:
    """Points (n, 3) of a circle, or of an ellipse when y_radius is given, in a plane of constant z."""
    a = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    ry = radius if y_radius is None else y_radius
    return np.column_stack([radius * np.cos(a), ry * np.sin(a), np.full(n, z)])


def torus(radius: float, wire: float, segments: int = 128, sides: int = 24) -> Mesh:
    """A round wire bent to a circle in the plane z = 0."""
    return tube(circle(radius, segments), wire, closed=True, sides=sides)


def stadium(length: float, width: float, n: int = 64) -> Points:
    """Centre line (n, 3) of a chain link: two half circles and straight sides, long axis x, points evenly spaced."""
    r = width / 2
    straight = max(length - width, 0.0)
    half = math.pi * r
    total = 2 * (straight + half)
    s = np.linspace(0.0, total, n, endpoint=False)
    out = np.zeros((n, 3))
    for i, d in enumerate(s):
        if d < straight:
            out[i, :2] = (-straight / 2 + d, -r)
        elif d < straight + half:
            a = -np.pi / 2 + (d - straight) / r
            out[i, :2] = (straight / 2 + r * math.cos(a), r * math.sin(a))
        elif d < 2 * straight + half:
            out[i, :2] = (straight / 2 - (d - straight - half), r)
        else:
            a = np.pi / 2 + (d - 2 * straight - half) / r
            out[i, :2] = (-straight / 2 + r * math.cos(a), r * math.sin(a))
    return out


def brilliant(radius: float) -> Mesh:
    """A round brilliant: table, 8 stars, 8 kites, 16 upper halves, girdle, and the pavilion; girdle at z = 0."""
    up = np.arange(8) * np.pi / 4
    between = up + np.pi / 8
    half = np.arange(16) * np.pi / 8

    def row(a: Points, r: float, z: float) -> Points:
        return np.column_stack([r * np.cos(a), r * np.sin(a), np.full(len(a), z)])

    rows = [
        row(up, 0.56, 0.33),
        row(between, 0.80, 0.20),
        row(half, 1.0, 0.03),
        row(half, 1.0, -0.03),
        row(between, 0.24, -0.67),
        np.array([[0.0, 0.0, -0.87]]),
    ]
    t, m, g, low, p, c = 0, 8, 16, 32, 48, 56
    faces: list[tuple[int, ...]] = [tuple(range(8))]
    for i in range(8):
        j, h = (i + 1) % 8, (i - 1) % 8
        g0, g1, g2 = g + 2 * i, g + 2 * i + 1, g + (2 * i + 2) % 16
        faces += [(t + i, m + i, t + j), (m + i, g0, g1), (m + i, g1, g2)]
        faces += [(t + i, m + h, g0), (t + i, g0, m + i)]
        l0, l1, l2 = low + 2 * i, low + 2 * i + 1, low + (2 * i + 2) % 16
        faces += [(p + i, l1, l0), (p + i, l2, l1), (c, p + i, l0), (c, l0, p + h)]
        faces += [(g0, l0, l1, g1), (g1, l1, l2, g2)]
    return Mesh(np.concatenate(rows) * radius, tuple(faces), smooth=False)


def cabochon(radius: float, height: float, segments: int = 96) -> Mesh:
    """A domed stone on a flat base at z = 0."""
    a = np.linspace(0.0, np.pi / 2, 24)
    dome = np.column_stack([radius * np.cos(a), height * np.sin(a)])
    dome[-1, 0] = 0.0
    return revolve(np.vstack([[0.0, 0.0], dome]), segments)


def section(width: float, thickness: float, inner: float, n: int = 48, square: float = 3.0) -> Points:
    """Closed section (n, 2) of a finger ring about z: a rounded box, `width` along z, outside radius `inner`."""
    a = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
    c, s = np.cos(a), np.sin(a)
    r = inner + thickness / 2 + thickness / 2 * np.sign(c) * np.abs(c) ** (2 / square)
    z = width / 2 * np.sign(s) * np.abs(s) ** (2 / square)
    return np.column_stack([r, z])
