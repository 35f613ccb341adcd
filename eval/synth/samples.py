"""The pictures of data_samples: which scenes they are, and how they are made from them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.synth import composite
from eval.synth.files import write
from eval.synth.passes import render
from eval.synth.spec import Look, Quality, SceneSpec

log = logging.getLogger("segtile")
SHARP = Quality(beauty=18, background=24, alpha=64, background_scale=0.3)
FINE = Quality(beauty=10, background=16, alpha=64, background_scale=0.2)
LARGE = Quality(beauty=8, background=12, alpha=48, background_scale=0.12, window=900)


@dataclass(frozen=True)
class Sample:
    """One published picture: its scene and how its file is written."""

    spec: SceneSpec
    suffix: str = ".jpg"
    bits: int = 8
    profile: str = "srgb"
    quality: int = 95


SAMPLES: tuple[Sample, ...] = (
    Sample(SceneSpec("ring", "ring", 7, 2000, 1500, SHARP, Look(0.94))),
    Sample(SceneSpec("flatlay", "flatlay", 9, 2400, 1800, FINE, Look(0.93))),
    Sample(SceneSpec("filigree", "filigree", 8, 2000, 1500, FINE, Look(0.945))),
    Sample(
        SceneSpec("pearls_white", "pearls", 7, 1600, 1200, FINE, Look(0.945, contrast=0.04, shadow=0.45, noise=0.0009)),
        ".tif",
        16,
        "p3",
    ),
    Sample(SceneSpec("cup_white", "cup", 7, 1800, 1500, FINE, Look(0.95, contrast=0.05, shadow=0.5, noise=0.002))),
    Sample(SceneSpec("earrings", "earrings", 11, 1500, 1800, FINE, Look(0.94, noise=0.0)), ".png"),
    Sample(SceneSpec("necklace_6000", "necklace", 11, 6000, 4500, LARGE, Look(0.935, noise=0.002)), quality=93),
)


def make(sample: Sample, cache: Path, folder: Path) -> dict[str, Any]:
    """Render what is missing, write the picture and NAME_alpha.png, and return its row for samples.json."""
    spec = sample.spec
    layers = render(spec, cache)
    encoded = composite.develop(layers.alpha, layers.beauty, layers.background, spec.look, sample.bits)
    pixels = composite.add_noise(composite.compose(encoded), spec.look.noise, spec.seed)
    file, alpha = f"{spec.name}{sample.suffix}", f"{spec.name}_alpha.png"
    write(folder / file, composite.quantise(pixels, sample.bits), sample.profile, sample.quality)
    write(folder / alpha, composite.quantise(encoded.alpha, sample.bits))
    row = {
        "file": file,
        "alpha": alpha,
        "width": spec.width,
        "height": spec.height,
        "kind": spec.kind,
        "seed": spec.seed,
        "bits": sample.bits,
        "white_on_white": spec.look.contrast is not None and spec.look.contrast < 0.06,
        "contrast": round(composite.contrast(pixels, encoded.alpha, encoded.white), 4),
        "edge_visible": round(composite.visible_edge(encoded), 4),
    }
    log.info("%s: contrast %s, visible edge %s", file, row["contrast"], row["edge_visible"])
    return row


def make_all(samples: Sequence[Sample], cache: Path, folder: Path) -> None:
    """Make the samples one by one, and list those made in samples.json, in the order of SAMPLES."""
    table = folder / "samples.json"
    rows = {r["file"]: r for r in json.loads(table.read_text())} if table.exists() else {}
    for sample in samples:
        row = make(sample, cache, folder)
        rows[row["file"]] = row
        order = [f"{s.spec.name}{s.suffix}" for s in SAMPLES]
        known = sorted((r for n, r in rows.items() if n in order), key=lambda r: order.index(r["file"]))
        part = table.with_name(table.name + ".part")
        part.write_text(json.dumps(known, indent=1) + "\n")
        part.replace(table)
