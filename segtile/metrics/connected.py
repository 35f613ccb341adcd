"""Up to which threshold each pixel stays joined to the source: the levels behind the connectivity error.

At each of ten thresholds the source is the largest 4-connected component of the pixels where both alphas reach it. In a
cut-out nearly all pixels are 0 or 1, so the full ones are labelled once, and from there the few between are joined as
nodes of a graph, threshold by threshold. An alpha that is soft all over is labelled ten times instead.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from segtile.metrics.pair import Alpha, Mask, full_scale, unit

STEPS = 10  # thresholds 0.1, 0.2 .. 1.0

# Above this share of soft pixels a graph of them is slower, and larger, than labelling the whole box ten times.
_SOFT_SHARE = 0.08

_Index = npt.NDArray[np.int32]


def connected_levels(low: Alpha) -> Mask:
    """For every pixel the number of thresholds, from 0.1 upwards, up to which it belongs to the source without a break.

    Of equally large components that whose first pixel, row by row, comes first is the source.

    Args:
        low: (h, w), the smaller of the two alphas, as `segtile.metrics.pair.checked` gives it.

    Returns:
        (h, w) uint8, 0 .. 10.
    """
    steps = _steps(low)
    soft = cv2.countNonZero(cv2.inRange(steps, 1, STEPS - 1))
    return _by_graph(steps) if soft <= _SOFT_SHARE * steps.size else _by_labels(steps)


def _steps(low: Alpha) -> Mask:
    """How many thresholds each pixel reaches; compared in float32, so that 8, 16 bits and float agree."""
    thresholds = np.array([k / STEPS for k in range(1, STEPS + 1)], np.float32)
    if low.dtype.kind == "u":
        reached = np.searchsorted(thresholds, unit(np.arange(full_scale(low.dtype) + 1).astype(low.dtype)), "right")
        table = reached.astype(np.uint8)
        return cv2.LUT(low, table) if low.dtype == np.uint8 else table[low]
    steps = np.zeros(low.shape, np.uint8)
    for threshold in thresholds:
        steps += low >= threshold
    return steps


def _by_labels(steps: Mask) -> Mask:
    """Ten labellings of the whole array."""
    alive, level = np.ones(steps.shape, np.uint8), np.zeros(steps.shape, np.uint8)
    source, before = alive, -1
    for k in range(1, STEPS + 1):
        both = (steps >= k).view(np.uint8)
        count = cv2.countNonZero(both)
        if count != before:  # the sets are nested, so an equal count is an equal set
            source, before = _largest(both), count
        alive &= source
        if not cv2.countNonZero(alive):
            break
        level += alive
    return level


def _largest(mask: Mask) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4, ltype=cv2.CV_32S)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not areas.size:
        return mask
    best = np.flatnonzero(areas == areas.max()) + 1
    label = best[0] if best.size == 1 else labels.ravel()[int(np.isin(labels, best).argmax())]
    return (labels == label).view(np.uint8)


def _by_graph(steps: Mask) -> Mask:
    """Nodes are the components of full pixels and every soft pixel; edges join 4-neighbours."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, nodes, stats, _ = cv2.connectedComponentsWithStats(
        (steps == STEPS).view(np.uint8), connectivity=4, ltype=cv2.CV_32S
    )
    flat = np.flatnonzero(cv2.inRange(steps, 1, STEPS - 1))
    nodes.ravel()[flat] = np.arange(n, n + flat.size, dtype=np.int32)  # node 0 is what reaches no threshold
    reach = np.concatenate([np.full(n, STEPS, np.uint8), steps.ravel()[flat]])
    reach[0] = 0
    size = np.concatenate([stats[:, cv2.CC_STAT_AREA].astype(np.int64), np.ones(flat.size, np.int64)])
    a, b = _edges(nodes, flat)
    joint = np.minimum(reach[a], reach[b])
    level, alive = np.zeros(len(reach), np.uint8), np.ones(len(reach), bool)
    for k in range(1, STEPS + 1):
        kept = joint >= k
        edges = coo_array((np.ones(np.count_nonzero(kept), np.bool_), (a[kept], b[kept])), (len(reach), len(reach)))
        count, group = connected_components(edges, directed=False)
        here = reach >= k
        areas = np.bincount(group[here], weights=size[here], minlength=count)
        if not areas.any():
            break
        best = np.flatnonzero(areas == areas.max())
        if best.size > 1:
            best = group[nodes.ravel()[_first(nodes, here & np.isin(group, best))]][None]
        alive &= here & (group == best[0])
        level += alive
    return level[nodes]


def _first(nodes: npt.NDArray[np.int32], wanted: npt.NDArray[np.bool_]) -> int:
    """Flat index of the first pixel, row by row, of any of the wanted nodes."""
    return int(wanted[nodes].argmax())


def _edges(nodes: _Index, flat: npt.NDArray[np.intp]) -> tuple[_Index, _Index]:
    """Pairs of nodes that are 4-neighbours, at least one of them a soft pixel, which `flat` lists."""
    h, w = nodes.shape
    table = nodes.ravel()
    column = flat % w
    found_a, found_b = [], []
    for step, inside in ((-1, column > 0), (1, column < w - 1), (-w, flat >= w), (w, flat < (h - 1) * w)):
        at = flat[inside]
        mine, other = table[at], table[at + step]
        joined = other > 0
        found_a.append(mine[joined])
        found_b.append(other[joined])
    return np.concatenate(found_a), np.concatenate(found_b)
