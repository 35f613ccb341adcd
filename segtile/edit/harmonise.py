"""The default chain: correct each tile's colour, blend, and give back the original's low frequencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segtile.edit.colour import CUT_OFF, Corrections, corrected, fit_drift
from segtile.edit.light import to_dtype
from segtile.edit.swap import swap_low
from segtile.edit.tiles import Rows, RowSource, Tiles
from segtile.types import Progress, no_progress

#: Any blend: tiles to rows.
Blend = Callable[[Tiles], Rows]


def harmonised(
    tiles: Tiles,
    blend: Blend,
    reference: RowSource | None = None,
    *,
    mix: bool = False,
    on_progress: Progress = no_progress,
) -> tuple[Rows, Corrections]:
    """Merge tiles without colour drift.

    8-bit tiles are corrected and blended with 16 bits and rounded once, at the end.

    Args:
        tiles: the finished tiles.
        blend: puts corrected tiles together, for example `poisson_rows`.
        reference: rows of the original at the output's size; without one (or for an operator that is meant to change
            everything) only the tiles' differences from each other are evened out.
        mix: let channels mix in the correction.
        on_progress: called with the stage "compare".

    Returns:
        The merged rows in the tiles' dtype, and what was corrected, with notes for the user. Tiles that agree with each
        other and the reference give the reference back bit for bit.
    """
    corrections = fit_drift(tiles, reference, mix=mix, on_progress=on_progress)
    finer = np.dtype(np.uint16) if tiles.dtype == np.uint8 else tiles.dtype
    touched = any(corrections.touches(k) for k in range(len(tiles.tiles)))
    rows = blend(corrected(tiles, corrections, dtype=finer) if touched else tiles)
    if reference is not None:
        # what was changed is known by now; what drift cut off is not, and is the original's to give
        swapped = swap_low(
            rows,
            reference,
            corrections.changed,
            tiles.frame,
            tone=corrections.tone,
            limit=CUT_OFF,
            dtype=tiles.dtype,
        )
        return swapped, corrections
    return ((y0, to_dtype(part, tiles.dtype)) for y0, part in rows), corrections
