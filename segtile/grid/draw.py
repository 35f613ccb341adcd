"""The plan as a picture people can read."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from segtile.errors import BadInput
from segtile.grid.layout import map_slices
from segtile.types import Array, BoolArray, Box, CoarseMap, FloatArray, Grid

_BAND = (255, 64, 129)
_CORE = (0, 121, 191)
_READ = (255, 152, 0)
_DARK = (24, 28, 36)
_FADE = 0.35  # how far the picture is lifted towards white outside what is refined


def _on_preview(box: Box, fx: float, fy: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last pixel of a frame box on the preview."""
    x0, y0 = int(box.x0 / fx), int(box.y0 / fy)
    x1, y1 = max(x0, int(np.ceil(box.x1 / fx)) - 1), max(y0, int(np.ceil(box.y1 / fy)) - 1)
    return (x0, y0), (x1, y1)


def _tinted(preview: FloatArray, band: BoolArray, cores: BoolArray) -> npt.NDArray[np.uint8]:
    """The preview with everything outside the cores lifted and the band in colour."""
    picture = np.clip(preview, 0.0, 1.0) * np.float32(255)
    lifted = picture + (255 - picture) * np.float32(_FADE)
    picture = np.where(cores[..., None], picture, lifted)
    grey = picture.mean(axis=2, keepdims=True)
    colour = np.array(_BAND, dtype=np.float32)
    tinted = np.float32(0.45) * picture + np.float32(0.55) * (
        colour * (np.float32(0.35) + grey * np.float32(0.65 / 255))
    )
    return np.rint(np.where(band[..., None], tinted, picture)).astype(np.uint8)


def _write(canvas: Array, text: str, centre: tuple[int, int], scale: float, colour: tuple[int, int, int]) -> None:
    """Text on a small white plate, kept inside the picture."""
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2 * scale))
    (wide, tall), base = cv2.getTextSize(text, font, scale, thick)
    pad = max(2, round(6 * scale))
    h, w = canvas.shape[:2]
    x = max(pad, min(centre[0] - wide // 2, w - wide - pad))
    y = max(tall + pad, min(centre[1] + tall // 2, h - base - pad))
    x0, y0, x1, y1 = max(0, x - pad), max(0, y - tall - pad), min(w, x + wide + pad), min(h, y + base + pad)
    plate = canvas[y0:y1, x0:x1]
    plate[:] = (plate * np.float32(0.2) + np.float32(255 * 0.8)).astype(np.uint8)
    cv2.putText(canvas, text, (x, y), font, scale, colour, thick, cv2.LINE_AA)


def _object_places(coarse: CoarseMap, grid: Grid) -> dict[int, tuple[float, float]]:
    """The middle (x, y), in frame px, of the box of every object the plan refines."""
    fx, fy = coarse.factors
    seen = {label for tile in grid.tiles for label in tile.objects}
    return {
        label: ((place[1].start + place[1].stop) / 2 * fx, (place[0].start + place[0].stop) / 2 * fy)
        for label, place in enumerate(ndimage.find_objects(coarse.labels), start=1)
        if place is not None and label in seen
    }


def draw_plan(preview: FloatArray, coarse: CoarseMap, grid: Grid) -> npt.NDArray[np.uint8]:
    """A tile plan drawn over the picture.

    The band is tinted pink, cores are outlined in blue and numbered by their tile, read boxes are thin orange frames,
    what no core covers is faded, and objects carry their number as "#3".

    Args:
        preview: (h, w, 3) float32 sRGB-encoded in [0, 1], the whole frame at any size.
        coarse: the map the plan was made from.
        grid: the plan.

    Returns:
        (h, w, 3) uint8 sRGB.

    Raises:
        BadInput: the preview is not (h, w, 3), or map and grid are over different frames.
    """
    if preview.ndim != 3 or preview.shape[2] != 3 or not preview.size:
        raise BadInput(f"A preview to draw on is (h, w, 3), this one is {preview.shape}.")
    if grid.frame != coarse.frame:
        raise BadInput("The plan and the coarse map are over different frames.")
    h, w = preview.shape[:2]
    fx, fy = grid.frame.width / w, grid.frame.height / h
    inside = np.zeros(coarse.unsure.shape, dtype=np.uint8)
    for tile in grid.tiles:
        inside[map_slices(coarse, tile.core)] = 1
    band = cv2.resize(coarse.unsure.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    canvas: npt.NDArray[np.uint8] = np.ascontiguousarray(
        _tinted(preview, band, cv2.resize(inside, (w, h), interpolation=cv2.INTER_NEAREST) > 0)
    )
    line = max(1, round(max(h, w) / 700))
    light = canvas.copy()
    for tile in grid.tiles:
        cv2.rectangle(light, *_on_preview(tile.read, fx, fy), _READ, max(1, line // 2))
    canvas = np.asarray(cv2.addWeighted(light, 0.6, canvas, 0.4, 0), dtype=np.uint8)
    for tile in grid.tiles:
        cv2.rectangle(canvas, *_on_preview(tile.core, fx, fy), _CORE, line)
    scale = max(0.35, max(h, w) / 2600)
    for tile in grid.tiles:
        (x0, y0), _ = _on_preview(tile.core, fx, fy)
        inset = round(26 * scale)
        _write(canvas, str(tile.index), (x0 + inset, y0 + inset), 0.8 * scale, _CORE)
    for label, (x, y) in _object_places(coarse, grid).items():
        _write(canvas, f"#{label}", (int(x / fx), int(y / fy)), scale, _DARK)
    return canvas
