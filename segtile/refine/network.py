"""Our own refinement network: the picture, its solar channels and the coarse probability in, alpha out."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from segtile.backends.alpha_graph import AlphaGraph
from segtile.refine.base import constants, context_trust, make_patch
from segtile.refine.openings import close_denied, close_tinted, close_unsure
from segtile.solar import network_channels
from segtile.types import FloatArray, TileInput, TilePatch

#: A network may look further than this, but what lies there hardly counts: (px) more context costs more than it gives.
MOST_HALO = 96

#: The coarse probability where none is given.
_UNKNOWN = 0.5


class NetworkRefiner:
    """An ONNX graph (1, 3 + channels + 1, h, w) to (1, 1, h, w); see `segtile.backends.alpha_graph`.

    What is cut off at a border is felt less and less further in, so trust rises over the halo.
    """

    tile = 1024
    bytes_per_px = 480
    coarsest = 4.0
    notes: tuple[str, ...] = ()

    def __init__(self, path: Path, name: str = "net", device: str = "auto") -> None:
        """Load the graph at `path`, to be reported as `name`; raises as `AlphaGraph`."""
        self._graph = AlphaGraph(path, refines=True, device=device)
        self.name = name
        self.channels = self._graph.channels
        self.halo = min(MOST_HALO, self._graph.receptive_px)

    def refine(self, x: TileInput) -> TilePatch:
        """Alpha over the read window.

        Raises:
            ModelError: the graph fails on it.
        """
        reach = self.halo // 4
        trust = context_trust(x.tile, x.frame, reach, self.halo - reach)
        if not x.band.any():
            return make_patch(x, constants(x), trust)
        alpha = self._graph.run(self._planes(x), (x.tile.read.x0, x.tile.read.y0))
        if x.graded and x.scale <= self.coarsest:
            alpha = close_denied(alpha, x)
        alpha = close_tinted(close_unsure(alpha, x), x)
        return make_patch(x, alpha, trust)

    def _planes(self, x: TileInput) -> FloatArray:
        # without solar channels the network sees what it sees of a picture without a background
        solar = x.channels if self._graph.neutral.isdisjoint(self.channels) else None
        if solar is None:
            solar = network_channels(x.rgb, None, names=self.channels)
        planes = np.empty((4 + len(self.channels), *x.prob.shape), np.float32)
        planes[:3] = x.rgb.transpose(2, 0, 1)
        planes[3:-1] = solar.transpose(2, 0, 1)
        planes[-1] = _UNKNOWN if "prob" in self._graph.neutral else x.prob
        return planes


@lru_cache(maxsize=2)
def load_network(path: Path, name: str = "net", device: str = "auto") -> NetworkRefiner:
    """A refiner of a graph; it is kept, since it has no state and a folder of pictures needs it for each of them."""
    return NetworkRefiner(path, name, device)
