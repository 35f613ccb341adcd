"""What the network is asked about a tile: one way of asking at a time, several objects at once.

- "coarse": what the project tells of a coarse map, by its own code; at times without a part of it.
- "points": a point on an object, and points off it at times, on others too.
- "box": a box, a few px off, at times with a point.
- "mended": a mask that is wrong in one place (an opening filled, a neighbour joined on, a part bitten off, an outline
  too wide or narrow), a point on the object and a click into the wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np

from models.training.sam_tiny.config import Kinds
from models.training.sam_tiny.tiles import Rng, Scene
from segtile.types import Array, BoolArray, FloatArray

_CERTAIN = 6.9  # logits of what a mask prompt is certain of, as segtile.refine.prompts has it
_HELD, _EMPTY = 0.9, 0.1  # shares of a cell from and to which a click is on an object, or off it
_AWAY = (2, 8)  # cells; how far beside an object it is pointed at


@dataclass(frozen=True, eq=False)
class Batch:
    """K questions about a tile and what they ask for, as float32 in px of the tile.

    `points` (K, m, 2) are x, y; `inside` (K, m) are 1 on the object, 0 off it; `boxes` (K, 4); `masks` (K, n, n) are
    logits. `targets` (K, n, n) are the share of each cell.
    """

    targets: FloatArray
    points: FloatArray | None = None
    inside: FloatArray | None = None
    boxes: FloatArray | None = None
    masks: FloatArray | None = None


def ask(tile: Scene, kinds: Kinds, count: int, dropped: float, rng: Rng) -> Batch:
    """Draw a kind and that many questions of it."""
    names = [field.name for field in fields(kinds)]
    shares = np.array([getattr(kinds, name) for name in names])
    return ask_as(tile, names[int(rng.choice(len(names), p=shares / shares.sum()))], count, dropped, rng)


def ask_as(tile: Scene, kind: str, count: int, dropped: float, rng: Rng) -> Batch:
    """That many questions of one kind."""
    if kind == "coarse":
        return _coarse(tile, count, dropped, rng)
    which = rng.permutation(np.arange(count) % len(tile.objects))
    targets = tile.objects[which]
    if kind == "points":
        return _points(tile, targets, int(rng.integers(3)), rng)
    if kind == "box":
        return _boxes(tile, targets, int(rng.integers(2)), rng)
    return _mended(tile, targets, rng)


def clicked(batch: Batch, logits: FloatArray, side: int, rng: Rng) -> Batch:
    """The same questions with the network's own answers (K, n, n) as masks, and a click more where each is wrong."""
    points, inside = [], []
    for target, found in zip(batch.targets, logits, strict=True):
        missed, extra = (target > 0.5) & (found < 0), (target < 0.5) & (found > 0)
        wrong = missed | extra
        wrong = wrong if wrong.any() else target >= min(_HELD, float(target.max()))
        row, column = _cell(wrong, rng)
        points.append([_pixel((row, column), len(target), side, rng)])
        inside.append([float(target[row, column] > 0.5)])
    new, on = np.array(points, np.float32), np.array(inside, np.float32)
    if batch.points is not None and batch.inside is not None:
        new, on = np.concatenate([batch.points, new], axis=1), np.concatenate([batch.inside, on], axis=1)
    return replace(batch, points=new, inside=on, masks=logits)


def _coarse(tile: Scene, count: int, dropped: float, rng: Rng) -> Batch:
    """Of prompts with different numbers of points the most telling ones are taken of each."""
    told = [tile.told[i] for i in rng.permutation(len(tile.told))[:count]]
    prompts, targets = [prompt for prompt, _ in told], np.stack([target for _, target in told])
    boxes = None
    if all(prompt.box is not None for prompt in prompts):
        boxes = np.array([prompt.box for prompt in prompts], np.float32)
    most = min(len(prompt.points) for prompt in prompts)
    points = np.stack([prompt.points[:most] for prompt in prompts]) if most else None
    inside = np.stack([prompt.inside[:most] for prompt in prompts]).astype(np.float32) if most else None
    masks = np.stack([prompt.mask for prompt in prompts])  # type: ignore[arg-type]
    no_mask, no_box, no_points = rng.random(3) < dropped
    if no_box and points is not None:
        boxes = None
    elif no_points and boxes is not None:
        points = inside = None
    return Batch(targets, points, inside, boxes, None if no_mask else masks)


def _points(tile: Scene, targets: FloatArray, off: int, rng: Rng) -> Batch:
    """A point on each, then `off` points off it, on other objects as often as not."""
    side = len(tile.rgb)
    every = tile.objects.sum(axis=0)
    points = []
    for target in targets:
        cells = [_on(target, rng)]
        for _ in range(off):
            others = every - target >= _HELD
            beside = _near(target) & (target <= 0)
            where = others if others.any() and rng.random() < 0.5 else beside
            cells.append(_cell(where if where.any() else target <= 0, rng))
        points.append([_pixel(cell, len(target), side, rng) for cell in cells])
    inside = np.tile(np.array([1.0] + [0.0] * off, np.float32), (len(targets), 1))
    return Batch(targets, np.array(points, np.float32), inside)


