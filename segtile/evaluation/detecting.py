"""The task detect: COCO results picture by picture, the published twelve numbers for each data set."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from segtile.errors import ReadError, SegtileError
from segtile.evaluation.config import CocoData, EvalConfig
from segtile.evaluation.datasets import read_json
from segtile.evaluation.measuring import Figure
from segtile.evaluation.results import Row, write_text
from segtile.evaluation.work import Hands, Job

COCO = "coco"


#: The figures of one picture. The numbers that papers print are those of the whole data set, in coco/ and its tables.
DETECT_METRICS: dict[str, Figure] = {
    "ap": Figure("higher", "", "average precision on this picture alone, mean over the classes it shows"),
    "ap50": Figure("higher", "", "the same at an IoU of 0.5"),
    "ar": Figure("higher", "", "recall on this picture with at most 100 detections"),
}
_PLACES = {"ap": "AP", "ap50": "AP50", "ar": "AR100"}
STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def detected(hands: Hands, job: Job) -> Row:
    """Do one job of the task detect: the row, with the picture's own figures or with an error."""
    made = hands.make(job)
    common: dict[str, Any] = {
        "seconds": made.seconds,
        "peak_rss_mb": made.peak_rss_mb,
        "warnings": made.warnings,
        "slices": job.item.groups,
    }
    error = made.error
    try:
        kind = _iou_type(hands.shared.config, job.item.dataset)
        truth = one_picture(_truth(job.item.truth), job.item.image_id)
        image = truth["images"][0]
        common["size"] = (int(image.get("width", 0)), int(image.get("height", 0)))
        if error is None:
            try:
                found = read_detections(hands.shared.folder / job.output, job.item.image_id)
                return job.row(metrics=_figures(truth, found, kind), **common)
            except SegtileError as e:
                error = str(e)
        return job.row(error=error, stand_in=_figures(truth, [], kind), **common)
    except SegtileError as e:
        return job.row(error=error or str(e), **common)


def read_detections(path: Path, image_id: int | None) -> list[dict[str, Any]]:
    """The COCO results of one picture; whatever image they name, they are this one's.

    Raises:
        ReadError: the file is no JSON list of objects.
    """
    raw = read_json(path)
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise ReadError(f"{path}: is no list of COCO results")
    return [{**one, "image_id": image_id} for one in raw]


def one_picture(truth: Mapping[str, Any], image_id: int | None) -> dict[str, Any]:
    """A COCO file's content with one image and its annotations."""
    return _restricted(truth, {image_id})


def _restricted(truth: Mapping[str, Any], ids: set[int | None]) -> dict[str, Any]:
    return {
        **truth,
        "images": [image for image in truth["images"] if image.get("id") in ids],
        "annotations": [a for a in truth.get("annotations", ()) if isinstance(a, dict) and a.get("image_id") in ids],
    }


def _truth(path: Path) -> dict[str, Any]:
    state = path.stat()
    return _read_truth(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _read_truth(path: Path, _mtime_ns: int, _size: int) -> dict[str, Any]:
    raw: dict[str, Any] = read_json(path)
    return raw


def _iou_type(config: EvalConfig, dataset: str) -> Literal["bbox", "segm", "boundary"]:
    return next(d.iou_type for d in config.datasets if isinstance(d, CocoData) and d.name == dataset)


def _figures(truth: dict[str, Any], found: Sequence[dict[str, Any]], kind: Literal["bbox", "segm", "boundary"]) -> Any:
    from segtile.metrics.coco import evaluate

    stats = evaluate(truth, list(found), iou_type=kind).stats
    return {name: float(stats[place]) for name, place in _PLACES.items()}


def finish_detect(folder: Path, config: EvalConfig, rows: Sequence[Row]) -> None:
    """Evaluate every system on every whole data set; coco/SYSTEM/DATASET.json holds the report.

    Pictures that failed count as pictures without detections, so that failing never pays off.

    Raises:
        SegtileError: a data set's annotations are not sound.
    """
    from segtile.metrics.coco import evaluate

    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.system, row.dataset), []).append(row)
    for (system, dataset), done in groups.items():
        truth = _truth(Path(done[0].truth))
        names = {row.photo: row for row in done}
        data = next(d for d in config.datasets if d.name == dataset and isinstance(d, CocoData))
        ids = {str(data.pictures / image["file_name"]): image["id"] for image in truth["images"]}
        found: list[dict[str, Any]] = []
        for photo, row in names.items():
            if row.error is None:
                found += read_detections(folder / "detections" / system / dataset / f"{row.picture}.json", ids[photo])
        report = evaluate(_restricted(truth, {ids[photo] for photo in names}), found, iou_type=data.iou_type)
        target = folder / COCO / system / f"{dataset}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        values = {
            "iou_type": data.iou_type,
            "pictures": len(names),
            "failed": sum(row.error is not None for row in done),
            "stats": {name: None if math.isnan(v) else v for name, v in report.stats.items()},
            "report": report.to_json(),
        }
        write_text(target, json.dumps(values) + "\n")


def coco_figures(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What `finish_detect` wrote, as {data set: {system: {"pictures", "failed", "iou_type", "stats"}}}."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path in sorted((folder / COCO).glob("*/*.json")):
        found.setdefault(path.stem, {})[path.parent.name] = read_json(path)
    return found
