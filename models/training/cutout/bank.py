"""Crops of pictures with the answers of the coarse network that they come with, as the refiner learns from them.

A file NAME.npy holds the crops of one picture as an array of records, mapped into memory, not read: workers share
what is looked at, and a bank may be larger than memory. It may grow while it is learnt from.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from models.training.cutout.shapes import Float, Rng

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


def _record(side: int) -> np.dtype[np.void]:
    one = (side, side)
    planes = [("pixels", "u1", (*one, 3)), ("alpha", "u1", one), ("prob", "u1", one), ("tone", "<u2", one)]
    return np.dtype([*planes, ("told", "?"), ("sigma", "<f8"), ("scale", "<f8")])


def write(crops: Sequence[Crop], file: Path) -> None:
    """Write the crops of one picture, all of one size; whole or not at all."""
    kept = np.zeros(len(crops), _record(len(crops[0].alpha)))
    for at, crop in zip(kept, crops, strict=True):
        at["pixels"], at["alpha"], at["prob"] = crop.pixels, crop.alpha, crop.prob
        at["told"], at["sigma"], at["scale"] = crop.tone is not None, crop.sigma, crop.scale
        if crop.tone is not None:
            at["tone"] = crop.tone
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        np.save(out, kept)
    part.replace(file)


def as_bytes(values: Float) -> NDArray[np.uint8]:
    """0..1 to 0..255."""
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


class Bank(Sequence[Crop]):
    """The crops of all files in a folder; a broken file is left out with a warning."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()
        self._places: list[tuple[Path, int]] = []
        self.look()

    def look(self) -> None:
        """Take in the files that have come since."""
        for file in sorted(self._folder.glob("*.npy")):
            if file in self._seen:
                continue
            self._seen.add(file)
            try:
                self._places += [(file, n) for n in range(len(_mapped(file)))]
            except (OSError, ValueError, EOFError) as error:
                log.warning("%s is left out: %s", file, error)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Crop: ...

    @overload
    def __getitem__(self, number: slice) -> list[Crop]: ...

    def __getitem__(self, number: int | slice) -> Crop | list[Crop]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        file, n = self._places[number]
        at = _mapped(file)[n]  # opened anew: thousands of open maps are more than a process may have
        tone = at["tone"] if at["told"] else None
        return Crop(at["pixels"], at["alpha"], at["prob"], tone, float(at["sigma"]), float(at["scale"]))


def _mapped(file: Path) -> NDArray[np.void]:
    kept: NDArray[np.void] = np.load(file, mmap_mode="r", allow_pickle=False)
    shape = kept.dtype["alpha"].shape if "alpha" in (kept.dtype.names or ()) else ()
    if kept.ndim != 1 or len(shape) != 2 or kept.dtype != _record(shape[0]):
        raise ValueError("it holds no crops")
    return kept


def part(rng: Rng, crop: Crop, side: int) -> Crop:
    """A smaller part of a crop, turned and mirrored."""
    y, x = rng.integers(0, len(crop.alpha) - side + 1, 2)
    turn, mirrored = int(rng.integers(4)), rng.random() < 0.5

    def cut(values: np.ndarray) -> np.ndarray:
        some = np.rot90(values[y : y + side, x : x + side], turn)
        return np.ascontiguousarray(some[:, ::-1] if mirrored else some)

    tone = None if crop.tone is None else cut(crop.tone)
    return Crop(cut(crop.pixels), cut(crop.alpha), cut(crop.prob), tone, crop.sigma, crop.scale)
