"""Large pictures for measuring: a sample on a sweep of any size, streamed, so that making one takes no memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips


def place(photo: Path, alpha: Path, side: int, target: Path) -> Path:
    """Write a side x side JPEG with the sample's object in the middle of a smoothly lit, slightly noisy sweep.

    Args:
        photo: the sample; scaled down where it is larger than the canvas.
        alpha: its exact alpha, 8-bit grey, same size.
        side: of the canvas in px.
        target: JPEG to write, quality 95 without chroma subsampling.

    Returns:
        target.
    """
    picture = pyvips.Image.new_from_file(str(photo)).colourspace("srgb")[:3]
    mask = pyvips.Image.new_from_file(str(alpha))[0].cast("float") / 255
    if max(picture.width, picture.height) > side:
        factor = side / max(picture.width, picture.height)
        picture, mask = picture.resize(factor), mask.resize(factor)
    # the sweep takes the sample's own background tone, so that the soft edge pixels carry no foreign fringe
    tone = (picture * (mask < 1 / 255)).stats()
    share = (mask < 1 / 255).avg() / 255
    means = [tone(4, band + 1)[0] / share for band in range(3)]
    xy = pyvips.Image.xyz(side, side)
    light = 1.01 - 0.03 * (xy[1] / side) - 0.02 * (xy[0] / side - 0.5) ** 2
    sweep = light.bandjoin([light, light]) * means
    x, y = (side - picture.width) // 2, (side - picture.height) // 2
    inside = mask.embed(x, y, side, side)
    canvas = sweep * (1 - inside) + picture.embed(x, y, side, side) * inside
    noise = pyvips.Image.gaussnoise(side, side, sigma=0.9, mean=0, seed=11)
    (canvas + noise).rint().cast("uchar").copy(interpretation="srgb").jpegsave(str(target), Q=95, subsample_mode="off")
    return target


def median(values: list[float]) -> float:
    """The median as a plain float."""
    return float(np.median(values))
