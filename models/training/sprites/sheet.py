"""Render sheets of single pieces and cut them into sprites: colour, exact alpha and shadow."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.synth import stage
from eval.synth.camera import frame
from eval.synth.layers import Draft, coverage, photograph, save_arrays
from eval.synth.mesh import translate
from eval.synth.passes import load_bpy
from eval.synth.spec import Arrangement, Part, View, moved
from models.training.sprites.shelf import SHELF, lay

log = logging.getLogger("segtile")

COLUMNS, ROWS = 4, 3
CELL = 320  # px of a cell's side
PITCH = 2.9  # cm from cell to cell; a piece spans 2 cm
BEAUTY, SHADOW, ALPHA = 6, 12, 24  # samples per pixel: the denoiser does the rest, and alpha is rounded to 8 bits
COARSER = 2  # the shadow is rendered at half the size
WHITE = 0.93  # encoded value that the empty table is exposed to


def kinds_of(sheet: int) -> list[str]:
    """The kinds that lie on a sheet: the shelf is gone through in order, sheet after sheet."""
    names = list(SHELF)
    per = COLUMNS * ROWS
    return [names[(sheet * per + i) % len(names)] for i in range(per)]


def arrange(sheet: int, seed: int) -> tuple[Arrangement, list[list[Part]]]:
    """The scene of a sheet, and its pieces one by one in the order of `kinds_of`."""
    rng = np.random.default_rng([seed, sheet])
    pieces = []
    for i, kind in enumerate(kinds_of(sheet)):
        place = translate((i % COLUMNS) * PITCH, -(i // COLUMNS) * PITCH)
        pieces.append(moved(lay(kind, rng), place))
    view = View(elevation=float(rng.uniform(82, 90)), azimuth=float(rng.uniform(-40, 40)), fill=0.94)
    return Arrangement(tuple(part for piece in pieces for part in piece), view), pieces


def render(sheet: int, seed: int, folder: Path) -> Path:
    """Render a sheet unless its file exists already.

    The file is an npz of `names` (n,) str, and per piece i: `rgb{i}` (h, w, 3) uint8 encoded, not premultiplied and
    reaching past the edge; `alpha{i}` (h, w) uint8; `shadow{i}` (h, w) uint8, the table's brightness there * 255.

    Raises:
        ImportError: Blender's module is missing.
    """
    file = folder / f"sheet-{seed}-{sheet:03d}.npz"
    if file.exists():
        return file
    started = time.monotonic()
    scene, pieces = arrange(sheet, seed)
    camera = frame(scene, CELL * COLUMNS, CELL * ROWS)
    studio = stage.build(load_bpy(), scene, camera)
    draft = Draft(BEAUTY, SHADOW, ALPHA, COARSER, CELL)
    whole = (0, 0, camera.width, camera.height)
    everywhere = np.ones((camera.height, camera.width), bool)
    alpha = coverage(studio, whole, everywhere, draft, seed + sheet)
    out = photograph(studio, whole, alpha, draft, seed + sheet, (WHITE, 1.0))
    arrays: dict[str, NDArray[Any]] = {"names": np.array(kinds_of(sheet))}
    owner = _owners([camera.project(np.concatenate([p.points() for p in piece])) for piece in pieces], out.alpha.shape)
    for i in range(len(pieces)):
        mine = owner == i
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        arrays |= {f"rgb{i}": out.rgb[cut], f"alpha{i}": out.alpha[cut], f"shadow{i}": out.shadow[cut]}
    save_arrays(file, arrays)
    log.info("%s: %.0f s", file.name, time.monotonic() - started)
    return file


def _owners(outlines: list[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """(H, W) which piece's box is nearest to a pixel, -1 further from all than an eighth of a cell."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    far = []
    for points in outlines:
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        far.append(np.maximum(np.maximum(x0 - x, x - x1), np.maximum(y0 - y, y - y1)))
    distance = np.stack(far)
    return np.where(distance.min(axis=0) < CELL // 8, distance.argmin(axis=0), -1)
