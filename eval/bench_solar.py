"""What the adaptive solar channel does at the true edge of white on white, and what a curve costs.

    python -m eval.bench_solar                 every white-on-white sample: data_samples, and the shared pairs if there
    python -m eval.bench_solar --speed         a curve on a large picture against a memory copy

Per sample, at points of the true edge (exact alpha one half), 3 px inside against 3 px outside along the normal, where
the picture shows the edge at all (a luma difference above 3/255, as the samples' `edge_visible` counts it):

- `step x`: the median step in the adaptive channel over the median step in plain luma. Both are in [0, 1] and both are
  seen by a network through one fixed normalisation, so its standard deviation cancels.
- `step/noise x`: the same with each step divided by its channel's noise, the median difference from the mean of 5 x 5
  px on the true background 4 to 30 px from the edge.
- `folds`: pixels within 8 px of the true edge that lie beyond the first fold.
- `light p-v`: light that falls off across the picture by this share of its tone, peak to valley, is put on it, and the
  largest and the 99th percentile of the local mean (Gaussian, 4 px) of the signed channel on open background are given
  in sigmas. Open is true background more than 8 px from the edge that no shadow falls on: places at least 16 px across
  whose local tone, before the light was put on, lies within half a code value of 255 of a wide smooth field through the
  true background. `open %` is its share of the background.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from eval.bench_cutout import SAMPLES
from eval.bench_samples import read_alpha
from segtile.coarse import look
from segtile.raster import open_raster
from segtile.refine.inputs import upsample
from segtile.solar import CURVES, LUMA, AdaptiveCurve, adapt, apply_table, table
from segtile.solar.adaptive import smooth_field
from segtile.types import Array, BoolArray, FloatArray

LIGHT = 0.06
VISIBLE = 3 / 255
SHADOW = 0.5 / 255
HEAD = "sample|visible edge %|step x|step/noise x|folds|gain|noise /255|light p-v|open %|max sigma|p99 sigma"


def main() -> None:
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", action="store_true", help="what a curve costs, instead")
    parser.add_argument("--size", type=int, default=12000, help="side of the picture for --speed in px")
    parser.add_argument("--repeats", type=int, default=7, help="runs for --speed; medians are printed")
    options = parser.parse_args()
    if options.speed:
        speed(options.size, options.repeats)
        return
    print("|" + HEAD + "|\n|" + "---|" * (HEAD.count("|") + 1))
    for name, photo, alpha in white_samples():
        print("|" + "|".join(measure(name, photo, alpha)) + "|", flush=True)


def white_samples() -> Iterator[tuple[str, Path, Path]]:
    """(name, picture, exact alpha) of every white-on-white sample."""
    for row in json.loads((SAMPLES / "samples.json").read_text()):
        if row["white_on_white"]:
            yield row["file"], SAMPLES / row["file"], SAMPLES / row["alpha"]
    shared = Path(os.environ.get("SEGTILE_SHARED", "../shared")) / "samples" / "pairs" / "wow"
    for path in sorted(shared.glob("*_alpha.png")):
        stem = path.stem.removesuffix("_alpha")
        yield f"wow/{stem}", path.with_name(f"{stem}.png"), path


def measure(name: str, photo: Path, alpha: Path) -> list[str]:
    """One row of the table."""
    inside = read_alpha(alpha) >= 32768
    with open_raster(photo) as raster:
        pixels = raster.window(raster.info.frame)
    curve, difference, luma = adapted(pixels)
    folded = curve.fold(difference)
    to_in, to_out = distances(inside), distances(~inside)
    pairs, visible = edge_pairs(inside, to_out, luma)
    near_background = (to_out > 4) & (to_out < 30)
    steps, noises = [], []
    for channel in (folded, luma):
        steps.append(float(np.median(np.abs(channel[pairs[0]] - channel[pairs[1]]))))
        rest = channel - cv2.blur(channel, (5, 5))
        noises.append(float(np.median(np.abs(rest[near_background]))))
    zone = ((to_in > 0) & (to_in <= 8)) | ((to_out > 0) & (to_out <= 8))
    folds = int(np.count_nonzero(curve.segment(difference[zone])))
    is_open = open_background(luma, inside, to_out)
    lit, lit_difference, _ = adapted(under_light(pixels, LIGHT))
    mean = np.abs(local_mean(lit_difference, is_open)[is_open]) / lit.sigma
    return [
        name,
        f"{100 * visible:.0f}",
        f"{steps[0] / steps[1]:.2f}",
        f"{steps[0] / steps[1] / (noises[0] / noises[1]):.2f}",
        str(folds),
        f"{curve.gain:.1f}",
        f"{255 * curve.sigma:.2f}",
        f"{LIGHT:.0%}",
        f"{100 * np.count_nonzero(is_open) / np.count_nonzero(~inside):.0f}",
        f"{mean.max():.2f}",
        f"{np.percentile(mean, 99):.2f}",
    ]


def distances(mask: BoolArray) -> FloatArray:
    """Euclidean distance of every pixel of the mask to the nearest one outside it, px."""
    return np.asarray(ndimage.distance_transform_edt(mask), np.float32)


def adapted(pixels: Array) -> tuple[AdaptiveCurve, FloatArray, FloatArray]:
    """The curve of a picture, its luma less the background's, and its luma."""
    with open_raster(pixels) as raster:
        coarse = look(raster.preview(2048), raster.info.frame, "studio")
        curve = adapt(raster, coarse)
    luma = np.asarray(pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max) @ LUMA, np.float32)
    return curve, np.asarray(luma - upsample(curve.luma, coarse, coarse.frame), np.float32), luma


