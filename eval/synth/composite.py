"""From rendered layers to a photograph whose alpha is exact. Numpy only.

The layers are exposed and encoded first, and put together then, so that C = a F + (1 - a) B holds in the stored
(sRGB-encoded) values, which are what matting and its metrics see. The alpha is rounded to the published depth before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.synth.spec import Look

Float = NDArray[np.float32]
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
KNEE, CEILING = 0.70, 0.955  # linear light: where the shoulder begins and what no highlight exceeds
WHITE_RANK = 75.0  # percentile of the sweep's brightness that counts as its white
NOISE_ROWS = 512
BLOCK, REACH = 1024, 8  # colours are carried outwards block by block; REACH pixels is more than they travel


@dataclass(frozen=True, eq=False)
class Encoded:
    """Foreground and background (H, W, 3) and alpha (H, W), float32 0..1, encoded; alpha rounded to its depth.

    The foreground is not premultiplied and reaches past the edge; where alpha is 0 its colour means nothing.
    `white` is the sweep's unshadowed colour (3,).
    """

    foreground: Float
    background: Float
    alpha: Float
    white: Float


def encode(linear: Float) -> Float:
    """Linear light 0..1 to sRGB-encoded values 0..1. Source: IEC 61966-2-1."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(x, 1 / 2.4) - 0.055).astype(np.float32)


def decode(encoded: Float) -> Float:
    """sRGB-encoded values 0..1 to linear light 0..1. Source: IEC 61966-2-1."""
    x = np.clip(encoded, 0.0, 1.0)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def shoulder(linear: Float) -> Float:
    """Leave values under the knee and roll the rest off below the ceiling, so that highlights do not clip."""
    over = np.maximum(linear - KNEE, 0.0)
    room = CEILING - KNEE
    return np.where(linear <= KNEE, linear, CEILING - room * np.exp(-over / room)).astype(np.float32)


def gain_for(background: Float, encoded_white: float) -> float:
    """The exposure that brings the sweep's white to the given encoded value.

    Raises:
        ValueError: the value cannot be reached below the ceiling, or the background is black.
    """
    want = float(decode(np.array([encoded_white], np.float32))[0])
    have = float(np.percentile(background.astype(np.float32) @ LUMA, WHITE_RANK))
    if not 0 < want < CEILING or have <= 0:
        raise ValueError(f"no exposure brings a sweep of {have:.3f} to {encoded_white:.3f}")
    room = CEILING - KNEE
    before = want if want <= KNEE else KNEE - room * float(np.log((CEILING - want) / room))
    return before / have


def extend(beauty: NDArray[np.floating], alpha: NDArray[np.floating]) -> Float:
    """Un-premultiply, and carry the object's colour outwards past its edge.

    In an edge pixel the render's own quotient is noisy, and the noise would show as a jagged rim where object and sweep
    are alike. Its colour comes from the covered pixels within two of it, and where a wire is too thin to cover any,
    from the quotient of sums over a growing window.

    Args:
        beauty: (H, W, 4), premultiplied linear light.
        alpha: (H, W) exact coverage 0..1.

    Returns:
        (H, W, 3) float32 linear light; 0 far from the object.
    """
    out = np.zeros((*alpha.shape, 3), np.float32)
    for y in range(0, alpha.shape[0], BLOCK):
        for x in range(0, alpha.shape[1], BLOCK):
            if (alpha[y : y + BLOCK, x : x + BLOCK] > 0).any():
                y0, x0 = max(0, y - REACH), max(0, x - REACH)
                wide = (slice(y0, y + BLOCK + REACH), slice(x0, x + BLOCK + REACH))
                done = _extend_block(beauty[wide].astype(np.float32), alpha[wide])
                out[y : y + BLOCK, x : x + BLOCK] = done[y - y0 :, x - x0 :][:BLOCK, :BLOCK]
    return out


def _extend_block(beauty: Float, alpha: NDArray[np.floating]) -> Float:
    solid = (alpha >= 0.995) & (beauty[..., 3] > 0.5)
    out = np.zeros((*alpha.shape, 3), np.float32)
    todo = np.ones(alpha.shape, bool)
    for stack, steps, least in ((beauty * solid[..., None], 3, 0.05), (beauty, 5, 0.02)):
        for step in range(steps):
            if step or stack is not beauty:  # a single edge pixel's quotient is the noisy one
                good = todo & (stack[..., 3] > least)
                out[good] = stack[good][:, :3] / stack[good][:, 3:]
                todo &= ~good
            stack = _box3(stack)
    return out


def _box3(a: Float) -> Float:
    """Mean over 3 x 3 pixels, the border repeated."""
    for axis in (0, 1):
        pad = [(1, 1) if k == axis else (0, 0) for k in range(a.ndim)]
        p = np.pad(a, pad, mode="edge")
        n = a.shape[axis]
        rows = np.arange(n)
        total = np.take(p, rows, axis) + np.take(p, rows + 1, axis) + np.take(p, rows + 2, axis)
        a = np.asarray(total / 3, np.float32)
    return a


