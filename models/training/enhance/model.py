"""The network: a small bank of filters over the picture, and convolutions that say how much of each a pixel gets."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.training.enhance.config import Network

_SIDE = 7  # px of a filter of the bank
# Rows: brightness and two differences of colour (those of JPEG, ITU-R BT.601), where noise is of another kind.
_APART = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


class Enhancer(nn.Module):
    """(B, 3, H, W) float 0..1, sRGB-encoded, to the same, corrected; not clipped.

    The correction is a sum of filtered pictures, each times a gate per pixel and per plane of brightness or colour.
    With a gate above 0 a filter smooths, below 0 it sharpens; all start at 0. To be learnt is thus where, not how,
    which takes far fewer steps than a correction drawn from nothing: noise and blur ask for opposite ones.

    Nothing is normalised, pooled or made smaller: a pixel's answer depends on what lies within `reach` px of it and on
    nothing else, wherever the window begins. So tiles with that much halo give what the whole picture gives.
    """

    bank: Tensor
    together: Tensor

    def __init__(self, network: Network) -> None:
        super().__init__()
        filters = torch.from_numpy(make_bank())
        layers: list[nn.Module] = [nn.Conv2d(3, network.channels, 3, padding=1), nn.ReLU()]
        for d in network.dilations:
            layers += [nn.Conv2d(network.channels, network.channels, 3, padding=d, dilation=d), nn.ReLU()]
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        _make_high_pass(layers[0].weight)  # type: ignore[arg-type]
        last = nn.Conv2d(network.channels, 3 * len(filters), 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.gates = nn.Sequential(*layers, last)
        apart = torch.tensor(_APART)
        # Planes apart and filtered, in one convolution: (3 F, 3, side, side), all filters of a plane together.
        bank = torch.einsum("pc,fyx->pfcyx", apart, filters).flatten(0, 1)
        self.register_buffer("bank", bank.contiguous(), persistent=False)
        # And added up again over the filters: (3, 3 F, 1, 1).
        together = torch.linalg.inv(apart).repeat_interleave(len(filters), dim=1)
        self.register_buffer("together", together[..., None, None].contiguous(), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """The corrected picture."""
        # The picture goes on beyond its frame as it ends, since filters would take black there for an edge.
        wide = functional.pad(image, (_SIDE // 2,) * 4, mode="replicate")
        filtered = functional.conv2d(wide, self.bank)
        # Around nought, so that the zeros beyond the frame are a middle grey for the gates.
        return image + functional.conv2d(self.gates(image - 0.5) * filtered, self.together)


class Exported(nn.Module):
    """The network with its answer clipped to 0..1."""

    def __init__(self, model: Enhancer) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """(1, 3, H, W) 0..1 to the same."""
        return torch.clamp(self.model(image), 0.0, 1.0)


def reach(network: Network) -> int:
    """How far, in px, a pixel's answer looks to each side."""
    return max(_SIDE // 2, 2 + sum(network.dilations))


def make_bank() -> NDArray[np.float32]:
    """(11, 7, 7) filters that sum to 0: what three Gaussians change, and four directions, near and far."""
    middle = np.zeros((_SIDE, _SIDE), np.float32)
    half = _SIDE // 2
    middle[half, half] = 1
    bank = [cv2.GaussianBlur(middle, (0, 0), s, borderType=cv2.BORDER_CONSTANT) for s in (0.6, 1.0, 1.8)]
    for step in (1, 2):
        for y, x in ((0, 1), (1, 0), (1, 1), (1, -1)):
            line = np.zeros_like(middle)
            line[half + y * step, half + x * step] = line[half - y * step, half - x * step] = 0.5
            bank.append(line)
    return np.stack([kernel / kernel.sum() - middle for kernel in bank]).astype(np.float32)


@torch.no_grad()
def _make_high_pass(weight: Tensor) -> None:
    """Three of four filters of the first layer become differences between neighbours, ten times as strong.

    Noise is a hundredth of the values that it lies on: its trace would be lost beside theirs.
    """
    some = weight[: weight.shape[0] * 3 // 4]
    some.sub_(some.mean(dim=(2, 3), keepdim=True)).mul_(10.0)
