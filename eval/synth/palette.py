"""Materials drawn at random: metals in several finishes, stones, pearls, ceramics, plastics, cloth, wood, enamel."""

from __future__ import annotations

import colorsys
from dataclasses import replace

import numpy as np

from eval.synth.materials import MATERIALS, Colour, Material

Rng = np.random.Generator
METALS = ("gold", "gold", "rose", "silver", "silver", "platinum", "steel_dark")
STONES = ("diamond", "diamond", "sapphire", "emerald", "ruby", "amethyst")


def colour(rng: Rng, saturation: tuple[float, float] = (0.2, 0.9), value: tuple[float, float] = (0.15, 0.9)) -> Colour:
    """Any hue, linear."""
    r, g, b = colorsys.hsv_to_rgb(float(rng.random()), float(rng.uniform(*saturation)), float(rng.uniform(*value)))
    return (r**2.2, g**2.2, b**2.2)


def metal(rng: Rng) -> Material:
    """Polished most of the time, else satin, brushed, hammered or of a plated colour."""
    base = MATERIALS[METALS[int(rng.integers(len(METALS)))]]
    tint = rng.uniform(0.93, 1.0, 3)
    base = replace(base, colour=tuple(float(c * t) for c, t in zip(base.colour, tint, strict=True)))  # type: ignore[arg-type]
    finish = rng.random()
    if finish < 0.5:
        return replace(base, roughness=float(rng.uniform(0.03, 0.14)))
    if finish < 0.68:
        return replace(base, roughness=float(rng.uniform(0.2, 0.42)))
    if finish < 0.8:
        return replace(base, roughness=0.22, bump="brush", depth=0.004, per_cm=60.0)
    if finish < 0.92:
        return replace(base, roughness=0.12, bump="hammer", depth=0.02, per_cm=float(rng.uniform(5, 11)))
    plated = ((0.05, 0.05, 0.06), (0.42, 0.22, 0.12), (0.25, 0.18, 0.10), (0.55, 0.45, 0.25))[int(rng.integers(4))]
    return replace(base, colour=plated, roughness=float(rng.uniform(0.1, 0.3)))


def stone(rng: Rng) -> Material:
    """A clear stone, colourless or coloured."""
    if rng.random() < 0.7:
        return MATERIALS[STONES[int(rng.integers(len(STONES)))]]
    return Material(colour(rng, (0.3, 0.9), (0.4, 0.95)), roughness=0.0, ior=1.65, transmission=1.0)


def opaque_stone(rng: Rng) -> Material:
    """Onyx, turquoise, moonstone white, coral and the like, some of them veined."""
    base = Material(colour(rng, (0.0, 0.85), (0.1, 0.95)), roughness=float(rng.uniform(0.05, 0.25)), ior=1.55)
    if rng.random() < 0.35:
        return replace(
            base, pattern="clouds", second=colour(rng, (0.0, 0.4), (0.1, 0.8)), per_cm=float(rng.uniform(2, 6))
        )
    return MATERIALS[("onyx", "turquoise")[int(rng.integers(2))]] if rng.random() < 0.3 else base


def pearl(rng: Rng) -> Material:
    """White, cream, rose or dark pearl."""
    if rng.random() < 0.4:
        return MATERIALS[("pearl", "pearl_white")[int(rng.integers(2))]]
    tone = ((0.88, 0.80, 0.70), (0.90, 0.78, 0.76), (0.10, 0.11, 0.13), (0.85, 0.86, 0.88))[int(rng.integers(4))]
    return Material(tone, roughness=0.2, ior=1.53, coat=0.6, film_nm=float(rng.uniform(200, 420)))


def enamel(rng: Rng) -> Material:
    """A glassy even colour."""
    return Material(colour(rng, (0.3, 0.95), (0.1, 0.9)), roughness=0.08, coat=0.8)


