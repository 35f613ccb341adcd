"""The contact sheet's contents: each picture's photo, truth, and every system's error, encoded for the page."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segtile.evaluation.report.images import Budget, bytes_of, exact, lossy, sharp_colours
from segtile.evaluation.report.pixels import AlphaFile, Look, check_there, compare, error_map, photo_window, smaller
from segtile.evaluation.report.run_data import MetricInfo, Run
from segtile.evaluation.results import Row
from segtile.raster import open_raster
from segtile.raster.preview import preview_size
from segtile.types import Array, Box, FloatArray, Raster

_MOST_TRIES = 4
_ROOT_IN_SMALL = 3  # of a picture made much smaller, where an edge of two pixels is a small part of each


@dataclass(frozen=True)
class Window:
    """The worst window of one system: where it is and its four pictures (data URIs), and its error as a sum in px."""

    box: Box
    error_px: float
    photo: str
    truth: str
    alpha: str
    map: str


@dataclass(frozen=True)
class Card:
    """One system on one picture. `alpha` and `map` are data URIs, None for a failure or where there is none."""

    row: Row
    alpha: str | None = None
    map: str | None = None
    window: Window | None = None


@dataclass(frozen=True)
class Sheet:
    """One picture: `cards` in the order of the run's systems, only those that were measured on it.

    `size` is (width, height) of the truth, or of the photo where there is no truth; None where there is neither.
    """

    dataset: str
    picture: str
    slices: tuple[str, ...]
    size: tuple[int, int] | None
    photo: str | None
    truth: str | None
    cards: tuple[Card, ...]


@dataclass
class _Plates:
    """A picture's arrays as bytes, before they are encoded: all (h, w[, 3]) uint8 at the asked long side."""

    photo: Array | None = None
    truth: Array | None = None
    alphas: dict[str, Array] = field(default_factory=dict)
    maps: dict[str, Array] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)


def order(run: Run, system: str, metric: MetricInfo | None) -> list[tuple[str, str]]:
    """The run's pictures, worst first by one system and metric.

    First those on which the system failed, then by the figure, then those whose figure is not defined or that the
    system was not asked for; ties in the order of the run.
    """

    def key(rows: dict[str, Row]) -> tuple[int, float]:
        row = rows.get(system)
        if row is not None and row.error is not None:
            return 0, 0.0
        value = math.nan if row is None or metric is None else row.metrics.get(metric.name, math.nan)
        return (2, 0.0) if metric is None or math.isnan(value) else (1, -metric.badness(value))

    pictures = run.pictures()
    return sorted(pictures, key=lambda name: key(pictures[name]))


def make_sheet(run: Run, name: tuple[str, str], rows: dict[str, Row], budget: Budget) -> Sheet:
    """Look at one picture's files and encode what the page shows of them, within the budget.

    Raises:
        ReadError: the photo, the truth or an alpha that the results name is missing or cannot be read.
        BadInput: an alpha's path leads out of the run folder.
    """
    shown = [rows[system] for system in run.systems if system in rows]
    photo = next((Path(row.photo) for row in shown if row.photo), None)
    truth = next((Path(row.truth) for row in shown if row.truth and row.task == "matte"), None)
    plates, size = _look(run, f"{name[0]}/{name[1]}", shown, photo, truth, budget.asked)
    plates.windows = _affordable(plates.windows, budget)
    side, fixed = budget.asked, sum(map(_bytes_of_window, plates.windows.values()))
    for _ in range(_MOST_TRIES):
        uris = _encode(plates, side)
        took = fixed + sum(map(len, uris.values()))
        smaller_side = budget.next_side(side, took, fixed)
        if smaller_side == side:
            break
        side = smaller_side
    budget.book(side, took)
    cards = tuple(
        Card(r, uris.get(f"alpha {r.system}"), uris.get(f"map {r.system}"), plates.windows.get(r.system)) for r in shown
    )
    slices = tuple(dict.fromkeys(s for row in shown for s in row.slices))
    return Sheet(name[0], name[1], slices, size, uris.get("photo"), uris.get("truth"), cards)


