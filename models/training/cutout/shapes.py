"""Objects drawn by code: bodies with holes, bands, wires, lattices, chains; sharp at any size, their alpha exact."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Rng = np.random.Generator

_FINE = 4  # drawn this much larger; alpha is the area
_SIGMA = 3.0  # px that a wide blur has left on its smaller picture


def draw(rng: Rng, side: int) -> tuple[Float, Float]:
    """An object somewhere on a canvas, cut by its border or not.

    Returns:
        Colour (side, side, 3) float32 0..1, everywhere, and alpha (side, side) float32.
    """
    mask = np.zeros((side * _FINE, side * _FINE), np.uint8)
    kinds = (_body, _body, _band, _wire, _wire, _lattice, _links, _corner)
    for _ in range(int(rng.integers(1, 4))):
        kinds[int(rng.integers(len(kinds)))](rng, mask)
    alpha = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return surface(rng, side), alpha


def surface(rng: Rng, side: int) -> Float:
    """A colour all over: enamel, metal with its bands of light, or a rough or patterned material."""
    kind = rng.random()
    field = smooth(rng, side, int(rng.integers(2, 7)))
    if kind < 0.4:  # metal: steep changes of light along one field
        waves = 0.5 + 0.5 * np.sin(field * rng.uniform(2, 14) + rng.uniform(0, 6))
        tone = rng.uniform(0.05, 0.5) + rng.uniform(0.3, 0.9) * waves ** rng.uniform(0.6, 3)
    elif kind < 0.8:
        tone = rng.uniform(0.05, 1.0) + rng.uniform(0.0, 0.15) * field
    else:
        tone = rng.uniform(0.1, 0.9) + 0.1 * field + rng.uniform(0.02, 0.2) * smooth(rng, side, side // 3)
    tint = 1 - np.abs(rng.normal(0, 0.25, 3)) * (rng.random() < 0.6)
    return np.clip(tone[..., None] * tint, 0, 1).astype(np.float32)


def smooth(rng: Rng, side: int, cells: int) -> Float:
    """(side, side) float32 about 0, changing over a `cells`-th of the side; of spread 1."""
    field = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    return np.asarray(cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def blurred(values: Float, sigma: float) -> Float:
    """Gaussian blur of (h, w[, c]) float32; a wide one is made of a smaller picture, where it costs next to nothing."""
    step = int(sigma / _SIGMA)
    if step < 2:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
    size = values.shape[1], values.shape[0]
    small = cv2.resize(values, tuple(max(1, n // step) for n in size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / step), size), np.float32)


def _points(rng: Rng, side: int, rough: float, count: int = 240) -> NDArray[np.int32]:
    """A closed outline about a random centre, at times far larger than the canvas."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    radius = np.ones(count)
    for k in range(2, 9):
        radius += rough * rng.normal() / k * np.cos(k * angle + rng.uniform(0, 6))
    size = side * np.exp(rng.uniform(np.log(0.08), np.log(1.2)))
    centre = rng.uniform(-0.1, 1.1, 2) * side if size < 0.5 * side else _beyond(rng, side, size)
    stretch = rng.uniform(0.4, 1.0)
    turn = rng.uniform(0, np.pi)
    x, y = np.cos(angle) * radius, np.sin(angle) * radius * stretch
    out = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1) * size
    return np.asarray(np.round(out + centre), np.int32)


def _beyond(rng: Rng, side: int, size: float) -> NDArray[np.float64]:
    """A centre from which a large outline passes through the canvas."""
    a = rng.uniform(0, 2 * np.pi)
    return side * rng.uniform(0.25, 0.75, 2) + 0.8 * size * np.array([np.cos(a), np.sin(a)])


