"""Detections as YOLO's label lines: normalised polygons, or boxes where nothing has a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from segtile.detected import Instance
from segtile.errors import BadInput
from segtile.export.found import Found, write_texts
from segtile.masks.bridges import is_one_ring, one_ring
from segtile.masks.polygons import simplified
from segtile.types import ImageInfo

Doubles = npt.NDArray[np.float64]

#: What to do with an instance that one ring cannot hold.
Holes = Literal["bridge", "refuse"]


@dataclass(frozen=True)
class YoloLabels:
    """The lines of one picture's label file, and sentences about what the format could not hold."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def yolo_labels(found: Found, *, tolerance: float = 0.5, holes: Holes = "bridge") -> YoloLabels:
    """One line an instance: the class's index and x y x y ..., divided by the picture's width and height.

    Where no instance has a mask, a line is YOLO's box instead: index, centre x y, width, height. Where only some have,
    the others' lines are the four corners of their box, since readers take a file as all the one or all the other.
    Scores are left out: these are labels.

    Args:
        found: the detections.
        tolerance: px by which outlines may be simplified.
        holes: the format has one ring a line. "bridge" leads a cut of no width to each hole and each further part,
            with a warning; "refuse" raises.

    Raises:
        BadInput: `holes` is "refuse" and an instance has a hole or several parts; or `holes` is neither.
    """
    if holes not in ("bridge", "refuse"):
        raise BadInput(f"holes are bridged or refused, not {holes!r}")
    size = np.array([found.info.width, found.info.height], np.float64)
    if all(i.mask is None for i in found.instances):
        return YoloLabels(tuple(_line(i.label, _box_values(i, found.info)) for i in found.instances))
    lines, bridged, boxes, empty = [], 0, 0, 0
    for instance in found.instances:
        if instance.mask is None:
            x0, y0, x1, y1 = _inside(instance, found.info)
            ring, boxes = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), boxes + 1
        else:
            geometry = simplified(instance.mask, tolerance).geometry
            if not is_one_ring(geometry):
                if holes == "refuse":
                    raise BadInput(
                        f"instance {instance.id} ({instance.name}) has holes or several parts, which a YOLO line "
                        "cannot hold; allow bridging, or write COCO or GeoJSON"
                    )
                bridged += 1
            ring = one_ring(geometry)
        if len(ring):
            lines.append(_line(instance.label, (ring / size).ravel()))
        else:
            empty += 1
    return YoloLabels(tuple(lines), _warnings(bridged, boxes, empty))


def write_yolo(
    found: Found, path: Path, *, tolerance: float = 0.5, holes: Holes = "bridge", overwrite: bool = False
) -> YoloLabels:
    """Write one picture's label file; no line where nothing was found, as YOLO marks pictures without objects.

    Raises:
        BadInput: as `yolo_labels`.
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """
    labels = yolo_labels(found, tolerance=tolerance, holes=holes)
    write_texts(path, (line + "\n" for line in labels.lines), overwrite=overwrite)
    return labels


def data_yaml(names: Sequence[str]) -> str:
    """The classes as the part of a data.yaml that says what the indices mean: {index: name}."""
    import yaml

    return str(yaml.safe_dump({"names": dict(enumerate(names))}, allow_unicode=True, sort_keys=False))


def write_data_yaml(names: Sequence[str], path: Path, *, overwrite: bool = False) -> None:
    """Write `data_yaml`.

    Raises:
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """
    write_texts(path, [data_yaml(names)], overwrite=overwrite)


def _warnings(bridged: int, boxes: int, empty: int) -> tuple[str, ...]:
    said = []
    if bridged:
        said.append(f"{bridged} instances have holes or several parts: cuts of no width join them on YOLO's one ring.")
    if boxes:
        said.append(f"{boxes} instances have no mask: their polygon is their box.")
    if empty:
        said.append(f"{empty} instances have a mask without a pixel: left out.")
    return tuple(said)


def _inside(instance: Instance, info: ImageInfo) -> tuple[float, float, float, float]:
    """The box cut to the picture: values outside of 0..1 make readers drop the whole file."""
    if not np.isfinite(instance.box).all():
        raise BadInput(f"instance {instance.id} has a box that is not finite: {instance.box}")
    x0, x1 = np.clip(instance.box[::2], 0, info.width).tolist()
    y0, y1 = np.clip(instance.box[1::2], 0, info.height).tolist()
    return x0, y0, x1, y1


def _box_values(instance: Instance, info: ImageInfo) -> Doubles:
    x0, y0, x1, y1 = _inside(instance, info)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]) / np.tile([info.width, info.height], 2)


def _line(label: int, values: Doubles) -> str:
    # Seven digits: 0.01 px on a picture of 100000 px.
    return " ".join([str(label), *(f"{value:.7f}".rstrip("0").rstrip(".") for value in values.tolist())])
