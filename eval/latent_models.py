"""Small models of diffusers' real classes, made from a seed: what latent tiling is measured and tested with.

No weights are published under terms that would let them lie here, and the mechanism does not depend on them: norms over
the whole input, a reach, attention over everything are in the classes, not in the numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from segtile.backends.diffusers_denoiser import DdimDenoiser
from segtile.backends.diffusers_layers import diffusers_runtime
from segtile.backends.torch_features import torch_runtime
from segtile.types import Box, FloatArray

LATENT_CHANNELS = 4


def small_vae(
    channels: tuple[int, ...] = (16, 32, 32), *, attention: bool = True, seed: int = 0, groups: int = 8, layers: int = 1
) -> Any:
    """An AutoencoderKL with random weights, in evaluation mode; factor 2 ** (len(channels) - 1)."""
    torch_runtime().manual_seed(seed)
    return (
        diffusers_runtime()
        .AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            up_block_types=("UpDecoderBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=layers,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=groups,
            mid_block_add_attention=attention,
            sample_size=64,
            scaling_factor=1.0,
        )
        .eval()
    )


def small_unet(channels: tuple[int, ...] = (16, 32), *, seed: int = 0) -> Any:
    """A UNet2DModel without attention (so its reach is limited) with random weights, in evaluation mode."""
    torch_runtime().manual_seed(seed)
    return (
        diffusers_runtime()
        .UNet2DModel(
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            down_block_types=("DownBlock2D",) * len(channels),
            up_block_types=("UpBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=1,
            norm_num_groups=8,
            add_attention=False,
        )
        .eval()
    )


def schedule() -> Any:
    """DDIM on a cosine schedule that predicts velocity, which a small network learns in few steps."""
    return diffusers_runtime().DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


def small_denoiser(steps: int = 10, strength: float = 0.6, seed: int = 0) -> DdimDenoiser:
    """A denoiser with random weights: no use as a denoiser, but every bit of one."""
    return DdimDenoiser(small_unet(seed=seed), schedule(), steps, strength)


class DomainDenoiser:
    """A denoiser that generates: from noise it makes smooth domains of +1 and -1 in every channel, where it likes.

    It is the posterior mean of a field that is +1 or -1 over a Gaussian neighbourhood (tanh of the neighbourhood's
    evidence), zeros beyond the tile's border as a convolution has them, with DDIM steps on a cosine schedule. So what
    it makes of a tile depends on a limited reach, and two tiles that go their own ways decide differently in their
    overlap: what a real model does, without its cost.
    """

    multiple = 1

    def __init__(self, steps: int = 20, strength: float = 0.9, radius: float = 2.0) -> None:
        """`strength` is the part of the schedule that is run, `radius` the neighbourhood's sigma in cells."""
        self.steps, self.radius = steps, radius
        time = np.linspace(strength, 0.0, steps + 1) * 0.98
        self._signal = np.cos(time * np.pi / 2)
        self._noise = np.sin(time * np.pi / 2)

    def noised(self, latent: FloatArray, noise: FloatArray, index: int) -> FloatArray:
        """As DdimDenoiser."""
        return np.float32(self._signal[index]) * latent + np.float32(self._noise[index]) * noise

    def step(self, tile: FloatArray, index: int, box: Box) -> FloatArray:
        """As DdimDenoiser."""
        signal, sigma = self._signal[index], self._noise[index]
        near = gaussian_filter(tile, (self.radius, self.radius, 0), mode="constant", truncate=3.0)
        cells = 4 * np.pi * self.radius**2
        clean = np.tanh(near * np.float32(signal * cells / sigma**2))
        left = (tile - np.float32(signal) * clean) / np.float32(sigma)
        stepped: FloatArray = np.float32(self._signal[index + 1]) * clean + np.float32(self._noise[index + 1]) * left
        return stepped
