"""Detections as a labelme file, to be corrected by hand."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely

from segtile.detected import CropMask, Instance
from segtile.errors import BadInput
from segtile.export.found import Found, file_name, json_text, write_texts
from segtile.masks.bridges import one_ring
from segtile.masks.polygons import simplified

#: The file format's version: the first that has mask shapes and is read by every labelme since.
_VERSION = "5.5.0"
#: What to do with an instance that has holes.
Holes = Literal["mask", "bridge", "refuse"]


def labelme(found: Found, *, tolerance: float = 0.5, holes: Holes = "mask") -> dict[str, Any]:
    """One picture's detections as labelme has them; the picture itself is named, not contained.

    Labelme's polygons have no holes. An instance without any is one polygon a part; its parts share a `group_id`, the
    instance's id, which is how labelme says that they are one. An instance without a mask is a rectangle. The score
    stands in the description.

    Args:
        found: the detections.
        tolerance: px by which outlines may be simplified.
        holes: what becomes of an instance with holes: "mask" writes labelme's mask shape, the pixels themselves;
            "bridge" leads a cut of no width to each hole; "refuse" raises.

    Raises:
        BadInput: `holes` is "refuse" and an instance has some, or is none of the three.
    """
    header = _header(found)
    return {**header, "shapes": list(_shapes(found, tolerance, holes))}


def write_labelme(
    found: Found, path: Path, *, tolerance: float = 0.5, holes: Holes = "mask", overwrite: bool = False
) -> None:
    """Write `labelme` shape by shape; it belongs beside the picture, which it names without a folder.

    Raises:
        BadInput: as `labelme`, or a number is not finite.
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """

    def texts() -> Iterator[str]:
        yield json_text(_header(found), "the header")[:-1] + ', "shapes": ['
        for place, shape in enumerate(_shapes(found, tolerance, holes)):
            yield (",\n" if place else "\n") + json_text(shape, f"instance {shape['group_id']}")
        yield "\n]}\n"

    write_texts(path, texts(), overwrite=overwrite)


def _header(found: Found) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "flags": {},
        "imagePath": file_name(found.info),
        "imageData": None,
        "imageHeight": found.info.height,
        "imageWidth": found.info.width,
    }


def _shapes(found: Found, tolerance: float, holes: Holes) -> Iterator[dict[str, Any]]:
    if holes not in ("mask", "bridge", "refuse"):
        raise BadInput(f"holes become a mask, are bridged or refused, not {holes!r}")
    for instance in found.instances:
        if instance.mask is None:
            x0, y0, x1, y1 = (float(v) for v in instance.box)
            yield _shape(instance, "rectangle", [[x0, y0], [x1, y1]])
            continue
        geometry = simplified(instance.mask, tolerance).geometry
        parts = shapely.get_parts(geometry)
        if not shapely.get_num_interior_rings(parts).any():
            for part in parts:
                yield _shape(instance, "polygon", shapely.get_coordinates(part.exterior)[:-1].tolist())
        elif holes == "mask":
            yield _mask_shape(instance, instance.mask)
        elif holes == "bridge":
            yield _shape(instance, "polygon", one_ring(geometry).tolist())
        else:
            raise BadInput(
                f"instance {instance.id} ({instance.name}) has holes, which labelme's polygons have not; write it as a "
                "mask shape or bridge the holes"
            )


def _shape(instance: Instance, kind: str, points: list[list[float]], mask: str | None = None) -> dict[str, Any]:
    return {
        "label": instance.name,
        "points": points,
        "group_id": int(instance.id),
        "description": f"score {instance.score:.4f}",
        "shape_type": kind,
        "flags": {},
        "mask": mask,
    }


def _mask_shape(instance: Instance, mask: CropMask) -> dict[str, Any]:
    """Labelme's mask: a PNG of the box, whose last column and row (not the ones behind them) the points name."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask.bits.view(np.uint8) * np.uint8(255)).save(buffer, "PNG")
    box = mask.box
    corners = [[float(box.x0), float(box.y0)], [float(box.x1 - 1), float(box.y1 - 1)]]
    return _shape(instance, "mask", corners, base64.b64encode(buffer.getvalue()).decode("ascii"))
