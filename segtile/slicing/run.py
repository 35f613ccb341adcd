"""Runs a detector over the windows of a picture: reading ahead of it, in batches, losing no window to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from segtile.backends.check import Faults, checked
from segtile.detected import ByteArray, Detections, Detector
from segtile.errors import BadInput, ModelError, ReadError
from segtile.slicing.place import in_frame, joined, only
from segtile.slicing.plan import Window
from segtile.slicing.read import read_window
from segtile.types import Box, Progress, Raster

_READERS = 2


@dataclass(frozen=True)
class Found:
    """What all windows gave: `pieces` in frame px in the order of the windows, how many windows answered, warnings."""

    pieces: Detections
    answered: int
    warnings: tuple[str, ...]


def run_windows(
    raster: Raster,
    windows: Sequence[Window],
    detector: Detector,
    on_progress: Progress,
    *,
    confidence: float = 0.0,
    masks: bool = True,
) -> Found:
    """Show every window to a detector.

    Windows are read by threads of their own while the detector works, at most two batches ahead; the order of the
    answers is that of the windows. A window that cannot be read, or on which the detector fails, costs that window
    alone: it is counted and named in the warnings. So is each answer that makes no sense. Detections with a score
    below `confidence` are left out; without `masks` those of a detector that gives some are dropped.

    Raises:
        ReadError: none of the windows could be read.
        ModelError: the detector failed on every window.
        BadInput: `masks` are wanted and the detector gives none, which some only show with their first answer.
    """
    run = _Run(raster.info.frame, detector, confidence, masks)
    on_progress(0, len(windows), "detect")
    done = 0
    for batch in _batches(_read_ahead(raster, windows, 2 * max(1, detector.batch)), max(1, detector.batch)):
        shown = [(window, pixels) for window, pixels in batch if not isinstance(pixels, ReadError)]
        run.unread += [(window, error) for window, error in batch if isinstance(error, ReadError)]
        run.show(shown)
        done += len(batch)
        on_progress(done, len(windows), "detect")
    return run.found(len(windows))


@dataclass
class _Run:
    """What has come in so far."""

    frame: Box
    detector: Detector
    confidence: float
    masks: bool
    parts: list[Detections] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    unread: list[tuple[Window, ReadError]] = field(default_factory=list)
    failed: list[tuple[Window, Exception]] = field(default_factory=list)

    def show(self, shown: list[tuple[Window, ByteArray]]) -> None:
        """Run one batch; where it fails, its windows one by one."""
        if not shown:
            return
        try:
            answers = self.detector.detect([pixels for _, pixels in shown])
            if len(answers) != len(shown):
                raise ModelError(f"{self.detector.name} gave {len(answers)} answers for {len(shown)} windows")
        except MemoryError:
            raise
        except Exception as error:  # detectors may be anybody's code: whatever it raises costs one window
            if len(shown) == 1:
                self.failed.append((shown[0][0], error))
            else:
                for one in shown:
                    self.show([one])
            return
        for (window, pixels), answer in zip(shown, answers, strict=True):
            self._take(window, pixels, answer)

    def _take(self, window: Window, pixels: ByteArray, answer: Detections) -> None:
        try:
            sound, faults = checked(answer, (pixels.shape[0], pixels.shape[1]), self.detector.names)
        except ModelError as error:
            self.failed.append((window, error))
            return
        if self.masks and len(sound) and sound.masks is None:
            raise BadInput(f"{self.detector.name} gives boxes and no masks: detect takes it, segment needs masks")
        self.faults += faults
        wanted = only(sound, sound.scores >= self.confidence, self.masks)
        self.parts.append(in_frame(wanted, window, self.frame))

    def found(self, total: int) -> Found:
        """All of it, or an error where no window gave an answer."""
        if total and not self.parts:
            if not self.failed:
                raise ReadError(f"none of the {total} slices could be read: {self.unread[0][1]}")
            first = self.failed[0][1]
            raise ModelError(
                f"{self.detector.name} failed on all {len(self.failed)} slices it was shown, first with "
                f"{type(first).__name__}: {first}"
            ) from first
        warnings = []
        if self.unread:
            where, why = self.unread[0]
            warnings.append(f"{len(self.unread)} of {total} slices could not be read, first {_place(where)}: {why}")
        if self.failed:
            where, reason = self.failed[0]
            warnings.append(
                f"{self.detector.name} failed on {len(self.failed)} of {total} slices, first {_place(where)} with "
                f"{type(reason).__name__}: {reason}"
            )
        warnings += self.faults.sentences()
        return Found(joined(self.parts, self.masks), len(self.parts), tuple(warnings))


def _place(window: Window) -> str:
    read = window.tile.read
    return f"at {read.x0},{read.y0} to {read.x1},{read.y1}"


_Read = tuple[Window, "ByteArray | ReadError"]


def _read_ahead(raster: Raster, windows: Sequence[Window], ahead: int) -> Iterator[_Read]:
    """Every window with its pixels, or with why it has none, in order; at most `ahead` are held."""

    def read(window: Window) -> ByteArray | ReadError:
        try:
            return read_window(raster, window)
        except ReadError as error:
            return error

    with ThreadPoolExecutor(_READERS, thread_name_prefix="segtile") as pool:
        waiting: deque[tuple[Window, Future[ByteArray | ReadError]]] = deque()
        try:
            for window in windows:
                waiting.append((window, pool.submit(read, window)))
                if len(waiting) >= ahead:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _batches(items: Iterator[_Read], size: int) -> Iterator[list[_Read]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
