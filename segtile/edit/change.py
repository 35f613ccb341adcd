"""Where an edit differs from its original, once what it did to the whole picture is taken away."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from segtile.edit.cells import dilated
from segtile.edit.perceptual import perceptual
from segtile.edit.tone import Tone, no_tone
from segtile.types import Array, BoolArray, FloatArray

#: Side of a cell of the change map, px.
CELL = 4
#: Delta E of a cell from which it is a change, and from which it is one beside a change.
SEED, GROW = 2.0, 1.0
#: The same for differences in detail, as standard deviation of lightness within a cell.
DETAIL_SEED, DETAIL_GROW = 3.0, 1.8
#: Changes (and holes in one) of fewer px than this are noise.
AREA = 100
_SIGMAS = 5.0
_EQUAL = 0.25  # usual delta E of pictures that were not coded with loss in between
# Compression and resampling change a cell in proportion to how much is going on in it. The usual proportion (three
# quarters of the lively cells stay below it) is measured; a change must exceed this many times that, but never more
# than these shares, or an edit of all there is would hide itself.
_USUAL, _COLOUR_SHARE, _DETAIL_SHARE = 3.0, 0.25, 0.8


@dataclass(frozen=True)
class Change:
    """What was changed, on cells of 4 px.

    `core` (rows, columns) bool: the change, of which every px is taken; `reach` the same with a border in which it
    fades out: a merge touches no px outside it. `tone` is what the edit did to the whole picture. `threshold` is the
    delta E that a change had to exceed.
    """

    core: BoolArray
    reach: BoolArray
    tone: Tone
    threshold: float

    @property
    def share(self) -> float:
        """Part of the picture, 0..1."""
        return float(self.core.mean())


class CellSums:
    """Means over cells of both pictures and of their lightness' products, gathered strip by strip.

    `before` is the original after `tone`, clipped px by px as the edit's program had to: what both clip is no change.
    """

    def __init__(self, width: int, height: int, bands: int, tone: Tone | None = None) -> None:
        self.size = -(-width // CELL), -(-height // CELL)
        self.tone = no_tone(bands) if tone is None else tone
        shape = self.size[1], self.size[0]
        self.before, self.after = (np.zeros((*shape, bands), np.float32) for _ in range(2))
        self.moments = np.zeros((*shape, 3), np.float32)  # variances before and after, covariance, of lightness

    def add(self, y0: int, before: Array, after: Array) -> None:
        """Take in rows from y0, a multiple of the cell; a part of a cell only at the picture's end."""
        a, b = (self._filled(_unit(v)) for v in (before, after))
        if not self.tone.identity:
            bands = a.shape[2]
            mixing = np.hstack([self.tone.matrix.T, self.tone.offset[:, None]]).astype(np.float32)
            a = np.clip(cv2.transform(a, mixing), 0, 1).reshape(-1, a.shape[1], bands)
        size = self.size[0], a.shape[0] // CELL
        at = slice(y0 // CELL, y0 // CELL + size[1])
        self.before[at], self.after[at] = (_means(v, size) for v in (a, b))
        even = np.full((1, a.shape[2]), 1 / a.shape[2], np.float32)
        ga, gb = (cv2.transform(v, even).reshape(v.shape[:2]) for v in (a, b))
        ga -= _blocks(_means(ga[..., None], size)[..., 0])
        gb -= _blocks(_means(gb[..., None], size)[..., 0])
        products = (ga * ga, gb * gb, ga * gb)
        self.moments[at] = np.stack([_means(p[..., None], size)[..., 0] for p in products], axis=-1)

    def _filled(self, values: FloatArray) -> FloatArray:
        """Whole cells, the last px repeated."""
        down, across = -values.shape[0] % CELL, self.size[0] * CELL - values.shape[1]
        if down or across:
            values = cv2.copyMakeBorder(values, 0, down, 0, across, cv2.BORDER_REPLICATE)
        return values.reshape(values.shape[0], values.shape[1], -1)


def find_change(sums: CellSums, *, seed: float = SEED, area: int = AREA) -> Change:
    """Decide which cells were changed, in a picture whose global tone was taken into account already.

    A cell is a change where its mean colour, or the detail in it, differs clearly from the original's and from the
    differences usual between the two pictures (compression, noise); changes grow into fainter ones that they touch.
    Small ones go, and so do small holes; large holes stay.

    Args:
        sums: of both pictures.
        seed: delta E of a change where the pictures are otherwise equal.
        area: px of the smallest change.
    """
    activity = 100 * np.sqrt(np.maximum(sums.moments[..., 0], 0))
    # coding spreads what happens at an edge over its block
    activity = np.asarray(cv2.dilate(activity, np.ones((5, 5), np.uint8)), np.float32)
    apart = _colour(sums)
    strong, weak, threshold = _exceeds(apart, activity, seed, GROW * seed / SEED, _COLOUR_SHARE)
    more, fainter, _ = _exceeds(_detail(sums), activity, DETAIL_SEED, DETAIL_GROW, _DETAIL_SHARE)
    core = _cleaned(strong | more, weak | fainter, max(1, round(area / CELL**2)))
    return change_of(core, sums.tone, threshold)


def change_of(core: BoolArray, tone: Tone, threshold: float) -> Change:
    """A change whose core is known."""
    return Change(core, dilated(core, 3), tone, threshold)


def _exceeds(
    values: FloatArray, activity: FloatArray, seed: float, grow: float, most: float
) -> tuple[BoolArray, BoolArray, float]:
    """Cells beyond the threshold, those beyond the lower one, and the threshold of a calm cell: above the noise."""
    middle = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - middle)))
    high = max(seed, min(middle + _SIGMAS * spread, 4 * seed))
    lively = activity > 2
    share = _USUAL * float(np.percentile(values[lively] / activity[lively], 75)) if lively.any() else 0.0
    threshold = high + min(share, most) * activity
    return values > threshold, values > threshold * (grow / seed), high