def _look(
    run: Run, name: str, rows: list[Row], photo: Path | None, truth: Path | None, side: int
) -> tuple[_Plates, tuple[int, int] | None]:
    """All arrays of one picture, and its size."""
    plates = _Plates()
    with ExitStack() as stack:
        photo_file = None
        if photo:
            check_there(photo, f"the photo of {name}")
            photo_file = stack.enter_context(open_raster(photo))
        size = (photo_file.info.width, photo_file.info.height) if photo_file else None
        sure = None
        if truth:
            sure = AlphaFile(truth, f"the truth of {name}")
            size = sure.size
            plates.truth = bytes_of(compare(sure, None, side).alpha)
        small = _small_photo(photo_file, size, side) if photo_file and size else None
        plates.photo = None if small is None else bytes_of(small)
        for row in rows:
            path = run.alpha_of(row)
            if path is None:
                continue
            alpha = AlphaFile(path, f"the alpha of {row.system} for {name}", size)
            look = compare(alpha, sure, side)
            plates.alphas[row.system] = bytes_of(look.alpha)
            if sure is None:
                continue
            plates.maps[row.system] = _map(small, look, side // 2)
            if look.worst is not None:
                plates.windows[row.system] = _window(photo_file, sure, alpha, look)
    return plates, size


def _small_photo(photo: Raster, size: tuple[int, int], side: int) -> FloatArray:
    """(h, w, 3) float32 in [0, 1] of the size that the alphas' previews have, also where the photo's own differs."""
    small = photo.preview(side)
    wanted = preview_size(*size, side)
    return small if small.shape[1::-1] == wanted else np.asarray(cv2.resize(small, wanted))


def _map(photo: FloatArray | None, look: Look, side: int) -> Array:
    """The error map, (h, w, 3) uint8; on plain grey where there is no photo."""
    assert look.missing is not None
    assert look.extra is not None
    missing, extra = smaller(look.missing, side), smaller(look.extra, side)
    behind = _behind(None if photo is None else smaller(photo, side), missing)
    return error_map(behind, missing, extra, root=_ROOT_IN_SMALL)


def _behind(photo: FloatArray | None, like: FloatArray) -> FloatArray:
    return np.full((*like.shape, 3), 0.5, np.float32) if photo is None else photo


def _window(photo: Raster | None, truth: AlphaFile, alpha: AlphaFile, look: Look) -> Window:
    """The worst window, pixel by pixel."""
    box = look.worst
    assert box is not None
    sure, found = truth.read(box), alpha.read(box)
    colours = _behind(photo_window(photo, box, truth.size) if photo else None, sure)
    signed = found - sure
    return Window(
        box=box,
        error_px=look.worst_error,
        photo=lossy(bytes_of(colours)),
        truth=exact(bytes_of(sure)),
        alpha=exact(bytes_of(found)),
        map=sharp_colours(error_map(colours, np.maximum(-signed, 0), np.maximum(signed, 0))),
    )


def _encode(plates: _Plates, side: int) -> dict[str, str]:
    """Data URIs at a long side; the error maps have half of it, as cards are small."""
    uris: dict[str, str] = {}
    if plates.photo is not None:
        uris["photo"] = lossy(smaller(plates.photo, side))
    if plates.truth is not None:
        uris["truth"] = lossy(smaller(plates.truth, side))
    uris |= {f"alpha {name}": lossy(smaller(alpha, side)) for name, alpha in plates.alphas.items()}
    uris |= {f"map {name}": lossy(smaller(m, side // 2)) for name, m in plates.maps.items()}
    return uris


def _affordable(windows: dict[str, Window], budget: Budget) -> dict[str, Window]:
    """The windows that fit into half the picture's share, in the systems' order; the first always stays."""
    kept: dict[str, Window] = {}
    spent = 0
    for name, window in windows.items():
        spent += _bytes_of_window(window)
        if kept and spent > budget.share / 2:
            break
        kept[name] = window
    budget.left_out += len(windows) - len(kept)
    return kept


def _bytes_of_window(window: Window) -> int:
    return len(window.photo) + len(window.truth) + len(window.alpha) + len(window.map)


def data_of(sheet: Sheet) -> dict[str, Any]:
    """What the page's script needs to sort and open the picture: figures and failures by system."""
    return {
        "dataset": sheet.dataset,
        "picture": sheet.picture,
        "slices": list(sheet.slices),
        "systems": {
            card.row.system: {
                "failed": card.row.error is not None,
                "metrics": {k: v if math.isfinite(v) else None for k, v in card.row.metrics.items()},
            }
            for card in sheet.cards
        },
    }
