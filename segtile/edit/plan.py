"""Which windows a model is shown, what is kept of each answer, and what it becomes in the output's pixels.

A tile's core is what it answers for alone, `feather` px around it are blended with its neighbours, and beyond these lie
at least `halo` px that the model only sees: every pixel that counts has that much context, except beyond the frame.
Windows all have the full side where the frame is as large: at its borders they are shifted inwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from segtile.edit.align import Space, cores_around, object_boxes
from segtile.edit.source import out_frame
from segtile.errors import BadInput
from segtile.grid.layout import read_box
from segtile.merge.mosaic import AxisPlan, mosaic_plan
from segtile.types import Box, CoarseMap, Tile

#: A scale is a fraction with at most this denominator.
_MOST_PARTS = 16


@dataclass(frozen=True)
class EditPlan:
    """A tile plan: tile i sees `windows[i]` (input px) and answers for `tiles[i]` (output px; `read` is what is kept).

    A window may reach up to a few px beyond the frame where the scale is a fraction; what is missing is mirrored. `out`
    is the output's frame and `scale` its px per input px. `kind` is "uniform" or "aligned", `why` a sentence;
    `tiles_uniform` is what a uniform grid takes, `coarse` the look that an aligned one follows.
    """

    kind: str
    frame: Box
    out: Box
    scale: Fraction
    windows: tuple[Box, ...]
    tiles: tuple[Tile, ...]
    why: str
    tiles_uniform: int
    coarse: str | None = None

    def output_of(self, index: int) -> Box:
        """The output px of a tile's whole window."""
        return self.windows[index].scaled(float(self.scale))

    def input_of(self, box: Box) -> Box:
        """The input px that a box of output px covers; exact where the scale is 1."""
        return box.scaled(1 / float(self.scale))


@dataclass(frozen=True)
class _Sizes:
    """Everything in cells of `q` x `q` input px, which the model makes `p` x `p` of."""

    p: int
    q: int
    width: int
    height: int
    tile: int
    halo: int
    feather: int

    @property
    def frame(self) -> Box:
        return Box.frame(self.width, self.height)


def as_scale(scale: float | Fraction) -> Fraction:
    """A scale as a fraction.

    Raises:
        BadInput: it is not positive or no fraction with a denominator of at most 16.
    """
    try:
        found = Fraction(scale).limit_denominator(_MOST_PARTS)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"a scale is a number such as 2, 0.5 or 4/3, not {scale!r}") from error
    if found <= 0 or abs(found - Fraction(scale)) > Fraction(1, 1000):
        raise BadInput(
            f"a scale of {scale} cannot be tiled; it must be above 0 and a fraction with a denominator of at most "
            f"{_MOST_PARTS}"
        )
    return found


def plan_uniform_edit(frame: Box, tile: int, halo: int, feather: int, scale: Fraction) -> EditPlan:
    """Evenly spaced tiles over the whole frame, as few as fit.

    Args:
        frame: the picture, input px.
        tile: side of a window, px.
        halo: least context beyond what is kept, px.
        feather: what is kept beyond a core, px; two neighbours share twice that.
        scale: output px per input px.

    Raises:
        BadInput: a size is out of range, or nothing is left of a tile between its borders.

    Source: the even spacing is nnU-Net's sliding-window rule (Isensee et al., Nature Methods 2021).
    """
    s = _sizes(frame, tile, halo, feather, scale)
    across, down = _spans(s.width, s), _spans(s.height, s)
    boxes = [(Box(x[0], y[0], x[1], y[1]), Box(x[2], y[2], x[3], y[3])) for y in down for x in across]
    return _assemble("uniform", boxes, frame, s, scale, "Evenly spaced tiles cover the whole frame.")


def plan_aligned_edit(coarse: CoarseMap, tile: int, halo: int, feather: int, scale: Fraction) -> EditPlan:
    """Tiles over the whole frame whose borders avoid the objects of a coarse map: one that fits a tile lies in one.

    Args:
        coarse: the map; `labels` and `unsure` are used.
        tile: side of a window, px.
        halo: as for `plan_uniform_edit`.
        feather: as for `plan_uniform_edit`.
        scale: as for `plan_uniform_edit`.

    Returns:
        The plan; the uniform one, with a sentence in `why`, where there is nothing to align to.

    Raises:
        BadInput: as `plan_uniform_edit`.
    """
    s = _sizes(coarse.frame, tile, halo, feather, scale)
    uniform = plan_uniform_edit(coarse.frame, tile, halo, feather, scale)
    if not coarse.labels.any():
        why = "The coarse pass found no object, so tiles are evenly spaced."
        return replace(uniform, why=why, coarse=coarse.source)
    space = Space(s.frame, s.tile, s.halo + s.feather)
    cores = cores_around(space, object_boxes(coarse, s.q), coarse)
    boxes = [(core, core.expand(s.feather, s.frame)) for core in cores]
    plan = _assemble("aligned", boxes, coarse.frame, s, scale, "Objects that fit a tile lie in one tile.")
    return replace(plan, tiles_uniform=len(uniform.tiles), coarse=coarse.source)


def _sizes(frame: Box, tile: int, halo: int, feather: int, scale: Fraction) -> _Sizes:
    p, q = scale.numerator, scale.denominator
    if tile < 1 or halo < 0 or feather < 0:
        raise BadInput(f"tile {tile}, halo {halo} and feather {feather} px: the first must be positive, none negative")
    s = _Sizes(p, q, -(-frame.width // q), -(-frame.height // q), tile // q, -(-halo // q), -(-feather // q))
    if s.tile <= 2 * s.halo + 4 * s.feather:
        raise BadInput(
            f"a tile of {tile} px leaves nothing between a halo of {halo} and a feather of {feather} px on each side: "
            f"make it more than {q * (2 * s.halo + 4 * s.feather)}"
        )
    return s


def _spans(length: int, s: _Sizes) -> list[tuple[int, int, int, int]]:
    """(core start, core end, kept start, kept end) of every tile of an axis; overlaps are as even as whole cells go."""
    if length <= s.tile:
        return [(0, length, 0, length)]
    overlap = 2 * s.feather
    kept = s.tile - 2 * s.halo
    count = -(-(length - overlap) // (kept - overlap))
    even = -(-(length + (count - 1) * overlap) // count)  # the least side that leaves no larger overlap
    axis: AxisPlan = mosaic_plan(length, 1, even, overlap).xs
    starts = axis.origins
    borders = [0, *((axis.tile + a + b) // 2 for a, b in pairwise(starts)), length]
    return [(borders[i], borders[i + 1], start, start + axis.tile) for i, start in enumerate(starts)]


def _assemble(
    kind: str, boxes: Iterable[tuple[Box, Box]], frame: Box, s: _Sizes, scale: Fraction, why: str
) -> EditPlan:
    out, tiles, windows = out_frame(frame, scale), [], []
    for index, (core, kept) in enumerate(boxes):
        window = read_box(kept, s.frame, s.tile)
        windows.append(_times(window, s.q))
        tiles.append(Tile(index, _times(core, s.p) & out, _times(kept, s.p) & out))
    return EditPlan(kind, frame, out, scale, tuple(windows), tuple(tiles), why, len(tiles))


def _times(box: Box, factor: int) -> Box:
    return Box(box.x0 * factor, box.y0 * factor, box.x1 * factor, box.y1 * factor)