def edge_pairs(
    inside: BoolArray, to_out: FloatArray, luma: FloatArray
) -> tuple[tuple[tuple[npt.NDArray[np.intp], ...], tuple[npt.NDArray[np.intp], ...]], float]:
    """Pixels 3 px outside the true edge and those 3 px inside across it, where it is visible; and the visible share."""
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    out = np.nonzero((to_out > 2.5) & (to_out <= 3.5))
    foot = tuple(axis[out] for axis in nearest)
    normal = [(o - f).astype(np.float32) for o, f in zip(out, foot, strict=True)]
    length = np.hypot(normal[0], normal[1])
    into = tuple(
        np.clip(np.rint(f - 2.5 * n / length), 0, side - 1).astype(np.intp)
        for f, n, side in zip(foot, normal, inside.shape, strict=True)
    )
    across = inside[into]
    seen = across & (np.abs(luma[into] - luma[out]) > VISIBLE)
    pairs = tuple(a[seen] for a in into), tuple(a[seen] for a in out)
    return pairs, int(np.count_nonzero(seen)) / max(1, int(np.count_nonzero(across)))


def open_background(luma: FloatArray, inside: BoolArray, to_out: FloatArray) -> BoolArray:
    """True background away from the edge that no shadow falls on."""
    away = to_out > 8
    smooth = local_mean(luma, away)
    lit = away
    for tolerance in (
        4 * SHADOW,
        2 * SHADOW,
        SHADOW,
    ):  # what lies off one surface is shadow, and must not bend the next
        lit = away & (np.abs(smooth - _wide_surface(smooth, lit)) <= tolerance)
    inner = ndimage.distance_transform_edt(lit) > 8
    return np.asarray(ndimage.distance_transform_edt(~inner) <= 4, np.bool_)


def _wide_surface(values: FloatArray, known: BoolArray) -> FloatArray:
    step = 8
    small = cv2.resize(np.where(known, values, 0).astype(np.float32), None, fx=1 / step, fy=1 / step)
    share = cv2.resize(known.astype(np.float32), None, fx=1 / step, fy=1 / step)
    field = smooth_field((small / np.maximum(share, 1e-3))[..., None], share > 0.99, scales=(64.0,))
    return np.asarray(cv2.resize(field, values.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def under_light(pixels: Array, share: float) -> Array:
    """The picture under light that falls off smoothly from the upper left, peak to valley by `share`."""
    h, w = pixels.shape[:2]
    y, x = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j].astype(np.float32)
    light = 1 - share * (0.6 * x + 0.4 * y * y)
    top = int(np.iinfo(pixels.dtype).max)
    lit = pixels * light[..., None]
    # rounding alone would draw steps of a code value; a file that was taken in such light has noise there
    lit += np.random.default_rng(0).uniform(-0.5, 0.5, pixels.shape)
    return np.clip(np.rint(lit), 0, top).astype(pixels.dtype)


def local_mean(values: FloatArray, where: BoolArray) -> FloatArray:
    """Gaussian means (4 px) of the values in `where`."""
    share = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 4)
    return np.asarray(cv2.GaussianBlur(np.where(where, values, 0), (0, 0), 4) / np.maximum(share, 1e-3), np.float32)


def speed(side: int, repeats: int) -> None:
    """The table of costs, on a sample laid out over and over."""
    with open_raster(SAMPLES / "ring.jpg") as raster:
        tile = raster.window(raster.info.frame)
    times = (-(-side // tile.shape[0]), -(-side // tile.shape[1]), 1)
    print("|picture|curve|curve ms|copy ms|x copy|\n|---|---|---|---|---|")
    for dtype in (np.uint8, np.uint16):
        pixels: Array = np.ascontiguousarray(np.tile(tile, times)[:side, :side])
        if dtype == np.uint16:
            pixels = pixels.astype(np.uint16) * np.uint16(257) + (np.arange(side, dtype=np.uint16) % 251)[None, :, None]
        lut = table(CURVES["solar6"], dtype, "spline")
        copies, curves = [], []
        for _ in range(repeats):  # in turn, so that what else the machine does falls on both
            copies.append(seconds(pixels.copy))
            curves.append(seconds(partial(apply_table, pixels, lut)))
        copy, curve = statistics.median(copies), statistics.median(curves)
        kind = f"{side} x {side} RGB {np.dtype(dtype).name}"
        print(f"|{kind}|solar6, spline|{1000 * curve:.0f}|{1000 * copy:.0f}|{curve / copy:.2f}|", flush=True)


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call; both sides allocate their result."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
