"""Materials by name, as numbers for Blender's Principled shader."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """Linear base colour and Principled settings; `transmission` 1 is clear glass, `coat` a lacquer over the base.

    `pattern` mixes `second` into the colour: 'spots', 'stripes', 'clouds', or 'wood'. `bump` roughens the surface:
    'hammer', 'grain', 'brush' (fine lines along x), or 'weave'. Both repeat `per_cm` times a centimetre.
    """

    colour: Colour
    metallic: float = 0.0
    roughness: float = 0.1
    ior: float = 1.5
    transmission: float = 0.0
    coat: float = 0.0
    film_nm: float = 0.0
    sheen: float = 0.0
    subsurface: float = 0.0
    pattern: str = ""
    second: Colour = (0.0, 0.0, 0.0)
    bump: str = ""
    depth: float = 0.0
    per_cm: float = 1.0


# Metal colours are reflectances at normal incidence in linear sRGB.
MATERIALS: dict[str, Material] = {
    "gold": Material((0.98, 0.70, 0.30), 1.0, 0.07),
    "gold_satin": Material((0.96, 0.69, 0.31), 1.0, 0.26),
    "rose": Material((0.95, 0.62, 0.48), 1.0, 0.08),
    "silver": Material((0.93, 0.92, 0.90), 1.0, 0.08),
    "silver_satin": Material((0.90, 0.89, 0.87), 1.0, 0.27),
    "platinum": Material((0.80, 0.79, 0.77), 1.0, 0.09),
    "steel_dark": Material((0.36, 0.36, 0.38), 1.0, 0.18),
    "diamond": Material((1.0, 1.0, 1.0), roughness=0.0, ior=2.42, transmission=1.0),
    "sapphire": Material((0.05, 0.12, 0.62), roughness=0.0, ior=1.77, transmission=1.0),
    "emerald": Material((0.03, 0.50, 0.20), roughness=0.0, ior=1.58, transmission=1.0),
    "ruby": Material((0.70, 0.02, 0.06), roughness=0.0, ior=1.77, transmission=1.0),
    "amethyst": Material((0.42, 0.20, 0.70), roughness=0.0, ior=1.55, transmission=1.0),
    "onyx": Material((0.012, 0.012, 0.014), roughness=0.06, ior=1.54),
    "turquoise": Material((0.10, 0.52, 0.52), roughness=0.18, ior=1.61),
    "pearl": Material((0.86, 0.82, 0.77), roughness=0.22, ior=1.53, coat=0.6, film_nm=320.0),
    "pearl_white": Material((0.90, 0.89, 0.87), roughness=0.24, ior=1.53, coat=0.5),
    "porcelain": Material((0.90, 0.90, 0.89), roughness=0.12, ior=1.52, coat=0.4),
    "thread": Material((0.80, 0.79, 0.76), roughness=0.8),
}
SWEEP = Material((0.82, 0.82, 0.82), roughness=0.9)


def resolve(material: str | Material) -> Material:
    """The material of that name, or the one given."""
    return MATERIALS[material] if isinstance(material, str) else material
