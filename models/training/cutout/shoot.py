"""Rendered scenes as a camera would have seen them: on their own paper, with their own shadows at full depth.

Pieces that are laid on any ground, in any colour, teach more kinds of pictures; but their shadows are pale and do not
belong to their light. What darkens paper in a photograph (contact shadows, gaps between links) is in here as rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.synth import composite
from models.training.common.backdrop import fall_of_light
from models.training.cutout.grounds import ground
from models.training.cutout.layers import Layer, recolour, to_contrast
from models.training.cutout.shapes import Float, Rng
from models.training.cutout.stills import Still

# px of the picture per rendered one, largest: more would show how soft the render is. Of most pictures DENSE, smallest
# and largest: what a render draws over several px, as the paper's mirror image at the rim of a metal, a photograph of a
# whole piece has in one or two.
LARGEST = 1.35
DENSE, DENSE_SHARE = (0.33, 0.85), 0.75
OWN_PAPER, OWN_COLOURS, FULL_DEPTH = 0.8, 0.9, 0.7  # shares of the pictures


@dataclass(eq=False)
class Shot:
    """What lies in front, premultiplied, its alpha, the paper below, how dark the shadows on it are, and its tone.

    All (side, side[, 3]) float32 0..1 encoded; `tone` is None where the paper is no smooth surface.
    """

    front: Float
    alpha: Float
    under: Float
    dark: Float
    tone: Float | None


def shoot(
    rng: Rng, still: Still, edge: NDArray[np.int32], side: int, close: bool, wanted: float, clean: bool = False
) -> Shot:
    """A square picture out of a scene.

    Args:
        rng: draws everything.
        still: the scene.
        edge: (n, 2) x, y in px of the scene, where the object ends: the picture is taken about one of them.
        side: of the picture, px.
        close: a part of the scene, mostly denser than it was rendered (`DENSE`), rather than most of it.
        wanted: contrast that object and paper are brought to; 0 leaves them as they are.
        clean: on its own paper, in its own colours, and but for `wanted` with its own shadows.
    """
    dense = DENSE if close and rng.random() < DENSE_SHARE else (1 / 2.2, LARGEST)
    colour, alpha, shade = _cut(rng, still, edge, side, close, dense)
    below, tone = _own_paper(still, side) if clean else _paper(rng, still, side, wanted > 0)
    depth = 1.0 if clean or rng.random() < FULL_DEPTH else float(rng.uniform(0.3, 1.3))
    if wanted:
        depth = float(rng.uniform(0.3, 1.0))
    dark = np.clip(depth * (1 - composite.encode(shade)), 0, 1)
    layer = Layer(colour if clean or rng.random() < OWN_COLOURS else recolour(rng, colour), alpha, dark)
    if wanted and alpha.max() >= 0.05:
        to_contrast(layer, below, wanted)
    return Shot(layer.colour * alpha[..., None], alpha, below, dark, tone)


def _resized(plane: Float, side: int) -> Float:
    way = cv2.INTER_AREA if side < len(plane) else cv2.INTER_CUBIC
    return np.clip(cv2.resize(plane, (side, side), interpolation=way), 0, 1)


def side_of(rng: Rng, still: Still, least: int) -> int:
    """How large a picture of a whole scene is, px: as it was rendered or smaller, but not below `least`."""
    most = min(still.alpha.shape)
    side = most if rng.random() > DENSE_SHARE else most * float(np.exp(rng.uniform(*np.log(DENSE))))
    return max(round(side), min(least, most))


def _cut(
    rng: Rng, still: Still, edge: NDArray[np.int32], side: int, close: bool, dense: tuple[float, float]
) -> tuple[Float, Float, Float]:
    """A square of the scene about a point of its edge or their mean, some turned by quarters, half of all mirrored.

    Close by, `dense` are the least and the most px of the picture per rendered one.

    Returns:
        Colour (side, side, 3) not premultiplied, alpha and shade (side, side), float32 0..1.
    """
    height, width = still.alpha.shape
    most = min(height, width)
    least = max(32, min(most, round(side / (dense[1] if close else LARGEST))))
    if close:
        size = round(float(np.exp(rng.uniform(np.log(least), np.log(max(least, min(most, side / dense[0])) + 1)))))
    else:
        size = most if rng.random() < 0.6 else int(rng.integers(max(least, round(0.7 * most)), most + 1))
    size = int(np.clip(size, least, most))
    x, y = edge[int(rng.integers(len(edge)))] if close or rng.random() < 0.5 else edge.mean(axis=0).astype(int)
    spread = size / 2 if close else size / 8
    wished = [p - size / 2 + rng.uniform(-spread, spread) for p in (y, x)]
    at = [int(np.clip(w, 0, n - size)) for w, n in zip(wished, (height, width), strict=True)]
    turn = int(rng.integers(1, 4)) if rng.random() < 0.25 else 0
    mirrored = rng.random() < 0.5
    rgb, alpha, shade = (
        np.ascontiguousarray(part[:, ::-1] if mirrored else part, np.float32) / np.float32(255)
        for part in (
            np.rot90(plane[at[0] : at[0] + size, at[1] : at[1] + size], turn)
            for plane in (still.rgb, still.alpha, still.shade)
        )
    )
    if size == side:
        return rgb, alpha, shade
    front, alpha, shade = (_resized(plane, side) for plane in (rgb * alpha[..., None], alpha, shade))
    return np.clip(front / np.maximum(alpha, 1e-3)[..., None], 0, 1), alpha, shade


def _paper(rng: Rng, still: Still, size: int, own: bool) -> tuple[Float, Float | None]:
    """The paper without shadows (size, size, 3), encoded: the scene's own, or at times any other; and its tone."""
    if not own and rng.random() > OWN_PAPER:
        other = ground(rng, size)
        return other.pixels, other.tone
    pixels, tone = _own_paper(still, size)
    if rng.random() < 0.3:
        pixels = tone = np.clip(pixels * fall_of_light(rng, size), 0, 1).astype(np.float32)
    return pixels, tone


def _own_paper(still: Still, size: int) -> tuple[Float, Float]:
    white = np.ones((1, 1, 3), np.float32) * np.float32(composite.gain_for(np.ones((1, 1, 3), np.float32), still.white))
    pixels = np.broadcast_to(composite.encode(composite.shoulder(white * still.paper)), (size, size, 3))
    even = np.ascontiguousarray(pixels, np.float32)
    return even, even
