"""A diffusers UNet with a DDIM schedule as a Denoiser of `segtile.edit.latent`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segtile.backends.diffusers_layers import diffusers_runtime
from segtile.backends.torch_features import torch_runtime
from segtile.errors import BadInput, ModelError
from segtile.types import Box, FloatArray


class DdimDenoiser:
    """Steps of DDIM without fresh noise, so that a step depends on its tile and on nothing else.

    `steps` counts the steps that are really taken; `multiple` is the UNet's own reduction, below which a tile's origin
    would move what its inner layers see.
    """

    def __init__(
        self,
        unet: Any,
        scheduler: Any,
        steps: int = 20,
        strength: float = 0.5,
        conditions: Mapping[str, Any] | None = None,
    ) -> None:
        """Take a model and a schedule.

        Args:
            unet: a UNet2DModel or UNet2DConditionModel in evaluation mode, on the device where it is to run.
            scheduler: a DDIMScheduler; it is copied.
            steps: steps of the whole schedule.
            strength: the part of the schedule that is run, from its end, in (0, 1]: 1 begins from noise alone.
            conditions: further arguments of the UNet by name, the same for all tiles (`encoder_hidden_states`, ...).

        Raises:
            BackendMissing: torch or diffusers is not installed.
            BadInput: steps or strength out of range.
            ModelError: another scheduler, one that looks at a tile's own statistics, or a UNet in training mode.
        """
        diffusers, self._torch = diffusers_runtime(), torch_runtime()
        if type(scheduler) is not diffusers.DDIMScheduler:
            raise ModelError(
                f"tiles are stepped side by side, which {type(scheduler).__name__} does not take (it may remember the "
                "step before); make a DDIMScheduler from its config"
            )
        if scheduler.config.thresholding:
            raise ModelError("the schedule thresholds by each tile's own values, which shows; set thresholding=False")
        if unet.training:
            raise ModelError("the UNet is in training mode, where dropout is random; call unet.eval() first")
        if not 0 < strength <= 1:
            raise BadInput(f"strength is {strength}; it must be above 0 and at most 1")
        if not 1 <= steps <= scheduler.config.num_train_timesteps:
            raise BadInput(f"{steps} steps: there must be 1 to {scheduler.config.num_train_timesteps} of them")
        self._unet, self._conditions = unet, dict(conditions or {})
        self._scheduler = diffusers.DDIMScheduler.from_config(scheduler.config)
        self._scheduler.set_timesteps(steps)
        self.steps = max(1, round(steps * strength))
        self._times: list[int] = [int(t) for t in self._scheduler.timesteps[-self.steps :]]
        self._like = next(unet.parameters())
        self.multiple = 2 ** (len(unet.config.block_out_channels) - 1)

    def noised(self, latent: FloatArray, noise: FloatArray, index: int) -> FloatArray:
        """The latent with the noise that there is before step `index`; the latent itself behind the last step."""
        if index >= self.steps:
            return latent.copy()
        kept = float(self._scheduler.alphas_cumprod[self._times[index]])
        return np.float32(kept**0.5) * latent + np.float32((1 - kept) ** 0.5) * noise

    def step(self, tile: FloatArray, index: int, box: Box) -> FloatArray:
        """One DDIM step; `box` is not looked at: a convolution does not know where it is."""
        torch, time = self._torch, self._times[index]
        with torch.no_grad():
            sample = torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None].to(self._like)
            predicted = self._unet(sample, time, **self._conditions).sample
            stepped = self._scheduler.step(predicted.float(), time, sample.float()).prev_sample
        answer: FloatArray = stepped[0].permute(1, 2, 0).cpu().numpy()
        return answer
