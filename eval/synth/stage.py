"""The studio in Blender: a white sweep, softboxes, a camera, and the objects. The bpy module is passed in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.synth.camera import SENSOR_MM, Camera
from eval.synth.materials import Material, resolve
from eval.synth.mesh import Mesh
from eval.synth.shaders import principled
from eval.synth.spec import Arrangement, Softbox, Variant

OVERSCAN = 32  # pixels around the frame that a pass may render and cut off again
VERSION = 1  # raise it when lights, sweep or shaders change, so that cached passes are rendered again


class Stage:
    """A built scene, ready to be photographed pass by pass."""

    def __init__(self, bpy: Any, objects: list[Any], sweep: Any, camera: Camera, white: Any) -> None:
        self._bpy, self._objects, self._sweep, self._camera, self._white = bpy, objects, sweep, camera, white
        self._scene = bpy.context.scene

    def show(self, objects: bool, sweep: bool) -> None:
        """What the camera sees directly; everything stays there for light, shadow and reflection."""
        for o in self._objects:
            o.visible_camera = objects
        self._sweep.visible_camera = sweep
        self._scene.render.film_transparent = not sweep

    def cover(self, on: bool) -> None:
        """Make everything emit white, so that the alpha pass converges as coverage does."""
        self._scene.view_layers[0].material_override = self._white if on else None

    def quality(
        self, samples: int, bounces: int, denoise: bool, seed: int, threshold: float, quick: bool = False
    ) -> None:
        """Most samples per pixel, light bounces, denoising, sampling seed, and the noise at which a pixel is done.

        `quick` denoises in a third of the time, a little less well, and takes fewer samples to find where edges are.
        """
        c = self._scene.cycles
        c.samples, c.seed = samples, seed
        c.use_adaptive_sampling, c.adaptive_threshold = True, threshold
        c.adaptive_min_samples = min(8 if quick else 16, samples) if bounces == 0 else max(4, samples // 3)
        c.max_bounces = c.transmission_bounces = bounces
        c.diffuse_bounces, c.glossy_bounces = min(bounces, 3), min(bounces, 5)
        c.use_denoising = denoise
        if denoise:
            c.denoiser, c.denoising_input_passes = "OPENIMAGEDENOISE", "RGB_ALBEDO_NORMAL"
            c.denoising_prefilter = "FAST" if quick else "ACCURATE"
            c.denoising_quality = "FAST" if quick else "HIGH"

    def shoot(self, window: tuple[int, int, int, int], share: float, file: Path) -> NDArray[np.float32]:
        """Render a window (x0, y0, x1, y1) of the frame scaled by `share`; (h, w, 4) float32 linear, first row on top.

        The window may reach past the frame by OVERSCAN pixels: the denoiser spoils the outermost ones.
        """
        bpy, r = self._bpy, self._scene.render
        w, h = max(1, round(self._camera.width * share)), max(1, round(self._camera.height * share))
        self._scene.camera.data.sensor_width = SENSOR_MM * (1 + 2 * OVERSCAN / max(w, h))
        x0, y0, x1, y1 = (v + OVERSCAN for v in window)
        w, h = w + 2 * OVERSCAN, h + 2 * OVERSCAN
        r.resolution_x, r.resolution_y, r.resolution_percentage = w, h, 100
        r.use_border = r.use_crop_to_border = True
        # A quarter pixel more: the product with the size is cut to a whole number, and must not fall short of it.
        r.border_min_x, r.border_max_x = (x0 + 0.25) / w, (x1 + 0.25) / w
        r.border_min_y, r.border_max_y = (h - y1 + 0.25) / h, (h - y0 + 0.25) / h
        r.filepath = str(file)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(file))
        try:
            width, height = image.size
            if (width, height) != (x1 - x0, y1 - y0):
                raise RuntimeError(f"asked for a window of {x1 - x0} x {y1 - y0} px, Blender made {width} x {height}")
            flat = np.empty(width * height * 4, np.float32)
            image.pixels.foreach_get(flat)
        finally:
            bpy.data.images.remove(image)
        return np.ascontiguousarray(flat.reshape(height, width, 4)[::-1])


def build(bpy: Any, arrangement: Arrangement, camera: Camera, variant: Variant | None = None) -> Stage:
    """Empty Blender and build the scene anew, on the stage of the samples if no other is given."""
    variant = variant or Variant()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BLACKMAN_HARRIS", 1.5
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 8.0
    scene.cycles.film_transparent_glass = False
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_mode, scene.render.image_settings.color_depth = "RGBA", "32"
    points = np.concatenate([p.points() for p in arrangement.parts])
    size = float(np.ptp(points, axis=0).max())
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    objects = _objects(bpy, arrangement)
    sweep = _sweep(bpy, size, centre, level=arrangement.view.elevation < 60, paper=variant.paper)
    _lights(bpy, variant.boxes, size, centre, arrangement.view.azimuth)
    _world(bpy, variant)
    lens = _camera(bpy, camera, size)
    if variant.blur > 0:
        _focus(lens, camera, points, variant)
    return Stage(bpy, objects, sweep, camera, _white(bpy))


def _objects(bpy: Any, arrangement: Arrangement) -> list[Any]:
    meshes: dict[tuple[int, str | Material], Any] = {}
    materials: dict[str | Material, Any] = {}
    out = []
    for n, part in enumerate(arrangement.parts):
        key = (id(part.mesh), part.material)
        if part.material not in materials:
            materials[part.material] = principled(bpy, f"material{len(materials)}", resolve(part.material))
        if key not in meshes:
            meshes[key] = _mesh(bpy, part.mesh, f"mesh{n}")
            meshes[key].materials.append(materials[part.material])
        o = bpy.data.objects.new(f"part{n}", meshes[key])
        o.matrix_world = _rows(part.matrix)
        bpy.context.scene.collection.objects.link(o)
        out.append(o)
    return out


def _rows(matrix: NDArray[np.float64]) -> Any:
    from mathutils import Matrix  # comes with bpy; plain nested lists would be read column by column

    return Matrix([list(map(float, row)) for row in matrix])


def _mesh(bpy: Any, mesh: Mesh, name: str) -> Any:
    import bmesh  # comes with bpy

    data = bpy.data.meshes.new(name)
    data.from_pydata(mesh.vertices.tolist(), [], [list(f) for f in mesh.faces])
    b = bmesh.new()
    b.from_mesh(data)
    bmesh.ops.recalc_face_normals(b, faces=b.faces)
    b.to_mesh(data)
    b.free()
    data.polygons.foreach_set("use_smooth", [mesh.smooth] * len(data.polygons))
    return data


def _white(bpy: Any) -> Any:
    out = bpy.data.materials.new("white")
    out.cycles.emission_sampling = "NONE"  # it lights nothing: without this every triangle is built as a lamp
    tree = out.node_tree
    tree.nodes.clear()
    glow = tree.nodes.new("ShaderNodeEmission")
    end = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(glow.outputs["Emission"], end.inputs["Surface"])
    return out


def _sweep(bpy: Any, size: float, centre: NDArray[np.float64], level: bool, paper: Material) -> Any:
    """Paper on the table that bends up behind the objects; seen from above it is a table alone."""
    half, bend, wall = 30 * size, 3.0 * size, 30 * size
    profile = [(-half, 0.0)]
    if level:
        profile += [
            (3 * size + bend * math.sin(a), bend * (1 - math.cos(a))) for a in np.linspace(0.0, math.pi / 2, 40)
        ]
        profile.append((3 * size + bend, wall))
    else:
        profile.append((half, 0.0))
    vertices = [(x + centre[0], y + centre[1], z) for y, z in profile for x in (-half, half)]
    faces = [(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(len(profile) - 1)]
    data = _mesh(bpy, Mesh(np.array(vertices), tuple(faces)), "sweep")
    data.materials.append(principled(bpy, "sweep", paper))
    o = bpy.data.objects.new("sweep", data)
    bpy.context.scene.collection.objects.link(o)
    return o


def _lights(bpy: Any, boxes: tuple[Softbox, ...], size: float, centre: NDArray[np.float64], azimuth: float) -> None:
    """The lamps, unseen by the camera."""
    for box in boxes:
        a, e = math.radians(box.azimuth + azimuth), math.radians(box.elevation)
        direction = np.array([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])
        data = bpy.data.lights.new("softbox", "AREA")
        data.shape, data.size, data.size_y = "RECTANGLE", box.width * size, box.height * size
        data.energy = box.power * 26.0 * size * size
        o = bpy.data.objects.new("softbox", data)
        o.matrix_world = _look(direction, centre + direction * box.distance * size)
        o.visible_camera = False
        bpy.context.scene.collection.objects.link(o)


def _look(back: NDArray[np.float64], place: NDArray[np.float64]) -> Any:
    """A 4 x 4 matrix whose -z looks against `back`."""
    right = np.cross([0.0, 0.0, 1.0], back)
    right = right / np.linalg.norm(right) if np.linalg.norm(right) > 1e-6 else np.array([1.0, 0.0, 0.0])
    m = np.eye(4)
    m[:3, 0], m[:3, 1], m[:3, 2], m[:3, 3] = right, np.cross(back, right), back, place
    return _rows(m)


def _world(bpy: Any, variant: Variant) -> None:
    """A room that is light above, with a dark flag round it: metal needs something to reflect, its edges a dark."""
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    tree = world.node_tree
    tree.nodes.clear()
    coordinates = tree.nodes.new("ShaderNodeTexCoord")
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    glow = tree.nodes.new("ShaderNodeBackground")
    end = tree.nodes.new("ShaderNodeOutputWorld")
    first, last = ramp.color_ramp.elements[0], ramp.color_ramp.elements[1]
    first.position, first.color = 0.0, (0.10, 0.10, 0.105, 1)
    last.position, last.color = 0.98, (1.0, 1.0, 1.0, 1)
    for height, grey in ((0.32, 0.42), (0.58, variant.flag), (0.80, 0.80)):  # light, a dark flag, and light again above
        ramp.color_ramp.elements.new(height).color = (grey, grey, grey * 1.02, 1)
    glow.inputs["Strength"].default_value = variant.room
    tree.links.new(coordinates.outputs["Generated"], split.inputs["Vector"])
    tree.links.new(split.outputs["Z"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], glow.inputs["Color"])
    tree.links.new(glow.outputs["Background"], end.inputs["Surface"])


def _camera(bpy: Any, camera: Camera, size: float) -> Any:
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width, data.sensor_fit = camera.focal, SENSOR_MM, "AUTO"
    data.clip_start, data.clip_end = 0.05 * size, 200 * size
    o = bpy.data.objects.new("camera", data)
    o.matrix_world = _rows(camera.matrix)
    bpy.context.scene.collection.objects.link(o)
    bpy.context.scene.camera = o
    return data


def _focus(lens: Any, camera: Camera, points: NDArray[np.float64], variant: Variant) -> None:
    """Open the lens so far that the objects' nearest and farthest ends blur as the variant says."""
    inverse = np.linalg.inv(camera.matrix)
    far = -(points @ inverse[:3, :3].T + inverse[:3, 3])[:, 2]
    near, end = float(far.min()), float(far.max())
    distance = near + variant.focus * (end - near)
    disc = variant.blur * SENSOR_MM / camera.focal * distance  # its diameter in the plane of focus
    stray = max(abs(near - distance) / near, abs(end - distance) / end)
    lens.dof.use_dof, lens.dof.focus_distance = True, distance
    lens.dof.aperture_fstop = camera.focal / 1000.0 * max(stray, 1e-6) / disc  # Blender takes the unit for a metre
