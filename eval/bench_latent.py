"""Latent tiling: what stitched denoising loses against the whole picture, and what decoding by strips costs.

    python -m eval.bench_latent            # needs: pip install segtile[latent]
    python -m eval.bench_latent --quick    # a minute, sizes at which memory says nothing

Everything is made from seeds: an AutoencoderKL of diffusers with random weights (the mechanism is in its layers), and a
denoiser of limited reach that decides for itself what it makes of the noise (`eval.latent_models.DomainDenoiser`). The
reference of the first table is the same picture denoised and decoded in one piece.

Decoders are measured each in a process of its own; peak memory is the process's largest resident size, with what the
interpreter, torch and the weights take (the column "of that before") and without.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from eval.latent_models import LATENT_CHANNELS, DomainDenoiser, small_vae
from segtile.backends.diffusers_vae import DiffusersVae
from segtile.backends.torch_features import torch_runtime
from segtile.edit.latent import Mix, decode_tiles, denoise_tiles, latent_noise, latent_plan, scaled_plan
from segtile.merge.mosaic import AxisPlan, MosaicPlan
from segtile.metrics.seams import Border, seam_grad, seam_ramp
from segtile.raster.open import open_raster
from segtile.resources import peak_rss_mb
from segtile.types import Array, Box, FloatArray

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data_samples" / "cup_white.jpg"
DECODERS = ("whole", "strips", "diffusers tiling")
#: Wide enough that feature maps and not the interpreter decide: a quarter to a half of a Stable Diffusion decoder.
WIDE = (64, 128, 128, 128)


@dataclass(frozen=True)
class Way:
    """One way of stitching: a row of the first table."""

    name: str
    mix: Mix
    overlap: int
    decode: Literal["tiles", "once"]


WAYS = (
    Way("naive tiles, each decoded alone", "none", 0, "tiles"),
    Way("finished latents averaged, tiles decoded alone", "finished", 16, "tiles"),
    Way("latents averaged at every step, tiles decoded alone", "step", 16, "tiles"),
    Way("latents averaged at every step, one decode", "step", 16, "once"),
    Way("(beside) finished latents averaged, one decode", "finished", 16, "once"),
    Way("(beside) finished latents cut mid-overlap, one decode", "none", 16, "once"),
    Way("(beside) clamped to the earlier tile, one decode", "clamped", 16, "once"),
)


def psnr(a: Array, b: Array, rows: int = 256) -> float:
    """PSNR of a against b in dB over b's own range; infinite where they are equal."""
    error = sum(
        float(np.square(a[y : y + rows] - b[y : y + rows], dtype=np.float64).sum()) for y in range(0, len(b), rows)
    )
    mean = error / b.size
    return float("inf") if mean == 0 else float(10 * np.log10(float(np.ptp(b)) ** 2 / mean))


