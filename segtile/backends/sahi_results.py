"""Instances as SAHI's PredictionResult."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from segtile.detected import CropMask, Instance
from segtile.errors import BackendMissing
from segtile.types import ImageInfo


def to_sahi(instances: Sequence[Instance], info: ImageInfo, image: Any = None) -> Any:
    """`sahi.prediction.PredictionResult`, one new ObjectPrediction each; the instances stay as they are.

    Masks become COCO polygons through the pixels' centres, as SAHI makes them itself, holes as further polygons.
    SAHI's own `bool_mask` reads them back exactly; what it loses later is its own: merging and its COCO export fill the
    holes and cut every coordinate to whole numbers, and other readers of the polygons lose half a pixel all round. Soft
    values, ids and provenance have no place there. Boxes are the instances', cut to the picture.

    Args:
        instances: of one picture.
        info: the picture.
        image: what the result shall hold: a path, a PIL image or an (h, w, 3) array; by default the picture's file,
            which SAHI decodes when somebody draws on it, and white without memory of its own where there is none.

    Raises:
        BackendMissing: sahi is not installed.
    """
    prediction = _prediction()
    if image is None:
        on_disk = info.path is not None and info.path.is_file()
        image = str(info.path) if on_disk else np.broadcast_to(np.uint8(255), (info.height, info.width, 3))
    made = [_object(prediction, instance, info) for instance in instances]
    return prediction.PredictionResult(made, image=image, durations_in_seconds={})


def _object(prediction: Any, instance: Instance, info: ImageInfo) -> Any:
    from sahi.annotation import BoundingBox

    x0, x1 = np.clip(instance.box[::2], 0, info.width).tolist()
    y0, y1 = np.clip(instance.box[1::2], 0, info.height).tolist()
    rings = _rings(instance.mask) if instance.mask is not None else []
    made = prediction.ObjectPrediction(
        bbox=[x0, y0, x1, y1],
        category_id=int(instance.label),
        category_name=instance.name,
        segmentation=rings or None,
        score=float(instance.score),
        full_shape=[info.height, info.width],
    )
    made.bbox = BoundingBox([x0, y0, x1, y1], (0, 0))  # SAHI replaces the box by the mask's whole numbers
    return made


def _rings(mask: CropMask) -> list[list[float]]:
    """The contours of a mask through pixel centres; those of one or two pixels go there and back to have three points.

    SAHI refuses rings of fewer points, and drops such pixels itself.
    """
    contours, _ = cv2.findContours(
        mask.bits.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE, offset=(mask.box.x0, mask.box.y0)
    )
    return [np.resize(contour, (max(3, len(contour)), 2)).ravel().astype(float).tolist() for contour in contours]


def _prediction() -> Any:
    try:
        import sahi.prediction
    except ImportError as error:
        raise BackendMissing("sahi is not installed; it is installed by: pip install 'sahi>=0.12.8,<0.13'") from error
    return sahi.prediction
