"""What is composed for the networks as it travels, and the planes that they see of it, made where they compute."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.training.cutout.bank import as_bytes
from models.training.cutout.config import Stage
from models.training.cutout.shapes import Float
from segtile.refine.network import SURENESS, WIDER, WITHIN
from segtile.solar.adaptive import SWING
from segtile.solar.channels import (
    LEAST_SIGMA,
    MOST_SIGMA,
    NEUTRAL,
    SIGMAS,
    SIGNED_RANGE,
    SOLAR_CHANNELS,
    STRAIGHT,
)
from segtile.solar.curves import LUMA

PHASES = (0.0, 1 / 3, 2 / 3)  # of the adaptive channels


class Raw(NamedTuple):
    """A picture, arrays of (h, w), or a batch of them, tensors of (b, h, w); a fifth of the bytes of its planes.

    `pixels` (h, w, 3), `alpha` and `prob` uint8; `tone` the bits of 16-bit luma as int16, since torch computes little
    with uint16; `told` whether the background is known at all, `sigma` its noise.
    """

    pixels: Tensor | NDArray[np.uint8]
    alpha: Tensor | NDArray[np.uint8]
    prob: Tensor | NDArray[np.uint8]
    tone: Tensor | NDArray[np.int16]
    told: Tensor | bool
    sigma: Tensor | float

    def to(self, device: torch.device) -> Raw:
        """A batch on a device."""
        return Raw(*(part.to(device, non_blocking=True) for part in self))  # type: ignore[union-attr]


def raw(pixels: NDArray[np.uint8], alpha: Float, prob: Float | None, tone: Float | None, sigma: float) -> Raw:
    """A picture of what was composed; planes float32 0..1, None where there is none."""
    said = np.zeros(alpha.shape, np.uint8) if prob is None else as_bytes(prob)
    return Raw(pixels, as_bytes(alpha), said, bits_of(tone, alpha.shape), tone is not None, sigma)


def bits_of(tone: Float | None, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Luma 0..1 as `Raw` has it; 0 where there is none."""
    if tone is None:
        return np.zeros(shape, np.int16)
    return np.round(np.clip(tone, 0, 1) * 65535).astype(np.uint16).view(np.int16)


def tone_of(bits: Tensor) -> Tensor:
    """The reverse, float32."""
    return (bits.int() & 0xFFFF).float() / 65535


def planes(given: Raw, refines: bool, stage: Stage) -> tuple[Tensor, Tensor]:
    """What a network sees of a batch, (B, 7 or 8, m H, m W), and the alpha that is wanted, (B, 1, H, W); float32.

    Args:
        given: tensors, on the device that is to compute.
        refines: whether the coarse probability is seen too.
        stage: its training: how many times as large as it is the picture is shown (`magnify`, m), and what is told of
            it (`solar`, `prob`); the rest is as if nothing were known. Shown and told as by `segtile.refine.network`
            on its first look.
    """
    rgb = given.pixels.permute(0, 3, 1, 2).float() / 255  # type: ignore[union-attr]
    rgb = sharply_magnified(rgb, stage.magnify).clamp(0, 1)
    tone = magnified(tone_of(given.tone)[:, None], stage.magnify)  # type: ignore[arg-type]
    known, sigma = (one.view(-1, 1, 1, 1) for one in (given.told, given.sigma))  # type: ignore[union-attr]
    out = [rgb, solar(rgb, tone, sigma.float(), known)]
    if refines:
        said = magnified(less_sure(wider(given.prob[:, None].float() / 255)), stage.magnify)  # type: ignore[index]
        out.append(said if stage.prob else torch.full_like(said, 0.5))
    return with_told(torch.cat(out, 1), stage.solar), given.alpha[:, None].float() / 255  # type: ignore[index]


def less_sure(prob: Tensor) -> Tensor:
    """Probabilities of `SURENESS` times the log odds."""
    yes, no = prob**SURENESS, (1 - prob) ** SURENESS
    return yes / (yes + no)


def wider(prob: Tensor) -> Tensor:
    """Maps (B, 1, H, W) whose objects reach a little further, as `segtile.refine.network` tells of them."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * WITHIN + 1, 2 * WITHIN + 1))
    around = functional.pad(prob, (WITHIN,) * 4)
    most, (height, width) = prob, prob.shape[-2:]
    for y, x in np.argwhere(disc):
        most = torch.maximum(most, around[..., y : y + height, x : x + width])
    return prob + WIDER * (most - prob)


def magnified(values: Tensor, times: int) -> Tensor:
    """(B, C, H, W) to (B, C, times H, times W), linear between the middles of pixels."""
    if times == 1:
        return values
    return functional.interpolate(values, scale_factor=float(times), mode="bilinear", align_corners=False)


def sharply_magnified(values: Tensor, times: int) -> Tensor:
    """The same by Lanczos' kernel, which torch does not have: its weights are asked of the library that does."""
    if times == 1:
        return values
    rows, columns = (_lanczos(side, times).to(values) for side in values.shape[-2:])
    return rows @ values @ columns.T


@lru_cache(maxsize=64)
def _lanczos(side: int, times: int) -> Tensor:
    """(times side, side): what each sample along a side that is so many times as long takes of those it is made of."""
    return torch.from_numpy(
        cv2.resize(np.eye(side, dtype=np.float32), (side, times * side), interpolation=cv2.INTER_LANCZOS4)
    )


def at_size_of(values: Tensor, wanted: Tensor) -> Tensor:
    """What was seen or answered of a magnified picture, as means over the pixels of (B, 1, H, W)."""
    times = values.shape[-1] // wanted.shape[-1]
    return values if times == 1 else functional.avg_pool2d(values, times)


def solar(rgb: Tensor, tone: Tensor, sigma: Tensor, known: Tensor) -> Tensor:
    """`segtile.solar.network_channels` of a batch.

    Args:
        rgb: (B, 3, H, W) float32 0..1.
        tone: (B, 1, H, W), the background's luma.
        sigma: (B, 1, 1, 1), its noise.
        known: (B, 1, 1, 1) bool, whether there is a background; the channels are neutral where not.

    Returns:
        (B, 4, H, W) float32.
    """
    sigma = sigma.clamp(LEAST_SIGMA, MOST_SIGMA)
    red, green, blue = (float(w) for w in LUMA)
    away = rgb[:, :1] * red + rgb[:, 1:2] * green + rgb[:, 2:3] * blue - tone
    straight = (SIGMAS * sigma).clamp(min=STRAIGHT)
    step = straight / SWING
    size, sign = away.abs(), torch.sign(away)
    out = [torch.where(known, (away / (sigma * SIGNED_RANGE)).clamp(-1, 1), 0.0)]
    for phase in PHASES:
        turn = (0.5 + phase) * step
        near = SWING * size / straight
        rising = SWING + (0.5 - SWING) * (size - straight) / (turn - straight)
        folded = (1 - torch.remainder((size - turn) / step, 2)).abs() - 0.5
        value = torch.where(size <= straight, near, torch.where(size <= turn, rising, folded))
        out.append(torch.where(known, 0.5 + sign * value, 0.5))
    return torch.cat(out, 1)


def with_told(seen: Tensor, told: tuple[str, ...]) -> Tensor:
    """Planes of a network, (B, 7 or 8, H, W), those of the solar channels that are not `told` made neutral in place."""
    for plane, name in enumerate(SOLAR_CHANNELS, 3):
        if name not in told:
            seen[:, plane] = NEUTRAL[name]
    return seen
