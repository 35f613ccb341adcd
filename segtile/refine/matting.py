"""Narrow-band matting."""

from __future__ import annotations

import numpy as np

from segtile.refine.base import constants, make_patch
from segtile.refine.system import matting_system, solve
from segtile.types import TileInput, TilePatch


class MattingRefiner:
    """Closed-form matting in the coarse band."""

    name = "matting"
    tile = 1024
    halo = 64
    channels: tuple[str, ...] = ()

    def refine(self, x: TileInput) -> TilePatch:
        """Alpha from the colours."""
        if not x.band.any():
            return make_patch(x, constants(x), reach=0)
        alpha = constants(x)
        system = matting_system(x.rgb, x.band, alpha, 1e-7)
        from scipy import sparse

        start = x.prob[x.band].astype(np.float64)
        matrix = system.matrix + sparse.identity(start.size) * 1e-6
        solution, converged = solve(matrix, system.rhs + 1e-6 * start, start, 2000)
        alpha[x.band] = solution
        return make_patch(x, alpha, reach=32, notes=() if converged else ("no convergence",))
