"""Pictures with exact alpha, composed of sprites, rendered scenes and shapes; the same by seed and number.

Everything is premultiplied and resampled together, so that C = a F + (1 - a) B holds in the stored values up to what
the lens, the sensor and the file do afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.training.cutout.config import Data
from models.training.cutout.grounds import ground
from models.training.cutout.layers import Layer, glint, recolour, shadow_of, shape_layer, sprite_layer, to_contrast
from models.training.cutout.photograph import blur, develop, develop_cleanly, light
from models.training.cutout.rims import lose_rims
from models.training.cutout.shapes import Float, Rng, blurred
from models.training.cutout.shelf import Shelf
from models.training.cutout.shoot import Shot, shoot, side_of
from segtile.solar import luma_of

#: Paper at least this light, encoded, is what highlights are lost on.
_LIGHT = 0.5

#: (px) The smallest picture of a whole scene.
SMALLEST = 288


@dataclass(frozen=True, eq=False)
class Scene:
    """A composed picture; all (s, s[, 3]) float32 0..1.

    `pixels` as an 8-bit file holds them; `alpha` exact; `dark` how much of the light the shadows take. `tone` is the
    background's, without shadows and texture, None where it is no smooth surface; `sigma` the luma's noise about it.
    """

    pixels: Float
    alpha: Float
    dark: Float
    tone: Float | None
    sigma: float


def compose(rng: Rng, shelf: Shelf, data: Data, side: int, close: bool) -> Scene:
    """A picture of whole objects, or with `close` a small part of one at the size that it was taken at."""
    if data.stills > 0 and shelf.stills and rng.random() < data.stills:
        return compose_still(rng, shelf, data, side, close)
    return _photographed(rng, *_laid(rng, shelf, data, side, close))


def compose_still(rng: Rng, shelf: Shelf, data: Data, side: int | None, close: bool) -> Scene:
    """A picture of a rendered scene on its own paper, `side` px or as `side_of` has it; the shelf has some."""
    still, edge = shelf.stills[int(rng.integers(len(shelf.stills)))]
    wanted = _contrast(rng) if rng.random() < data.faint else 0.0
    clean = data.clean > 0 and rng.random() < data.clean
    shot = shoot(rng, still, edge, side or side_of(rng, still, SMALLEST), close, wanted, clean)
    return _cleanly_photographed(rng, shot, wanted) if clean else _photographed(rng, shot, wanted)


def _photographed(rng: Rng, shot: Shot, wanted: float) -> Scene:
    """The layers put together, through lens and sensor into a file; of a faint object there is less noise."""
    front, under, alpha, dark = shot.front, shot.under, shot.alpha, shot.dark
    if rng.random() < 0.18 and under.mean() > _LIGHT and alpha.max() > 0.5 and alpha.min() < 0.5:
        front = lose_rims(rng, front, alpha, under)
    if rng.random() < 0.12 and alpha.any():
        under = _reflection(rng, under, front, alpha)
    if rng.random() < 0.08:
        under = _gleam(rng, under)
    under = under * (1 - dark[..., None] * (1 - rng.uniform(0, 0.06, 3)).astype(np.float32))
    pixels, alpha = blur(rng, front + (1 - alpha[..., None]) * under, alpha)
    gain = light(rng, len(alpha))
    pixels = develop(rng, np.clip(pixels * gain, 0, 1), _most_noise(wanted))
    tone = None if shot.tone is None else np.clip(shot.tone * gain, 0, 1)
    return Scene(pixels, np.clip(alpha, 0, 1), dark, tone, noise_in(pixels, alpha, dark))


def _cleanly_photographed(rng: Rng, shot: Shot, wanted: float) -> Scene:
    """The layers put together by a good camera, with nothing done to them."""
    alpha, dark = shot.alpha, shot.dark
    pixels = shot.front + (1 - alpha[..., None]) * shot.under * (1 - dark[..., None])
    pixels = develop_cleanly(rng, pixels, _most_noise(wanted))
    return Scene(pixels, np.clip(alpha, 0, 1), dark, shot.tone, noise_in(pixels, alpha, dark))


def _most_noise(wanted: float) -> float:
    """The largest standard deviation at white, in a picture of such a contrast."""
    return max(0.0006, 0.3 * wanted) if wanted else 0.01


def _contrast(rng: Rng) -> float:
    return float(np.exp(rng.uniform(np.log(0.01), np.log(0.10))))


def _laid(rng: Rng, shelf: Shelf, data: Data, side: int, close: bool) -> tuple[Shot, float]:
    """Pieces, scenes and shapes on a ground of any kind; and their contrast, 0 where it is left as it is."""
    below = ground(rng, side)
    faint = rng.random() < data.faint and below.tone is not None
    wanted = _contrast(rng) if faint else 0.0
    front = np.zeros((side, side, 3), np.float32)
    alpha, dark = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    strength = float(rng.uniform(0.05, 0.9)) if rng.random() < 0.7 else 0.0
    if faint:
        strength *= float(rng.uniform(0.05, 0.5))
    for layer in _layers(rng, shelf, data, side, close):
        if layer.alpha.max() < 0.05:
            continue
        layer.colour = recolour(rng, layer.colour)
        if rng.random() < 0.1:
            glint(rng, layer)
        if faint:
            to_contrast(layer, below.pixels, wanted)
        if rng.random() < 0.25:
            layer.dark = shadow_of(rng, layer.alpha)
        a = layer.alpha[..., None]
        front = a * layer.colour + (1 - a) * front
        alpha = layer.alpha + (1 - layer.alpha) * alpha
        dark = 1 - (1 - dark) * (1 - strength * layer.dark)
    return Shot(front, alpha, below.pixels, dark, below.tone), wanted


def noise_in(pixels: Float, alpha: Float, dark: Float) -> float:
    """Standard deviation of the luma's finest detail on open background, never below half a level of 255."""
    open_ground = (alpha <= 0) & (dark < 0.03)
    if np.count_nonzero(open_ground) < 64:
        open_ground = alpha <= 0.5
    luma = luma_of(pixels)
    fine = (luma - blurred(luma, 4.0))[open_ground]
    if fine.size < 64:
        return 0.5 / 255
    return max(0.5 / 255, 1.4826 * float(np.median(np.abs(fine - np.median(fine)))))


