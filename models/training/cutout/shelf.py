"""The rendered pieces and scenes in memory; folders that are still being filled are looked through again."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.training.common.sprites import Sprite, make_sprite
from models.training.cutout.bank import Crop
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
        self.answers = tuple(answers)
        self._folders, self._data, self._held_out = folders, data, held_out
        self._seen: set[Path] = set()
        self._calls = 0
        self.look()

    def look(self) -> None:
        """Read the files that have come since."""
        for folder in self._folders:
            for file in sorted(folder.glob("*.npz")):
                if file not in self._seen:
                    self._seen.add(file)
                    self._read(file)

    def again(self) -> None:
        """To be called once a picture: looks every RESCAN calls."""
        self._calls += 1
        if self._calls % RESCAN == 0:
            self.look()

    def _read(self, file: Path) -> None:
        try:
            pieces = list(_sprites(file))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("%s is left out: %s", file, error)
            return
        for sprite, still in pieces:
            if self._wanted(sprite.kind, file.parent.name == "val"):
                item = Item(sprite, _edge(sprite.layers[0][..., 3]))
                (self.scenes if item.is_scene else self.pieces).append(item)
                if still is not None:
                    self.stills.append((still, item.edge))

    def _wanted(self, kind: str, for_validation: bool) -> bool:
        if kind in self._data.test_kinds:
            return False
        return (for_validation or kind in self._data.held_out_kinds) == self._held_out


def _sprites(file: Path) -> Iterator[tuple[Sprite, Still | None]]:
    with np.load(file, allow_pickle=False) as sheet:
        still = read_still(sheet)
        for i, kind in enumerate(sheet["names"]):
            alpha = sheet[f"alpha{i}"]
            if (alpha >= 128).sum() >= 30:
                yield make_sprite(str(kind), sheet[f"rgb{i}"], alpha, sheet[f"shadow{i}"]), still


def _edge(alpha: NDArray[np.uint8]) -> NDArray[np.int32]:
    solid = (alpha >= 128).astype(np.uint8)
    y, x = np.nonzero(cv2.morphologyEx(solid, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    points = np.stack([x, y], axis=1).astype(np.int32)
    return points[:: max(1, len(points) // _EDGES)]
