"""What the exported network does to held-out pictures, damage by damage. onnxruntime and scikit-image; no torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from models.training.enhance.degrade import Damage, Float, degrade
from models.training.enhance.pictures import Source

SEED = 77
DAMAGES: dict[str, Damage] = {
    "blur, sigma 0.6 px": Damage(blur=0.6),
    "blur, sigma 1.0 px": Damage(blur=1.0),
    "defocus, radius 1.2 px": Damage(defocus=1.2),
    "noise, ISO low": Damage(shot=1e-4, read=1e-3),
    "noise, ISO high": Damage(shot=1e-3, read=4e-3),
    "noise, ISO high, Bayer": Damage(shot=1e-3, read=4e-3, mosaic=True),
    "JPEG 90, 4:4:4": Damage(jpeg=90),
    "JPEG 75, 4:2:0": Damage(jpeg=75, halved=True),
    "blur 0.6, noise, Bayer, JPEG 85 4:2:0": Damage(0.6, 0.0, 3e-4, 2e-3, True, 85, True),
}


@dataclass(frozen=True)
class Row:
    """Means over the pictures: PSNR in dB and SSIM against the clean picture, before and after; px measured."""

    name: str
    psnr: tuple[float, float]
    ssim: tuple[float, float]
    seconds: float
    pixels: int


def evaluate(weights: Path, given: Source) -> list[Row]:
    """A row per damage over the sharp pictures, and one each for sharp and native pictures that are clean.

    Raises:
        FileNotFoundError: no such file of weights.
        ImportError: onnxruntime is not installed.
    """
    run = runner(weights)
    run(given.sharp[0])  # the first run is slower and not timed
    sharp = [_stored(p) for p in given.sharp]
    rows = []
    for name, damage in DAMAGES.items():
        rng = np.random.default_rng(SEED)
        rows.append(_row(name, run, [(degrade(clean, damage, rng), clean) for clean in sharp]))
    rows.append(_row("none: clean, sharp", run, [(p, p) for p in sharp]))
    rows.append(_row("none: clean, as rendered", run, [(p, p) for p in map(_stored, given.native)]))
    return rows


def runner(weights: Path) -> Callable[[Float], Float]:
    """A function of a picture (h, w, 3) float32 0..1, on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ImportError: onnxruntime is not installed.
    """
    import onnxruntime

    if not weights.exists():
        raise FileNotFoundError(f"no weights at {weights}: the verb export writes them")
    session = onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])

    def run(picture: Float) -> Float:
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
        return np.asarray(session.run(["image_out"], {"image": planes})[0])[0].transpose(1, 2, 0)

    return run


def table(rows: list[Row]) -> str:
    """The rows as Markdown, and what a megapixel takes."""
    lines = ["| damage | PSNR before | after | gain | SSIM before | after |", "|---|---|---|---|---|---|"]
    for row in rows:
        before, after = row.psnr
        gain = f"{after - before:+.2f}" if np.isfinite(before) else ""
        lines.append(f"| {row.name} | {before:.2f} | {after:.2f} | {gain} | {row.ssim[0]:.4f} | {row.ssim[1]:.4f} |")
    spent = sum(row.seconds for row in rows) / sum(row.pixels for row in rows) * 1e6
    return "\n".join([*lines, "", f"{spent:.2f} s of processor time per megapixel"])


def _row(name: str, run: Callable[[Float], Float], pairs: list[tuple[Float, Float]]) -> Row:
    figures, seconds = [], 0.0
    for worse, clean in pairs:
        started = time.process_time()
        better = run(worse)
        seconds += time.process_time() - started
        figures.append([f(clean, x) for f in (_psnr, _ssim) for x in (worse, _stored(better))])
    before, after, alike, more = np.mean(figures, axis=0).tolist()
    return Row(name, (before, after), (alike, more), seconds, sum(clean[..., 0].size for _, clean in pairs))


def _psnr(clean: Float, other: Float) -> float:
    if np.array_equal(clean, other):
        return float("inf")
    return float(peak_signal_noise_ratio(clean, other, data_range=1.0))  # type: ignore[no-untyped-call]


def _ssim(clean: Float, other: Float) -> float:
    return float(structural_similarity(clean, other, channel_axis=2, data_range=1.0))  # type: ignore[no-untyped-call]


def _stored(picture: Float) -> Float:
    """As an 8-bit file holds it."""
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.float32) / np.float32(255)
