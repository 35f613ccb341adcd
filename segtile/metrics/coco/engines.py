"""The evaluators behind one function: pycocotools, the field's reference, and a faster one by option."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segtile.errors import BackendMissing, BadInput
from segtile.metrics.coco.boundary import boundary_evaluator
from segtile.metrics.coco.dataset import Item, Results, Truth
from segtile.metrics.coco.settings import TOP, Areas, Band, Engine, IouType

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Accumulated:
    """What COCO's evaluation adds up to, in its own layout; -1 where a setting has no truth.

    T IoU thresholds, R = 101 recalls, K classes, A area ranges ("all" first), M limits on detections.
    `precision` and `scores` are (T, R, K, A, M), `recall` is (T, K, A, M).
    """

    iou_thresholds: Doubles
    recalls: Doubles
    precision: Doubles
    recall: Doubles
    scores: Doubles


def run(
    truth: Truth,
    results: Results,
    *,
    iou_type: IouType,
    engine: Engine,
    band: Band,
    areas: Areas,
    max_dets: Sequence[int],
    categories: Sequence[int],
) -> Accumulated:
    """Evaluate checked data.

    Args:
        truth: the truth.
        results: the results for it.
        iou_type: "bbox", "segm" or "boundary".
        engine: "pycocotools" or "fast".
        band: the boundary's band; read for "boundary" only.
        areas: the area ranges, after "all".
        max_dets: limits on results a picture and class, ascending.
        categories: positions in `truth.categories` to evaluate.

    Raises:
        BadInput: the fast engine is asked for boundaries, or sizes that area ranges need are missing.
        BackendMissing: the faster engine is not installed.
    """
    make_coco, make_evaluator = _fast(iou_type) if engine == "fast" else _pycocotools(iou_type, band)
    with _quiet():
        gt, dt = make_coco(), make_coco()
        gt.dataset, dt.dataset = _datasets(truth, results, iou_type, areas)
        gt.createIndex()
        dt.createIndex()
        evaluator = make_evaluator(gt, dt)
        p = evaluator.params
        p.imgIds = list(range(1, len(truth.pictures) + 1))
        p.catIds = [k + 1 for k in categories]
        p.maxDets = list(max_dets)
        p.areaRng = [[0, TOP], *([lo, hi] for _, lo, hi in areas.ranges)]
        p.areaRngLbl = ["all", *(name for name, _, _ in areas.ranges)]
        evaluator.evaluate()
        evaluator.accumulate()
    done = evaluator.eval
    return Accumulated(
        np.asarray(p.iouThrs), np.asarray(p.recThrs), *(np.asarray(done[n]) for n in ("precision", "recall", "scores"))
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Both engines print as they go, and stdout is for results."""
    with redirect_stdout(io.StringIO()):
        yield


def _pycocotools(iou_type: IouType, band: Band) -> tuple[Any, Any]:
    """(COCO, function of two COCOs that gives an evaluator)."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if iou_type == "boundary":
        return COCO, lambda gt, dt: boundary_evaluator(gt, dt, band)
    return COCO, lambda gt, dt: COCOeval(gt, dt, iou_type)


def _fast(iou_type: IouType) -> tuple[Any, Any]:
    """The same of the faster engine; the only place that knows which one it is.

    It has boundaries too, but by erosions of the whole frame: 60 times slower than ours, and with no band in px.
    """
    if iou_type == "boundary":
        raise BadInput("The fast engine is for bbox and segm; boundaries are fast in the engine pycocotools already.")
    try:
        import ultrafast_pycocotools as fast
    except ImportError:
        raise BackendMissing(
            "The fast COCO engine is not installed: pip install 'segtile[fastcoco]', or use the engine pycocotools."
        ) from None
    return fast.COCO, lambda gt, dt: fast.COCOeval(gt, dt, iou_type)


def _datasets(truth: Truth, results: Results, iou_type: IouType, areas: Areas) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both sides as COCO dicts, everything numbered from 1; areas in the unit of the ranges."""
    images = [
        {"id": i, "width": p.width, "height": p.height, "file_name": p.name} for i, p in enumerate(truth.pictures, 1)
    ]
    classes = [{"id": i, "name": name} for i, (_, name) in enumerate(truth.categories, 1)]
    sizes = [(p.width, p.height) for p in truth.pictures]
    if areas.unit == "frame" and (bare := next((p for p in truth.pictures if not p.width or not p.height), None)):
        truth.source.refuse(f"image {bare.id} has no width and height, which area ranges by the frame need")

    def rows(items: Sequence[Item]) -> list[dict[str, Any]]:
        found = []
        for number, item in enumerate(items, 1):
            width, height = sizes[item.picture]
            row = {
                "id": number,
                "image_id": item.picture + 1,
                "category_id": item.category + 1,
                "bbox": list(item.box),
                "area": areas.measure(item.area, width, height),
                "iscrowd": int(item.crowd),
                "score": item.score,
            }
            if iou_type != "bbox":
                row["segmentation"] = {"size": [height, width], "counts": item.mask}
            found.append(row)
        return found

    return (
        {"info": {}, "images": images, "categories": classes, "annotations": rows(truth.items)},
        {"info": {}, "images": images, "categories": classes, "annotations": rows(results.items)},
    )
