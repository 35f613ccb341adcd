"""What the figures of segtile.metrics cost on a large frame, against the plain way to compute each of them.

The truth is the necklace of data_samples brought to the size asked for, the prediction the same moved by a pixel and
blurred. Each row runs in two processes of its own, ours and the plain way: full frames in float, d erosions for a band
of d px, labels and distances over the whole frame. Time is CPU time (all threads; the wall clock of a busy machine says
little), the median over the repeats; x copy is in copies of one alpha (np.copyto, one thread). Peak memory is what the
work needs on top of the two alphas. The two values agree unless the plain way is another definition, which is said.

    python -m eval.bench_metrics [--size 12000] [--only biou2 biou]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from eval.bench_cutout import SAMPLES
from eval.bench_merge import cpu_seconds, peak_over
from segtile.metrics import seams
from segtile.metrics.alpha import _kernels
from segtile.metrics.edges import band_px, mba_radii
from segtile.metrics.matte import METRICS
from segtile.types import Box

Alpha = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Work = Callable[[Alpha, Alpha], float]

_TILE = 1024


def _unit(alpha: Alpha) -> Floats:
    return alpha.astype(np.float32) / np.float32(255)


def _mask(alpha: Alpha) -> Alpha:
    return (_unit(alpha) >= 0.5).astype(np.uint8)


def plain_mae(pred: Alpha, truth: Alpha) -> float:
    """Float frames and a mean."""
    return 1000 * float(np.abs(_unit(pred) - _unit(truth)).mean(dtype=np.float64))


def plain_mse(pred: Alpha, truth: Alpha) -> float:
    """Float frames and a mean of squares."""
    return 1000 * float(((_unit(pred) - _unit(truth)) ** 2).mean(dtype=np.float64))


def plain_sad(pred: Alpha, truth: Alpha) -> float:
    """Float frames and a sum."""
    return float(np.abs(_unit(pred) - _unit(truth)).sum(dtype=np.float64)) / 1000


def plain_grad(pred: Alpha, truth: Alpha) -> float:
    """2-D filters over whole float frames."""
    gauss, slope = _kernels()
    filters = np.outer(gauss, slope), np.outer(slope, gauss)
    sizes = []
    for alpha in (_unit(pred), _unit(truth)):
        x, y = (cv2.filter2D(alpha, cv2.CV_32F, f, borderType=cv2.BORDER_REPLICATE) for f in filters)
        sizes.append(np.sqrt(x * x + y * y))
    return float(((sizes[0] - sizes[1]) ** 2).sum(dtype=np.float64)) / 1000


def plain_conn(pred: Alpha, truth: Alpha) -> float:
    """The published procedure over whole frames: ten labellings, float maps."""
    p, t = _unit(pred), _unit(truth)
    level = np.full(p.shape, -1, np.float32)
    for k in range(1, 11):
        both = ((p >= np.float32(k / 10)) & (t >= np.float32(k / 10))).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        source = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if len(stats) > 1 else both > 0
        level[(level == -1) & ~source] = (k - 1) / 10
    level[level == -1] = 1
    phi = [1 - (alpha - level) * (alpha - level >= np.float32(0.15)) for alpha in (p, t)]
    return float(np.abs(phi[0] - phi[1]).sum(dtype=np.float64)) / 1000


def plain_iou(pred: Alpha, truth: Alpha) -> float:
    """Masks of whole frames."""
    p, g = _mask(pred) > 0, _mask(truth) > 0
    return float((p & g).sum() / (p | g).sum())


def plain_biou(d: int) -> Work:
    """The published way: d erosions of each whole frame."""

    def work(pred: Alpha, truth: Alpha) -> float:
        bands = []
        for alpha in (pred, truth):
            mask = _mask(alpha)
            padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
            eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=1)
            for _ in range(d - 1):
                eroded = cv2.erode(eroded, np.ones((3, 3), np.uint8), iterations=1)
            bands.append(mask - eroded[1:-1, 1:-1])
        return float((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())

    return work


def _distances(mask: Alpha) -> Floats:
    return np.maximum(*(cv2.distanceTransform(m, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for m in (mask, 1 - mask)))


def plain_mba(pred: Alpha, truth: Alpha) -> float:
    """Distances over the whole frame; the published code's morphology with a disc of 64 px would take hours."""
    p, g = _mask(pred), _mask(truth)
    distance = _distances(g)
    return float(np.mean([(p == g)[distance <= r + 1e-3].mean() for r in mba_radii(*g.shape)]))


