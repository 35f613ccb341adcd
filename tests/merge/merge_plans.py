"""Random tile plans and maps for the merge tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from segtile.types import Box, CoarseMap, Grid, Tile


def make_grid(xs: list[int], ys: list[int], halo: int) -> Grid:
    """Cores between the given cuts (first 0, last the frame's side), every core with its halo."""
    frame = Box.frame(xs[-1], ys[-1])
    cores = [Box(x0, y0, x1, y1) for y0, y1 in pairwise(ys) for x0, x1 in pairwise(xs)]
    tiles = tuple(Tile(k, core, core.expand(halo, frame)) for k, core in enumerate(cores))
    return Grid("uniform", frame, tiles, 0, halo, tuple(range(len(tiles))), 0, "test")


@st.composite
def grids(draw, longest: int = 160) -> Grid:
    def cuts() -> list[int]:
        side = draw(st.integers(20, longest))
        inner = draw(st.lists(st.integers(1, side - 1), max_size=3, unique=True))
        return [0, *sorted(inner), side]

    return make_grid(cuts(), cuts(), draw(st.integers(0, 24)))


def coarse_map(frame: Box, prob: np.ndarray, unsure: np.ndarray | None = None) -> CoarseMap:
    unsure = np.ones(prob.shape, bool) if unsure is None else unsure
    scale = max(frame.width / prob.shape[1], frame.height / prob.shape[0])
    return CoarseMap(prob.astype(np.float32), unsure, (prob >= 0.5).astype(np.int32), scale, frame, "test")


def all_band(frame: Box) -> CoarseMap:
    return coarse_map(frame, np.full((4, 4), 0.5))
