"""COCO average precision of boxes, masks and boundaries, from files or loaded data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from segtile.errors import BadInput
from segtile.metrics.coco.dataset import Given, Results, Truth, read_results, read_truth
from segtile.metrics.coco.engines import Accumulated, run
from segtile.metrics.coco.report import ClassRow, CocoReport, Curves, mean, stats_of
from segtile.metrics.coco.settings import (
    AREAS_COCO,
    BAND_2PX,
    ENGINES,
    IOU_TYPES,
    Areas,
    Band,
    Engine,
    IouType,
    band_of,
)
from segtile.metrics.coco.source import Id


def evaluate(
    truth: Given,
    results: Given,
    *,
    iou_type: IouType = "bbox",
    engine: Engine = "pycocotools",
    band: Band | float = BAND_2PX,
    areas: Areas = AREAS_COCO,
    max_dets: Sequence[int] = (1, 10, 100),
    classes: Sequence[Id] | None = None,
    recompute_area: bool = False,
) -> CocoReport:
    """COCO's 12 numbers, figures by class and precision-recall curves, the same as pycocotools computes.

    Three things differ from pycocotools on purpose: a figure without truth is NaN and not -1; AP does not turn to -1
    where `max_dets` lacks 100, it is taken at the largest limit; and ids never matter (there an annotation with id 0
    counts as never found). What pycocotools would drop or assume in silence is refused or said in the notes.

    Args:
        truth: COCO json, a path or loaded: `images`, `categories`, `annotations`.
        results: COCO results, a path or loaded: a list of {image_id, category_id, score, bbox and/or segmentation}, or
            a whole COCO object whose annotations have scores.
        iou_type: "bbox"; "segm" for mask IoU; "boundary" for min(mask IoU, boundary IoU).
        engine: "pycocotools", the reference, or "fast" (the extra fastcoco) for bbox and segm, equal to it
            within 1e-6.
        band: the boundary's band, for "boundary": `BandPx`, or `BandDiagonal` (a float is one) to compare with
            papers; `BandDiagonal` says why not on large pictures.
        areas: `AREAS_COCO` in px, `AREAS_FRAME` relative to the picture, or your own.
        max_dets: limits on results a picture and class, best scores first.
        classes: ids or names to evaluate, all where None.
        recompute_area: take areas from the masks (or boxes) and not from the truth's `area` fields.

    Raises:
        BadInput: a setting is wrong, or loaded data cannot be used.
        ReadError: a file cannot be read or used; the sentence names the annotation.
        BackendMissing: the fast engine is not installed.

    Source: Lin et al., Microsoft COCO, ECCV 2014; boundaries: Cheng et al., CVPR 2021.
    """
    _check(iou_type, engine, areas)
    limits = _limits(max_dets)
    width = band_of(band)
    checked = read_truth(truth, iou_type, recompute_area=recompute_area)
    found = read_results(results, checked, iou_type)
    chosen = _chosen(classes, checked)
    asked: Any = {"iou_type": iou_type, "engine": engine, "band": width, "areas": areas, "max_dets": limits}
    done = run(checked, found, categories=chosen, **asked)
    names = ["all", *(name for name, _, _ in areas.ranges)]
    return CocoReport(
        stats=stats_of(done.precision, done.recall, names, limits),
        per_class=_per_class(done, checked, found, chosen),
        curves=_curves(done, checked, chosen),
        settings=_settings(checked, found, iou_type, engine, width, areas, limits, recompute_area),
        notes=(*checked.notes, *found.notes, *_remarks(checked, found, chosen)),
    )


def _check(iou_type: str, engine: str, areas: object) -> None:
    if iou_type not in IOU_TYPES:
        raise BadInput(f"The kind of IoU must be one of {', '.join(IOU_TYPES)}, not {iou_type!r}.")
    if engine not in ENGINES:
        raise BadInput(f"The engine must be one of {', '.join(ENGINES)}, not {engine!r}.")
    if not isinstance(areas, Areas):
        raise BadInput("The area ranges must be AREAS_COCO, AREAS_FRAME or an Areas of your own.")


def _limits(given: Sequence[int]) -> tuple[int, ...]:
    limits = tuple(given) if isinstance(given, Sequence) else ()
    if not limits or any(type(n) is not int or n < 1 for n in limits) or len(set(limits)) != len(limits):
        raise BadInput(f"The limits on results must be different whole numbers of at least 1, not {given!r}.")
    return tuple(sorted(limits))


def _chosen(classes: Sequence[Id] | None, truth: Truth) -> list[int]:
    """Positions of the wanted classes, in the truth's order."""
    if classes is None:
        return list(range(len(truth.categories)))
    places = set()
    for wanted in [classes] if isinstance(classes, int | str) else classes:
        by_id = [i for i, (id_, _) in enumerate(truth.categories) if id_ == wanted]
        places.update(by_id or [i for i, (_, name) in enumerate(truth.categories) if name == wanted])
        if not places & {i for i, (id_, name) in enumerate(truth.categories) if wanted in (id_, name)}:
            known = ", ".join(f"{id_} {name}" for id_, name in truth.categories[:20])
            raise BadInput(f"The truth has no class {wanted!r}; it has: {known}.")
    return sorted(places)


