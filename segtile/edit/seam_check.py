"""Whether the tiles of an edited picture show: figures after every run, a sentence where they do, and a map."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np

from segtile.edit.cells import CELL, Cells, pairs, reference_cells, tile_cells, within
from segtile.edit.drift import where_changed
from segtile.edit.light import to_dtype
from segtile.edit.perceptual import distance
from segtile.edit.tiles import Rows, RowSource, Tiles
from segtile.edit.tone import fit_tone
from segtile.errors import BadInput
from segtile.metrics.seams import SOLAR_CURVE, Border, SeamFigure, core_borders, overlap, seam_grad, seam_ramp
from segtile.raster import open_raster
from segtile.types import Array, Box, FloatArray, Progress, no_progress

# The user is told where a ratio is this much above what it would be were both sides of each border one tile's.
_ABOVE = 0.05
_DRIFT = 1.0  # delta E
_SMOOTH = 8  # cells; low frequency is what remains of this
_NEAR = 9  # px to either side of a border that the figures look at
_HOT = 4.0  # delta E that the map draws in full colour


#: Gradient and ramp, and both on the solar fold.
Figures = tuple[SeamFigure, SeamFigure, SeamFigure, SeamFigure]


@dataclass(frozen=True)
class SeamCheck:
    """The seam figures of one edited picture.

    `grad`, `ramp`: across tile borders against the middles of the tiles; `_solar` the same through the solar fold;
    `undisturbed` the four ratios if both sides of every border were one tile's own (NaN where halos are under 9 px).
    `overlap_mean`, `overlap_p99`: how far tiles lay apart in their overlaps before blending, in 8-bit levels of the
    cell means (NaN where none overlap); `worst` is the overlap with the largest mean and `bias` each tile's own.
    `drift` is the mean low-frequency delta E to the reference where the edit changed nothing on purpose (NaN without
    one). `warning` is a sentence where tiles show.
    """

    grad: SeamFigure
    ramp: SeamFigure
    grad_solar: SeamFigure
    ramp_solar: SeamFigure
    undisturbed: tuple[float, float, float, float]
    overlap_mean: float
    overlap_p99: float
    worst: Box | None
    bias: tuple[float, ...]
    drift: float
    warning: str | None = None

    @property
    def ratios(self) -> tuple[float, float, float, float]:
        """Gradient and ramp ratio, and both on the solar fold."""
        return self.grad.ratio, self.ramp.ratio, self.grad_solar.ratio, self.ramp_solar.ratio


def seam_check(
    tiles: Tiles,
    picture: Array | Path | Rows,
    reference: RowSource | None = None,
    *,
    on_progress: Progress = no_progress,
) -> SeamCheck:
    """Measure the seams of a picture that was put together from tiles.

    Args:
        tiles: the tiles, as they were before blending.
        picture: the result: (h, w, bands) array, the file it was written to, or its rows (kept in a temporary file).
        reference: rows of the original at the same size.
        on_progress: called with the stage "compare".

    Raises:
        BadInput: the picture has another size than the tiles' frame, or holds NaN.
        ReadError: the file cannot be read.
    """
    borders = core_borders(tiles.tiles)
    cells = tile_cells(tiles, on_progress=on_progress)
    with _in_memory(picture, tiles) as pixels:
        found = _figures(pixels, borders)
        low = _rows_cells(pixels, tiles)
        plain = _undisturbed(pixels, tiles, borders, found)
    drift = math.nan
    if reference is not None:
        drift = float(_drift_map(reference_cells(reference, tiles), low)[0])
    apart = overlap([(t.box, t.mean) for t in cells.tiles])
    worst = _worst(cells)
    check = SeamCheck(
        *found,
        undisturbed=plain,
        overlap_mean=255 * apart.mean,
        overlap_p99=255 * apart.p99,
        worst=worst,
        bias=tuple(255 * b for b in apart.bias),
        drift=drift,
    )
    sentence = _sentence(check)
    return check if sentence is None else replace(check, warning=sentence)


def heat_map(
    tiles: Tiles,
    picture: Array | Path | Rows,
    reference: RowSource | None = None,
    *,
    long_side: int = 1600,
) -> Array:
    """Where tiles disagree: the picture in grey, coloured from yellow to red by delta E, core borders drawn.

    The colour is the larger of the tiles' disagreement before blending and, with a reference, the result's
    low-frequency difference from it.

    Args:
        tiles: the tiles.
        picture: as for `seam_check`.
        reference: rows of the original.
        long_side: of the map, at most, px.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    cells = tile_cells(tiles)
    with _in_memory(picture, tiles) as pixels:
        low = _rows_cells(pixels, tiles)
    heat = np.zeros(low.shape[:2], np.float32)
    for i, j, box in pairs(cells):
        gap = distance(within(cells.tiles[i], box), within(cells.tiles[j], box))
        heat[box.slices] = np.maximum(heat[box.slices], gap)
    if reference is not None:
        heat = np.maximum(heat, _drift_map(reference_cells(reference, tiles), low)[1])
    return _drawn(low, heat, tiles, long_side)


