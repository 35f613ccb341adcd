"""Stages, frames and cuts drawn at random: lamps, paper, lens, and which part of the scene the picture shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eval.synth import composite, palette
from eval.synth.camera import Camera, frame
from eval.synth.materials import SWEEP, Material
from eval.synth.mesh import Points
from eval.synth.spec import Arrangement, Softbox, Variant

Rng = np.random.Generator
ASPECTS = ((4, 3), (3, 4), (1, 1), (3, 2), (2, 3))
FRAMINGS = ("whole", "far", "cut", "close", "macro")
SHARES = (0.44, 0.07, 0.15, 0.24, 0.10)


@dataclass(frozen=True)
class Framing:
    """A picture (width x height) out of a wider frame, in which the whole scene would fill `zoom` times the picture."""

    name: str
    width: int
    height: int
    zoom: float

    @property
    def wider(self) -> float:
        """How much wider the frame is than the view that holds the scene: any picture about a point of it fits in."""
        return 1 + 2.6 / self.zoom

    def camera(self, scene: Arrangement, multiple: int) -> Camera:
        """The scene's own view with a wider sensor; the frame's sides are multiples of a number of pixels."""
        gain = self.zoom * self.wider
        w, h = (max(1, round(side * gain / multiple)) * multiple for side in (self.width, self.height))
        v = scene.view
        return frame(scene, w, h, replace(v, fill=v.fill / self.wider, focal=v.focal / self.wider))

    def window(self, rng: Rng, camera: Camera, points: Points, multiple: int) -> tuple[int, int, int, int]:
        """Where in the whole frame the picture is: about a point of the objects, or about the middle."""
        seen = camera.project(points)
        middle = np.array([camera.width, camera.height]) / 2
        if self.name in ("close", "macro"):
            middle = seen[int(rng.integers(len(seen)))] + rng.normal(0, 0.08, 2) * self.width
        elif self.name == "cut":
            middle = middle + rng.choice([-1.0, 1.0], 2) * rng.uniform(0.08, 0.28, 2) * [self.width, self.height]
        elif self.name == "far":
            middle = middle + rng.uniform(-0.2, 0.2, 2) * [self.width, self.height]
        frame_size = (camera.width, camera.height)
        x, y = (
            round(min(max(m - side / 2, 0), whole - side) / multiple) * multiple
            for m, side, whole in zip(middle, self.size, frame_size, strict=True)
        )
        return x, y, x + self.width, y + self.height

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self.width, self.height


def framing(rng: Rng, side: int, multiple: int) -> Framing:
    """A shape whose longer side is `side`, and how close the picture is taken."""
    a, b = ASPECTS[int(rng.integers(len(ASPECTS)))]
    width, height = (max(1, round(side * v / max(a, b) / multiple)) * multiple for v in (a, b))
    name = str(rng.choice(FRAMINGS, p=SHARES))
    zoom = {"whole": (1, 1), "far": (0.35, 0.7), "cut": (1.0, 1.5), "close": (1.5, 3.0), "macro": (3.0, 6.0)}[name]
    return Framing(name, width, height, float(rng.uniform(*zoom)))


def stage(rng: Rng, shot: Framing) -> Variant:
    """Lamps, room, paper and lens; the blur is measured in the picture and not in its frame."""
    return Variant(
        boxes=_lamps(rng),
        room=float(rng.uniform(0.35, 1.5)),
        flag=float(rng.uniform(0.02, 0.4)),
        paper=_paper(rng),
        blur=float(rng.uniform(0.002, 0.009)) / (shot.zoom * shot.wider) if rng.random() < 0.3 else 0.0,
        focus=float(rng.uniform(0.1, 0.6)),
    )


def _lamps(rng: Rng) -> tuple[Softbox, ...]:
    def box(
        azimuth: tuple[float, float], elevation: tuple[float, float], size: tuple[float, float], power: float
    ) -> Softbox:
        w, h = (float(rng.uniform(*size)) for _ in range(2))
        turn, rise = float(rng.uniform(*azimuth)), float(rng.uniform(*elevation))
        return Softbox(turn, rise, float(rng.uniform(2.6, 4.5)), w, h, power * float(rng.uniform(0.6, 1.4)))

    how = rng.random()
    if how < 0.2:  # one hard lamp
        return (box((-180, 180), (25, 75), (0.04, 0.25), 1.1),)
    if how < 0.35:  # a tent: light from all sides, hardly a shadow
        return tuple(box((a - 20, a + 20), (30, 70), (2.5, 4.0), 0.5) for a in (-130.0, -45.0, 45.0, 130.0))
    if how < 0.5:  # a window at one side
        return (
            (box((60, 120), (15, 40), (1.5, 3.5), 1.6),)
            if rng.random() < 0.5
            else (box((-120, -60), (15, 40), (1.5, 3.5), 1.6),)
        )
    boxes = [box((110, 200), (45, 80), (2.0, 4.0), 1.0), box((-110, -40), (20, 55), (0.6, 2.5), 0.55)]
    if rng.random() < 0.6:
        boxes.append(box((40, 110), (25, 60), (0.8, 2.5), 0.35))
    if rng.random() < 0.25:
        boxes.append(box((-180, 180), (30, 70), (0.05, 0.2), 0.5))
    return tuple(boxes)


def _paper(rng: Rng) -> Material:
    """Mostly white, else a grey, else a colour; always matt and even."""
    how = rng.random()
    if how < 0.65:
        return SWEEP
    if how < 0.85:
        grey = float(rng.uniform(0.08, 0.7))
        return replace(SWEEP, colour=(grey, grey, grey))
    return replace(SWEEP, colour=palette.colour(rng, (0.1, 0.7), (0.4, 0.95)))


def lightness(paper: Material) -> float:
    """How light a paper is beside the white one, by its colour's luma."""
    return float(np.array(paper.colour) @ composite.LUMA) / SWEEP.colour[0]
