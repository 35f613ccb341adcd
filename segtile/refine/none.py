"""The refiner that adds nothing: the coarse probability, enlarged."""

from __future__ import annotations

from segtile.refine.base import context_trust, make_patch
from segtile.types import TileInput, TilePatch


class NoRefiner:
    """Takes the interpolated coarse probability as alpha inside the band; for comparison and for speed."""

    name = "none"
    tile = 1536
    halo = 0
    channels: tuple[str, ...] = ()
    bytes_per_px = 48
    context: int | None = None
    coarsest = float("inf")
    notes: tuple[str, ...] = ()

    def refine(self, x: TileInput) -> TilePatch:
        """The coarse probability in the band, the coarse constants outside."""
        return make_patch(x, x.prob, context_trust(x.tile, x.frame))
