"""Scenes as a detector sees them slice by slice, made by numbers: ideal pieces, or pieces with a detector's faults.

The ideal detector shows, in each slice, the part of each object that lies in it, if that is at least 15 % of the object
or fills 20 % of the slice. Scenes and thresholds are those of the measurements of SAHI that this project began with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segtile.detected import CropMask, Detections
from segtile.grid.uniform import plan_uniform
from segtile.masks.crop import tight, window
from segtile.types import Box, IntArray, Tile

Doubles = npt.NDArray[np.float64]

_LEAST_OF_OBJECT = 0.15
_LEAST_OF_SLICE = 0.20


@dataclass(frozen=True)
class Noise:
    """The faults of a detector, drawn anew for every piece.

    `drop`: share of pieces that are missing. `jitter`: every side is off by 1 px up to this many px, inwards or
    outwards. `clip`: share of pieces that lose part of one side; `clip_share`: the most of the piece's width or height
    that is lost. Nothing reaches over the slice's border.
    """

    drop: float = 0.0
    jitter: float = 0.0
    clip: float = 0.0
    clip_share: float = 0.0


#: What the tables call "noisy".
NOISY = Noise(drop=0.05, jitter=3.0, clip=0.05, clip_share=0.2)
IDEAL = Noise()


@dataclass(frozen=True)
class Seen:
    """Pieces, and for each the row of the object it is a piece of."""

    pieces: Detections
    owner: IntArray


def slices(frame: Box, side: int, overlap: int) -> tuple[Tile, ...]:
    """SAHI's grid; `overlap` px, even."""
    return plan_uniform(frame, side, overlap // 2).tiles


def see_boxes(
    objects: Doubles,
    labels: IntArray,
    tiles: Sequence[Tile],
    noise: Noise,
    rng: np.random.Generator,
    *,
    scores: tuple[float, float] = (0.55, 0.85),
) -> Seen:
    """Boxes of every slice.

    Args:
        objects: (K, 4) float, frame px.
        labels: (K,) their classes.
        tiles: the slices.
        noise: the detector's faults.
        rng: where they, and the scores, come from.
        scores: their range.
    """
    boxes, owner, tile_of = [], [], []
    area = np.prod(objects[:, 2:] - objects[:, :2], axis=1)
    for tile in tiles:
        read = np.array([tile.read.x0, tile.read.y0, tile.read.x1, tile.read.y1], float)
        low, high = np.maximum(objects[:, :2], read[:2]), np.minimum(objects[:, 2:], read[2:])
        seen = np.prod(np.clip(high - low, 0, None), axis=1)
        shown = (seen > 0) & ((seen >= _LEAST_OF_OBJECT * area) | (seen >= _LEAST_OF_SLICE * tile.read.area))
        found = np.flatnonzero(shown)
        found = found[rng.random(len(found)) >= noise.drop]
        boxes.append(_spoilt(np.concatenate((low, high), axis=1)[found], read, noise, rng))
        owner.append(found)
        tile_of.append(np.full(len(found), tile.index))
    whose = np.concatenate(owner).astype(np.int32)
    return Seen(
        Detections(
            np.concatenate(boxes).astype(np.float32).reshape(-1, 4),
            rng.uniform(*scores, len(whose)).astype(np.float32),
            labels[whose].astype(np.int32),
            np.concatenate(tile_of).astype(np.int32),
        ),
        whose,
    )


def _spoilt(boxes: Doubles, read: Doubles, noise: Noise, rng: np.random.Generator) -> Doubles:
    """Boxes with one slice's share of the faults."""
    n = len(boxes)
    out = boxes.copy()
    if noise.jitter:
        out += rng.uniform(min(1.0, noise.jitter), noise.jitter, (n, 4)) * rng.choice([-1.0, 1.0], (n, 4))
    if noise.clip:
        side = rng.integers(0, 4, n)
        size = (boxes[:, 2:] - boxes[:, :2])[np.arange(n), side % 2]
        lost = np.where(rng.random(n) < noise.clip, rng.uniform(0, noise.clip_share, n) * size, 0.0)
        out[np.arange(n), side] += np.where(side < 2, lost, -lost)
    out[:, 0::2] = np.clip(out[:, 0::2], read[0], read[2])
    out[:, 1::2] = np.clip(out[:, 1::2], read[1], read[3])
    out[:, 2:] = np.maximum(out[:, 2:], out[:, :2] + 1)  # a box holds at least a pixel
    return out


def lone_objects(count: int, size: float, frame: Box, rng: np.random.Generator) -> Doubles:
    """(count, 4) squares of `size` px anywhere in a frame; they may lie on each other, so give each its own class."""
    corner = rng.uniform(0, (frame.width - size, frame.height - size), (count, 2))
    return np.concatenate((corner, corner + size), axis=1)


def chain(links: int, size: float, x: float, y: float, overlap: float = 0.3) -> Doubles:
    """(links, 4): squares in a row, each over the next by a share of its width."""
    left = x + np.arange(links) * size * (1 - overlap)
    return np.stack((left, np.full(links, y), left + size, np.full(links, y + size)), axis=1)


def stones(x: float = 1000.0, y: float = 1000.0) -> Doubles:
    """(101, 4): one large box and 10 x 10 small ones inside it."""
    i, j = np.meshgrid(np.arange(10), np.arange(10))
    corner = np.stack((x + 200 + 250 * i.ravel(), y + 200 + 250 * j.ravel()), axis=1)
    return np.concatenate(([[x, y, x + 3000, y + 3000]], np.concatenate((corner, corner + 100), axis=1)))


def shapes(count: int, side: int, rng: np.random.Generator, least: int = 300, most: int = 1200) -> list[CropMask]:
    """Wavy discs (odd) and rings (even) of `least` to `most` px on a lattice over a frame of `side` px."""
    frame = Box.frame(side, side)
    across = int(np.ceil(np.sqrt(count)))
    turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    found = []
    for i in range(count):
        size = int(rng.uniform(least, most))
        wave = 1 + 0.04 * np.sin(7 * turn + rng.uniform(0, 6)) + 0.015 * np.sin(41 * turn)
        radius = size / 2 * 0.93 * (wave + rng.normal(0, 0.004, turn.size))
        points = np.stack((radius * np.cos(turn), radius * np.sin(turn)), axis=1)
        drawn = np.zeros((size, size), np.uint8)
        cv2.fillPoly(drawn, [(points + size / 2).astype(np.int32)], (1,))
        if i % 2 == 0:
            cv2.fillPoly(drawn, [(points * 0.7 + size / 2).astype(np.int32)], (0,))
        middle = (np.array([i % across, i // across]) + 0.5) * side / across
        x, y = np.clip(middle - size / 2 + rng.uniform(-60, 60, 2), 0, side - size).astype(int).tolist()
        found.append(tight(CropMask.from_bits(drawn.view(np.bool_), Box(x, y, x + size, y + size), frame)))
    return found


def see_masks(objects: Sequence[CropMask], labels: IntArray, tiles: Sequence[Tile], least: int = 64) -> Seen:
    """Masks of every slice, exact; parts of fewer than `least` px are not seen."""
    masks, owner, tile_of = [], [], []
    for tile in tiles:
        for k, whole in enumerate(objects):
            if (whole.box & tile.read).empty:
                continue
            part = tight(window(whole, tile.read))
            if part.area >= least:
                masks.append(part)
                owner.append(k)
                tile_of.append(tile.index)
    whose = np.array(owner, np.int32)
    boxes = np.array([(m.box.x0, m.box.y0, m.box.x1, m.box.y1) for m in masks], np.float32).reshape(-1, 4)
    scores = (0.5 + 0.4 * (whose * 37 % 100) / 100).astype(np.float32)
    found = Detections(boxes, scores, labels[whose].astype(np.int32), np.array(tile_of, np.int32), tuple(masks))
    return Seen(found, whose)
