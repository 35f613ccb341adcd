"""Detections as GeoJSON (RFC 7946) with holes; pixels take the place of degrees, as annotation tools have it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from segtile.detected import Instance
from segtile.errors import ReadError
from segtile.export.found import Found, file_name, json_text, write_texts
from segtile.masks.polygons import simplified

#: Said in every feature, since readers drop what stands beside the features.
AXES = "pixels of the whole picture, x to the right, y down"


@dataclass(frozen=True)
class Feature:
    """One feature read back: its geometry (None for an instance without a pixel) and its properties."""

    geometry: BaseGeometry | None
    properties: dict[str, Any]


def geojson(found: Found, tolerance: float = 0.5) -> dict[str, Any]:
    """The detections as a FeatureCollection.

    Each feature is a Polygon or MultiPolygon with interior rings, shells counter-clockwise by the numbers; instances
    without a mask are their box, and those whose mask has no pixel have no geometry. Properties: id, class,
    class_index, score, box, shape ("mask" or "box"), axes, and for masks the tolerance used and the iou with the mask.

    Args:
        found: the detections.
        tolerance: px by which outlines may be simplified; up to 0.5 no pixel changes sides.

    Raises:
        BadInput: `tolerance` is negative or not finite, or a number of an instance is not finite.
    """
    collection: dict[str, Any] = json.loads("".join(_texts(found, tolerance)))
    return collection


def write_geojson(found: Found, path: Path, *, tolerance: float = 0.5, overwrite: bool = False) -> None:
    """Write `geojson` feature by feature.

    Raises:
        BadInput: as `geojson`.
        WouldOverwrite: the file exists and `overwrite` is False.
        WriteError: it cannot be written there or the disk is full.
    """
    write_texts(path, _texts(found, tolerance), overwrite=overwrite)


def read_geojson(path: Path) -> list[Feature]:
    """The features of a file, geometries as shapely has them.

    Raises:
        ReadError: the file is missing, is no FeatureCollection, or a geometry in it is none or has no finite place.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"{path} cannot be read as GeoJSON: {error}") from error
    features = raw.get("features") if isinstance(raw, dict) and raw.get("type") == "FeatureCollection" else None
    if not isinstance(features, list):
        raise ReadError(f"{path} is no GeoJSON FeatureCollection")
    return [_feature(one, f"{path}: feature {place}") for place, one in enumerate(features)]


def _feature(raw: Any, what: str) -> Feature:
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        raise ReadError(f"{what} is no GeoJSON feature")
    properties = raw.get("properties") or {}
    if not isinstance(properties, dict):
        raise ReadError(f"{what} has properties that are no object")
    if raw.get("geometry") is None:
        return Feature(None, properties)
    try:
        geometry = shapely.from_geojson(json.dumps(raw["geometry"]))
    except (shapely.errors.GEOSException, ValueError) as error:
        raise ReadError(f"{what} has a geometry that cannot be read: {error}") from error
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise ReadError(f"{what} has coordinates that are not finite numbers")
    return Feature(geometry, properties)


def _texts(found: Found, tolerance: float) -> Iterator[str]:
    info = found.info
    about = {"picture": file_name(info), "width": info.width, "height": info.height, "axes": AXES}
    yield '{"type": "FeatureCollection", "properties": ' + json_text(about, "the header") + ', "features": ['
    for place, instance in enumerate(found.instances):
        properties, geometry = _described(instance, tolerance)
        shape = "null" if geometry is None else shapely.to_geojson(geometry)
        yield (",\n" if place else "\n") + '{"type": "Feature", "geometry": ' + shape
        yield ', "properties": ' + json_text(properties, f"instance {instance.id}") + "}"
    yield "\n]}\n"


def _described(instance: Instance, tolerance: float) -> tuple[dict[str, Any], Polygon | MultiPolygon | None]:
    properties: dict[str, Any] = {
        "id": int(instance.id),
        "class": instance.name,
        "class_index": int(instance.label),
        "score": float(instance.score),
        "box": [float(v) for v in instance.box],
        "shape": "box" if instance.mask is None else "mask",
        "axes": AXES,
    }
    if instance.mask is None:
        whole = all(math.isfinite(v) for v in instance.box)  # where not, the properties' text will say so
        return properties, shapely.box(*instance.box) if whole else None
    made = simplified(instance.mask, tolerance)
    properties |= {"tolerance": made.tolerance, "iou": made.iou}
    parts = shapely.get_parts(made.geometry)
    if not len(parts):
        return properties, None
    return properties, parts[0] if len(parts) == 1 else made.geometry
