"""Shader nodes of a material in Blender; the bpy module is passed in."""

from __future__ import annotations

from typing import Any

from eval.synth.materials import Material


def principled(bpy: Any, name: str, m: Material) -> Any:
    """A Blender material: the Principled shader with the material's numbers, its pattern and its bumps."""
    out = bpy.data.materials.new(name)
    shader = out.node_tree.nodes["Principled BSDF"].inputs
    shader["Base Color"].default_value = (*m.colour, 1.0)
    shader["Metallic"].default_value = m.metallic
    shader["Roughness"].default_value = m.roughness
    shader["IOR"].default_value = m.ior
    shader["Transmission Weight"].default_value = m.transmission
    shader["Coat Weight"].default_value = m.coat
    shader["Coat Roughness"].default_value = 0.06
    shader["Thin Film Thickness"].default_value = m.film_nm
    if m.sheen:
        shader["Sheen Weight"].default_value = m.sheen
    if m.subsurface:
        shader["Subsurface Weight"].default_value = m.subsurface
        shader["Subsurface Scale"].default_value = 0.2
    if m.pattern:
        _pattern(out.node_tree, m)
    if m.bump:
        _bump(out.node_tree, m)
    return out


def _place(tree: Any, scale: tuple[float, float, float]) -> Any:
    """The object's own coordinates, scaled."""
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    mapping = tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Scale"].default_value = scale
    tree.links.new(coordinates.outputs["Object"], mapping.inputs["Vector"])
    return mapping.outputs["Vector"]


def _noise(tree: Any, vector: Any, detail: float) -> Any:
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 1.0
    noise.inputs["Detail"].default_value = detail
    tree.links.new(vector, noise.inputs["Vector"])
    return noise.outputs["Fac"]


def _cells(tree: Any, vector: Any) -> Any:
    cells = tree.nodes.new("ShaderNodeTexVoronoi")
    cells.inputs["Scale"].default_value = 1.0
    tree.links.new(vector, cells.inputs["Vector"])
    return cells.outputs["Distance"]


def _bands(tree: Any, vector: Any, kind: str, direction: str, distortion: float) -> Any:
    wave = tree.nodes.new("ShaderNodeTexWave")
    wave.wave_type, wave.bands_direction = kind, direction
    wave.inputs["Scale"].default_value = 0.32  # of Blender's wave, about one band a unit
    wave.inputs["Distortion"].default_value = distortion
    wave.inputs["Detail"].default_value = 3.0
    tree.links.new(vector, wave.inputs["Vector"])
    return wave.outputs["Fac"]


def _pattern(tree: Any, m: Material) -> None:
    """Mix the second colour into the first, by a ramp over the pattern's value."""
    k = m.per_cm
    if m.pattern == "spots":
        value, low, high = _cells(tree, _place(tree, (k, k, k))), 0.28, 0.34
    elif m.pattern == "stripes":
        value, low, high = _bands(tree, _place(tree, (k, k, k)), "BANDS", "Z", 0.0), 0.45, 0.55
    elif m.pattern == "wood":
        value, low, high = _bands(tree, _place(tree, (0.15 * k, k, k)), "BANDS", "Y", 6.0), 0.1, 0.9
    else:
        value, low, high = _noise(tree, _place(tree, (k, k, k)), 4.0), 0.4, 0.6
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    first, last = ramp.color_ramp.elements[0], ramp.color_ramp.elements[1]
    first.position, first.color = low, (*m.second, 1.0)
    last.position, last.color = high, (*m.colour, 1.0)
    tree.links.new(value, ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])


def _bump(tree: Any, m: Material) -> None:
    k = m.per_cm
    if m.bump == "hammer":
        value = _cells(tree, _place(tree, (k, k, k)))
    elif m.bump == "brush":
        value = _noise(tree, _place(tree, (0.03 * k, k, k)), 2.0)
    elif m.bump == "weave":
        across = _bands(tree, _place(tree, (k, k, k)), "BANDS", "X", 0.6)
        along = _bands(tree, _place(tree, (k, k, k)), "BANDS", "Y", 0.6)
        total = tree.nodes.new("ShaderNodeMath")
        total.operation = "ADD"
        tree.links.new(across, total.inputs[0])
        tree.links.new(along, total.inputs[1])
        value = total.outputs["Value"]
    else:
        value = _noise(tree, _place(tree, (k, k, k)), 5.0)
    bump = tree.nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value = 1.0
    bump.inputs["Distance"].default_value = m.depth
    tree.links.new(value, bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], tree.nodes["Principled BSDF"].inputs["Normal"])