def _colour(sums: CellSums) -> FloatArray:
    """Delta E between the cells' means, that of hue and chroma not more than what remains of it over a few cells.

    Chroma is coded coarsely: single cells are off by several delta E and nobody sees it, because their neighbours are
    off the other way.
    """
    gap = perceptual(sums.before) - perceptual(sums.after)
    alone = np.linalg.norm(gap, axis=-1)
    if gap.shape[-1] != 3 or float(np.median(alone)) < _EQUAL:
        return alone
    gap[..., 1:] = cv2.GaussianBlur(np.ascontiguousarray(gap[..., 1:]), (0, 0), 1.5)
    return np.minimum(alone, np.linalg.norm(gap, axis=-1))


def _detail(sums: CellSums) -> FloatArray:
    """Standard deviation, in units of lightness, of what differs within each cell beside its mean."""
    before, after, both = np.moveaxis(sums.moments, 2, 0)
    left = after - 2 * both + before
    left[left < 1e-9] = 0
    return np.sqrt(left, out=left) * np.float32(100)


def _cleaned(strong: BoolArray, weak: BoolArray, least: int) -> BoolArray:
    """Weak cells that hang together with strong ones; closed, without small parts and small holes."""
    count, parts = cv2.connectedComponents(weak.astype(np.uint8), connectivity=8)
    kept = np.zeros(count, np.bool_)
    kept[np.unique(parts[strong])] = True
    kept[0] = False
    mask = cv2.morphologyEx(kept[parts].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    mask = _without_small(mask, least, 8)
    around = cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)  # what reaches the frame is no hole
    return np.asarray(_without_small(around, least, 4)[1:-1, 1:-1] == 0, np.bool_)


def _without_small(mask: Array, least: int, connectivity: int) -> Array:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return large[parts].astype(np.uint8)


def _unit(pixels: Array) -> FloatArray:
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return np.multiply(pixels, np.float32(1 / top), dtype=np.float32)


def _means(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(size[1], size[0], -1)


def _blocks(means: FloatArray) -> FloatArray:
    return np.repeat(np.repeat(means, CELL, axis=0), CELL, axis=1)