def borders(plan: MosaicPlan) -> tuple[Border, ...]:
    """The lines in the middle of the plan's ramps, over the whole picture; controls in the middle between them."""

    def axis(axis: AxisPlan, across: int, vertical: bool) -> list[Border]:
        lines = [(start + stop) // 2 for start, stop in axis.ramps]
        ends = [0, *lines, axis.length]
        middles = [(a + b) // 2 for a, b in pairwise(ends)]
        return [Border(vertical, line, 0, across, tuple(middles[i : i + 2])) for i, line in enumerate(lines)]

    return (*axis(plan.xs, plan.height, True), *axis(plan.ys, plan.width, False))


def sample_picture(side: int) -> Array:
    """The middle of a sample picture, reduced to (side, side, 3) uint8."""
    with open_raster(SAMPLE) as raster:
        info = raster.info
        edge = min(info.width, info.height)
        box = Box(0, 0, edge, edge).shift((info.width - edge) // 2, (info.height - edge) // 2)
        window = raster.window(box)
    return cv2.resize(window[..., :3], (side, side), interpolation=cv2.INTER_AREA)


def stitching(side: int, tile: int, steps: int) -> None:
    """Print the table of ways to stitch."""
    picture = sample_picture(side)
    model = small_vae()
    raw = DiffusersVae(model).encode(picture)
    mean, std = raw.mean((0, 1)), raw.std((0, 1))
    model.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
    vae = DiffusersVae(model)
    latent = vae.encode(picture)
    denoiser, noise = DomainDenoiser(steps, strength=1.0, radius=2.5), latent_noise(latent.shape, seed=1)
    cells = latent.shape[0]
    whole = denoise_tiles(latent, noise, denoiser, latent_plan(cells, cells, cells, 0))
    reference = vae.decode(whole)
    print(f"Denoising {side} px, {cells} cells, in tiles of {tile}; {steps} steps; seams as ratio to control lines\n")
    print("| way | tiles | latent dB | picture dB | seam_grad | seam_ramp |")
    print("|---|---|---|---|---|---|")
    for way in WAYS:
        plan = latent_plan(cells, cells, tile, way.overlap)
        if way is WAYS[0]:
            print(f"| whole picture in one piece | 1 | - | - | {_seams(reference, reference, plan, vae.factor)} |")
        made = denoise_tiles(latent, noise, denoiser, plan, way.mix)
        decoded = vae.decode(made) if way.decode == "once" else decode_tiles(made, vae, plan, np.float32)
        seams = _seams(decoded, reference, plan, vae.factor)
        print(f"| {way.name} | {len(plan)} | {psnr(made, whole):.1f} | {psnr(decoded, reference):.1f} | {seams} |")
    print()


def _seams(picture: FloatArray, reference: FloatArray, plan: MosaicPlan, factor: int) -> str:
    """Both seam figures of a picture, brought to 0..1 by the reference's range."""
    low, high = float(reference.min()), float(reference.max())
    tone = (picture - np.float32(low)) / np.float32(high - low)
    lines = borders(scaled_plan(plan, factor))
    return f"{seam_grad(tone, lines).ratio:.2f} | {seam_ramp(tone, lines).ratio:.2f}"


def uneven_latent(side: int) -> FloatArray:
    """Noise whose mean and spread differ from quarter to quarter: tiles have other statistics than the whole."""
    latent = latent_noise((side, side, LATENT_CHANNELS), seed=0)
    half = side // 2
    latent[:half] = latent[:half] * np.float32(1.5) + np.float32(1.0)
    latent[:, half:] = latent[:, half:] * np.float32(0.6) - np.float32(0.5)
    return latent


def decode_in_this_process(decoder: str, side: int, channels: tuple[int, ...], target: Path) -> None:
    """Decode, save the picture and print what it took as JSON."""
    torch_runtime().set_num_threads(2)
    model = small_vae(channels, groups=min(32, channels[0] // 2))
    if decoder == "diffusers tiling":
        model.enable_tiling()  # tiles of sample_size px, a quarter of it overlapping
    vae = DiffusersVae(model, by_strips=decoder == "strips")
    latent = uneven_latent(side // vae.factor)
    before = peak_rss_mb() or float("nan")
    started = time.process_time()
    picture = vae.decode(latent)
    cpu, peak = time.process_time() - started, peak_rss_mb() or float("nan")
    np.save(target, picture)
    print(json.dumps({"cpu": cpu, "peak": peak, "before": before}))


def decoding(side: int, channels: tuple[int, ...]) -> None:
    """Print the table of decoders."""
    print(f"Decoding to {side} px by an AutoencoderKL of {channels} channels with attention\n")
    print("| decoder | dB to whole | peak MB | of that before | above it, to whole | peak, to whole | CPU s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        rows: dict[str, dict[str, Any]] = {}
        for decoder in DECODERS:
            target = Path(folder) / f"{decoder}.npy"
            command = [
                sys.executable,
                "-m",
                "eval.bench_latent",
                "--one",
                decoder,
                str(side),
                json.dumps(channels),
                str(target),
            ]
            done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
            if done.returncode:
                raise RuntimeError(f"{decoder} failed:\n{done.stderr}")
            rows[decoder] = row = json.loads(done.stdout.splitlines()[-1])
            whole, reference = rows["whole"], np.load(Path(folder) / "whole.npy", mmap_mode="r")
            quality = "-" if decoder == "whole" else f"{psnr(np.load(target, mmap_mode='r'), reference):.1f}"
            above = (row["peak"] - row["before"]) / (whole["peak"] - whole["before"])
            print(
                f"| {decoder} | {quality} | {row['peak']:.0f} | {row['before']:.0f} | {above:.2f} "
                f"| {row['peak'] / whole['peak']:.2f} | {row['cpu']:.1f} |",
                flush=True,
            )
    print()


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--side", type=int, default=1024, help="px of the decoded picture (default 1024)")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        decoder, side, channels, target = options.one
        decode_in_this_process(decoder, int(side), tuple(json.loads(channels)), Path(target))
    elif options.quick:
        stitching(side=192, tile=24, steps=5)
        decoding(256, (16, 32, 32))
    else:
        stitching(side=512, tile=48, steps=20)
        decoding(options.side, WIDE)


if __name__ == "__main__":
    main()
