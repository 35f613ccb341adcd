"""What a rendered scene is: its parts, its view and the settings that its picture is made with."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from eval.synth.materials import SWEEP, Material
from eval.synth.mesh import Matrix, Mesh, Points, transform


@dataclass(frozen=True, eq=False)
class Part:
    """One rigid body: a mesh (shared between copies), where it lies (4 x 4), its material or a name of MATERIALS."""

    mesh: Mesh
    material: str | Material
    matrix: Matrix = field(default_factory=lambda: np.eye(4))

    def moved(self, matrix: Matrix) -> Part:
        """The same part with a further placement applied after its own."""
        return Part(self.mesh, self.material, matrix @ self.matrix)

    def points(self) -> Points:
        """Its vertices (n, 3) in the scene."""
        return transform(self.mesh.vertices, self.matrix)


@dataclass(frozen=True)
class View:
    """How the camera looks: elevation above the table and azimuth in degrees, focal length in mm on a 36 mm sensor.

    `fill` is the share of the frame that the objects span along the tighter side.
    """

    elevation: float = 90.0
    azimuth: float = 0.0
    focal: float = 100.0
    fill: float = 0.8


@dataclass(frozen=True)
class Softbox:
    """A lamp that looks at the objects: azimuth from the camera and elevation in degrees, distance, width, and height.

    Lengths are shares of the objects' size, and so is the strength: a small one throws hard shadows.
    """

    azimuth: float
    elevation: float
    distance: float
    width: float
    height: float
    power: float


# A large softbox above and behind, a strip from the left, a fill from the right.
THREE_BOXES = (
    Softbox(155.0, 62.0, 3.2, 3.4, 2.6, 1.00),
    Softbox(-75.0, 38.0, 3.0, 1.0, 2.8, 0.55),
    Softbox(70.0, 48.0, 3.4, 1.6, 2.0, 0.35),
)


@dataclass(frozen=True)
class Variant:
    """How the stage is set; the defaults are those of the published samples.

    `room` scales the light of the room, `flag` is the grey of the dark band in it, `paper` what the sweep is made of.
    `blur` is the diameter, as a share of the frame's longer side, of the disc that a point at the nearest or farthest
    end of the objects becomes (0: everything sharp); `focus` is where between these ends the lens is focused, 0..1.
    """

    boxes: tuple[Softbox, ...] = THREE_BOXES
    room: float = 1.0
    flag: float = 0.13
    paper: Material = SWEEP
    blur: float = 0.0
    focus: float = 0.4


@dataclass(frozen=True)
class Quality:
    """Render settings.

    Samples per pixel of the beauty pass, the background and the exact alpha; the fraction of full size at which the
    smooth background is rendered; the side in pixels of the windows that a picture is rendered in.
    """

    beauty: int = 24
    background: int = 48
    alpha: int = 128
    background_scale: float = 0.25
    window: int = 1600


@dataclass(frozen=True)
class Look:
    """How the layers become a photograph; values are encoded (sRGB curve), 0..1.

    `contrast` is the median difference of object and background relative to the background, None for as rendered;
    `shadow` scales the depth of shadows on the sweep.
    """

    background: float = 0.94
    contrast: float | None = None
    shadow: float = 1.0
    noise: float = 0.003


@dataclass(frozen=True)
class SceneSpec:
    """Everything that makes one picture; equal specs make equal pictures."""

    name: str
    kind: str
    seed: int
    width: int
    height: int
    quality: Quality = Quality()
    look: Look = Look()
    view: View | None = None
    stage: Variant = Variant()


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Parts lying on the table z = 0 and the view that suits them."""

    parts: tuple[Part, ...]
    view: View


def rest(parts: list[Part], clearance: float = 0.0) -> list[Part]:
    """Lower or lift a group so that its lowest vertex is `clearance` above the table."""
    low = min(float(p.points()[:, 2].min()) for p in parts)
    lift = np.eye(4)
    lift[2, 3] = clearance - low
    return [p.moved(lift) for p in parts]


def moved(parts: list[Part], *matrices: Matrix) -> list[Part]:
    """Apply placements to every part, the first one first."""
    total = np.eye(4)
    for m in matrices:
        total = m @ total
    return [p.moved(total) for p in parts]
