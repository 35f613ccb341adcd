"""What a camera and a file do to a composed picture; the alpha goes through what moves edges, and only that."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.synth.composite import add_noise
from models.training.cutout.bank import as_bytes
from models.training.cutout.shapes import Float, Rng


def light(rng: Rng, side: int) -> Float:
    """Exposure, white balance and vignetting as one gain, (side, side, 3) or (1, 1, 3) float32."""
    gain = np.ones((1, 1, 3), np.float32)
    if rng.random() < 0.5:
        gain = gain * np.float32(rng.uniform(0.85, 1.06))
    if rng.random() < 0.4:
        gain = gain * (1 + rng.normal(0, 0.015, 3)).astype(np.float32)
    if rng.random() < 0.25:
        y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - rng.uniform(0.2, 0.8)
        gain = gain * (1 - rng.uniform(0.02, 0.35) * (x * x + y * y))[..., None]
    return np.asarray(gain, np.float32)


def blur(rng: Rng, pixels: Float, alpha: Float) -> tuple[Float, Float]:
    """The lens's softness, of picture and alpha alike."""
    if rng.random() < 0.35:
        sigma = float(rng.uniform(0.3, 1.3) if rng.random() < 0.85 else rng.uniform(1.3, 3.0))
        pixels, alpha = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (pixels, alpha))
    return pixels, alpha


def develop(rng: Rng, pixels: Float, most_noise: float) -> Float:
    """Dust, noise, sharpening, JPEG; as an 8-bit file holds it, float32 0..1.

    `most_noise` is the largest standard deviation at white.
    """
    out = pixels
    if rng.random() < 0.1:
        out = _dust(rng, out)
    if rng.random() < 0.75:
        out = _noisy(rng, out, most_noise)
    if rng.random() < 0.25:
        wide = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.7, 1.5)))
        out = out + np.float32(rng.uniform(0.2, 1.0)) * (out - wide)
    image = as_bytes(out)
    if rng.random() < 0.6:
        image = _coded(image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 101))])
    return image.astype(np.float32) / np.float32(255)


def develop_cleanly(rng: Rng, pixels: Float, most_noise: float) -> Float:
    """As a good camera and a careful hand leave a picture: a little noise, JPEG of 90 and more or none."""
    image = as_bytes(_noisy(rng, pixels, most_noise))
    if rng.random() < 0.7:
        full = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        image = _coded(image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(90, 101)), *full])
    return image.astype(np.float32) / np.float32(255)


def _noisy(rng: Rng, pixels: Float, most: float) -> Float:
    sigma = min(most, float(np.exp(rng.uniform(np.log(0.0005), np.log(0.01)))))
    return add_noise(np.ascontiguousarray(pixels, np.float32), sigma, int(rng.integers(1 << 31)))


def _coded(image: NDArray[np.uint8], how: list[int]) -> NDArray[np.uint8]:
    """What JPEG leaves of a picture."""
    _, coded = cv2.imencode(".jpg", image[..., ::-1], how)
    back = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert back is not None
    return np.asarray(back[..., ::-1], np.uint8)


def _dust(rng: Rng, pixels: Float) -> Float:
    """Specks on the table or the sensor: none of them is an object."""
    side = len(pixels)
    specks = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(1, 12))):
        at = tuple(int(v) for v in rng.uniform(0, side * 16, 2))
        cv2.circle(specks, at, int(rng.uniform(4, 22)), int(rng.integers(40, 200)), -1, cv2.LINE_AA, 4)
    share = specks.astype(np.float32)[..., None] / 255
    return np.asarray(pixels + share * (np.float32(rng.uniform(0.2, 1.0)) - pixels) * np.float32(0.5), np.float32)
