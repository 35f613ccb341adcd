"""A camera that frames the objects: pinhole, found from the vertices alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eval.synth.mesh import Matrix, Points
from eval.synth.spec import Arrangement, View

SENSOR_MM = 36.0


@dataclass(frozen=True, eq=False)
class Camera:
    """World matrix (4 x 4, looking along its -z with y up), focal length and the frame in pixels.

    The sensor's 36 mm span the frame's longer side.
    """

    matrix: Matrix
    focal: float
    width: int
    height: int

    def project(self, points: Points) -> Points:
        """Points (n, 3) to pixel coordinates (n, 2), x right and y down, the frame's corner at (0, 0)."""
        inverse = np.linalg.inv(self.matrix)
        p = points @ inverse[:3, :3].T + inverse[:3, 3]
        gain = self.focal / SENSOR_MM * max(self.width, self.height) / -p[:, 2]
        return np.column_stack([self.width / 2 + p[:, 0] * gain, self.height / 2 - p[:, 1] * gain])


def frame(scene: Arrangement, width: int, height: int, view: View | None = None) -> Camera:
    """The camera of the scene's view whose frame the objects fill, centred, to the share the view asks for."""
    v = view or scene.view
    points = np.concatenate([p.points() for p in scene.parts])
    e, a = math.radians(v.elevation), math.radians(v.azimuth)
    back = np.array([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])
    right = np.array([math.cos(a), math.sin(a), 0.0])
    up = np.cross(back, right)
    target = (points.min(axis=0) + points.max(axis=0)) / 2
    distance = 4.0 * float(np.ptp(points, axis=0).max())
    camera = _place(target, back, right, up, distance, v.focal, width, height)
    for _ in range(12):
        p = camera.project(points)
        low, high = p.min(axis=0), p.max(axis=0)
        span = (high - low) / np.array([width, height])
        per_px = distance * SENSOR_MM / v.focal / max(width, height)
        off = (low + high) / 2 - np.array([width, height]) / 2
        target = target + right * off[0] * per_px - up * off[1] * per_px
        distance *= float(span.max()) / v.fill
        camera = _place(target, back, right, up, distance, v.focal, width, height)
    return camera


def _place(
    target: Points, back: Points, right: Points, up: Points, distance: float, focal: float, width: int, height: int
) -> Camera:
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = right, up, back
    matrix[:3, 3] = target + back * distance
    return Camera(matrix, focal, width, height)
