"""Refiners by name."""

from __future__ import annotations

from collections.abc import Callable

from segtile.errors import ModelError
from segtile.refine.base import Refiner
from segtile.refine.matting import MattingRefiner
from segtile.refine.none import NoRefiner

_BUILT_IN: dict[str, Callable[[], Refiner]] = {"matting": MattingRefiner, "none": NoRefiner}


def get_refiner(name: str) -> Refiner:
    """The refiner of that name: "auto" (matting), "matting" or "none".

    Raises:
        ModelError: the name belongs to none of them; refiners that are networks come with weights of their own.
    """
    chosen = "matting" if name == "auto" else name
    if chosen not in _BUILT_IN:
        raise ModelError(
            f"no refiner {name!r} is installed: auto, matting and none work without weights, "
            "a network refiner needs its weights in the catalogue first"
        )
    return _BUILT_IN[chosen]()
