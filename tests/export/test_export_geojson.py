"""Detections as GeoJSON and back."""

import json

import numpy as np
import pytest
import shapely
from found_scenes import CORNERS, DISC, EMPTY, RING, TWO_PARTS, iou, picture, whole

from segtile.errors import BadInput, ReadError, WouldOverwrite
from segtile.export.geojson import geojson, read_geojson, write_geojson
from segtile.masks.outline import mask_of


@pytest.mark.parametrize("mask", [RING, DISC, TWO_PARTS, CORNERS], ids=["ring", "disc", "parts", "corners"])
def test_through_a_file_at_half_a_pixel(tmp_path, mask):
    write_geojson(picture(mask), tmp_path / "a.geojson", tolerance=0.5)
    (feature,) = read_geojson(tmp_path / "a.geojson")
    assert iou(whole(mask_of(feature.geometry, mask.frame)), whole(mask)) >= 0.995
    assert feature.properties["iou"] == 1.0


def test_the_loss_that_a_feature_states_is_the_loss():
    for tolerance in (0.0, 1.0, 3.0):
        collection = geojson(picture(RING), tolerance)
        (raw,) = collection["features"]
        geometry = shapely.from_geojson(json.dumps(raw["geometry"]))
        assert raw["properties"]["iou"] == iou(whole(mask_of(geometry, RING.frame)), whole(RING))
        assert len(geometry.interiors) == 1


def test_rings_wind_as_the_standard_wants():
    for feature in geojson(picture(RING, TWO_PARTS, None), 1.0)["features"]:
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        for part in shapely.get_parts(geometry):
            assert part.exterior.is_ccw
            assert not any(hole.is_ccw for hole in part.interiors)
        assert feature["geometry"]["type"] == ("MultiPolygon" if geometry.geom_type == "MultiPolygon" else "Polygon")


def test_what_a_feature_says(tmp_path):
    found = picture(RING, TWO_PARTS, None, EMPTY)
    write_geojson(found, tmp_path / "a.geojson")
    assert json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8")) == geojson(found)
    read = read_geojson(tmp_path / "a.geojson")
    for instance, feature in zip(found.instances, read, strict=True):
        assert feature.properties["id"] == instance.id
        assert feature.properties["class"] == instance.name
        assert feature.properties["score"] == instance.score
        assert "y down" in feature.properties["axes"]
    assert [f.properties["shape"] for f in read] == ["mask", "mask", "box", "mask"]
    assert read[2].geometry.bounds == found.instances[2].box
    assert read[3].geometry is None
    assert geojson(picture())["features"] == []


BROKEN = {
    "no json": "{",
    "no collection": '{"type": "Feature"}',
    "no features": '{"type": "FeatureCollection"}',
    "no feature": '{"type": "FeatureCollection", "features": [3]}',
    "no geometry": '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type": "Blob"}}]}',
    "open ring": '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": '
    '{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}}]}',
    "far": '{"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": '
    '{"type": "Point", "coordinates": [1e999, 0]}}]}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_files_that_are_none(tmp_path, text):
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(ReadError, match=r"a\.geojson"):
        read_geojson(tmp_path / "a.geojson")


def test_what_cannot_be_written(tmp_path):
    for found in (picture(None, boxes=[(0, 0, np.inf, 4)]), picture(RING, boxes=[(0, np.nan, 3, 4)])):
        with pytest.raises(BadInput, match="instance 1"):
            write_geojson(found, tmp_path / "a.geojson")
    with pytest.raises(BadInput, match="tolerance"):
        write_geojson(picture(RING), tmp_path / "a.geojson", tolerance=-1)
    assert not list(tmp_path.iterdir())
    (tmp_path / "a.geojson").write_text("mine")
    with pytest.raises(WouldOverwrite):
        write_geojson(picture(RING), tmp_path / "a.geojson")
    with pytest.raises(ReadError):
        read_geojson(tmp_path / "missing.geojson")
