"""What every detector does with the windows it is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segtile.errors import BadInput
from segtile.types import Array


def check_windows(windows: Sequence[Array]) -> None:
    """Refuse what is no window of a picture.

    Raises:
        BadInput: a window is not (h, w, 3) uint8 with at least one pixel.
    """
    for window in windows:
        shape, kind = np.shape(window), getattr(window, "dtype", None)
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or kind != np.uint8:
            raise BadInput(f"a detector takes windows (h, w, 3) uint8; this one is {shape} {kind}")


def group_by_shape(windows: Sequence[Array]) -> list[list[int]]:
    """Indices of windows of equal shape together, in the order in which the shapes come up."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, window in enumerate(windows):
        groups.setdefault(window.shape, []).append(index)
    return list(groups.values())