def enlarge(image: NDArray[np.floating], height: int, width: int) -> Float:
    """Bicubic (Catmull-Rom) enlargement of (h, w, C) to (height, width, C), pixel areas aligned."""
    out = image.astype(np.float32)
    for axis, size in ((0, height), (1, width)):
        n = out.shape[axis]
        at = (np.arange(size) + 0.5) * n / size - 0.5
        base = np.floor(at).astype(int)
        t = (at - base).astype(np.float32)
        weights = (
            0.5 * (-t + 2 * t**2 - t**3),
            0.5 * (2 - 5 * t**2 + 3 * t**3),
            0.5 * (t + 4 * t**2 - 3 * t**3),
            0.5 * (t**3 - t**2),
        )
        shape = [1] * out.ndim
        shape[axis] = size
        total = np.zeros([*out.shape[:axis], size, *out.shape[axis + 1 :]], np.float32)
        for k, w in enumerate(weights):
            total += np.take(out, np.clip(base + k - 1, 0, n - 1), axis) * w.reshape(shape)
        out = total
    return np.maximum(out, 0.0)


def develop(
    alpha: NDArray[np.floating],
    beauty: NDArray[np.floating],
    background: NDArray[np.floating],
    look: Look,
    bits: int = 8,
) -> Encoded:
    """Expose and encode the layers of a scene.

    Args:
        alpha: (H, W) coverage 0..1.
        beauty: (H, W, 4) linear, premultiplied.
        background: (h, w, 3) linear, any smaller size of the same frame.
        look: exposure, contrast and depth of shadows.
        bits: depth that the alpha is published in; it is rounded to that here.
    """
    gain = gain_for(np.asarray(background, np.float32), look.background)
    small = encode(shoulder(background.astype(np.float32) * gain))
    white = _white(small)
    back = enlarge(white - (white - small) * look.shadow, *alpha.shape)
    front = encode(shoulder(extend(beauty, alpha) * gain))
    steps = 2**bits - 1
    rounded = (np.round(alpha.astype(np.float64) * steps) / steps).astype(np.float32)
    if look.contrast is not None:
        front = _to_contrast(front, rounded, white, look.contrast)
    return Encoded(front.astype(np.float32), back, rounded, white)


def _to_contrast(front: Float, alpha: Float, white: Float, wanted: float) -> Float:
    """Bring the object to a contrast: one too like the sweep is made a shade darker, then its tones are compressed.

    The median of distances is at least the distance of the median, so after darkening no stretching is needed.
    """
    if contrast(front, alpha, white) < wanted:
        middle = float(np.median(front[_solid(alpha)] @ LUMA))
        front = front * np.float32((1 - wanted) * float(white @ LUMA) / middle)
    have = contrast(front, alpha, white)
    return np.asarray(white - (white - front) * np.float32(wanted / max(have, 1e-6)), np.float32)


def _solid(alpha: Float) -> NDArray[np.bool_]:
    return np.asarray(alpha >= (0.999 if (alpha >= 0.999).any() else alpha.max()))


def _white(background: Float) -> Float:
    """The sweep's unshadowed colour (3,): the mean of the pixels about its white rank."""
    luma = background @ LUMA
    level = np.percentile(luma, WHITE_RANK)
    near = np.abs(luma - level) <= 0.01
    return np.asarray(background[near].mean(axis=0), np.float32)


def contrast(pixels: Float, alpha: Float, white: Float) -> float:
    """Median difference in luma of the object's solid pixels from the sweep's white, relative to that white."""
    level = float(white @ LUMA)
    return float(np.median(np.abs(pixels[_solid(alpha)] @ LUMA - level)) / level)


def visible_edge(layers: Encoded, step: float = 3 / 255) -> float:
    """Share of the soft edge's pixels where foreground and background differ by more than `step` in some channel."""
    edge = (layers.alpha > 0) & (layers.alpha < 1)
    if not edge.any():
        return 0.0
    return float((np.abs(layers.foreground[edge] - layers.background[edge]).max(axis=1) > step).mean())


def compose(layers: Encoded) -> Float:
    """C = a F + (1 - a) B, (H, W, 3) float32 encoded."""
    a = layers.alpha[..., None]
    return a * layers.foreground + (1 - a) * layers.background


def add_noise(pixels: Float, sigma: float, seed: int) -> Float:
    """Mild sensor noise: stronger in the light than in the dark, neighbours slightly alike as after demosaicing.

    Args:
        pixels: (H, W, 3) float32 encoded 0..1.
        sigma: standard deviation at white.
        seed: equal seeds give equal noise.
    """
    out = np.empty_like(pixels)
    for n, y in enumerate(range(0, len(pixels), NOISE_ROWS)):
        rows = pixels[y : y + NOISE_ROWS]
        rng = np.random.default_rng([seed, n])
        grain = rng.standard_normal((rows.shape[0] + 2, rows.shape[1] + 2, 3), dtype=np.float32)
        down = grain[:-2] + 2 * grain[1:-1] + grain[2:]
        alike = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) / 6  # 6: keeps the standard deviation at 1
        out[y : y + NOISE_ROWS] = rows + sigma * np.sqrt(0.25 + 0.75 * np.clip(rows, 0, 1)) * alike
    return np.clip(out, 0.0, 1.0)


def quantise(values: Float, bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Encoded 0..1 to whole numbers of 8 or 16 bits, rounded."""
    steps = 2**bits - 1
    whole = np.round(values * np.float32(steps))
    return whole.astype(np.uint8) if bits == 8 else whole.astype(np.uint16)
