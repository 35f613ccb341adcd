"""Detection by slices, whole: SAHI's numbers where SAHI's ways are asked for, regions, scales, real files, failures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from detect_fakes import NAMES, Fake, blobs, found_in

import segtile
from segtile.detect import detect
from segtile.errors import BadInput, ModelError, ReadError
from segtile.raster import open_raster
from segtile.types import Box

PICTURE = blobs(900, 1300, 0, ellipses=False)


def sahi_model(confidence):
    """The same function as a model of SAHI's."""
    from sahi.models.base import DetectionModel
    from sahi.prediction import ObjectPrediction

    class Model(DetectionModel):
        required_packages = ()

        def load_model(self):
            self.model = found_in

        def perform_inference(self, image):
            self._original_predictions = found_in(image)

        def _create_object_prediction_list_from_original_predictions(
            self, shift_amount_list=((0, 0),), full_shape_list=None
        ):
            shift = shift_amount_list[0] if isinstance(shift_amount_list[0], list | tuple) else shift_amount_list
            shape = full_shape_list
            if shape is not None and isinstance(shape[0], list | tuple):
                shape = shape[0]
            said = self._original_predictions
            self._object_prediction_list_per_image = [
                [
                    ObjectPrediction(
                        bbox=[float(v) for v in box],
                        category_id=int(label),
                        category_name=NAMES[label],
                        score=float(score),
                        shift_amount=[int(v) for v in shift],
                        full_shape=[int(v) for v in shape],
                    )
                    for box, label, score in zip(said.xyxy, said.class_id, said.confidence, strict=True)
                    if score >= self.confidence_threshold
                ]
                if len(said)
                else []
            ]

    return Model(
        confidence_threshold=confidence, device="cpu", category_mapping={str(i): n for i, n in enumerate(NAMES)}
    )


@pytest.mark.parametrize("confidence", [0.02, 0.3])
@pytest.mark.parametrize(
    ("full", "fusion", "metric", "threshold", "class_agnostic"),
    [
        (True, "greedy-nmm", "IOS", 0.5, False),
        (False, "greedy-nmm", "IOS", 0.5, False),
        (True, "greedy-nmm", "IOU", 0.3, True),
        (True, "nmm", "IOS", 0.5, False),
        (True, "nms", "IOU", 0.5, False),
    ],
)
def test_boxes_are_sahis(confidence, full, fusion, metric, threshold, class_agnostic):
    """Above and below 0.1, where SAHI would turn to NMS by itself: with that switched off, as it is not copied."""
    from sahi.predict import get_sliced_prediction

    picture = blobs(600, 800, 3, count=60)
    theirs = get_sliced_prediction(
        picture,
        sahi_model(confidence),
        slice_height=256,
        slice_width=320,
        perform_standard_pred=full,
        postprocess_type={"greedy-nmm": "GREEDYNMM"}.get(fusion, fusion.upper()),
        postprocess_match_metric=metric,
        postprocess_match_threshold=threshold,
        postprocess_class_agnostic=class_agnostic,
        force_postprocess_type=True,
        verbose=0,
    ).object_prediction_list
    ours = detect(
        picture,
        Fake(),
        slice=(320, 256),
        scales=(1.0, "full") if full else (1.0,),
        fusion=fusion,
        metric=metric,
        threshold=threshold,
        class_agnostic=class_agnostic,
        confidence=confidence,
    ).instances
    expected = sorted((*o.bbox.to_xyxy(), o.score.value, o.category.id) for o in theirs)
    got = sorted((*o.box, o.score, o.label) for o in ours)
    assert len(got) == len(expected) > 10
    assert np.abs(np.array(got) - np.array(expected)).max() < 1e-3


def test_sahis_own_models_are_taken_too():
    by_model = detect(PICTURE, sahi_model(0.3), slice=400, fusion="greedy-nmm", confidence=0.3)
    by_fake = detect(PICTURE, Fake(), slice=400, fusion="greedy-nmm", confidence=0.3)
    assert [i.box for i in by_model.instances] == [i.box for i in by_fake.instances]


def truth(picture, confidence=0.0):
    """The boxes of everything in a picture."""
    said = found_in(picture)
    return sorted(tuple(map(float, box)) for box in said.xyxy[said.confidence >= confidence])


