"""What COCO evaluation costs: the fast engine against pycocotools, and boundaries at 6000 px.

    python -m eval.bench_coco

The first table is of 200 pictures of 1000 px with 3000 objects. "engine" is what the evaluators do with data that is
loaded: COCOeval's evaluate, accumulate and summarize; "whole call" is segtile's evaluate, which checks every annotation
first, whichever engine follows. The second is boundary AP on twelve pictures of 6000 px, beside the published method
(the whole frame eroded once for each px of the band) on a few of the same masks. Medians over the repeats.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from eval.coco_set import make_set, with_boxes
from segtile.metrics.coco import BandDiagonal, BandPx, evaluate
from segtile.metrics.coco.boundary import boundary_of
from segtile.metrics.coco.settings import ENGINES, Band


def seconds(jobs: dict[str, Callable[[], float]], repeats: int) -> dict[str, float]:
    """Median seconds of each job, which says itself how long it took; in turns, so that a busy machine hits all."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            found[name].append(job())
    return {name: median(values) for name, values in found.items()}


def timed(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Callable[[], float]:
    """A job that says how many seconds one call takes."""

    def job() -> float:
        start = time.perf_counter()
        function(*arguments, **settings)
        return time.perf_counter() - start

    return job


def engine(module: Any, truth: Any, results: Any, kind: str) -> float:
    """Seconds of one library's COCOeval, loading left out."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt = module.coco.COCO()
        gt.dataset = copy.deepcopy(truth)
        gt.createIndex()
        evaluator = module.cocoeval.COCOeval(gt, gt.loadRes(copy.deepcopy(results)), kind)
        start = time.perf_counter()
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
        return time.perf_counter() - start


def engines(pictures: int, repeats: int) -> None:
    """Print the engines' table."""
    import pycocotools.coco
    import pycocotools.cocoeval
    import ultrafast_pycocotools

    truth, masks = make_set(pictures, 15 * pictures)
    print(f"{len(truth['images'])} pictures, {len(truth['annotations'])} objects, {len(masks)} results")
    print("\n| | pycocotools s | fast s | ratio | largest difference |\n|---|---:|---:|---:|---:|")
    for kind, results in (("bbox", with_boxes(masks)), ("segm", masks)):
        settings: dict[str, Any] = {"iou_type": kind}
        slow, fast = (evaluate(truth, results, engine=e, **settings) for e in ENGINES)
        apart = float(np.abs(np.subtract(slow.coco_stats, fast.coco_stats)).max())
        modules = {"pycocotools": pycocotools, "fast": ultrafast_pycocotools}
        jobs: dict[str, dict[str, Callable[[], float]]] = {
            "engine": {name: partial(engine, module, truth, results, kind) for name, module in modules.items()},
            "whole call": {name: timed(evaluate, truth, results, engine=name, **settings) for name in ENGINES},
        }
        for what, pair in jobs.items():
            took = seconds(pair, repeats)
            a, b = took["pycocotools"], took["fast"]
            print(f"| {kind}, {what} | {a:.3f} | {b:.3f} | {a / b:.1f} | {apart:.1g} |")


def eroded(mask: npt.NDArray[np.uint8], d: int) -> npt.NDArray[np.uint8]:
    """The published boundary: the padded frame eroded d times, and what that took away."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=[0])
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=d)
    return np.asarray(mask - inner[1:-1, 1:-1], np.uint8)


def all_boundaries(masks: list[dict[str, Any]], side: int, band: Band) -> None:
    """Our boundary of each mask."""
    for mask in masks:
        boundary_of(mask["counts"].encode(), side, side, band)


def boundaries(side: int, repeats: int) -> None:
    """Print boundary AP's time on twelve large pictures, and one mask's by both methods."""
    truth, results = make_set(12, 142, side)
    count = len(truth["annotations"]) + len(results)
    print(f"\nboundary AP, 12 pictures of {side} px, {count} masks")
    print("\n| band | px | boundary AP s | segm AP s | ours ms a mask | eroded frame ms a mask | ratio |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    plain = seconds({"": timed(evaluate, truth, results, iou_type="segm")}, repeats)[""]
    some = [r["segmentation"] for r in results[:: max(1, len(results) // 5)]][:5]
    frames = [coco_mask.decode(dict(s)) for s in some]
    for band in (BandPx(2), BandPx(8), BandDiagonal(0.02)):
        took = seconds({"": timed(evaluate, truth, results, iou_type="boundary", band=band)}, repeats)[""]
        d = band.px(side, side)
        ours = median(timed(all_boundaries, some, side, band)() for _ in range(3))
        start = time.perf_counter()
        for frame in frames:
            eroded(frame, d)
        naive = time.perf_counter() - start
        print(
            f"| {band} | {d} | {took:.2f} | {plain:.2f} | {1000 * ours / len(some):.1f} | "
            f"{1000 * naive / len(some):.0f} | {naive / ours:.0f} |"
        )


def main(arguments: list[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m eval.bench_coco", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each job (default 5)")
    parser.add_argument("--pictures", type=int, default=200, help="pictures of the first table (default 200)")
    parser.add_argument("--side", type=int, default=6000, help="px of the large pictures (default 6000)")
    options = parser.parse_args(arguments)
    engines(options.pictures, options.repeats)
    boundaries(options.side, max(1, options.repeats // 2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