def _body(rng: Rng, mask: Bytes) -> None:
    outline = _points(rng, len(mask), float(rng.uniform(0, 0.35)))
    cv2.fillPoly(mask, [outline], 255)
    if rng.random() < 0.5:  # holes
        inside = outline.mean(axis=0)
        for _ in range(int(rng.integers(1, 9))):
            at = inside + (outline[int(rng.integers(len(outline)))] - inside) * rng.uniform(0, 0.8)
            axes = len(mask) * np.exp(rng.uniform(np.log(0.004), np.log(0.1))) * rng.uniform(0.6, 1.4, 2)
            _ellipse(mask, at, axes, float(rng.uniform(0, 180)), 0)


def _band(rng: Rng, mask: Bytes) -> None:
    outline = _points(rng, len(mask), 0.03)
    width = int(_FINE * np.exp(rng.uniform(np.log(1.0), np.log(30))))
    cv2.polylines(mask, [outline], True, 255, max(1, width))


def _wire(rng: Rng, mask: Bytes) -> None:
    side = len(mask)
    knots = rng.uniform(-0.1, 1.1, (int(rng.integers(3, 7)), 2)) * side
    t = np.linspace(0, len(knots) - 1, 160)
    path = np.stack([np.interp(t, np.arange(len(knots)), knots[:, k]) for k in (0, 1)], 1)
    kernel = np.hanning(int(rng.integers(5, 60)) + 2)[1:-1]
    kernel /= kernel.sum()
    wide = np.pad(path, ((len(kernel), len(kernel)), (0, 0)), mode="edge")
    path = np.stack([np.convolve(wide[:, k], kernel, mode="same") for k in (0, 1)], 1)[len(kernel) : -len(kernel)]
    width = max(1, round(_FINE * float(np.exp(rng.uniform(np.log(0.6), np.log(10))))))
    cv2.polylines(mask, [np.round(path).astype(np.int32)], False, 255, width)


def _lattice(rng: Rng, mask: Bytes) -> None:
    """A plate with rows of openings."""
    outline = _points(rng, len(mask), float(rng.uniform(0, 0.1)))
    plate = np.zeros_like(mask)
    cv2.fillPoly(plate, [outline], 255)
    pitch = _FINE * float(np.exp(rng.uniform(np.log(5), np.log(50))))
    bar = rng.uniform(0.12, 0.6)
    turn = rng.uniform(0, np.pi / 2)
    low, high = outline.min(axis=0).clip(0), outline.max(axis=0).clip(0, len(mask))
    at = np.arange(-len(mask), len(mask), pitch)
    a, b = (x.ravel() for x in np.meshgrid(at, at))
    places = np.stack([a * np.cos(turn) - b * np.sin(turn), a * np.sin(turn) + b * np.cos(turn)], 1) + len(mask) / 2
    for place in places[((places > low) & (places < high)).all(axis=1)]:
        _ellipse(plate, place, np.full(2, pitch * (1 - bar) / 2), float(np.degrees(turn)), 0)
    np.maximum(mask, plate, out=mask)


def _links(rng: Rng, mask: Bytes) -> None:
    side = len(mask)
    size = _FINE * float(np.exp(rng.uniform(np.log(5), np.log(40))))
    at, heading = rng.uniform(0, 1, 2) * side, rng.uniform(0, 360)
    width = max(1, round(size * rng.uniform(0.12, 0.4)))
    for i in range(60):
        flat = 0.25 if i % 2 else 0.6
        _ellipse(mask, at, np.array([size, size * flat]) / 1.6, heading, 255, width)
        heading += rng.normal(0, 8)
        at = at + size * np.array([np.cos(np.radians(heading)), np.sin(np.radians(heading))])


def _corner(rng: Rng, mask: Bytes) -> None:
    """A polygon with straight sides."""
    outline = _points(rng, len(mask), 0.2, int(rng.integers(3, 9)))
    cv2.fillPoly(mask, [outline], 255)


def _ellipse(
    mask: Bytes, at: NDArray[np.float64], axes: NDArray[np.float64], turn: float, value: int, width: int = -1
) -> None:
    half = (max(1, round(float(axes[0]))), max(1, round(float(axes[1]))))
    cv2.ellipse(mask, (round(float(at[0])), round(float(at[1]))), half, float(turn), 0, 360, value, width)
