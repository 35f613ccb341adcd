"""Crops of pictures with the answers of the coarse network that they come with, as the refiner learns from them."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training.cutout.shapes import Rng

log = logging.getLogger("segtile")


@dataclass(frozen=True, eq=False)
class Crop:
    """Part of a picture as the refiner gets it.

    `pixels` (s, s, 3), `alpha` and `prob` (s, s) uint8; `tone` (s, s) uint16, luma of the background that was found,
    or None; `sigma` the luma's noise; `scale` px per cell of the answer.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    prob: NDArray[np.uint8]
    tone: NDArray[np.uint16] | None
    sigma: float
    scale: float


def load(folder: Path) -> list[Crop]:
    """All crops that `answer.fill` wrote, in the order of their files; a broken file is left out with a warning."""
    out: list[Crop] = []
    for file in sorted(folder.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as kept:
                sheets = {name: kept[name] for name in kept.files}
            tones = sheets.get("tone", [None] * len(sheets["alpha"]))
            sigma, scale = float(sheets["sigma"]), float(sheets["scale"])
            planes = zip(sheets["pixels"], sheets["alpha"], sheets["prob"], tones, strict=True)
            out += [Crop(*some, sigma, scale) for some in planes]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s is left out: %s", file, error)
    return out


def part(rng: Rng, crop: Crop, side: int) -> Crop:
    """A smaller part of a crop, turned and mirrored."""
    y, x = rng.integers(0, len(crop.alpha) - side + 1, 2)
    turn, mirrored = int(rng.integers(4)), rng.random() < 0.5

    def cut(values: np.ndarray) -> np.ndarray:
        some = np.rot90(values[y : y + side, x : x + side], turn)
        return np.ascontiguousarray(some[:, ::-1] if mirrored else some)

    tone = None if crop.tone is None else cut(crop.tone)
    return Crop(cut(crop.pixels), cut(crop.alpha), cut(crop.prob), tone, crop.sigma, crop.scale)