def _layers(rng: Rng, shelf: Shelf, data: Data, side: int, close: bool) -> list[Layer]:
    if rng.random() < data.empty:
        return []
    many = rng.random()
    count = (1 if many < 0.7 else 2) if close else (1 if many < 0.55 else int(rng.integers(2, 7)))
    out = []
    for n in range(count):
        item = _item(rng, shelf, data)
        if item is None:
            layer = shape_layer(rng, side)
            if not close and rng.random() < 0.7:
                _shrink(rng, layer)
        elif close:
            zoom = float(np.exp(rng.uniform(np.log(0.4), np.log(2.0 if item.is_scene else 3.5))))
            layer = sprite_layer(rng, item, side, zoom, None)
        else:
            layer = _whole(rng, item, side, count)
            if item.is_scene and n == 0 and rng.random() < 0.7:
                return [layer]
        out.append(layer)
    return out


def _item(rng: Rng, shelf: Shelf, data: Data):  # noqa: ANN202
    """A piece or a scene of the shelf; None stands for a shape."""
    if (not shelf.pieces and not shelf.scenes) or rng.random() < data.shapes:
        return None
    kind = shelf.scenes if shelf.scenes and (not shelf.pieces or rng.random() < data.scenes) else shelf.pieces
    return kind[int(rng.integers(len(kind)))]


def _whole(rng: Rng, item, side: int, count: int) -> Layer:  # noqa: ANN001
    """A whole object in the frame, at times cut by it."""
    sprite = item.sprite
    if item.is_scene and count == 1:
        zoom = side / max(sprite.layers[0].shape[:2]) * float(np.exp(rng.normal(0.1, 0.25)))
        at = side * (0.5 + rng.normal(0, 0.06, 2))
    else:
        span = side * (rng.uniform(0.25, 1.0) if count == 1 else rng.uniform(0.08, 0.5))
        zoom = span / sprite.span
        at = side * (rng.uniform(0.3, 0.7, 2) if count == 1 and rng.random() < 0.8 else rng.uniform(0.0, 1.0, 2))
    return sprite_layer(rng, item, side, float(zoom), at)


def _shrink(rng: Rng, layer: Layer) -> None:
    """Draw the whole shape smaller, away from the frame's border."""
    side = len(layer.alpha)
    size = round(side * rng.uniform(0.35, 0.9))
    x, y = rng.integers(0, side - size + 1, 2)
    for name in ("colour", "alpha", "dark"):
        full = getattr(layer, name)
        small = np.zeros_like(full)
        small[y : y + size, x : x + size] = cv2.resize(full, (size, size), interpolation=cv2.INTER_AREA)
        setattr(layer, name, small)


def _gleam(rng: Rng, under: Float) -> Float:
    """A lamp or a window that the ground shows, or the shadow of what stands beside the picture: patches."""
    side = len(under)
    share = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        size = side * np.exp(rng.uniform(np.log(0.35), np.log(1.5), 2))
        corners = (np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2 + rng.normal(0, 0.08, (4, 2))) * size
        a = rng.uniform(0, np.pi)
        turned = corners @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        corners = turned + rng.uniform(-0.1, 1.1, 2) * side
        patch = np.zeros((side, side), np.uint8)
        cv2.fillConvexPoly(patch, np.round(corners * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        soft = blurred(patch.astype(np.float32) / 255, side * float(np.exp(rng.uniform(np.log(0.003), np.log(0.06)))))
        share = np.maximum(share, soft * np.float32(rng.uniform(0.3, 1.0)))
    if rng.random() < 0.35:
        return under * (1 - share * np.float32(rng.uniform(0.04, 0.4)))[..., None]
    colour = (rng.uniform(0.02, 0.3) * (1 + rng.normal(0, 0.05, 3))).astype(np.float32)
    return np.clip(under + share[..., None] * colour, 0, 1)


def _reflection(rng: Rng, under: Float, front: Float, alpha: Float) -> Float:
    """The ground shows the object upside down, faint and soft, as acrylic does."""
    rows = np.flatnonzero(alpha.max(axis=1) > 0.5)
    foot = int(rows[-1]) if len(rows) and rows[-1] < len(alpha) - 4 else int(rng.integers(len(alpha) // 2, len(alpha)))
    image, cover = np.zeros_like(front), np.zeros_like(alpha)
    deep = min(foot, len(alpha) - foot)
    image[foot : foot + deep], cover[foot : foot + deep] = (
        front[foot - deep : foot][::-1],
        alpha[foot - deep : foot][::-1],
    )
    sigma = float(rng.uniform(0.5, 4))
    image, cover = cv2.GaussianBlur(image, (0, 0), sigma), cv2.GaussianBlur(cover, (0, 0), sigma)
    fade = np.clip(1 - (np.arange(len(alpha)) - foot) / (len(alpha) * rng.uniform(0.1, 0.6)), 0, 1).astype(np.float32)
    share = (np.float32(rng.uniform(0.03, 0.3)) * fade)[:, None, None]
    return np.asarray(under * (1 - share * cover[..., None]) + share * image, np.float32)
