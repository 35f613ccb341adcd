"""How far neighbouring tiles disagree in their overlap, measured before the blend hides it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from segtile.types import AlphaArray, Box, CoarseMap, Grid, SeamReport, Tile

_LEVELS = 65536
# Mean disagreement in one overlap, in alpha, from which the user is told. Tiles that see the same edge differ by
# hundredths, by noise and cut-off context; at a tenth one of the two is wrong there, and the blend only hides which.
_WARN = 0.1


@dataclass
class _Pair:
    """The overlap of two tiles; holds the first tile's band pixels until the second one arrives."""

    box: Box
    first: AlphaArray | None = field(default=None)


class SeamMeter:
    """Compares tiles pair by pair as they arrive, keeping nothing but the band pixels of overlaps still half answered.

    Not safe to call from several threads at once; the store that owns it holds a lock.
    """

    def __init__(self, grid: Grid, coarse: CoarseMap) -> None:
        self._coarse = coarse
        self._pairs: dict[int, list[_Pair]] = {tile.index: [] for tile in grid.tiles}
        for left, right in _overlapping(grid.tiles):
            pair = _Pair(left.read & right.read)
            self._pairs[left.index].append(pair)
            self._pairs[right.index].append(pair)
        self._histogram = np.zeros(_LEVELS, np.int64)
        self._compared = 0
        self._worst: tuple[float, Box] | None = None  # (minus the mean disagreement, overlap)

    def add(self, tile: Tile, levels: AlphaArray) -> None:
        """Take in one tile's answer, (h, w) uint16 over `tile.read`."""
        for pair in self._pairs.pop(tile.index):
            mine = levels[pair.box.within(tile.read).slices][self._band(pair.box)]
            if pair.first is None:
                pair.first = mine
                continue
            difference = np.abs(mine.astype(np.int32) - pair.first)
            pair.first = None
            if difference.size:
                self._note(pair.box, difference)

    def report(self) -> SeamReport:
        """The figures over all pairs that both arrived."""
        count = int(self._histogram.sum())
        if not count or self._worst is None:
            return SeamReport(pairs=0, mean=0.0, p99=0.0, worst=None, worst_value=0.0)
        levels = np.arange(_LEVELS)
        mean = float((self._histogram * levels).sum()) / count / 65535
        p99 = float(np.searchsorted(np.cumsum(self._histogram), 0.99 * count)) / 65535
        value, box = self._worst
        warning = None
        if -value > _WARN:
            warning = (
                f"tiles disagree about the edge by {-value:.2f} of full alpha between {box.x0},{box.y0} and "
                f"{box.x1},{box.y1}: check the cut-out there"
            )
        return SeamReport(self._compared, mean, p99, worst=box, worst_value=-value, warning=warning)

    def _band(self, box: Box) -> npt.NDArray[np.bool_]:
        return self._coarse.unsure[np.ix_(*self._coarse.cells(box))]

    def _note(self, box: Box, difference: npt.NDArray[np.int32]) -> None:
        self._histogram += np.bincount(difference, minlength=_LEVELS)
        self._compared += 1
        mean = float(difference.mean()) / 65535
        # equal means go to the box that comes first, so that the order of arrival does not show
        self._worst = min(self._worst or (0.0, box), (-mean, box))


def _overlapping(tiles: tuple[Tile, ...]) -> list[tuple[Tile, Tile]]:
    """Every pair of tiles whose read boxes share a pixel."""
    ordered = sorted(tiles, key=lambda tile: tile.read.y0)
    pairs = []
    for k, tile in enumerate(ordered):
        for other in ordered[k + 1 :]:
            if other.read.y0 >= tile.read.y1:
                break
            if not (tile.read & other.read).empty:
                pairs.append((tile, other))
    return pairs
