"""Scenes of the test as published pictures: stages, papers and frames that no network was trained on.

Training sees flat matt paper under its renders, and everything else by composition. Here acrylic mirrors, wood and
linen lie under the objects in the render itself.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from eval.synth import composite, variants
from eval.synth.kinds import arrange
from eval.synth.materials import SWEEP, Material
from eval.synth.spec import Look, Quality, SceneSpec

Rng = np.random.Generator
LIGHT = ("white", "offwhite", "acrylic")
PAPERS = (*LIGHT, "acrylic", "grey", "black_acrylic", "wood", "linen", "coloured")


def paper(rng: Rng, name: str, size: float) -> Material:
    """The paper of that name; patterns follow the size of the objects in cm."""
    if name == "offwhite":
        return replace(SWEEP, colour=(0.80, 0.78, float(rng.uniform(0.66, 0.76))))
    if name == "acrylic":
        return replace(SWEEP, roughness=float(rng.uniform(0.02, 0.12)), ior=float(rng.uniform(1.49, 1.7)))
    if name == "grey":
        return replace(SWEEP, colour=(float(rng.uniform(0.12, 0.6)),) * 3)
    if name == "black_acrylic":
        return replace(SWEEP, colour=(0.03, 0.03, 0.032), roughness=0.05)
    if name == "wood":
        dark = float(rng.uniform(0.3, 1.0))
        light = (0.60 * dark, 0.41 * dark, 0.24 * dark)
        grain = (0.40 * dark, 0.25 * dark, 0.13 * dark)
        return Material(light, roughness=0.45, pattern="wood", second=grain, per_cm=float(rng.uniform(4, 10)) / size)
    if name == "linen":
        tone = float(rng.uniform(0.45, 0.78))
        colour = (tone, 0.96 * tone, 0.88 * tone)
        return Material(
            colour, roughness=0.9, bump="weave", depth=0.004 * size, per_cm=float(rng.uniform(30, 60)) / size
        )
    if name == "coloured":
        return replace(
            SWEEP, colour=(float(rng.uniform(0.1, 0.8)), float(rng.uniform(0.1, 0.8)), float(rng.uniform(0.1, 0.8)))
        )
    return SWEEP


def published(kind: str, seed: int, side: int, quality: Quality, white: float, contrast: float | None) -> SceneSpec:
    """A scene with everything drawn by kind and seed: paper, lamps, lens, shape of the frame.

    Args:
        kind: of scene.
        seed: with the kind, decides everything that is drawn.
        side: the picture's longer side in pixels.
        quality: as it would be on the samples' stage; the background is rendered finer, for what it mirrors.
        white: the encoded value that white paper is exposed to; other papers come out as dark as they are beside it.
        contrast: of the objects against the paper, None for as rendered; with one, the paper is light.
    """
    rng = np.random.default_rng([zlib.crc32(kind.encode()), seed, 2])
    scene = arrange(kind, seed)
    size = float(np.ptp(np.concatenate([p.points() for p in scene.parts]), axis=0).max())
    a, b = variants.ASPECTS[int(rng.integers(len(variants.ASPECTS)))]
    width, height = (round(side * v / max(a, b)) for v in (a, b))
    names = PAPERS if contrast is None else LIGHT
    under = paper(rng, names[int(rng.integers(len(names)))], size)
    setting = replace(variants.stage(rng, variants.Framing("whole", width, height, 1.0)), paper=under)
    setting = replace(setting, blur=float(rng.uniform(0.001, 0.004)) if rng.random() < 0.3 else 0.0)
    view = scene.view
    if rng.random() < 0.2:  # cut by the frame
        view = replace(view, fill=float(rng.uniform(1.08, 1.35)))
    exposed = composite.decode(np.array([white], np.float32)) * variants.lightness(under)
    look = Look(
        background=float(composite.encode(exposed)[0]),
        contrast=contrast,
        shadow=1.0 if contrast is None else 0.5,
        noise=float(rng.uniform(0.001, 0.008)) if contrast is None else 0.0012,
    )
    fine = replace(quality, background_scale=max(quality.background_scale, 0.5))
    return SceneSpec(f"{kind}_{seed}", kind, seed, width, height, fine, look, view, setting)
