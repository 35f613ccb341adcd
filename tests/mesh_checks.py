"""What tests of scenes share."""

from __future__ import annotations

import numpy as np

from eval.synth.mesh import Mesh


def open_edges(m: Mesh) -> int:
    """Edges that do not belong to exactly two faces."""
    sizes = np.array([len(f) for f in m.faces])
    edges = []
    for size in np.unique(sizes):
        f = np.array([m.faces[i] for i in np.flatnonzero(sizes == size)])
        edges.append(np.stack([f, np.roll(f, -1, axis=1)], axis=2).reshape(-1, 2))
    ends = np.sort(np.concatenate(edges), axis=1)
    _, count = np.unique(ends[:, 0] * len(m.vertices) + ends[:, 1], return_counts=True)
    return int((count != 2).sum())