def ceramic(rng: Rng) -> Material:
    """Mostly white porcelain, glossy or bisque; else a glaze, plain, clouded or striped."""
    if rng.random() < 0.6:
        white = float(rng.uniform(0.72, 0.93))
        warm = float(rng.uniform(0.90, 1.0))
        gloss = rng.random() < 0.7
        base = Material((white, white * (1 + warm) / 2, white * warm), ior=1.52)
        return replace(base, roughness=float(rng.uniform(0.05, 0.2)) if gloss else 0.7, coat=0.4 if gloss else 0.0)
    base = Material(colour(rng, (0.1, 0.7), (0.1, 0.9)), roughness=float(rng.uniform(0.08, 0.6)), ior=1.52)
    kind = ("", "", "clouds", "stripes", "spots")[int(rng.integers(5))]
    if not kind:
        return base
    return replace(base, pattern=kind, second=colour(rng, (0.0, 0.5), (0.3, 0.95)), per_cm=float(rng.uniform(0.3, 1.6)))


def plastic(rng: Rng) -> Material:
    """Matt or glossy; white, cream, black or any colour."""
    tone = rng.random()
    if tone < 0.35:
        c: Colour = ((0.88, 0.88, 0.88), (0.92, 0.92, 0.91), (0.86, 0.82, 0.72), (0.80, 0.80, 0.82))[
            int(rng.integers(4))
        ]
    elif tone < 0.5:
        c = ((0.01, 0.01, 0.012), (0.05, 0.05, 0.05), (0.2, 0.2, 0.2))[int(rng.integers(3))]
    else:
        c = colour(rng)
    return Material(c, roughness=float(rng.choice([0.05, 0.15, 0.3, 0.5, 0.8])), ior=1.46)


def cloth(rng: Rng) -> Material:
    """Woven: white, natural or dyed, at times striped or spotted."""
    c: Colour = (0.80, 0.79, 0.76) if rng.random() < 0.3 else colour(rng, (0.0, 0.8), (0.1, 0.92))
    base = Material(c, roughness=0.85, sheen=float(rng.uniform(0, 0.5)), bump="weave", depth=0.01)
    base = replace(base, per_cm=float(rng.uniform(4, 12)))
    if rng.random() < 0.3:
        kind = ("stripes", "spots", "clouds")[int(rng.integers(3))]
        return replace(base, bump="", pattern=kind, second=colour(rng, (0.0, 0.8)), per_cm=float(rng.uniform(0.4, 1.5)))
    return base


def satin(rng: Rng) -> Material:
    """Ribbon."""
    return Material(colour(rng, (0.0, 0.9), (0.15, 0.95)), roughness=float(rng.uniform(0.25, 0.5)), sheen=0.3)


def wood(rng: Rng) -> Material:
    """Light to dark, raw or varnished."""
    dark = float(rng.uniform(0.15, 1.0))
    light = (0.62 * dark, 0.40 * dark, 0.21 * dark)
    base = Material(light, roughness=float(rng.choice([0.25, 0.6])), pattern="wood", per_cm=float(rng.uniform(1.5, 5)))
    return replace(base, second=(light[0] * 0.5, light[1] * 0.42, light[2] * 0.36))


def leaf(rng: Rng) -> Material:
    """Greens, autumn tones, and bleached white."""
    tones = ((0.10, 0.26, 0.05), (0.20, 0.30, 0.08), (0.45, 0.16, 0.04), (0.6, 0.4, 0.1), (0.75, 0.72, 0.64))
    c = np.array(tones[int(rng.integers(len(tones)))]) * rng.uniform(0.7, 1.2, 3)
    return Material((float(c[0]), float(c[1]), float(c[2])), roughness=float(rng.uniform(0.35, 0.7)))


def anything(rng: Rng) -> Material:
    """One of all of the above but clear stone."""
    makers = (metal, opaque_stone, pearl, enamel, ceramic, plastic, cloth, wood)
    return makers[int(rng.integers(len(makers)))](rng)
