"""The blends by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from segtile.edit.cut import cut_rows
from segtile.edit.linear_light import linear_light_rows
from segtile.edit.pyramid import pyramid_rows
from segtile.edit.tiles import Rows, RowSource, Tiles
from segtile.edit.weighted import cosine_rows, linear_rows
from segtile.errors import BadInput
from segtile.types import Progress

Blend = Callable[[Tiles], Rows]

_PLAIN = {"linear": linear_rows, "cosine": cosine_rows, "pyramid": pyramid_rows, "cut": cut_rows}

#: What tiles can be put together by.
BLENDS = (*_PLAIN, "poisson", "poisson-exact")


def blend_of(name: str, reference: RowSource | None, on_progress: Progress, *, linear_light: bool = False) -> Blend:
    """The blend of a name.

    Args:
        name: one of `BLENDS`.
        reference: rows of the original, which hold a Poisson merge at low frequency; None lets it float.
        on_progress: called with the stage "merge".
        linear_light: calculate in linear light, taking the values for sRGB-encoded ones.

    Raises:
        BadInput: there is no such blend.
    """
    if name not in BLENDS:
        raise BadInput(f"there is no blend named {name!r}; use one of {', '.join(BLENDS)}")
    if name in _PLAIN:
        plain = partial(_PLAIN[name], on_progress=on_progress)
        return partial(linear_light_rows, blend=plain) if linear_light else plain
    from segtile.edit.poisson import poisson_rows

    exact = name == "poisson-exact"
    return partial(poisson_rows, reference=reference, exact=exact, linear_light=linear_light, on_progress=on_progress)
