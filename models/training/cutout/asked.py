"""A coarse network in training, asked as the run-time code asks its graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.training.cutout.config import STRIDE
from models.training.cutout.seen import with_told
from segtile.solar import SOLAR_CHANNELS
from segtile.types import FloatArray


class Trained:
    """`segtile.coarse.net.Asked`, by torch and on any device."""

    channels: tuple[str, ...] = SOLAR_CHANNELS
    multiple_of = STRIDE

    def __init__(self, model: nn.Module, device: torch.device, solar: tuple[str, ...] = SOLAR_CHANNELS) -> None:
        self._solar = solar
        self._model, self._device = model.to(device).eval(), device

    @torch.inference_mode()
    def run(self, planes: FloatArray) -> FloatArray:
        """See `Asked`; what lacks to whole multiples is mirrored, as `segtile.backends.alpha_graph` does."""
        _, h, w = planes.shape
        x = with_told(torch.tensor(planes, device=self._device)[None], self._solar)
        x = functional.pad(x, (0, -w % STRIDE, 0, -h % STRIDE), mode="reflect")
        prob = torch.sigmoid(self._model(x))[0, 0, :h, :w]
        return np.asarray(prob.cpu().numpy(), np.float32)