def coarse_of(picture, cell=10):
    """A coarse map that knows what is grey."""
    from scipy import ndimage

    from segtile.types import CoarseMap

    cells = (picture != 128).any(2).reshape(picture.shape[0] // cell, cell, -1, cell).any((1, 3))
    labels = ndimage.label(cells, np.ones((3, 3)))[0].astype(np.int32)
    frame = Box.frame(picture.shape[1], picture.shape[0])
    return CoarseMap(cells.astype(np.float32), np.zeros_like(cells), labels, float(cell), frame, "test")


@pytest.mark.parametrize("grid", ["uniform", "aligned"])
def test_every_object_once(grid):
    coarse = coarse_of(PICTURE) if grid == "aligned" else None
    result = detect(PICTURE, Fake(), slice=400, grid=grid, coarse=coarse, confidence=0.0)
    assert sorted(one.box for one in result.instances) == truth(PICTURE)
    assert [one.id for one in result.instances] == list(range(1, len(result.instances) + 1))
    row = result.row
    assert row.tiles_run == row.tiles_planned == len(result.tiles)
    assert (row.tiles_run == row.tiles_uniform) or grid == "aligned"
    assert row.found == len(result.instances) == sum(row.counts.values())
    assert (row.width, row.height, row.model, row.fusion, row.input) == (1300, 900, "fake", "strip", "array")
    assert set(row.seconds) == {"coarse", "detect", "fuse"}
    assert row.warnings == ()
    assert result.names == NAMES
    assert all(one.mask is None for one in result.instances)


def test_the_aligned_grid_looks_where_something_is():
    picture = np.full((2000, 3000, 3), 128, np.uint8)
    picture[300:900, 300:1300] = blobs(600, 1000, 5, count=12, ellipses=False)
    result = detect(picture, Fake(), slice=400, grid="aligned", coarse=coarse_of(picture), confidence=0.0)
    assert sorted(one.box for one in result.instances) == truth(picture)
    assert result.row.tiles_run < result.row.tiles_uniform / 3


def test_background_alone_is_a_warning_and_no_error():
    plain = np.full((600, 800, 3), 200, np.uint8)
    result = detect(plain, Fake(), slice=256, grid="aligned")
    assert (result.instances, result.row.tiles_run) == ((), 0)
    assert any("only background" in sentence for sentence in result.row.warnings)


def test_a_region_of_interest_costs_its_own_slices():
    detector = Fake()
    roi = [Box(700, 100, 1250, 500)]
    whole = detect(PICTURE, Fake(), slice=300, confidence=0.0)
    some = detect(PICTURE, detector, slice=300, confidence=0.0, roi=roi)
    wanted = [o for o in whole.instances if not (Box(*(round(v) for v in o.box)) & roi[0]).empty]
    assert [o.box for o in some.instances] == [o.box for o in wanted]
    assert [o.id for o in some.instances] == list(range(1, len(wanted) + 1))
    assert 0 < len(detector.shown) == some.row.tiles_run < whole.row.tiles_run / 2


def test_several_scales_are_one_answer():
    """Slices at full size cut large objects, slices at half of it miss nothing that is large: both in one call."""
    detector = Fake()
    picture = blobs(1200, 1600, 11, count=20, least=100, most=300, ellipses=False)
    result = detect(picture, detector, slice=256, scales=(1.0, 0.5, "full"), confidence=0.0)
    assert {shape[:2] for shape in detector.shown} >= {(256, 256), (1200, 1600)}
    assert len(detector.shown) == result.row.tiles_run
    assert len(result.instances) == len(truth(picture))


def test_a_detector_sees_its_own_size():
    detector = Fake(input_size=(320, 320))
    detect(PICTURE, detector, scales=(1.0, "full"))
    assert {shape for shape in detector.shown} == {(320, 320, 3), (222, 320, 3)}


def test_16_bits_and_8_bits_are_the_same_objects():
    deep = PICTURE.astype(np.uint16) * 257
    assert [o.box for o in detect(deep, Fake(), slice=400).instances] == [
        o.box for o in detect(PICTURE, Fake(), slice=400).instances
    ]


def test_a_callable_is_a_detector(data_samples):
    """A plain threshold on a real picture: twelve pieces on light ground."""
    from scipy import ndimage

    def dark(window):
        import supervision as sv

        luma = window.mean(2)
        labels, _ = ndimage.label(ndimage.binary_closing(luma < 170, iterations=3))
        places = [p for p in ndimage.find_objects(labels) if min(s.stop - s.start for s in p) > 24]
        if not places:
            return sv.Detections.empty()
        boxes = np.array([(c.start, r.start, c.stop, r.stop) for r, c in places], np.float32)
        return sv.Detections(boxes, confidence=np.full(len(boxes), 0.9), class_id=np.zeros(len(boxes), int))

    result = detect(data_samples / "flatlay.jpg", dark, slice=800)
    assert result.row.input.endswith("flatlay.jpg")
    assert 8 <= len(result.instances) <= 40
    assert result.row.tiles_run > 1


def test_windows_of_a_large_tiled_file_are_read_and_no_more(tmp_path, monkeypatch):
    """Damage outside the region of interest is never met; inside, it costs the slices it lies in."""
    monkeypatch.setattr("segtile.raster.tiled.IN_MEMORY", 0)
    path = tmp_path / "tiled.tif"
    tifffile.imwrite(path, PICTURE, tile=(128, 128), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        bad = [i for i in range(len(page.dataoffsets)) if i % 11 >= 8]  # 11 tiles a row: x from 1024
        places = [(page.dataoffsets[i], page.databytecounts[i]) for i in bad]
    with path.open("r+b") as file:
        for offset, count in places:
            file.seek(offset)
            file.write(b"\x55" * count)
    clean = detect(path, Fake(), slice=256, roi=[Box(0, 0, 700, 900)], confidence=0.0)
    assert clean.row.warnings == ()
    expected = detect(PICTURE, Fake(), slice=256, roi=[Box(0, 0, 700, 900)], confidence=0.0)
    assert [o.box for o in clean.instances] == [o.box for o in expected.instances]
    hurt = detect(path, Fake(), slice=256, confidence=0.0)
    assert 0 < hurt.row.tiles_run < hurt.row.tiles_planned
    assert "could not be read" in hurt.row.warnings[0]
    assert {o.box for o in clean.instances if o.box[2] < 600} <= {o.box for o in hurt.instances}


def test_a_picture_that_was_open_stays_open(tmp_path):
    with open_raster(PICTURE) as raster:
        detect(raster, Fake(), slice=400)
        assert raster.window(Box(0, 0, 4, 4)).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fusion": "wbf"}, "greedy-nmm"),
        ({"metric": "DIOU"}, "IOS, IOU"),
        ({"grid": "hexagonal"}, "uniform, aligned"),
        ({"threshold": 1.5}, "threshold is a number"),
        ({"confidence": float("nan")}, "confidence is a number"),
        ({"overlap": -0.1}, "overlap by a share"),
        ({"roi": []}, "region of interest"),
        ({"scales": (2.0,)}, "never made larger"),
        ({"slice": 0}, "holds no pixel"),
        ({"coarse": "no-such-pass"}, "no coarse pass"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_detector_runs(options, words):
    detector = Fake()
    with pytest.raises(BadInput, match=words):
        detect(PICTURE, detector, **options)
    assert detector.shown == []


def test_a_coarse_map_of_another_picture_is_refused():
    from segtile.coarse import look

    other = look(np.full((60, 80, 3), 0.5, np.float32), Box.frame(80, 60), "studio")
    with pytest.raises(BadInput, match="of the frame"):
        detect(PICTURE, Fake(), coarse=other)


def test_errors_are_those_of_their_cause(tmp_path):
    with pytest.raises(ReadError):
        detect(tmp_path / "missing.jpg", Fake())
    with pytest.raises(ModelError):
        detect(PICTURE, "no-such-model")


def test_the_module_and_the_function_are_both_called():
    assert len(segtile.detect(PICTURE, Fake(), slice=400).instances)
    code = "import segtile.segment, segtile.detect, segtile; print(callable(segtile.detect), callable(segtile.segment))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
