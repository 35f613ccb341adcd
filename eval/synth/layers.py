"""A scene's passes at the cheap end, as bytes: colour that reaches past the edge, exact alpha, and shadow.

What networks are trained on is rendered like this; published pictures go through `passes` and `composite.develop`.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.synth import composite, stage
from eval.synth.passes import Window, windows

HALO = 6  # pixels around a window that the denoiser sees and that are cut off again


@dataclass(frozen=True)
class Draft:
    """Samples per pixel of beauty, shadow and alpha; the shadow is rendered at 1 / `coarser` of the size."""

    beauty: int = 6
    shadow: int = 12
    alpha: int = 24
    coarser: int = 2
    window: int = 320


@dataclass(frozen=True, eq=False)
class Bytes:
    """rgb (H, W, 3) encoded, not premultiplied; alpha (H, W); shadow (H, W), the table's light * 255; all uint8."""

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    shadow: NDArray[np.uint8]


def photograph(
    studio: stage.Stage,
    window: Window,
    alpha: NDArray[np.float32],
    draft: Draft,
    seed: int,
    exposure: tuple[float, float],
) -> Bytes:
    """Render colour and shadow of a window of the frame.

    Args:
        studio: the built scene.
        window: (x0, y0, x1, y1) in pixels of the frame, all multiples of `draft.coarser`.
        alpha: (H, W) of the window, from `coverage`.
        draft: how many samples.
        seed: of Cycles; equal seeds make equal pixels.
        exposure: the encoded value that a white table is exposed to, and how light this table is beside a white one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "pass.exr"
        beauty = _beauty(studio, window, alpha > 0, draft, seed, file)
        table = _table(studio, window, draft, seed, file)
    white, albedo = exposure
    light = table @ composite.LUMA
    gain = composite.gain_for(table / np.float32(albedo), white)
    shade = np.clip(light / np.percentile(light, composite.WHITE_RANK), 0, 1)
    front = composite.encode(composite.shoulder(composite.extend(beauty, alpha) * gain))
    wide = composite.enlarge(shade[..., None], *alpha.shape)[..., 0]
    return Bytes(_bytes(front), _bytes(alpha), _bytes(wide))


def coverage(
    studio: stage.Stage, window: Window, where: NDArray[np.bool_], draft: Draft, seed: int
) -> NDArray[np.float32]:
    """The exact alpha (H, W) of a window, 0..1; `where` (H, W) is true wherever the objects may be seen."""
    studio.show(objects=True, sweep=False)
    studio.cover(True)
    studio.quality(draft.alpha, bounces=0, denoise=False, seed=seed, threshold=0.005, quick=True)
    out = np.zeros(where.shape, np.float32)
    x, y = window[:2]
    with tempfile.TemporaryDirectory() as scratch:
        for x0, y0, x1, y1 in windows(where, draft.window):
            box = (x + x0, y + y0, x + x1, y + y1)
            out[y0:y1, x0:x1] = studio.shoot(box, 1.0, Path(scratch) / "pass.exr")[..., 3]
    studio.cover(False)
    return np.clip(out, 0, 1)


def _beauty(
    studio: stage.Stage, window: Window, where: NDArray[np.bool_], draft: Draft, seed: int, file: Path
) -> NDArray[np.float32]:
    studio.quality(draft.beauty, bounces=5, denoise=True, seed=seed, threshold=0.05, quick=True)
    out = np.zeros((*where.shape, 4), np.float32)
    x, y = window[:2]
    for x0, y0, x1, y1 in windows(where, draft.window):
        wide = (x + x0 - HALO, y + y0 - HALO, x + x1 + HALO, y + y1 + HALO)
        out[y0:y1, x0:x1] = studio.shoot(wide, 1.0, file)[HALO:-HALO, HALO:-HALO]
    return out


def _table(studio: stage.Stage, window: Window, draft: Draft, seed: int, file: Path) -> NDArray[np.float32]:
    studio.show(objects=False, sweep=True)
    studio.quality(draft.shadow, bounces=1, denoise=True, seed=seed, threshold=0.05, quick=True)
    x0, y0, x1, y1 = (v // draft.coarser for v in window)
    wide = studio.shoot((x0 - HALO, y0 - HALO, x1 + HALO, y1 + HALO), 1 / draft.coarser, file)
    return np.maximum(wide[HALO:-HALO, HALO:-HALO, :3], 1e-4)


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def save_arrays(file: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an npz under a temporary name and rename it, so that a killed run leaves whole files only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, **arrays)  # type: ignore[arg-type, unused-ignore]
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