def plain_offset(pred: Alpha, truth: Alpha) -> float:
    """Another definition, in whole pixels: distances of the whole frame, read where the prediction's mask ends."""
    p, g = _mask(pred), _mask(truth)
    signed = _distances(g) * np.where(g, np.float32(-1), np.float32(1))
    rim = (p - cv2.erode(p, np.ones((3, 3), np.uint8))) > 0
    return float(np.median(signed[rim]))


def _holes(mask: Alpha) -> npt.NDArray[np.int64]:
    from scipy import ndimage

    labels, _ = ndimage.label(mask == 0)
    areas = np.bincount(labels.ravel())
    areas[[0, *np.unique(labels[[0, -1]]), *np.unique(labels[:, [0, -1]])]] = 0
    found: npt.NDArray[np.int64] = areas
    return found


def plain_holes(pred: Alpha, truth: Alpha) -> float:
    """Labels of the whole frame by scipy."""
    p, g = (int((_holes(_mask(a)) >= 12).sum()) for a in (pred, truth))
    return abs(p - g) / max(1, g)


def plain_components(pred: Alpha, truth: Alpha) -> float:
    """Labels of the whole frame by OpenCV."""
    p, g = (int(cv2.connectedComponents(_mask(a), connectivity=8)[0]) for a in (pred, truth))
    return float(abs(p - g))


