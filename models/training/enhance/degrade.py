"""What a camera and a file do to a clean picture: blur, noise of the sensor, a mosaic of colours, JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True)
class Damage:
    """`blur` sigma and `defocus` radius in px; variance of noise in linear light is `shot` x + `read` ** 2.

    `mosaic` says whether the colours were seen through a Bayer filter and interpolated, `jpeg` is a quality or 0 for
    none, `halved` whether its colours are stored at half size (4:2:0).
    """

    blur: float = 0.0
    defocus: float = 0.0
    shot: float = 0.0
    read: float = 0.0
    mosaic: bool = False
    jpeg: int = 0
    halved: bool = False


def draw(rng: Rng, blurred: bool = True) -> Damage:
    """Some damage, gentle: each kind with a chance of its own, so that each is also seen alone; blur only if asked."""
    blur = float(rng.uniform(0, 1.2)) if rng.random() < 0.35 else 0.0
    defocus = float(rng.uniform(0.5, 1.4)) if not blur and rng.random() < 0.15 else 0.0
    blur, defocus = blur * blurred, defocus * blurred
    noisy = rng.random() < 0.7
    shot, read = 10.0 ** rng.uniform(-4.7, -2.8), 10.0 ** rng.uniform(-3.5, -2.2)
    jpeg = int(rng.integers(60, 96)) if rng.random() < 0.6 else 0
    mosaic, halved = bool(rng.random() < 0.3), bool(rng.random() < 0.5)
    return Damage(blur, defocus, float(shot) * noisy, float(read) * noisy, mosaic, jpeg, halved)


def degrade(clean: Float, damage: Damage, rng: Rng) -> Float:
    """What is left of a picture.

    Args:
        clean: (h, w, 3) RGB, sRGB-encoded 0..1.
        damage: what happens to it.
        rng: draws the noise.

    Returns:
        The same shape; values are multiples of 1/255, as from a file.
    """
    light = to_linear(clean)
    if damage.blur > 0.1:
        light = cv2.GaussianBlur(light, (0, 0), damage.blur, borderType=cv2.BORDER_REFLECT_101)
    if damage.defocus > 0.0:
        light = cv2.filter2D(light, -1, _disc(damage.defocus), borderType=cv2.BORDER_REFLECT_101)
    if damage.shot > 0.0 or damage.read > 0.0:
        sigma = np.sqrt(np.float32(damage.shot) * np.maximum(light, 0) + np.float32(damage.read) ** 2)
        light = light + sigma * rng.standard_normal(light.shape, dtype=np.float32)
    if damage.mosaic:
        light = _through_mosaic(light)
    stored = np.round(to_encoded(light) * 255).astype(np.uint8)
    if damage.jpeg:
        stored = _through_jpeg(stored, damage)
    return stored.astype(np.float32) / np.float32(255)


def to_linear(encoded: Float) -> Float:
    """The sRGB curve undone, values 0..1 (IEC 61966-2-1)."""
    x = np.clip(encoded, 0, 1)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_encoded(light: Float) -> Float:
    """The sRGB curve, clipped to 0..1."""
    x = np.clip(light, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def _disc(radius: float) -> Float:
    """A disc as a kernel that sums to 1, its border antialiased."""
    fine, half = 8, int(np.ceil(radius))
    at = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    inside = (np.hypot(at[:, None], at[None, :]) <= radius).astype(np.float32)
    kernel = inside.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _through_mosaic(light: Float) -> Float:
    """One colour per pixel as behind a Bayer filter, and the others interpolated along edges."""
    fine = np.round(np.clip(light, 0, 1) * 65535).astype(np.uint16)
    seen = fine[..., 1].copy()
    seen[0::2, 0::2] = fine[0::2, 0::2, 0]
    seen[1::2, 1::2] = fine[1::2, 1::2, 2]
    # OpenCV names a pattern by the second row's second and third pixel: ours, with red in the corner, is its "BG".
    return cv2.demosaicing(seen, cv2.COLOR_BayerBG2RGB_EA).astype(np.float32) / np.float32(65535)


def _through_jpeg(stored: NDArray[np.uint8], damage: Damage) -> NDArray[np.uint8]:
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if damage.halved else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, damage.jpeg, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    _, coded = cv2.imencode(".jpg", stored[..., ::-1], options)
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
