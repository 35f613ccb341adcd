"""Whether the borders of tiles show: gradient and slow ramp across them, and disagreement before blending.

`seam_grad` and `seam_ramp` are ratios: what happens across border lines over what happens across parallel control lines
inside the cores. There is no best value of their own; compare with the same figure of the undisturbed picture.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from segtile.errors import BadInput
from segtile.solar import CURVES, fold
from segtile.types import Array, Box, Tile

Floats = npt.NDArray[np.float64]

#: The low pass of `seam_ramp`, px along the border and across it.
RAMP_ALONG = 257
RAMP_ACROSS = 16
#: The fold in which a step of one code value is seen best at every tone.
SOLAR_CURVE = "solar6"


@dataclass(frozen=True)
class Border:
    """A straight piece of border between two cores, in frame px.

    `line` is the first column (vertical) or row behind the border, so the step goes from `line - 1` to `line`; the
    piece runs over rows (or columns) lo .. hi - 1. `controls` are the parallel lines it is compared with.
    """

    vertical: bool
    line: int
    lo: int
    hi: int
    controls: tuple[int, ...]


@dataclass(frozen=True)
class SeamFigure:
    """Mean over the border lines, mean over their control lines (both in code values of 0..1), and their ratio.

    The ratio is NaN where both means are 0 or a line is missing, and infinite where only the control is 0.
    """

    border: float
    control: float

    @property
    def ratio(self) -> float:
        """Border over control."""
        if math.isnan(self.border) or math.isnan(self.control) or (not self.border and not self.control):
            return math.nan
        return self.border / self.control if self.control else math.inf


def core_borders(tiles: Sequence[Tile]) -> tuple[Border, ...]:
    """Every border segment between the cores of a plan; controls are the middle lines of the two cores beside it.

    In a uniform grid these lie half a tile away.
    """
    found = []
    for vertical in (True, False):
        spans = [_axes(tile.core, vertical) for tile in tiles]
        begins: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        for span in spans:
            begins[span[0]].append(span)
        for a0, a1, lo_a, hi_a in spans:
            for b0, b1, lo_b, hi_b in begins.get(a1, []):
                lo, hi = max(lo_a, lo_b), min(hi_a, hi_b)
                if lo < hi:
                    found.append(Border(vertical, a1, lo, hi, _middles((a0, a1), (b0, b1))))
    return tuple(found)


def grid_borders(
    frame: Box, tile: int, overlap: int, origin: tuple[int, int] = (0, 0), *, shifted: bool = True
) -> tuple[Border, ...]:
    """The border lines of a uniform grid, each over the whole frame: in the middle of every overlap.

    Args:
        frame: the picture's box, from (0, 0).
        tile: side of a tile, px.
        overlap: px that neighbours share, 0 where they only touch.
        origin: (x, y) of the first tile's corner, which may lie outside the frame.
        shifted: a last tile that would reach beyond the frame is shifted back inside, as SAHI's and our uniform grid
            have it; else it is cut off.

    Raises:
        BadInput: an overlap that is negative or not smaller than the tile, or an origin that leaves pixels uncovered.
    """
    if not 0 <= overlap < tile:
        raise BadInput(f"tiles of {tile} px cannot overlap by {overlap} px: give 0 up to one less than the tile")
    if not -tile < min(origin) <= max(origin) <= 0:
        raise BadInput(f"the grid starts at {origin[0]},{origin[1]}: give numbers from {1 - tile} to 0")
    found = []
    for vertical in (True, False):
        length, across = (frame.width, frame.height) if vertical else (frame.height, frame.width)
        starts = [origin[0] if vertical else origin[1]]
        while starts[-1] + tile < length:
            starts.append(starts[-1] + tile - overlap)
        if shifted and len(starts) > 1:
            starts[-1] = min(starts[-1], length - tile)
        lines = [(a + tile + b) // 2 for a, b in pairwise(starts)]
        edges = [0, *(line for line in lines if line > 0), length]
        for (a, line), (_, b) in zip(pairwise(edges[:-1]), pairwise(edges[1:]), strict=True):
            found.append(Border(vertical, line, 0, across, _middles((a, line), (line, b))))
    return tuple(found)


def _axes(core: Box, vertical: bool) -> tuple[int, int, int, int]:
    return (core.x0, core.x1, core.y0, core.y1) if vertical else (core.y0, core.y1, core.x0, core.x1)


def _middles(*spans: tuple[int, int]) -> tuple[int, ...]:
    return tuple((a + b) // 2 for a, b in spans if b - a >= 2)


def _lines(picture: Array, vertical: bool, index: Sequence[int], curve: str | None) -> list[Floats]:
    """Columns (or rows) as (n, channels) float64 in 0..1, clipped to the picture, folded where a curve is named."""
    length = picture.shape[1 if vertical else 0]
    found = []
    for k in index:
        k = min(max(k, 0), length - 1)
        line = (picture[:, k] if vertical else picture[k]).reshape(picture.shape[0 if vertical else 1], -1)
        scale = 1.0 if line.dtype.kind == "f" else float(np.iinfo(line.dtype).max)
        tone = line.astype(np.float64) / scale
        found.append(tone if curve is None else fold(curve, tone).astype(np.float64))
    return found


def _checked(picture: Array, borders: Sequence[Border], curve: str | None) -> Array:
    if not isinstance(picture, np.ndarray) or picture.ndim not in (2, 3) or not picture.size:
        raise BadInput("seams are measured on an array of (height, width) or (height, width, channels)")
    if picture.dtype not in (np.uint8, np.uint16) and picture.dtype.kind != "f":
        raise BadInput(f"seams are measured on uint8, uint16 or float pixels, not {picture.dtype}")
    if curve is not None and curve not in CURVES:
        raise BadInput(f"no solar curve {curve!r}: there are {', '.join(CURVES)}")
    for border in borders:
        length, across = picture.shape[:2][::-1] if border.vertical else picture.shape[:2]
        inside = all(0 < line < length for line in (border.line, *border.controls))
        if not inside or not 0 <= border.lo < border.hi <= across:
            raise BadInput(f"{border} lies outside a picture of {picture.shape[1]}x{picture.shape[0]}")
    return picture


def _step(picture: Array, vertical: bool, line: int, curve: str | None) -> Floats:
    before, behind = _lines(picture, vertical, (line - 1, line), curve)
    return np.abs(behind - before).mean(axis=1)


def _ramp(picture: Array, vertical: bool, line: int, curve: str | None) -> Floats:
    """The first difference of the low-passed picture across a line, at every pixel along it.

    The difference of two neighbouring means of RAMP_ACROSS px is that of the pixels they do not share.
    """
    half = RAMP_ACROSS // 2
    before, behind = _lines(picture, vertical, (line - 1 - half, line - 1 + half), curve)
    step = (behind - before) / RAMP_ACROSS
    along = np.pad(step, ((RAMP_ALONG // 2 + 1, RAMP_ALONG // 2), (0, 0)), mode="edge").cumsum(axis=0)
    return np.abs(along[RAMP_ALONG:] - along[:-RAMP_ALONG]).mean(axis=1) / RAMP_ALONG


def _figure(picture: Array, borders: Sequence[Border], curve: str | None, ramp: bool) -> SeamFigure:
    picture = _checked(picture, borders, curve)
    profiles: dict[tuple[bool, int], Floats] = {}

    def mean(kind: str) -> float:
        total, count = 0.0, 0
        for border in borders:
            for line in (border.line,) if kind == "border" else border.controls:
                key = (border.vertical, line)
                if key not in profiles:
                    profiles[key] = (_ramp if ramp else _step)(picture, *key, curve)
                total += float(profiles[key][border.lo : border.hi].sum())
                count += border.hi - border.lo
        return total / count if count else math.nan

    figure = SeamFigure(mean("border"), mean("control"))
    if not all(math.isfinite(float(p.sum())) for p in profiles.values()):
        raise BadInput("the picture holds NaN or infinite pixels on a line where seams are measured")
    return figure


def seam_grad(picture: Array, borders: Sequence[Border], curve: str | None = None) -> SeamFigure:
    """Mean abs first difference across the border lines, over the same on the control lines.

    Blind after any feather, so never alone: see `seam_ramp`.

    Args:
        picture: (h, w) or (h, w, channels), uint8, uint16 or float in [0, 1]; the channels' differences are averaged.
        borders: from `core_borders` or `grid_borders`.
        curve: the solar fold through which each channel goes first, a key of `segtile.solar.CURVES`; None: as it is.

    Raises:
        BadInput: no picture of these kinds, no such curve, or a border outside the picture.
    """
    return _figure(picture, borders, curve, ramp=False)


def seam_ramp(picture: Array, borders: Sequence[Border], curve: str | None = None) -> SeamFigure:
    """The ratio of `seam_grad` on the low-passed picture: sees a slow step that a feather spread out.

    The low pass is the mean over 257 px along the border and 16 px across it, border pixels of the picture repeated;
    arguments and errors as `seam_grad`. The fold comes before the low pass.
    """
    return _figure(picture, borders, curve, ramp=True)


@dataclass(frozen=True)
class Overlap:
    """How far tiles disagree where they overlap, in the tiles' own unit.

    `mean` and `p99` are of the absolute differences over all pixels of all overlapping pairs (NaN without any), `bias`
    has for each tile the mean of itself minus its neighbours (NaN for a tile without one).
    """

    pairs: int
    mean: float
    p99: float
    bias: tuple[float, ...]


def overlap(answers: Iterable[tuple[Box, Array]]) -> Overlap:
    """Disagreement of neighbouring tiles in their overlap, before any blending.

    Args:
        answers: (box, array) of every tile; the array is (h, w) or (h, w, channels) over the box, in frame px. Keeps
            the absolute differences of all overlaps (float32) until the end, for the percentile.

    Raises:
        BadInput: an array of another size than its box.
    """
    tiles = list(answers)
    for box, array in tiles:
        if array.shape[:2] != (box.height, box.width):
            raise BadInput(f"a tile of {array.shape[1]}x{array.shape[0]} was given for a box of {box}")
    apart: list[npt.NDArray[np.float32]] = []
    signed, counts = np.zeros(len(tiles)), np.zeros(len(tiles))
    for i, (box, mine) in enumerate(tiles):
        for j in range(i + 1, len(tiles)):
            other, theirs = tiles[j]
            common = box & other
            if common.empty:
                continue
            a, b = (t[common.within(at).slices].astype(np.float32) for t, at in ((mine, box), (theirs, other)))
            gap = a - b
            apart.append(np.abs(gap).ravel())
            for k, sign in ((i, 1), (j, -1)):
                signed[k] += sign * float(gap.sum(dtype=np.float64))
                counts[k] += gap.size
    bias = tuple(float(s / n) if n else math.nan for s, n in zip(signed, counts, strict=True))
    if not apart:
        return Overlap(0, math.nan, math.nan, bias)
    every = np.concatenate(apart)
    return Overlap(len(apart), float(every.mean(dtype=np.float64)), float(np.percentile(every, 99)), bias)
