"""Sequential context: a tile's halo shows what its finished neighbours became, so that it carries on from them.

A tile waits for the neighbours above it and to the left, corners included, and for nobody else. So tiles come in waves,
on a regular grid its anti-diagonals; those of one wave do not see each other and may run at once, and what each sees is
settled by the plan alone, never by which thread was faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segtile.types import Box, Tile


@dataclass(frozen=True)
class Order:
    """`waves` of tile indices, one after the other; `sees[i]` are the finished tiles that tile i is shown."""

    waves: tuple[tuple[int, ...], ...]
    sees: tuple[tuple[int, ...], ...]


def at_once(count: int) -> Order:
    """No context: all tiles in one wave, none sees another."""
    return Order((tuple(range(count)),), ((),) * count)


def wavefront(tiles: Sequence[Tile], windows: Sequence[Box]) -> Order:
    """The order of sequential context.

    Args:
        tiles: the plan's tiles; `tiles[i].index` is i.
        windows: what each tile is shown, in the tiles' px.
    """
    before = [
        [j.index for j in tiles if j.index != i.index and not (j.core & window).empty and _comes_before(j.core, i.core)]
        for i, window in zip(tiles, windows, strict=True)
    ]
    wave = [-1] * len(tiles)
    waves: list[tuple[int, ...]] = []
    left = list(range(len(tiles)))
    while left:
        ready = [i for i in left if all(wave[j] >= 0 for j in before[i])]
        ready = ready or left[:1]  # boxes that wait for each other in a circle; cuttings from side to side have none
        for i in ready:
            wave[i] = len(waves)
        waves.append(tuple(ready))
        left = [i for i in left if wave[i] < 0]
    sees = tuple(tuple(j for j in before[i] if wave[j] < wave[i]) for i in range(len(tiles)))
    return Order(tuple(waves), sees)


def _comes_before(first: Box, second: Box) -> bool:
    """Whether `first` lies above or to the left of `second`; what touches it only at the other two corners does not."""
    above = first.y1 <= second.y0 and first.x0 < second.x1
    left = first.x1 <= second.x0 and first.y0 < second.y1
    return above or left
