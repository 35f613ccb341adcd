"""The rendered pieces and scenes in memory; folders that are still being filled are looked through again."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.common.sprites import Sprite, make_sprite
from models.training.cutout.bank import Bank, Crop
from models.training.cutout.config import Data
from models.training.cutout.stills import Still, read_still

log = logging.getLogger("segtile")

RESCAN = 200  # pictures between two looks at the folders
SCENE = 520  # px; what measures more in one direction is a whole scene, not a single piece
_EDGES = 3000  # edge points kept of a sprite


@dataclass(frozen=True, eq=False)
class Item:
    """A sprite, and points (n, 2) of its edge as x, y in px of its first layer."""

    sprite: Sprite
    edge: NDArray[np.int32]

    @property
    def is_scene(self) -> bool:
        """Whether it is a whole scene as a camera saw it."""
        return max(self.sprite.layers[0].shape[:2]) > SCENE


class Shelf:
    """What the .npz files of some folders hold, less the kinds that are not for this purpose.

    A folder named "val" holds validation only, one named "test" is refused. `answers` are crops that come with the
    coarse network's answer; they are made of the same pieces.
    """

    def __init__(self, folders: tuple[Path, ...], data: Data, held_out: bool, answers: Sequence[Crop] = ()) -> None:
        if bad := [f for f in folders if f.name == "test"]:
            raise ValueError(f"{bad[0]} holds test scenes: they are neither trained on nor validated on")
        self.pieces: list[Item] = []
        self.scenes: list[Item] = []
        self.stills: list[tuple[Still, NDArray[np.int32]]] = []
        self.answers = answers
        self._folders, self._data, self._held_out = folders, data, held_out
        self._seen: set[Path] = set()
        self._calls = 0
        self.look()

    def look(self) -> None:
        """Read the files that have come since."""
        if isinstance(self.answers, Bank):
            self.answers.look()
        new = [f for folder in self._folders for f in sorted(folder.glob("*.npz")) if f not in self._seen]
        self._seen.update(new)
        if new:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for pieces in pool.map(self._read, new):
                    self._take(pieces)

    def again(self) -> None:
        """To be called once a picture: looks every RESCAN calls."""
        self._calls += 1
        if self._calls % RESCAN == 0:
            self.look()

    def _read(self, file: Path) -> list[tuple[Item, Still | None]]:
        """The pieces in a file that are wanted here."""
        out = []
        try:
            with np.load(file, allow_pickle=False) as sheet:
                for i, kind in enumerate(sheet["names"]):
                    if self._wanted(str(kind), file.parent.name == "val"):
                        out += _piece(sheet, i)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s is left out: %s", file, error)
            return []
        return out

    def _take(self, pieces: list[tuple[Item, Still | None]]) -> None:
        for item, still in pieces:
            (self.scenes if item.is_scene else self.pieces).append(item)
            if still is not None:
                self.stills.append((still, item.edge))

    def _wanted(self, kind: str, for_validation: bool) -> bool:
        if kind in self._data.test_kinds:
            return False
        return (for_validation or kind in self._data.held_out_kinds) == self._held_out


def _piece(sheet: Any, i: int) -> list[tuple[Item, Still | None]]:
    """Piece number `i` of a file; none where hardly anything of it is to be seen."""
    alpha = sheet[f"alpha{i}"]
    if (alpha >= 128).sum() < 30:
        return []
    sprite = make_sprite(str(sheet["names"][i]), sheet[f"rgb{i}"], alpha, sheet[f"shadow{i}"])
    return [(Item(sprite, _edge(sprite.layers[0][..., 3])), read_still(sheet))]


def _edge(alpha: NDArray[np.uint8]) -> NDArray[np.int32]:
    solid = (alpha >= 128).astype(np.uint8)
    y, x = np.nonzero(cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    points = np.stack([x, y], axis=1).astype(np.int32)
    return points[:: max(1, len(points) // _EDGES)]
