"""Render a scene's layers with Blender's Cycles and keep them as arrays.

Three passes, so that the alpha is exact by construction and one render serves many pictures:
  alpha       objects made white and emitting, no bounces: the antialiased coverage;
  beauty      objects over nothing, lit by and reflecting the sweep that the camera does not see;
  background  the sweep with the objects' shadows, the objects unseen by the camera, at a fraction of full size.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.synth import stage
from eval.synth.camera import Camera, frame
from eval.synth.kinds import arrange
from eval.synth.materials import resolve
from eval.synth.spec import Arrangement, SceneSpec

log = logging.getLogger("segtile")
Window = tuple[int, int, int, int]
HALO = 16  # pixels around a window that the denoiser sees and that are cut off again


@dataclass(frozen=True, eq=False)
class Layers:
    """A scene's passes as arrays, linear light, Rec. 709 primaries.

    alpha (H, W) float32 0..1; beauty (H, W, 4) float16, premultiplied; background (h, w, 3) float16, smaller.
    """

    alpha: NDArray[np.float32]
    beauty: NDArray[np.float16]
    background: NDArray[np.float16]


def load_bpy() -> Any:
    """Import Blender's module.

    Raises:
        ImportError: bpy is not installed; the message says what brings it.
    """
    try:
        return importlib.import_module("bpy")
    except ImportError as error:
        how = "in an environment of its own with Python 3.11: pip install -r eval/synth/requirements.txt"
        raise ImportError(f"rendering needs Blender's module, {how}") from error


def digest(spec: SceneSpec, scene: Arrangement) -> str:
    """A short name for what the renders depend on: geometry, materials, stage, view and quality, but not the look."""
    h = hashlib.sha256()
    h.update(json.dumps([spec.width, spec.height, asdict(spec.quality), stage.VERSION], sort_keys=True).encode())
    h.update(json.dumps([asdict(spec.view or scene.view), asdict(spec.stage)]).encode())
    for part in scene.parts:
        h.update(repr(resolve(part.material)).encode())
        h.update(np.ascontiguousarray(part.matrix.round(6)).tobytes())
        h.update(np.ascontiguousarray(part.mesh.vertices.round(6)).tobytes())
    return h.hexdigest()[:12]


def render(spec: SceneSpec, cache: Path) -> Layers:
    """Render what the cache does not hold yet, and return all layers.

    Args:
        spec: the scene.
        cache: folder for finished passes, one subfolder per scene; a pass whose file exists is not rendered again.

    Raises:
        ImportError: bpy is missing and the cache does not hold all passes.
    """
    scene = arrange(spec.kind, spec.seed)
    folder = cache / f"{spec.name}-{digest(spec, scene)}"
    folder.mkdir(parents=True, exist_ok=True)
    camera = frame(scene, spec.width, spec.height, spec.view)
    studio: stage.Stage | None = None

    def ready() -> stage.Stage:
        nonlocal studio
        if studio is None:
            studio = stage.build(load_bpy(), scene, camera, spec.stage)
        return studio

    alpha_file = folder / "alpha.npy"
    if not alpha_file.exists():
        blurred = math.ceil(2 * spec.stage.blur * max(spec.width, spec.height))
        _save(alpha_file, _alpha(ready(), spec, reach(scene, camera, blurred)))
    alpha: NDArray[np.float32] = np.load(alpha_file)
    background_file = folder / "background.npy"
    if not background_file.exists():
        _save(background_file, _background(ready(), spec))
    beauty = np.zeros((spec.height, spec.width, 4), np.float16)
    for window in windows(alpha > 0, spec.quality.window):
        x0, y0, x1, y1 = window
        file = folder / f"beauty-{x0}-{y0}-{x1}-{y1}.npy"
        if not file.exists():
            _save(file, _beauty(ready(), spec, window))
        beauty[y0:y1, x0:x1] = np.load(file)
    return Layers(alpha, beauty, np.load(background_file))


def windows(mask: NDArray[np.bool_], side: int) -> Iterator[Window]:
    """Boxes (x0, y0, x1, y1) of a grid of `side` pixels, each shrunk to what is set in it; empty ones are left out."""
    height, width = mask.shape
    for y in range(0, height, side):
        for x in range(0, width, side):
            cell = mask[y : y + side, x : x + side]
            if cell.any():
                rows, columns = np.flatnonzero(cell.any(axis=1)), np.flatnonzero(cell.any(axis=0))
                yield int(x + columns[0]), int(y + rows[0]), int(x + columns[-1] + 1), int(y + rows[-1] + 1)


def reach(scene: Arrangement, camera: Camera, blurred: int = 0) -> NDArray[np.bool_]:
    """(H, W) true wherever a part can be seen.

    The box of each part's projected vertices, a filter's width more, and `blurred` pixels where the lens is not sharp.
    """
    out = np.zeros((camera.height, camera.width), bool)
    for part in scene.parts:
        p = camera.project(part.points())
        (x0, y0), (x1, y1) = (
            np.maximum(np.floor(p.min(axis=0)).astype(int) - 3 - blurred, 0),
            np.ceil(p.max(axis=0)).astype(int) + 4 + blurred,
        )
        out[y0 : max(y1, 0), x0 : max(x1, 0)] = True
    return out


def _alpha(studio: stage.Stage, spec: SceneSpec, where: NDArray[np.bool_]) -> NDArray[np.float32]:
    studio.show(objects=True, sweep=False)
    studio.cover(True)
    studio.quality(spec.quality.alpha, bounces=0, denoise=False, seed=spec.seed, threshold=0.002)
    out = np.zeros((spec.height, spec.width), np.float32)
    for window in windows(where, spec.quality.window):
        x0, y0, x1, y1 = window
        out[y0:y1, x0:x1] = _shoot(studio, window, 1.0, f"alpha {spec.name} {window}")[..., 3]
    studio.cover(False)
    return np.clip(out, 0.0, 1.0)


def _background(studio: stage.Stage, spec: SceneSpec) -> NDArray[np.float16]:
    studio.show(objects=False, sweep=True)
    studio.quality(spec.quality.background, bounces=1, denoise=True, seed=spec.seed, threshold=0.03)
    k = spec.quality.background_scale
    width, height = max(1, round(spec.width * k)), max(1, round(spec.height * k))
    out = _shoot(studio, (-HALO, -HALO, width + HALO, height + HALO), k, "background " + spec.name)
    return out[HALO:-HALO, HALO:-HALO, :3].astype(np.float16)


def _beauty(studio: stage.Stage, spec: SceneSpec, window: Window) -> NDArray[np.float16]:
    studio.show(objects=True, sweep=False)
    studio.quality(spec.quality.beauty, bounces=6, denoise=True, seed=spec.seed, threshold=0.03)
    x0, y0, x1, y1 = window
    out = _shoot(studio, (x0 - HALO, y0 - HALO, x1 + HALO, y1 + HALO), 1.0, f"beauty {spec.name} {window}")
    return np.clip(out[HALO:-HALO, HALO:-HALO], 0.0, 60000.0).astype(np.float16)


def _shoot(studio: stage.Stage, window: Window, share: float, what: str) -> NDArray[np.float32]:
    """Render one window of the frame scaled by `share`; (h, w, 4) float32, first row on top."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = studio.shoot(window, share, Path(folder) / "pass.exr")
    log.info("%s: %.0f s", what, time.monotonic() - started)
    return out


def _save(file: Path, array: NDArray[Any]) -> None:
    """Write an array under a temporary name and rename it, so that a killed run leaves whole passes only."""
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, array)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