def _drawn(low: FloatArray, heat: FloatArray, tiles: Tiles, long_side: int) -> Array:
    frame = tiles.frame
    scale = min(1.0, long_side / max(frame.width, frame.height))
    size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    grey = np.clip(low.mean(axis=2), 0, 1)
    grey, hot = (cv2.resize(np.ascontiguousarray(v), size, interpolation=cv2.INTER_LINEAR) for v in (grey, heat))
    strength = np.clip(hot / _HOT, 0, 1)[..., None]
    colour = np.concatenate([np.ones_like(strength), 1 - strength, np.zeros_like(strength)], axis=2)
    share = np.sqrt(strength) * 0.8
    drawn = (0.35 + 0.65 * grey)[..., None] * (1 - share) + colour * share
    drawn = np.clip(drawn * 255, 0, 255).astype(np.uint8)
    for border in core_borders(tiles.tiles):
        line, lo, hi = (round(v * scale) for v in (border.line, border.lo, border.hi))
        if border.vertical:
            drawn[lo:hi, min(line, size[0] - 1)] = (40, 90, 200)
        else:
            drawn[min(line, size[1] - 1), lo:hi] = (40, 90, 200)
    return drawn


def _figures(pixels: Array, borders: tuple[Border, ...]) -> Figures:
    if not borders:
        nothing = SeamFigure(math.nan, math.nan)
        return nothing, nothing, nothing, nothing
    return (
        seam_grad(pixels, borders),
        seam_ramp(pixels, borders),
        seam_grad(pixels, borders, SOLAR_CURVE),
        seam_ramp(pixels, borders, SOLAR_CURVE),
    )


def _undisturbed(
    pixels: Array, tiles: Tiles, borders: tuple[Border, ...], found: Figures
) -> tuple[float, float, float, float]:
    """The ratios of the same picture with the strip around each border in turn taken from one tile alone.

    A tile knows what lies beyond its core; that is what the picture looks like without a border.
    """
    sums, length = np.zeros(4), 0
    near = pixels if isinstance(pixels, np.memmap) else np.array(pixels)  # a map is copied on writing, page by page
    for border in borders:
        reach = Box(border.line - _NEAR, border.lo, border.line + _NEAR, border.hi)
        if not border.vertical:
            reach = Box(border.lo, border.line - _NEAR, border.hi, border.line + _NEAR)
        reach = reach & tiles.frame
        owner = next((t for t in tiles.tiles if t.read.contains(reach)), None)
        if owner is None:
            return (math.nan,) * 4
        kept = near[reach.slices].copy()
        near[reach.slices] = to_dtype(tiles.read(owner.index, reach), near.dtype)
        alone = _figures(near, (replace(border, controls=()),))
        near[reach.slices] = kept
        sums += [(border.hi - border.lo) * figure.border for figure in alone]
        length += border.hi - border.lo
    if not length:
        return (math.nan,) * 4
    grad, ramp, grad_solar, ramp_solar = (
        SeamFigure(float(total) / length, figure.control).ratio for total, figure in zip(sums, found, strict=True)
    )
    return grad, ramp, grad_solar, ramp_solar


