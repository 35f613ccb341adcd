"""Running a detector over windows: order, memory, and what single failures cost."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest
from detect_fakes import Fake, blobs

from segtile.detected import CropMask
from segtile.errors import BadInput, ModelError, ReadError
from segtile.raster import open_raster
from segtile.slicing import plan_slices, run_windows
from segtile.types import Box, no_progress

PICTURE = blobs(700, 900, 1)


def plan(detector, side=256, **options):
    return plan_slices(open_raster(PICTURE).info.frame, detector.input_size, side=side, **options).windows


class Damaged:
    """A picture of which some windows cannot be read."""

    def __init__(self, *bad: int):
        self._raster = open_raster(PICTURE)
        self._bad, self._count = set(bad), 0
        self._lock = threading.Lock()

    def __getattr__(self, name):
        return getattr(self._raster, name)

    def window(self, box):
        with self._lock:
            self._count += 1
        if not self._bad or box.x0 in self._bad:
            raise ReadError(f"a tile at {box.x0} is damaged")
        return self._raster.window(box)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_batches_give_what_single_windows_give(batch):
    one, many = Fake(batch=1), Fake(batch=batch)
    windows = plan(one)
    alone = run_windows(open_raster(PICTURE), windows, one, no_progress)
    together = run_windows(open_raster(PICTURE), windows, many, no_progress)
    for name in ("boxes", "scores", "labels", "tiles"):
        assert np.array_equal(getattr(alone.pieces, name), getattr(together.pieces, name))
    for a, b in zip(alone.pieces.masks, together.pieces.masks, strict=True):
        assert a.box == b.box
        assert np.array_equal(a.bits, b.bits)
    assert max(many.calls) == min(batch, len(windows))
    assert sum(many.calls) == len(windows) == together.answered
    assert list(alone.pieces.tiles) == sorted(alone.pieces.tiles)


def test_at_most_a_few_windows_are_held():
    """Readers stop when the detector does not keep up."""
    detector = Fake(batch=2)
    windows = plan(detector, 128)
    assert len(windows) > 40
    raster = Damaged(-1)
    most = []
    original = detector.detect

    def slow(shown):
        most.append(raster._count - len(detector.shown))
        return original(shown)

    detector.detect = slow
    run_windows(raster, windows, detector, no_progress)
    assert max(most) <= 3 * detector.batch + 1


def test_windows_that_cannot_be_read_cost_themselves_alone():
    detector = Fake()
    windows = plan(detector)
    whole = run_windows(open_raster(PICTURE), windows, detector, no_progress)
    bad = {w.tile.read.x0 for w in windows if w.tile.read.x0 > 400}
    lost = [w.tile.index for w in windows if w.tile.read.x0 in bad]
    got = run_windows(Damaged(*bad), windows, detector, no_progress)
    assert got.answered == len(windows) - len(lost)
    kept = ~np.isin(whole.pieces.tiles, lost)
    assert np.array_equal(got.pieces.boxes, whole.pieces.boxes[kept])
    assert len(got.warnings) == 1
    assert got.warnings[0].startswith(f"{len(lost)} of {len(windows)} slices could not be read, first at")
    assert "damaged" in got.warnings[0]


def test_no_window_that_can_be_read_is_an_error():
    detector = Fake()
    windows = plan(detector)
    with pytest.raises(ReadError, match=rf"none of the {len(windows)} slices"):
        run_windows(Damaged(), windows, detector, no_progress)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("error", [ModelError("it broke"), ValueError("it broke"), ZeroDivisionError("it broke")])
def test_a_detector_that_raises_on_one_window(batch, error):
    windows = plan(Fake())
    shown = {w.tile.index: open_raster(PICTURE).window(w.tile.read) for w in windows}

    def change(window, found):
        if np.array_equal(window, shown[5]):
            raise error
        return found

    whole = run_windows(open_raster(PICTURE), windows, Fake(batch=batch), no_progress)
    got = run_windows(open_raster(PICTURE), windows, Fake(batch=batch, change=change), no_progress)
    assert got.answered == len(windows) - 1
    assert np.array_equal(got.pieces.boxes, whole.pieces.boxes[whole.pieces.tiles != 5])
    assert f"fake failed on 1 of {len(windows)} slices" in got.warnings[0]
    assert f"{type(error).__name__}: it broke" in got.warnings[0]


def test_a_detector_that_raises_on_every_window_is_an_error():
    def change(window, found):
        raise RuntimeError("no memory on the card")

    windows = plan(Fake())
    with pytest.raises(ModelError, match=rf"failed on all {len(windows)} slices.*RuntimeError: no memory on the card"):
        run_windows(open_raster(PICTURE), windows, Fake(change=change), no_progress)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_an_interrupt_is_no_failed_window(error):
    def change(window, found):
        raise error

    with pytest.raises(type(error)):
        run_windows(open_raster(PICTURE), plan(Fake()), Fake(change=change), no_progress)


def test_answers_that_make_no_sense_are_dropped_and_counted():
    def change(window, found):
        if not len(found):
            return found
        boxes = found.boxes.copy()
        boxes[0, 1] = np.nan
        labels = found.labels.copy()
        labels[-1] = 99
        return dataclasses.replace(found, boxes=boxes, labels=labels)

    windows = plan(Fake())
    whole = run_windows(open_raster(PICTURE), windows, Fake(), no_progress)
    got = run_windows(open_raster(PICTURE), windows, Fake(change=change), no_progress)
    assert 0 < len(got.pieces) < len(whole.pieces)
    assert np.isfinite(got.pieces.boxes).all()
    assert got.answered == len(windows)
    assert len(got.warnings) == 2
    assert "no number" in got.warnings[0]
    assert "class" in got.warnings[1]


@pytest.mark.parametrize("what", ["boxes", "no Detections", "masks"])
def test_an_answer_of_a_wrong_shape_is_a_failed_window(what):
    shown = []

    def change(window, found):
        shown.append(window)
        if len(shown) != 3:
            return found
        if what == "boxes":
            return dataclasses.replace(found, boxes=np.zeros((len(found) + 1, 4), np.float32))
        return [] if what == "no Detections" else dataclasses.replace(found, masks=(None,) * 99)

    windows = plan(Fake())
    whole = run_windows(open_raster(PICTURE), windows, Fake(), no_progress)
    got = run_windows(open_raster(PICTURE), windows, Fake(change=change), no_progress)
    assert got.answered == len(windows) - 1
    assert np.array_equal(got.pieces.boxes, whole.pieces.boxes[whole.pieces.tiles != 2])
    assert "failed on 1 of" in got.warnings[0]


def test_masks_of_the_wrong_size_and_boxes_outside_are_counted():
    def change(window, found):
        if not len(found):
            return found
        boxes = found.boxes.copy()
        boxes[-1] += 10_000
        frame = Box.frame(window.shape[1] + 1, window.shape[0])
        wrong = CropMask(found.masks[0].box, found.masks[0].packed, frame)
        return dataclasses.replace(found, boxes=boxes, masks=(wrong, *found.masks[1:]))

    windows = plan(Fake())
    got = run_windows(open_raster(PICTURE), windows, Fake(change=change), no_progress)
    assert got.answered == len(windows)
    assert any("outside" in sentence for sentence in got.warnings)
    assert any("mask" in sentence for sentence in got.warnings)


def test_a_detector_without_masks_is_told_from_one_with_masks_by_its_first_answer():
    windows = plan(Fake())
    with pytest.raises(BadInput, match="gives boxes and no masks"):
        run_windows(open_raster(PICTURE), windows, Fake(masks=False), no_progress)
    assert len(run_windows(open_raster(PICTURE), windows, Fake(masks=False), no_progress, masks=False).pieces)


def test_too_few_answers_are_a_failure():
    class Short(Fake):
        def detect(self, windows):
            return super().detect(windows)[:-1]

    with pytest.raises(ModelError, match="0 answers for 1 windows"):
        run_windows(open_raster(PICTURE), plan(Fake()), Short(batch=3), no_progress)


def test_masks_are_dropped_where_nobody_wants_them():
    windows = plan(Fake())
    got = run_windows(open_raster(PICTURE), windows, Fake(), no_progress, masks=False)
    assert got.pieces.masks is None
    assert len(got.pieces)


def test_progress_counts_every_window():
    seen = []
    windows = plan(Fake())
    run_windows(open_raster(PICTURE), windows, Fake(batch=5), lambda *a: seen.append(a))
    assert seen[0] == (0, len(windows), "detect")
    assert seen[-1] == (len(windows), len(windows), "detect")


def test_no_window_is_nothing_found():
    got = run_windows(open_raster(PICTURE), [], Fake(), no_progress)
    assert (len(got.pieces), got.answered, got.warnings) == (0, 0, ())