def _lines(alpha: Alpha) -> tuple[seams.Border, ...]:
    return seams.grid_borders(Box.frame(alpha.shape[1], alpha.shape[0]), min(_TILE, min(alpha.shape) // 2), 0)


def _plain_seam(low_pass: bool) -> Work:
    def work(pred: Alpha, truth: Alpha) -> float:
        means = np.zeros((2, 2))
        for border in _lines(pred):
            tone = _unit(pred if border.vertical else np.ascontiguousarray(pred.T))
            if low_pass:
                size = (seams.RAMP_ACROSS, seams.RAMP_ALONG)
                tone = cv2.blur(tone, size, borderType=cv2.BORDER_REPLICATE)
            step = np.abs(np.diff(tone, axis=1))
            for k, lines in enumerate(((border.line,), border.controls)):
                for line in lines:
                    means[k] += step[border.lo : border.hi, line - 1].sum(dtype=np.float64), border.hi - border.lo
        return float(means[0, 0] / means[0, 1] / (means[1, 0] / means[1, 1]))

    return work


OURS: dict[str, Work] = {name: metric.function for name, metric in METRICS.items()} | {
    "seam_grad": lambda pred, truth: seams.seam_grad(pred, _lines(pred)).ratio,
    "seam_ramp": lambda pred, truth: seams.seam_ramp(pred, _lines(pred)).ratio,
}


def plain_ways(height: int, width: int) -> dict[str, Work]:
    """The plain way to each figure that has one."""
    return {
        "mae": plain_mae,
        "mse": plain_mse,
        "sad": plain_sad,
        "grad": plain_grad,
        "conn": plain_conn,
        "iou": plain_iou,
        "biou2": plain_biou(2),
        "biou8": plain_biou(8),
        "biou": plain_biou(band_px(height, width)),
        "mba": plain_mba,
        "offset_median": plain_offset,
        "holes": plain_holes,
        "betti_components": plain_components,
        "seam_grad": _plain_seam(False),
        "seam_ramp": _plain_seam(True),
    }


ROWS = [name for name in OURS if not name.endswith("_band") and name not in ("biou4", "offset_p95", "betti_holes")]
_OTHER = {"offset_median"}  # rows whose plain way is another definition


@dataclass(frozen=True)
class Cost:
    """One way measured: value, CPU seconds, CPU seconds of a copy, peak MB (None where the system does not say)."""

    value: float
    cpu_s: float
    copy_s: float
    peak_mb: float | None


def make_alphas(size: int, folder: Path) -> None:
    """Write truth.npy and pred.npy, the longer side `size` px."""
    truth = cv2.imread(str(SAMPLES / "necklace_6000_alpha.png"), cv2.IMREAD_UNCHANGED)
    if truth is None:
        raise SystemExit("data_samples/necklace_6000_alpha.png cannot be read")
    truth = truth if truth.dtype == np.uint8 else (truth >> 8).astype(np.uint8)
    scale = size / max(truth.shape)
    shape = (max(8, round(truth.shape[1] * scale)), max(8, round(truth.shape[0] * scale)))
    truth = cv2.resize(truth, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    pred = cv2.GaussianBlur(np.roll(truth, 1, axis=1), (0, 0), 1.0)
    np.save(folder / "truth.npy", truth)
    np.save(folder / "pred.npy", pred)


def measure(name: str, way: str, folder: Path, repeats: int) -> Cost:
    """Measure one way to one figure in this process."""
    truth, pred = np.load(folder / "truth.npy"), np.load(folder / "pred.npy")
    work = OURS[name] if way == "ours" else plain_ways(*truth.shape)[name]
    buffer = np.ones_like(truth)  # touched: its pages exist
    work(pred[:64, :64].copy(), truth[:64, :64].copy()) if way == "ours" else None  # imports are no part of it
    kept: list[float] = []
    peak = peak_over(lambda: kept.append(work(pred, truth)))
    times = [cpu_seconds(lambda: work(pred, truth)) for _ in range(repeats)]
    copies = [cpu_seconds(lambda: np.copyto(buffer, truth)) for _ in range(7)]
    return Cost(kept[0], median(times), median(copies), peak)


def run_apart(name: str, way: str, folder: Path, repeats: int) -> Cost:
    """Measure in a process of its own."""
    command = [sys.executable, "-m", "eval.bench_metrics", "--row", json.dumps([name, way, str(folder), repeats])]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ({way}) failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Cost(**answer)


HEAD = ("figure", "s", "x copy", "peak MB", "plain s", "plain MB", "times faster", "value", "plain value")


def cells(name: str, ours: Cost, plain: Cost | None) -> list[str]:
    """One line of the table."""

    def mb(cost: Cost) -> str:
        return "-" if cost.peak_mb is None else f"{cost.peak_mb:.0f}"

    copies = f"{ours.cpu_s / ours.copy_s:.0f}" if ours.copy_s else "-"
    line = [name, f"{ours.cpu_s:.2f}", copies, mb(ours)]
    if plain is None:
        return [*line, "-", "-", "-", f"{ours.value:.6g}", "-"]
    faster = f"{plain.cpu_s / ours.cpu_s:.1f}" if ours.cpu_s else "-"
    equal = math.isclose(ours.value, plain.value, rel_tol=1e-4, abs_tol=1e-9)
    mark = "" if equal else " (another definition)" if name in _OTHER else " (differs)"
    return [*line, f"{plain.cpu_s:.2f}", mb(plain), faster, f"{ours.value:.6g}", f"{plain.value:.6g}{mark}"]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    built = argparse.ArgumentParser(
        prog="python -m eval.bench_metrics", description=(__doc__ or "").partition("\n\n")[0]
    )
    built.add_argument("--size", type=int, default=12000, help="longer side of the frame, px (default 12000)")
    built.add_argument("--repeats", type=int, default=1, help="timed runs a row; the median counts (default 1)")
    built.add_argument("--only", nargs="+", choices=ROWS, metavar="FIGURE", default=ROWS, help="rows; default all")
    built.add_argument("--no-plain", action="store_true", help="leave the plain ways out")
    built.add_argument("--row", help=argparse.SUPPRESS)
    return built


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    options = parser().parse_args(arguments)
    if options.row:
        name, way, folder, repeats = json.loads(options.row)
        print(json.dumps(measure(name, way, Path(folder), repeats).__dict__))
        return 0
    if options.size < 64 or options.repeats < 1:
        parser().error("--size must be 64 or more, --repeats 1 or more")
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        make_alphas(options.size, folder)
        h, w = np.load(folder / "truth.npy", mmap_mode="r").shape
        print(f"alpha {w} x {h}, 8 bits; {os.cpu_count()} cores; median of {options.repeats}\n")
        print("| " + " | ".join(HEAD) + " |\n|---|" + "---:|" * (len(HEAD) - 1))
        plain = plain_ways(h, w)
        for name in options.only:
            ours = run_apart(name, "ours", folder, options.repeats)
            other = None
            if name in plain and not options.no_plain:
                other = run_apart(name, "plain", folder, options.repeats)
            print("| " + " | ".join(cells(name, ours, other)) + " |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