def _sentence(check: SeamCheck) -> str | None:
    """What to tell the user, or nothing."""
    told = []
    for name, figure, plain in (
        ("step", check.grad, check.undisturbed[0]),
        ("slow ramp", check.ramp, check.undisturbed[1]),
    ):
        if figure.ratio > plain + max(_ABOVE, _ABOVE * plain):  # never where either is NaN
            told.append(f"the {name} across tile borders is {figure.ratio:.2f} times that inside, not {plain:.2f}")
    if check.drift > _DRIFT:
        told.append(f"colours drift from the original by {check.drift:.1f} delta E on average")
    if not told:
        return None
    where = ""
    if check.worst is not None:
        box = check.worst
        where = f"; tiles disagree most between {box.x0},{box.y0} and {box.x1},{box.y1}"
    return "the tiles show: " + "; ".join(told) + where


def _worst(cells: Cells) -> Box | None:
    """The overlap with the largest mean disagreement, px; None where all agree."""
    most, found = 0.0, None
    for i, j, box in pairs(cells):
        mean = float(np.abs(within(cells.tiles[i], box) - within(cells.tiles[j], box)).mean())
        if mean > most:
            most, found = mean, box
    if found is None:
        return None
    return Box(found.x0 * CELL, found.y0 * CELL, found.x1 * CELL, found.y1 * CELL) & cells.frame


def _drift_map(wanted: FloatArray, found: FloatArray) -> tuple[float, FloatArray]:
    """Mean low-frequency delta E over what was not changed on purpose, and the map of it (0 where it was)."""
    tone = fit_tone(wanted, found)
    wanted = tone(wanted)
    steady = ~where_changed(wanted, found, 8.0)
    weight = cv2.blur(steady.astype(np.float32), (_SMOOTH, _SMOOTH))
    lows = []
    for values in (wanted, found):
        sums = cv2.blur(np.ascontiguousarray(values * steady[..., None]), (_SMOOTH, _SMOOTH)).reshape(values.shape)
        lows.append(sums / np.maximum(weight, 1e-6)[..., None])
    apart = distance(*lows) * steady
    return (float(apart[steady].mean()) if steady.any() else 0.0), np.asarray(apart, np.float32)


def _rows_cells(pixels: Array, tiles: Tiles) -> FloatArray:
    return reference_cells(lambda y0, y1: np.ascontiguousarray(pixels[y0:y1]), tiles)


def _from_file(path: Path, tiles: Tiles) -> Iterator[tuple[int, Array]]:
    with open_raster(path) as raster:
        if (raster.info.width, raster.info.height) != (tiles.frame.width, tiles.frame.height):
            raise BadInput(f"{path} is {raster.info.width}x{raster.info.height} px and the tiles' frame {tiles.frame}")
        for y0 in range(0, raster.info.height, 256):
            yield y0, raster.strip(y0, min(y0 + 256, raster.info.height))


@contextmanager
def _in_memory(picture: Array | Path | Rows, tiles: Tiles) -> Iterator[Array]:
    """The picture as an array that may be read anywhere; rows go to a temporary file that is mapped, not held."""
    frame = tiles.frame
    if isinstance(picture, np.ndarray):
        if picture.shape[:2] != (frame.height, frame.width):
            raise BadInput(f"the picture is {picture.shape} and the tiles' frame {frame}")
        yield picture if picture.ndim == 3 else picture[..., None]
        return
    rows = _from_file(picture, tiles) if isinstance(picture, Path) else picture
    with TemporaryFile() as store:
        count, shape, dtype = 0, (frame.width, tiles.bands), tiles.dtype
        for y0, part in rows:
            if y0 != count or part.shape[1] != frame.width:
                raise BadInput(f"rows {count} were to come next, {frame.width} px wide; {part.shape} came at {y0}")
            shape, dtype = part.shape[1:], part.dtype
            store.write(np.ascontiguousarray(part).data)
            count += len(part)
        if count != frame.height:
            raise BadInput(f"{count} rows came for a frame of {frame.height}")
        store.flush()
        mapped = np.memmap(store, dtype, "c", 0, (count, *shape))
        try:
            yield mapped
        finally:
            del mapped