def _boxes(tile: Scene, targets: FloatArray, on: int, rng: Rng) -> Batch:
    side, cell = len(tile.rgb), len(tile.rgb) / targets.shape[-1]
    boxes, points = [], []
    for target in targets:
        rows, columns = (np.flatnonzero((target > 0.2).any(axis=a)) for a in (1, 0))
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) * cell
        reach = 0.05 * max(box[2] - box[0], box[3] - box[1])
        boxes.append(np.clip(box + rng.normal(0, min(reach, 10), 4) + np.array([-1, -1, 1, 1]) * reach, 0, side))
        points.append([_pixel(_on(target, rng), len(target), side, rng)])
    found = Batch(targets, boxes=np.array(boxes, np.float32))
    if not on:
        return found
    return replace(found, points=np.array(points, np.float32), inside=np.ones((len(targets), 1), np.float32))


def _mended(tile: Scene, targets: FloatArray, rng: Rng) -> Batch:
    side, every = len(tile.rgb), tile.objects.sum(axis=0)
    masks, points, inside = [], [], []
    for target in targets:
        wrong = spoilt(target, every - target, rng)
        soft = cv2.GaussianBlur(wrong, (0, 0), float(rng.uniform(0.3, 1.2)))
        masks.append(as_logits(soft))
        missed, extra = (target >= _HELD) & (wrong < 0.5), (target <= _EMPTY) & (wrong > 0.5)
        error = missed | extra
        cell = _cell(error, rng) if error.any() else _on(target, rng)
        pair = [_on(target, rng), cell]
        points.append([_pixel(one, len(target), side, rng) for one in pair])
        inside.append([1.0, float(target[cell] > 0.5)])
    return Batch(targets, np.array(points, np.float32), np.array(inside, np.float32), masks=np.stack(masks))


def as_logits(shares: FloatArray) -> FloatArray:
    """Shares of cells (n, n) as the logits of a mask prompt."""
    least = 1 / (1 + np.exp(_CERTAIN))
    held = np.clip(shares, least, 1 - least)
    return np.asarray(np.log(held) - np.log1p(-held), np.float32)


def spoilt(target: FloatArray, others: FloatArray, rng: Rng) -> FloatArray:
    """A mask (n, n) that is wrong in one place, of a kind that is possible there."""
    filled = _filled(target)
    ways = ["bitten", "wider", "narrower"]
    if (filled > target + 0.5).sum() >= 3:
        ways += ["filled"] * 4
    if (others > 0.5).any():
        ways += ["joined"] * 2
    way = ways[int(rng.integers(len(ways)))]
    if way == "filled":
        return filled
    if way == "joined":
        count, parts = cv2.connectedComponents((others > 0.1).astype(np.uint8), connectivity=8)
        return np.asarray(np.maximum(target, np.where(parts == int(rng.integers(1, count)), others, 0)), np.float32)
    reach = 2 * int(rng.integers(1, 4)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    if way == "wider":
        return np.asarray(cv2.dilate(target, disc), np.float32)
    if way == "narrower" and (cv2.erode(target, disc) > 0.5).sum() >= 4:
        return np.asarray(cv2.erode(target, disc), np.float32)
    row, column = _on(target, rng)
    y, x = np.ogrid[: len(target), : len(target)]
    radius = float(rng.uniform(0.2, 0.6)) * np.sqrt(float(target.sum()))
    return np.asarray(np.where(np.hypot(y - row, x - column) <= radius, 0, target), np.float32)


def _filled(target: FloatArray) -> FloatArray:
    """The object with all its openings closed."""
    empty = (np.pad(target, 1) < 0.5).astype(np.uint8)
    _, parts = cv2.connectedComponents(empty, connectivity=4)
    hole = (parts > 0) & (parts != parts[0, 0])
    return np.maximum(target, hole[1:-1, 1:-1].astype(np.float32))


def _near(target: FloatArray) -> BoolArray:
    away = cv2.distanceTransform((target < 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray((away >= _AWAY[0]) & (away <= _AWAY[1]), np.bool_)


def _on(target: FloatArray, rng: Rng) -> tuple[int, int]:
    return _cell(target >= min(_HELD, float(target.max())), rng)


def _cell(where: BoolArray, rng: Rng) -> tuple[int, int]:
    """One of some cells, (row, column)."""
    cells = np.argwhere(where)
    row, column = cells[int(rng.integers(len(cells)))]
    return int(row), int(column)


def _pixel(cell: tuple[int, int], cells: int, side: int, rng: Rng) -> Array:
    """(x, y) of a pixel in a cell (row, column)."""
    scale = side // cells
    return np.array(cell[::-1]) * scale + rng.integers(0, scale, 2)
