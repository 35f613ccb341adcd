"""Instances drawn on a scaled preview, for looking at."""

from __future__ import annotations

import colorsys
import importlib.util
import math
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from segtile.detected import CropMask, Instance
from segtile.errors import BadInput
from segtile.export.found import Found
from segtile.types import Array, Box, FloatArray

Picture = npt.NDArray[np.uint8]

#: Frame pixels of one mask that are unpacked at a time.
_AT_A_TIME = 1 << 23
#: Golden ratio: hues of any number of neighbouring indices stay far apart.
_HUE_STEP = 0.6180339887498949


def draw_instances(
    preview: Array,
    found: Found,
    *,
    colour_by: Literal["class", "id"] = "class",
    opacity: float = 0.45,
    labels: bool = True,
) -> Picture:
    """Masks as translucent fills with an outline, boxes where there is no mask, names and scores.

    Each mask is scaled to the preview within its own box, so the cost goes with what is drawn, not with the picture.
    Small instances are drawn over large ones. An index has the same colour in every picture.

    Args:
        preview: (h, w, 3) sRGB of the whole frame at any size, float32 in [0, 1] or uint8.
        found: the detections, in px of the full frame.
        colour_by: one colour for each class, or for each instance.
        opacity: of the fills, 0..1.
        labels: write "name 0.93" at each instance. The font is DejaVu Sans (Latin, Greek, Cyrillic);
            letters it has not appear as boxes.

    Returns:
        (h, w, 3) uint8 sRGB, a new array.

    Raises:
        BadInput: the preview is not (h, w, 3), `opacity` is out of range, or `colour_by` is neither.
    """
    if preview.ndim != 3 or preview.shape[2] != 3 or not preview.size or preview.dtype.name not in ("float32", "uint8"):
        raise BadInput(f"a preview is (h, w, 3) float32 or uint8, this one is {preview.shape} {preview.dtype}")
    if not 0 <= opacity <= 1:
        raise BadInput(f"an opacity lies from 0 to 1, not at {opacity}")
    if colour_by not in ("class", "id"):
        raise BadInput(f"colours go by class or id, not by {colour_by!r}")
    canvas: Picture = np.array(
        preview if preview.dtype == np.uint8 else np.rint(np.clip(preview, 0, 1) * 255), np.uint8
    )
    h, w = canvas.shape[:2]
    scale = w / found.info.width, h / found.info.height
    line = max(1, round(max(h, w) / 900))
    drawn = [i for i in found.instances if np.isfinite(i.box).all()]
    drawn.sort(key=lambda i: (i.box[0] - i.box[2]) * (i.box[3] - i.box[1]))
    for instance in drawn:
        colour = colour_of(instance.label if colour_by == "class" else instance.id)
        if instance.mask is None:
            cv2.rectangle(canvas, *_corners(instance, scale), colour, line)
        else:
            _fill(canvas, instance.mask, scale, colour, opacity, line)
    return _labelled(canvas, drawn, scale, colour_by) if labels and drawn else canvas


def colour_of(index: int) -> tuple[int, int, int]:
    """The colour of a class or an instance, 8-bit sRGB; the same number has the same colour everywhere."""
    red, green, blue = colorsys.hsv_to_rgb(index * _HUE_STEP % 1, 0.78, 0.96)
    return round(red * 255), round(green * 255), round(blue * 255)


def coverage(mask: CropMask, scale: tuple[float, float], size: tuple[int, int]) -> tuple[Box, FloatArray]:
    """How much of each preview pixel a mask covers.

    Args:
        mask: the mask, in frame px.
        scale: (x, y) preview px per frame px.
        size: (width, height) of the preview.

    Returns:
        A box of the preview, and (h, w) float32 in [0, 1] over it. Pixels of the preview are taken to the nearest whole
        frame px; memory is some MB however large the mask is.
    """
    fx, fy = scale
    target = mask.box.scaled(fx, fy) & Box.frame(*size)
    made = np.zeros((target.height, target.width), np.float32)
    if target.empty:
        return target, made
    x0, x1 = math.floor(target.x0 / fx), min(math.ceil(target.x1 / fx), mask.frame.x1)
    step = max(1, int(_AT_A_TIME * fy / (x1 - x0)))
    for top in range(target.y0, target.y1, step):
        bottom = min(top + step, target.y1)
        source = Box(x0, math.floor(top / fy), x1, min(math.ceil(bottom / fy), mask.frame.y1))
        common = source & mask.box
        cells = np.zeros((source.height, source.width), np.uint8)
        if not common.empty:
            rows, columns = common.within(mask.box).slices
            bits = np.unpackbits(mask.packed[rows], axis=1, count=mask.box.width)[:, columns]
            cells[common.within(source).slices] = bits * np.uint8(255)
        small = cv2.resize(cells, (target.width, bottom - top), interpolation=cv2.INTER_AREA)
        made[top - target.y0 : bottom - target.y0] = small * np.float32(1 / 255)
    return target, made


def _fill(
    canvas: Picture,
    mask: CropMask,
    scale: tuple[float, float],
    colour: tuple[int, int, int],
    opacity: float,
    line: int,
) -> None:
    h, w = canvas.shape[:2]
    box, share = coverage(mask, scale, (w, h))
    if box.empty:
        return
    part = canvas[box.slices]
    share *= np.float32(opacity)
    part[:] = np.rint(part + share[..., None] * (np.array(colour, np.float32) - part))
    # what covers no preview pixel by half is outlined wherever it is at all, so that nothing found is invisible
    solid = share >= opacity / 2 if (share >= opacity / 2).any() else share > 0
    rings, _ = cv2.findContours(
        solid.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(box.x0, box.y0)
    )
    cv2.drawContours(canvas, rings, -1, colour, line)


def _corners(instance: Instance, scale: tuple[float, float]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last preview pixel of a box; kept within what drawing code can count."""
    x0, y0, x1, y1 = np.clip(np.array(instance.box) * (scale * 2), -1e6, 1e6).tolist()
    first = math.floor(x0), math.floor(y0)
    return first, (max(first[0], math.ceil(x1) - 1), max(first[1], math.ceil(y1) - 1))


def _labelled(
    canvas: Picture, instances: list[Instance], scale: tuple[float, float], colour_by: Literal["class", "id"]
) -> Picture:
    """Names and scores on plates of the instance's colour, at its upper left corner, kept inside the picture."""
    from PIL import Image, ImageDraw

    h, w = canvas.shape[:2]
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = _font(max(10, round(max(h, w) / 75)))
    for instance in instances:
        colour = colour_of(instance.label if colour_by == "class" else instance.id)
        text = f"{instance.name} {instance.score:.2f}"
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        wide, tall = right - left + 6, bottom - top + 4
        (x, y), _ = _corners(instance, scale)
        x, y = max(0, min(x, w - wide)), max(0, min(y - tall, h - tall))
        draw.rectangle((x, y, x + wide, y + tall), fill=colour)
        dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
        draw.text((x + 3 - left, y + 2 - top), text, font=font, fill=(0, 0, 0) if dark else (255, 255, 255))
    return np.array(picture)


def _font(size: int) -> Any:
    """DejaVu Sans as matplotlib brings it (sahi needs that), found without importing it; else Pillow's, ASCII only."""
    from PIL import ImageFont

    spec = importlib.util.find_spec("matplotlib")
    path = Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf" if spec and spec.origin else None
    return ImageFont.truetype(str(path), size) if path and path.is_file() else ImageFont.load_default(size)
