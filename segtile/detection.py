"""What `segtile.detect` and `segtile.segment` return: the instances of one picture, and what they convert to."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from segtile.backends.sahi_results import to_sahi
from segtile.backends.supervision_results import to_supervision
from segtile.detected import Instance
from segtile.errors import ReadError
from segtile.export.coco import coco_dataset, coco_results
from segtile.export.geojson import geojson
from segtile.export.labelme import Holes as LabelmeHoles
from segtile.export.labelme import labelme
from segtile.export.overlay import draw_instances
from segtile.export.yolo import Holes, YoloLabels, yolo_labels
from segtile.raster import open_raster
from segtile.types import Array, ImageInfo, Tile

_NOTEBOOK_SIDE = 1024


@dataclass(frozen=True)
class DetectionRow:
    """What one run did: one row of manifest.jsonl.

    Paths are as given by the caller; `counts` instances per class name; `pieces` detections before fusion, `found`
    instances after it; `tiles_uniform` is what a uniform grid would have taken; seconds per stage.
    """

    input: str
    output: str | None
    width: int
    height: int
    model: str
    fusion: str
    tiles_planned: int
    tiles_run: int
    tiles_uniform: int
    pieces: int
    found: int
    counts: dict[str, int]
    seconds: dict[str, float]
    peak_rss_mb: float | None
    model_digest: str | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DetectionResult:
    """The instances of one picture, with the classes that were looked for and the tiles that were looked at.

    The conversions make new objects and change nothing here. Files of them are written by `segtile.export` (coco,
    geojson, yolo, labelme), whose writers take a result as it is.
    """

    info: ImageInfo
    instances: tuple[Instance, ...]
    names: tuple[str, ...]
    tiles: tuple[Tile, ...]
    row: DetectionRow

    def __len__(self) -> int:
        return len(self.instances)

    def to_coco(self, image_id: int = 1) -> dict[str, Any]:
        """A whole COCO dataset (images, annotations, categories); see `segtile.export.coco.coco_dataset`."""
        return coco_dataset(self, image_id)

    def to_coco_results(self, image_id: int, **options: Any) -> list[dict[str, Any]]:
        """The list that pycocotools' `loadRes` takes; options as `segtile.export.coco.coco_results`."""
        return coco_results(self, image_id, **options)

    def to_supervision(self, *, compact: bool | None = None) -> Any:
        """`supervision.Detections`; see `segtile.backends.supervision_results.to_supervision`."""
        return to_supervision(self.instances, self.info.frame, compact=compact)

    def to_sahi(self, image: Any = None) -> Any:
        """`sahi.prediction.PredictionResult`; see `segtile.backends.sahi_results.to_sahi` for what is lost there."""
        return to_sahi(self.instances, self.info, image)

    def to_geojson(self, tolerance: float = 0.5) -> dict[str, Any]:
        """A GeoJSON FeatureCollection with holes, in px with y down; see `segtile.export.geojson.geojson`."""
        return geojson(self, tolerance)

    def to_yolo(self, *, tolerance: float = 0.5, holes: Holes = "bridge") -> YoloLabels:
        """YOLO's label lines and what they could not hold; see `segtile.export.yolo.yolo_labels`."""
        return yolo_labels(self, tolerance=tolerance, holes=holes)

    def to_labelme(self, *, tolerance: float = 0.5, holes: LabelmeHoles = "mask") -> dict[str, Any]:
        """A labelme file's content; see `segtile.export.labelme.labelme`."""
        return labelme(self, tolerance=tolerance, holes=holes)

    def overlay(
        self,
        preview: Array,
        *,
        colour_by: Literal["class", "id"] = "class",
        opacity: float = 0.45,
        labels: bool = True,
    ) -> npt.NDArray[np.uint8]:
        """The instances drawn on a preview of the whole picture; see `segtile.export.overlay.draw_instances`."""
        return draw_instances(preview, self, colour_by=colour_by, opacity=opacity, labels=labels)

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the overlay on the picture's file, on white where that cannot be read any more."""
        from PIL import Image

        shrink = min(1.0, _NOTEBOOK_SIDE / max(self.info.width, self.info.height))
        size = max(1, round(self.info.height * shrink)), max(1, round(self.info.width * shrink))
        preview: Array = np.full((*size, 3), 255, np.uint8)
        if self.info.path is not None:
            try:
                with open_raster(self.info.path) as raster:
                    preview = raster.preview(_NOTEBOOK_SIDE)
            except ReadError:
                pass
        buffer = io.BytesIO()
        Image.fromarray(self.overlay(preview)).save(buffer, "PNG")
        return buffer.getvalue()
