"""Pairs of a degraded and a clean crop, each made anew from the seed and its number. Numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.enhance.config import Data
from models.training.enhance.degrade import Float, Rng, degrade, draw, to_encoded, to_linear

BORDER = 8  # px that are cut off after degrading: they have seen the crop's end, and JPEG's blocks begin anywhere


@dataclass(frozen=True, eq=False)
class Source:
    """Clean pictures (h, w, 3) float32 encoded 0..1: as rendered, and made half as large so that they are sharp."""

    sharp: tuple[Float, ...]
    native: tuple[Float, ...]


def load(names: Sequence[str], scenes: Path) -> Source:
    """The rendered scenes of some names.

    Raises:
        FileNotFoundError: one is missing; the message says what makes it.
    """
    return source([_read(scenes, name) for name in names])


def source(pictures: Sequence[NDArray[np.uint8]]) -> Source:
    """A source from pictures (h, w, 3) uint8 RGB."""
    native = tuple(p.astype(np.float32) / np.float32(255) for p in pictures)
    return Source(tuple(halved(p) for p in native), native)


def halved(picture: Float) -> Float:
    """Half as large, averaged in linear light."""
    h, w = picture.shape[0] // 2, picture.shape[1] // 2
    light = to_linear(picture[: 2 * h, : 2 * w])
    return to_encoded(cv2.resize(light, (w, h), interpolation=cv2.INTER_AREA))


def pair(given: Source, data: Data, seed: int, index: int, blurred: bool = True) -> tuple[Float, Float]:
    """Degraded and clean, (side, side, 3) float32 0..1: number `index` of the endless set of a seed."""
    rng = np.random.default_rng([seed, index])
    clean = _developed(rng, _crop(given, data, rng, data.side + 2 * BORDER))
    if rng.random() < data.texture:
        clean = _textured(rng, clean)
    if rng.random() < data.identity:
        # As a file would hold it: what lies between two of its values is not the network's to invent.
        clean = np.round(clean * 255) / np.float32(255)
        worse = clean
    else:
        worse = degrade(clean, draw(rng, blurred), rng)
    y, x = rng.integers(1, 2 * BORDER, 2)
    cut = np.s_[y : y + data.side, x : x + data.side]
    return worse[cut], clean[cut]


def _crop(given: Source, data: Data, rng: Rng, side: int) -> Float:
    """A crop, turned or mirrored; of several places mostly the one with the most in it."""
    pictures = given.native if rng.random() < data.native else given.sharp
    picture = pictures[int(rng.integers(len(pictures)))]
    places = []
    for _ in range(4 if rng.random() < 0.8 else 1):
        y, x = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
        places.append(picture[y : y + side, x : x + side])
    crop = max(places, key=lambda p: float(p[::2, ::2, 1].std()))
    crop = np.rot90(crop, int(rng.integers(4)))
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def _developed(rng: Rng, clean: Float) -> Float:
    """Another exposure, tone and colour, so that the network learns no palette."""
    out = np.clip(clean, 0, 1) ** np.float32(rng.uniform(0.7, 1.8))
    if rng.random() < 0.5:
        out = out * rng.uniform(0.6, 1.05, 3).astype(np.float32)
    if rng.random() < 0.2:
        out = out[..., rng.permutation(3)]
    return np.ascontiguousarray(np.clip(out, 0, 1), np.float32)


def _textured(rng: Rng, clean: Float) -> Float:
    """With cloth's or paper's pattern over it, coarser than a sensor's noise: what is to be kept, unlike that."""
    coarse = float(rng.uniform(1.8, 5.0))
    h, w = clean.shape[:2]
    field = rng.standard_normal((int(h / coarse) + 2, int(w / coarse) + 2)).astype(np.float32)
    field = cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:  # threads: each row or column on its own
        field = (field[:, :1] if rng.random() < 0.5 else field[:1]) + np.float32(0.3) * field
    gain = 1 + np.float32(rng.uniform(0.005, 0.04)) * field
    return np.clip(clean * gain[..., None], 0, 1)


def _read(scenes: Path, name: str) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(scenes / f"{name}.png"), cv2.IMREAD_COLOR)
    if pixels is None:
        make = f"python -m models.training.enhance.scenes -o {scenes}"
        raise FileNotFoundError(f"{scenes} has no picture {name}.png: {make} renders it")
    return np.asarray(pixels[..., ::-1], np.uint8)