def _per_class(done: Accumulated, truth: Truth, results: Results, chosen: Sequence[int]) -> tuple[ClassRow, ...]:
    truths = np.bincount([t.category for t in truth.items if not t.crowd], minlength=len(truth.categories))
    crowds = np.bincount([t.category for t in truth.items if t.crowd], minlength=len(truth.categories))
    found = np.bincount([r.category for r in results.items], minlength=len(truth.categories))
    rows = []
    for k, place in enumerate(chosen):
        id_, name = truth.categories[place]
        precision = done.precision[:, :, k, 0, -1]
        rows.append(
            ClassRow(
                id=id_,
                name=name,
                ap=mean(precision),
                ap50=mean(precision[0]),
                ap75=mean(precision[5]),
                ar=mean(done.recall[:, k, 0, -1]),
                truths=int(truths[place]),
                crowds=int(crowds[place]),
                results=int(found[place]),
            )
        )
    return tuple(rows)


def _curves(done: Accumulated, truth: Truth, chosen: Sequence[int]) -> Curves:
    precision, scores = done.precision[:, :, :, 0, -1], done.scores[:, :, :, 0, -1]
    absent = precision < 0
    return Curves(
        iou_thresholds=done.iou_thresholds,
        recalls=done.recalls,
        classes=tuple(truth.categories[place][1] for place in chosen),
        precision=np.where(absent, np.nan, precision),
        scores=np.where(absent, np.nan, scores),
    )


def _settings(
    truth: Truth,
    results: Results,
    iou_type: IouType,
    engine: Engine,
    band: Band,
    areas: Areas,
    limits: Sequence[int],
    recompute_area: bool,
) -> dict[str, Any]:
    return {
        "iou_type": iou_type,
        "engine": engine,
        "band": str(band) if iou_type == "boundary" else None,
        "areas": {"unit": areas.unit, "ranges": {name: [lo, hi] for name, lo, hi in areas.ranges}},
        "max_dets": list(limits),
        "recompute_area": recompute_area,
        "truth": truth.source.name,
        "results": results.source.name,
        "images": len(truth.pictures),
        "annotations": len(truth.items),
        "detections": len(results.items),
    }


def _remarks(truth: Truth, results: Results, chosen: Sequence[int]) -> list[str]:
    """Sentences for figures that would be read wrongly without them."""
    remarks = []
    wanted = set(chosen)
    counted = {t.category for t in truth.items if not t.crowd}
    if not counted & wanted:
        remarks.append("The truth holds no object to find, so no figure is defined.")
    elif empty := len(wanted - counted):
        remarks.append(f"{empty} of {len(wanted)} classes have no object in the truth and count in no mean.")
    if not results.items:
        remarks.append("The results are empty.")
    return remarks
